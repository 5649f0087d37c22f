#pragma once
// Which set of rules a scenario text is checked by, so that a stricter program keeps running what
// an earlier one accepted.
//
// | Format | Since it |
// |---|---|
// | 1 | the rules of the first release; all texts that were stored without a format |
// | 2 | bounds of widths, and settings that can never have an effect, are errors |
//
// A new rule belongs to the newest format. A format that a release has shipped gets no new rules:
// raise `kNewestFormat` and add a line above.
#include <cstdint>

namespace onward {
/// The number of a set of rules. Each stored version keeps the one that checked it.
using RulesFormat = std::uint32_t;

inline constexpr RulesFormat kFirstFormat = 1;
/// New texts are checked by this one.
inline constexpr RulesFormat kNewestFormat = 2;
}  // namespace onward
