#pragma once
// Words that people coming from elsewhere write for ours, for advice in messages only.
#include <string_view>

namespace onward {
/// Our words for `word`, which is in small letters: the likeliest first, separated by spaces; empty
/// where it is nobody's word for anything.
std::string_view synonyms_of(std::string_view word);
}  // namespace onward
