#include "engine/cell/control_writer.h"

#include <utility>

namespace onward {
Status ControlWriter::commit(Change change) {
  if (change.empty()) return {};
  CellContext& cell = parts_.cell;
  Commit commit = cell.new_commit();
  commit.control = std::move(change.rows_);
  for (const ScenarioRecord& record : commit.control.scenarios)
    for (AdminRecord& row : parts_.backfills.rows_for(record, change.built().get()))
      commit.control.admin.push_back(std::move(row));
  if (Status done = parts_.writer.commit(commit); !done) return done;

  const bool scenarios = !commit.control.scenarios.empty() || !commit.control.versions.empty();
  parts_.backfills.follow(commit.control.admin);
  change.rows_ = std::move(commit.control);
  change.apply(cell.control);
  if (scenarios) parts_.builder.rebuild();
  for (const AdminRecord& row : change.rows_.admin) parts_.pauses.follow(row);
  return {};
}
}  // namespace onward
