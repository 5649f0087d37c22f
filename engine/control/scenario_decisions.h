#pragma once
// What a command does to a scenario, decided over the book without changing it: nothing has
// happened until the change is committed and adopted.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/authored.h"
#include "engine/control/scenario_book.h"
#include "engine/control/scenario_info.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
/// Memory of the compiled conditions of all versions that are in use. A version that would go
/// beyond is not taken; what is stored is read all the same.
inline constexpr std::size_t kServerConditionBytesMax = std::size_t{256} << 20;

struct AppliedText {
  ApplyAnswer answer;
  BookChange change;
};
/// A new version. `made` must be current.
Result<AppliedText> apply_text(const ScenarioBook& book, Authored made, Instant now);
Result<BookChange> activate_scenario(const ScenarioBook& book, std::string_view id,
                                     const std::optional<std::vector<std::string>>& test_emails,
                                     Instant now);
Result<BookChange> hold_scenario(const ScenarioBook& book, std::string_view id);
Result<BookChange> archive_scenario(const ScenarioBook& book, std::string_view id, Instant now);
Result<BookChange> delete_draft(const ScenarioBook& book, std::string_view id);
/// What the times in a newest text ask for by `now`: a start, or an end. Of one scenario; asked
/// again until nothing is due.
std::optional<BookChange> due_change(const ScenarioBook& book, Instant now);
/// When something is due next.
std::optional<Instant> next_due(const ScenarioBook& book);
}  // namespace onward
