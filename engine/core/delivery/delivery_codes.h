#pragma once
// The words by which deliveries are told apart.
#include <span>
#include <string_view>

namespace onward {
/// Codes of attempts, and reasons for which deliveries end.
std::span<const std::string_view> delivery_words();
/// Whether some delivery may have `text` as a status, code or reason.
bool is_delivery_code(std::string_view text);
}  // namespace onward
