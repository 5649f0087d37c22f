#pragma once
// The rows of settings that people and passes leave in the store, and which of them are damaged.
#include <span>
#include <string>
#include <vector>

#include "engine/store/control_rows.h"

namespace onward {
/// The rows whose content this program did not write, as people read them: `field "colour"`. What
/// is sealed is not looked at: the secret book reports it.
std::vector<std::string> unreadable_rows(std::span<const AdminRecord> records);
}  // namespace onward
