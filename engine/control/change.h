#pragma once
// A change of what people set up, as a value: the rows that record it, and what it does to memory
// once they are durable with the commit. Nothing has happened before the cell commits it.
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/control/control_state.h"
#include "engine/store/control_rows.h"

namespace onward {
class Change {
 public:
  /// `rows` are those of the change, after the commit.
  using Effect = std::function<void(ControlState& state, ControlChange& rows)>;
  explicit Change(ControlChange rows, Effect effect = {})
      : rows_{std::move(rows)}, effect_{std::move(effect)} {}
  /// Of scenarios: `change`, and further rows that belong to it.
  explicit Change(BookChange change, std::vector<AdminRecord> admin = {});

  bool empty() const { return rows_.empty(); }
  const std::vector<Activity>& activity() const { return rows_.activity; }
  /// The version that it adds, as it was built; null where it adds none.
  const std::shared_ptr<const Scenario>& built() const { return built_; }
  void add(AdminRecord row) { rows_.admin.push_back(std::move(row)); }

 private:
  friend class ControlWriter;  // commits it, and applies it after that
  void apply(ControlState& state) {
    if (effect_) effect_(state, rows_);
  }

  ControlChange rows_;
  Effect effect_;
  std::shared_ptr<const Scenario> built_;
};
}  // namespace onward
