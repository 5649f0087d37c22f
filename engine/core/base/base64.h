#pragma once
// Base64 (RFC 4648, section 4), with padding.
#include <optional>
#include <string>
#include <string_view>

namespace onward {
std::string base64_encode(std::string_view bytes);
/// Strict: no blanks, padding complete; nothing where the text is no base64.
std::optional<std::string> base64_decode(std::string_view text);
}  // namespace onward
