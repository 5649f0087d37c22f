#pragma once
// Keys of rows as people read them: "contact 3, run 770".
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

namespace onward {
inline std::string row_key(std::initializer_list<std::pair<const char*, std::int64_t>> parts) {
  std::string text;
  for (const auto& [name, number] : parts)
    text += (text.empty() ? "" : ", ") + std::string{name} + " " + std::to_string(number);
  return text;
}
/// Of a number as it stands in its column, which has a sign.
inline std::string row_key(const char* name, std::uint64_t number) {
  return row_key({{name, static_cast<std::int64_t>(number)}});
}
inline std::int64_t signed_of(std::uint64_t number) { return static_cast<std::int64_t>(number); }
}  // namespace onward
