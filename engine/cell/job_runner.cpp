#include "engine/cell/job_runner.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/guard/working_file.h"

namespace onward {
std::optional<AdminRecord> row_of(const Job& job) {
  auto cursor = job.cursor();
  if (!cursor) return std::nullopt;
  return AdminRecord{.kind = AdminKind::Pass, .name = job.name(), .content = std::move(*cursor)};
}

Status JobRunner::run() {
  if (parts_.writer.read_only()) return {};
  return ignore_transient(parts_.jobs.run(parts_.cell.now(), take()));
}

Status JobRunner::run_first(const Job& job) {
  return ignore_transient(parts_.jobs.run_first(job, take()));
}

JobQueue::Take JobRunner::take() {
  return [this](Job& job, std::size_t rows) {
    return take_step(static_cast<BackgroundJob&>(job), rows);  // a cell has no others
  };
}

Result<bool> JobRunner::take_step(BackgroundJob& job, std::size_t rows) {
  std::optional<WorkWatch> watch{std::in_place, parts_.quarantine.file(),
                                 /*pieces=*/std::size_t{1}};
  if (!watch->begin(job))
    return fail(ErrorKind::Internal, std::string{kPoison},
                poison_message(fmt::format("the job \"{}\"", job.name())));
  auto step = parts_.writer.guarded("engine.job", [&] { return job.step(rows); });
  if (!step) return tl::make_unexpected(std::move(step.error()));
  auto row = row_of(job);
  if (row) row->removed = step->ended && !job.keeps_row();
  if (!step->inputs.empty()) watch.reset();  // each of them is marked itself
  if (Status done = commit(*step, std::move(row)); !done)
    return tl::make_unexpected(std::move(done.error()));
  job.committed();
  return step->ended;
}

Status JobRunner::commit(JobStep& step, std::optional<AdminRecord> row) {
  if (!step.inputs.empty()) return commit_inputs(step.inputs, row);
  if (step.control) {
    if (row) step.control->add(std::move(*row));
    return parts_.control.commit(std::move(*step.control));
  }
  if (row) {
    if (!step.changes) step.changes.emplace(parts_.cell.new_batch());
    step.changes->rows().control.admin.push_back(std::move(*row));
  }
  return step.changes ? parts_.inputs.commit(*step.changes) : Status{};
}

/// Unavailable: some were not written, nor was the row.
Status JobRunner::commit_inputs(const std::vector<Input>& inputs,
                                const std::optional<AdminRecord>& row) {
  std::vector<Work> work;
  work.reserve(inputs.size());
  for (const Input& input : inputs) work.push_back({.input = &input});
  std::span<const Work> left{work};
  while (!left.empty()) {
    const auto part = left.first(std::min(parts_.cell.options.batch_max, left.size()));
    left = left.subspan(part.size());
    std::span<const AdminRecord> rows;
    if (left.empty() && row) rows = {&*row, 1};
    if (Status done = parts_.inputs.write(part, {}, rows); !done) return done;
    if (const auto& read_only = parts_.writer.read_only()) return tl::make_unexpected(*read_only);
  }
  return {};
}
}  // namespace onward
