#pragma once
// How the world's faults travel: as values. Our own faults are asserts.
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace onward {
/// What sort of fault it is; the edges map it to an HTTP status or an exit code.
enum class ErrorKind {
  Invalid,      ///< The input is wrong; sending it again cannot help (400, 65).
  NotFound,     ///< What was named does not exist (404).
  Conflict,     ///< Refused in the present state, or a repeat with another body (409).
  Forbidden,    ///< Known, but not allowed (401, 403).
  Busy,         ///< The intake is full; try again soon (429).
  Unavailable,  ///< Starting, stopping, or no room on the disk (503).
  Io,           ///< The disk or the operating system failed.
  Internal,     ///< A fault of ours, after which the work was discarded (500): see guarded.h.
};

/// A fault with a stable code ("unknown_scenario") and a sentence for a person that says where,
/// what was expected and what was found. Never holds a secret.
struct Error {
  ErrorKind kind = ErrorKind::Invalid;
  std::string code;
  std::string message;
  std::string incident = {};  ///< Of Internal: the id under which the log has the cause.
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string code, std::string message) {
  return tl::make_unexpected(Error{kind, std::move(code), std::move(message)});
}
}  // namespace onward
