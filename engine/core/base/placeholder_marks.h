#pragma once
// Where the marks of placeholders are in a text. What is between them is read by
// core/template/template.h, in which a quoted text may hold marks of its own.
#include <cstddef>
#include <string_view>

namespace onward {
inline constexpr std::string_view kPlaceholderOpen = "{{";
inline constexpr std::string_view kPlaceholderClose = "}}";

/// Where the next "{{" at or behind `from` begins; npos where there is none.
constexpr std::size_t find_placeholder(std::string_view text, std::size_t from = 0) {
  return text.find(kPlaceholderOpen, from);
}
/// The same for "}}".
constexpr std::size_t find_placeholder_end(std::string_view text, std::size_t from = 0) {
  return text.find(kPlaceholderClose, from);
}
constexpr bool has_placeholder(std::string_view text) {
  return find_placeholder(text) != std::string_view::npos;
}
}  // namespace onward
