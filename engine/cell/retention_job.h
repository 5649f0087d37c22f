#pragma once
// Retention: deletes what requests said, and runs, once they ended long enough ago. Each job scans
// its rows in the order in which they were made, some at a step; its cursor is committed with each
// deletion. Rows that it passes because they ended late, or have not ended, are found when it
// begins again at the first row that is left: so each row is read a few times in its life, however
// many there are.
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cell/background_job.h"
#include "engine/cell/context.h"
#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"
#include "engine/jobs/job_queue.h"
#include "engine/store/store.h"

namespace onward {
class KeepWalk {
 public:
  enum class Of : std::uint8_t { Bodies, Runs };
  /// Looks at once, which tells when to look again.
  KeepWalk(Of of, std::optional<Duration> keep, Instant now);
  /// Continues where `record` says, if it is this walk's.
  void restore(const AdminRecord& record);
  std::string row() const;
  std::string_view name() const;  ///< Of its row: "keep/bodies".

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
  Duration wait() const;  ///< From the making of a row to its being looked at.
  void rest(Instant at, Instant now);

  Of of_;
  std::optional<Duration> keep_;
  std::uint64_t after_ = 0;  ///< The last row that it has dealt with.
  Instant round_{};          ///< When it last began at the first row.
  Instant look_{};           ///< In memory only: a start looks at once.
  std::uint64_t taken_ = 0;
};

/// Adds the jobs that `options` ask for, each where its row says that it was.
void add_retention_jobs(CellContext& cell, JobQueue& jobs, const std::vector<AdminRecord>& rows);

class RetentionJob final : public BackgroundJob {
 public:
  RetentionJob(CellContext& cell, KeepWalk walk) : cell_{cell}, walk_{walk}, next_{walk} {}

  std::string name() const override { return std::string{walk_.name()}; }
  Instant due(Instant now) const override;
  bool keeps_row() const override { return true; }
  /// Nothing where the last step changed nothing worth a commit.
  std::optional<std::string> cursor() const override;
  Result<JobStep> step(std::size_t rows) override;
  void committed() override;

 private:
  /// What one step finds.
  struct Found {
    std::set<DeliveryKey> bodies;  ///< That are deleted.
    std::set<DeliveryKey> stays;   ///< Batches that stay for now.
    std::size_t looked_at = 0;     ///< Deliveries besides the rows of the scan.
  };
  Status find_bodies(Found& found, std::size_t rows);
  Status find_runs(Commit& commit, Found& found, std::size_t rows);
  Result<bool> take_body(Found& found, const Delivery& delivery, Instant before);
  Result<bool> take_deliveries(Commit& commit, Found& found, std::span<const DeliveryKey> keys,
                               Instant before);
  void rest(const std::optional<Instant>& young, bool more, std::uint64_t last, bool end);

  CellContext& cell_;
  KeepWalk walk_, next_;  ///< As committed, and as the step leaves it.
  bool changed_ = false;
};
}  // namespace onward
