#pragma once
// The words of an enumeration, in one table: files, requests, answers and the schema read it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace onward {
/// One word for each value of `Enum`, whose values are 0 to N - 1.
template <class Enum, std::size_t N>
class EnumWords {
 public:
  struct Row {
    Enum value;
    std::string_view word;
  };

  /// Rows in the order of the enumeration; another order does not compile.
  consteval explicit EnumWords(const Row (&rows)[N]) {
    for (std::size_t i = 0; i < N; ++i) {
      if (static_cast<std::size_t>(rows[i].value) != i) throw "rows out of order";
      words_[i] = rows[i].word;
    }
  }

  /// Empty for a value that has no row.
  constexpr std::string_view of(Enum value) const {
    const auto at = static_cast<std::size_t>(value);
    return at < N ? words_[at] : std::string_view{};
  }
  constexpr std::optional<Enum> find(std::string_view word) const {
    const auto found = std::ranges::find(words_, word);
    if (found == words_.end()) return std::nullopt;
    return static_cast<Enum>(found - words_.begin());
  }
  constexpr std::span<const std::string_view, N> all() const { return words_; }

 private:
  std::array<std::string_view, N> words_;
};
}  // namespace onward
