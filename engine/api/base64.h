#pragma once
// Base64 as RFC 4648, section 4, has it: with padding, without blanks.
#include <optional>
#include <string>
#include <string_view>

namespace onward {
/// Nothing where `text` is none.
std::optional<std::string> base64_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);
}  // namespace onward
