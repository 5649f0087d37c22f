#include "engine/core/base/base64.h"

#include <cstdint>

namespace onward {
namespace {
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t j) -> std::uint32_t {
      return i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0;
    };
    const std::uint32_t word = byte(0) << 16 | byte(1) << 8 | byte(2);
    text += kBase64[word >> 18];
    text += kBase64[word >> 12 & 63];
    text += i + 1 < bytes.size() ? kBase64[word >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? kBase64[word & 63] : '=';
  }
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t digit = 0;
    if (i + padding < text.size()) {
      digit = kBase64.find(text[i]);
      if (digit == std::string_view::npos) return std::nullopt;
    }
    word = word << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    bytes += static_cast<char>(word >> 16 & 0xFF);
    bytes += static_cast<char>(word >> 8 & 0xFF);
    bytes += static_cast<char>(word & 0xFF);
    word = 0;
  }
  bytes.resize(bytes.size() - padding);
  // Bits behind the last byte would make two texts of one value.
  if (base64_encode(bytes) != text) return std::nullopt;
  return bytes;
}
}  // namespace onward
