#pragma once
// Reads what people set up. Throws what `guarded` catches.
#include <cstdint>
#include <optional>
#include <string>

#include "engine/store/control_rows.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/unreadable.h"

namespace onward {
/// Numbers of activity rows stay below this.
inline constexpr std::uint64_t kActivityEnd = std::uint64_t{1} << 53;

/// The row of a part of a text.
constexpr std::int64_t text_row(TextKey text, std::uint16_t number) {
  return (static_cast<std::int64_t>(text.value) << 16) | number;
}

/// The schema since which texts of versions may be apart.
inline constexpr int kSchemaOfTextsApart = 4;

/// Scenarios, versions without their texts, tokens and settings. What cannot be read is added to
/// `unreadable` and left out.
ControlSnapshot read_control(SQLite::Database& database, UnreadableRows& unreadable);

/// The number of the newest activity row. A damaged row above it does not count.
std::uint64_t last_activity(SQLite::Database& database);

/// The text of a version, wherever it is; nothing where there is no such version. Throws what
/// `is_unreadable` knows where the text is not whole.
std::optional<std::string> version_text_of(SQLite::Database& database, ScenarioKey scenario,
                                           Version version);
}  // namespace onward
