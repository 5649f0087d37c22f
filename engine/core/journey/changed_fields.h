#pragma once
// Which fields of a contact an input changed. For the files of this folder only.
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/core/segment/segment.h"
#include "engine/core/template/lookup.h"

namespace onward {
/// Names of what changed: fields, "groups", kinds of events that feed the statistics.
class ChangedFields {
 public:
  void add(std::string_view name) {
    if (contains(name)) return;
    names_.emplace_back(name);
    if (names_.size() == kFew) known_.insert(names_.begin(), names_.end());
    if (names_.size() > kFew) known_.emplace(name);
  }
  bool empty() const { return names_.empty(); }
  bool contains(std::string_view name) const {
    if (names_.size() >= kFew) return known_.contains(std::string{name});
    return std::ranges::find(names_, name) != names_.end();
  }
  /// Whether a segment that reads `reads` can have another result now.
  bool intersects(const ReadSet& reads) const {
    return std::ranges::any_of(names_, [&](const std::string& name) {
      return reads.fields.contains(name) || reads.events.contains(name) ||
             (reads.time && name == kZoneField);
    });
  }
  auto begin() const { return names_.begin(); }
  auto end() const { return names_.end(); }

 private:
  static constexpr std::size_t kFew = 16;
  std::vector<std::string> names_;         // in the order of their changes
  std::unordered_set<std::string> known_;  // the same, from `kFew` on
};
}  // namespace onward
