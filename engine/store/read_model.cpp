#include "engine/store/read_model.h"

namespace onward {
bool fits(const ReadModel::RunFilter& filter, const Run& run) {
  return (!filter.scenario || run.scenario == filter.scenario) &&
         (!filter.state || run.state == *filter.state) &&
         (!filter.node || run.place() == filter.node) &&
         (filter.reason.empty() || run.reason == filter.reason) &&
         (!filter.run || run.key == filter.run);
}
}  // namespace onward
