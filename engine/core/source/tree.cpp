#include "engine/core/source/tree.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/core/base/url_login.h"

namespace onward {
namespace {
/// Found text is shown up to here.
constexpr std::size_t kScalarShownMax = 60;
/// Smaller maps are searched one by one.
constexpr std::size_t kIndexedFrom = 16;

template <class T, class... Base>
std::optional<T> whole(std::string_view text, Base... base) {
  T number{};
  const char* last = text.data() + text.size();
  const auto [end, fault] = std::from_chars(text.data(), last, number, base...);
  if (fault != std::errc{} || end != last) return std::nullopt;
  return number;
}

/// A number as YAML 1.2's core schema knows it, save two things that would lose what was written:
/// digits behind a leading zero ("012", a postal code) and integers of more than 64 bits are text.
std::optional<Value> as_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string_view digits = text;
  if (negative || text.starts_with('+')) digits.remove_prefix(1);
  if (is_digits(digits)) {
    if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
    const auto number = whole<std::int64_t>(negative ? text : digits);
    return number ? std::optional<Value>{Value{*number}} : std::nullopt;
  }
  if (digits == text && (text.starts_with("0x") || text.starts_with("0o"))) {
    const auto number = whole<std::int64_t>(text.substr(2), text[1] == 'x' ? 16 : 8);
    return number && text[2] != '-' ? std::optional<Value>{Value{*number}} : std::nullopt;
  }
  // from_chars alone would also take "inf", "nan" and "0x".
  if (digits.empty() || digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos ||
      digits.front() == '+' || digits.front() == '-')
    return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0' && is_digit(digits[1])) return std::nullopt;
  const auto number = whole<double>(digits);
  if (!number || !std::isfinite(*number)) return std::nullopt;
  return Value{negative ? -*number : *number};
}

Value scalar_value(const Tree& tree) {
  const std::string& text = tree.text;
  if (tree.quoted) return Value{text};
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return Value{};
  if (text == "true" || text == "True" || text == "TRUE") return Value{true};
  if (text == "false" || text == "False" || text == "FALSE") return Value{false};
  if (auto number = as_number(text)) return *std::move(number);
  return Value{text};
}
}  // namespace

const Tree::Entry* Tree::find(std::string_view key) const {
  if (!by_key.empty() && by_key.size() == entries.size()) {
    const auto place = std::ranges::lower_bound(
        by_key, key, {}, [this](std::uint32_t at) { return std::string_view{entries[at].key}; });
    return place != by_key.end() && entries[*place].key == key ? &entries[*place] : nullptr;
  }
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

void Tree::index() {
  by_key.clear();
  if (entries.size() < kIndexedFrom) return;
  by_key.resize(entries.size());
  std::iota(by_key.begin(), by_key.end(), 0U);
  std::ranges::sort(by_key, {},
                    [this](std::uint32_t at) { return std::string_view{entries[at].key}; });
}

std::string describe(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::Null:
      return "nothing";
    case Tree::Kind::List:
      return tree.items.empty() ? "an empty list" : "a list";
    case Tree::Kind::Map:
      return tree.entries.empty() ? "an empty mapping" : "a mapping";
    case Tree::Kind::Scalar:
      break;
  }
  // Before it is cut: behind the cut nobody could tell a password any more.
  std::string shown = clipped(hide_url_logins(tree.text), kScalarShownMax);
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return '"' + shown + '"';
}

Value to_value(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::Null:
      return {};
    case Tree::Kind::Scalar:
      return scalar_value(tree);
    case Tree::Kind::List: {
      ValueList list;
      list.reserve(tree.items.size());
      for (const Tree& item : tree.items) list.push_back(to_value(item));
      return Value{std::move(list)};
    }
    case Tree::Kind::Map: {
      ValueMap map;
      map.reserve(tree.entries.size());
      for (const Tree::Entry& entry : tree.entries)
        map.emplace_back(entry.key, to_value(entry.value));
      return Value{std::move(map)};
    }
  }
  return {};
}
}  // namespace onward
