#pragma once
// Inside `parse_json`: the quick way, for texts in which nothing is to be refused.
#include <optional>
#include <string_view>

#include "engine/core/base/value.h"

namespace onward {
/// The value of a JSON text as `parse_json` promises it; nothing where the text is refused, or may
/// be: then it is for the caller to read it again, slowly, and to say what is wrong and where.
/// `text` holds no NUL byte.
std::optional<Value> read_sound_json(std::string_view text, JsonLimits limits);
}  // namespace onward
