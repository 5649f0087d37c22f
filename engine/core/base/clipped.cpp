#include "engine/core/base/clipped.h"

#include "engine/core/base/utf8.h"

namespace onward {
std::string clipped(std::string_view text, std::size_t bytes_max) {
  const std::string_view kept = leading_characters(text, bytes_max);
  std::string shown{kept};
  if (kept.size() < text.size()) shown += "…";
  return shown;
}

std::string_view leading_characters(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && continues_character(text[end])) --end;
  return text.substr(0, end);
}
}  // namespace onward
