#pragma once
// The one way of a cell to its store: writes commits, and knows whether the store can be written.
#include <cstdint>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cell/context.h"
#include "engine/cell/pause.h"
#include "engine/core/base/result.h"
#include "engine/guard/guarded.h"

namespace onward {
class CommitWriter {
 public:
  explicit CommitWriter(CellContext& cell) : cell_{cell} {}

  /// Durable with the next sync, before anybody learns of it. Unavailable: nothing was written, and
  /// the store is read-only until `try_again` succeeds.
  Status commit(const Commit& commit);
  /// Rows of people's settings and of the audit log alone.
  Status commit(std::vector<AdminRecord> rows, std::vector<Activity> activity);
  /// A row of the audit log.
  Status note(Activity activity) { return commit({}, {std::move(activity)}); }

  /// Why nothing can be written for now (a full disk, one that may only be read, a lock of another
  /// program): intake is refused until a probe succeeds.
  const std::optional<Error>& read_only() const { return read_only_; }
  /// Probes a read-only store where it is time for that. An error is fatal.
  Status try_again();
  /// Of a read-only store: when it is probed next.
  Instant next_try() const { return probe_.end(cell_.now()); }

  /// Runs a call or a step of a job. An exception before it has begun a commit is an
  /// Error{Internal}; after that it ends the process (see guarded.h).
  template <class Work>
  auto guarded(std::string_view where, Work&& work) {
    const std::uint64_t before = begun_;
    return onward::guarded(where, cell_.options.log, [&] {
      try {
        return std::forward<Work>(work)();
      } catch (const PassesThrough&) {
        throw;
      } catch (...) {
        if (begun_ != before) std::terminate();
        throw;
      }
    });
  }

 private:
  void enter_read_only(const Error& why);

  CellContext& cell_;
  std::optional<Error> read_only_;
  ShortPause probe_;
  std::uint64_t begun_ = 0;  // commits
};
}  // namespace onward
