// How the engine runs its background jobs (background_job.h): each step in a commit of its own.
#include <utility>

#include <fmt/format.h>

#include "engine/runtime/engine.h"
#include "engine/runtime/poison.h"

namespace onward {
std::optional<AdminRecord> row_of(const BackgroundJob& job) {
  auto cursor = job.cursor();
  if (!cursor) return std::nullopt;
  return AdminRecord{.kind = AdminKind::Pass, .name = job.name(), .content = std::move(*cursor)};
}

/// Rows of ids that were seen so long ago that a repeat counts as new. Its own cursor: what is
/// deleted is not found again.
class Engine::ExpireSeen final : public BackgroundJob {
 public:
  explicit ExpireSeen(Engine& engine) : engine_{engine} {}
  std::string name() const override { return "expire_seen"; }
  Result<JobStep> step(std::size_t /*rows*/) override {
    if (!engine_.certain()) {  // A new one is begun when the clock is trusted again.
      engine_.seen_expired_ = {};
      return JobStep{.ended = true};
    }
    const auto more =
        engine_.store_->forget_seen(engine_.clock_.now() - engine_.options_.dedupe_for);
    if (!more) return tl::make_unexpected(more.error());
    return JobStep{.ended = !*more};
  }
  void committed() override {}

 private:
  Engine& engine_;
};

/// Once a day.
void Engine::expire_seen() {
  const Date today = date_of(clock_.now());
  if (!certain() || today == seen_expired_) return;
  seen_expired_ = today;
  jobs_.add(std::make_unique<ExpireSeen>(*this));
}

JobQueue::Take Engine::job_step() {
  return [this](BackgroundJob& job, std::size_t rows) -> Result<bool> {
    WorkWatch watch{options_.working.get(), /*pieces=*/1};
    if (!watch.begin(job))
      return fail(ErrorKind::Internal, std::string{kPoison},
                  poison_message(fmt::format("the job \"{}\"", job.name())));
    auto step = guarded("engine.job", [&] { return job.step(rows); });
    if (!step) return tl::make_unexpected(std::move(step.error()));
    if (auto row = row_of(job)) {
      row->removed = step->ended && !job.keeps_row();
      if (!step->changes) step->changes.emplace(new_batch());
      step->changes->rows().admin.push_back(std::move(*row));
    }
    if (step->changes)
      if (Status done = commit_and_adopt(*step->changes); !done)
        return tl::make_unexpected(std::move(done.error()));
    job.committed();
    return step->ended;
  };
}

Status Engine::run_jobs() { return unwritable_ ? Status{} : jobs_.run(job_step()); }

/// Jobs that a stop or a crash interrupted go on where they were.
void Engine::restore_jobs(const Snapshot& snapshot) {
  for (const AdminRecord& row : snapshot.admin) {
    restore_bulk(row);
    restore_cancel(row);
    restore_pause(row);
  }
}
}  // namespace onward
