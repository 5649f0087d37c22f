#pragma once
// Whether requests leave at all. A restored copy holds them until somebody says that the store it
// was drawn of is gone: else both would ask the same receivers for the same things.
#include <optional>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/store/control_rows.h"

namespace onward {
/// What makes a store hold its sending from its next start on.
AdminRecord sending_held(Instant since);
/// What takes that back.
AdminRecord sending_resumed();
/// Since when it is held, by what a store keeps; nothing: it is not. A mark that cannot be read
/// holds as well.
std::optional<Instant> held_since(const std::vector<AdminRecord>& records);
}  // namespace onward
