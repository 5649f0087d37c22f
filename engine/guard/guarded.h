#pragma once
// The one policy for exceptions. Faults of the world travel as values (result.h); an exception is a
// fault of ours, or a lack of memory, and no input may be able to end the process with it.
//
// - Where the result of the work can be discarded (a request, a query, the parse, plan or build of
// a
//   scenario, the advance of one input before its commit), `guarded` turns the exception into an
//   Error{Internal} with an incident id. The client gets 500 `internal_error` with that id, the log
//   has `internal.error` with the same id, and the server continues as if the work had never come.
// - Once state was changed (a commit, and memory that follows it) an exception ends the process
//   (`unbroken`), and the crash guard and the next start recover.
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/core/base/log_record.h"
#include "engine/core/base/result.h"

namespace onward {
inline constexpr std::string_view kInternalError = "internal_error";

/// Base of what a test harness throws through the engine, such as the simulated end of the process.
/// Passes everything in this file. The product never throws it.
struct PassesThrough {};

/// Call it in a `catch` block. Logs the exception that is being handled as `internal.error`, with
/// a fresh incident id, `where` (a place in the program) and what the exception says: its type, and
/// the text of those of the standard library that never repeat data of a contact. `log` may be
/// empty. Ends the process only where not even a few hundred bytes of memory are left.
Error caught(std::string_view where, const LogSink& log) noexcept;

/// What the exception being handled says, as `caught` logs it. Call it in a `catch` block.
std::string describe_exception();

namespace detail {
template <class T>
struct AsResult {
  using type = Result<T>;
};
template <class T>
struct AsResult<Result<T>> {
  using type = Result<T>;
};
}  // namespace detail

/// Runs `work` and returns what it returns, as a Result: an exception is an Error{Internal}. Only
/// for work that leaves nothing half done when it is given up anywhere.
template <class Work>
auto guarded(std::string_view where, const LogSink& log, Work&& work) ->
    typename detail::AsResult<std::invoke_result_t<Work>>::type {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
      std::forward<Work>(work)();
      return {};
    } else {
      return std::forward<Work>(work)();
    }
  } catch (const PassesThrough&) {
    throw;
  } catch (...) {
    return tl::make_unexpected(caught(where, log));
  }
}

/// Runs `work`, which may not be given up half-way: an exception ends the process.
template <class Work>
std::invoke_result_t<Work> unbroken(Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const PassesThrough&) {
    throw;
  } catch (...) {
    std::terminate();
  }
}
}  // namespace onward
