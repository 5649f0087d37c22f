#pragma once
// What is not kept for ever: what requests said, and runs that ended. Each is a walk over its rows
// in the order in which they were made, a stretch between two batches, that takes what ended long
// enough ago; how far it has come is written in the commit that takes. What it passes because it
// ended late, or has not ended, is found when the walk begins again at the first row that is left:
// so each row is looked at a few times in its life, however many there are.
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"
#include "engine/store/store.h"

namespace onward {
class KeepWalk {
 public:
  enum class Of : std::uint8_t { Bodies, Runs };
  /// Looks at once, which tells when to look again.
  KeepWalk(Of of, std::optional<Duration> keep, Instant now);
  /// Goes on where `record` says, if it is this walk's.
  void restore(const AdminRecord& record);
  AdminRecord record() const;

  Of of() const { return of_; }
  std::uint64_t after() const { return after_; }
  /// When it goes on; nothing: never.
  std::optional<Instant> wake(Instant now) const;
  /// Begins anew at the first row where it is time for that.
  void begin(Instant now);
  /// What ended at or before this goes.
  Instant ended_before(Instant now) const { return now - *keep_; }
  /// Rows made after this are for later.
  Instant made_before(Instant now) const { return now - wait(); }

  /// It has dealt with the rows up to `row`.
  void pass(std::uint64_t row) { after_ = row; }
  /// The next row, made at `made`, is for later.
  void rest_until_old(Instant made, Instant now);
  /// There is no further row.
  void rest_at_end(Instant now);
  bool resting(Instant now) const { return look_ > now; }
  void count(std::uint64_t taken) { taken_ += taken; }
  std::uint64_t taken() const { return taken_; }  ///< Since it last rested.
  void told() { taken_ = 0; }
  /// Both would go on from the same row.
  bool same_place(const KeepWalk& other) const {
    return after_ == other.after_ && (after_ == 0 || round_ == other.round_);
  }

 private:
  std::string_view name() const;
  Duration wait() const;  ///< From the making of a row to its being looked at.
  void rest(Instant at, Instant now);

  Of of_;
  std::optional<Duration> keep_;
  std::uint64_t after_ = 0;  ///< The last row that it has dealt with.
  Instant round_{};          ///< When it last began at the first row.
  Instant look_{};           ///< In memory only: a start looks at once.
  std::uint64_t taken_ = 0;
};
}  // namespace onward
