#include "engine/simulation/difference.h"

#include <algorithm>
#include <utility>

#include "engine/core/base/text.h"

namespace onward {
namespace {
constexpr std::string_view kNothing = "nothing";

std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

bool same_scalar(const Value& expected, const Value& found, bool texts) {
  if (texts) return to_text(expected) == to_text(found);
  if (expected.is_number() && found.is_number()) {
    const auto* a = expected.get_if<std::int64_t>();
    const auto* b = found.get_if<std::int64_t>();
    return a && b ? *a == *b : expected.number() == found.number();
  }
  return expected == found;
}

class Comparer {
 public:
  explicit Comparer(const Comparison& how) : how_{how} {}

  void compare(const Value& expected, const Value& found, const std::string& pointer) {
    if (expected.map() && found.map()) return compare_maps(*expected.map(), found, pointer);
    if (expected.list() && found.list() && expected.list()->size() == found.list()->size()) {
      for (std::size_t i = 0; i < expected.list()->size(); ++i)
        compare((*expected.list())[i], (*found.list())[i], pointer + "/" + std::to_string(i));
      return;
    }
    const bool scalars = !expected.map() && !expected.list() && !found.map() && !found.list();
    if (scalars && same_scalar(expected, found, how_.texts)) return;
    out.push_back({pointer, to_json(expected), to_json(found)});
  }

  std::vector<ValueDifference> out;

 private:
  void compare_maps(const ValueMap& expected, const Value& found, const std::string& pointer) {
    const MemberIndex in_found{*found.map()};
    for (const auto& [name, value] : expected) {
      const std::string inner = pointer + "/" + escaped(name);
      if (const Value* there = in_found.find(name))
        compare(value, *there, inner);
      else
        out.push_back({inner, to_json(value), std::string{kNothing}});
    }
    if (!how_.exact) return;
    const MemberIndex in_expected{expected};
    for (const auto& [name, value] : *found.map()) {
      if (in_expected.find(name) == nullptr)
        out.push_back({pointer + "/" + escaped(name), std::string{kNothing}, to_json(value)});
    }
  }

  const Comparison& how_;
};

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                        hex_value(text[i + 2]) >= 0;
    if (escape) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

/// Puts `value` where the rest of a name ("[b][]") says.
void put(Value& into, std::string_view rest, Value value) {
  const std::size_t close = rest.find(']');
  if (!rest.starts_with('[') || close == std::string_view::npos) {
    into = std::move(value);
    return;
  }
  const std::string_view name = rest.substr(1, close - 1);
  rest.remove_prefix(close + 1);
  if (name.empty()) {
    if (!into.list()) into = Value{ValueList{}};
    Value item;
    put(item, rest, std::move(value));
    into.get_if<ValueList>()->push_back(std::move(item));
    return;
  }
  if (!into.map()) into = Value{ValueMap{}};
  const Value* known = into.find(name);
  Value member = known ? *known : Value{};
  put(member, rest, std::move(value));
  into.set(name, std::move(member));
}
}  // namespace

std::vector<ValueDifference> differences(const Value& expected, const Value& found,
                                         const Comparison& how) {
  Comparer comparer{how};
  comparer.compare(expected, found, "");
  return std::move(comparer.out);
}

Value parse_pairs(std::string_view text) {
  Value all{ValueMap{}};
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string name = decoded(pair.substr(0, equals));
    const std::string_view whole = name;
    const std::size_t bracket = std::min(whole.find('[', 1), whole.size());
    const std::string_view outer = whole.substr(0, bracket);
    const Value* known = all.find(outer);
    Value member = known ? *known : Value{};
    put(member, whole.substr(bracket), decoded(pair.substr(std::min(pair.size(), equals + 1))));
    all.set(outer, std::move(member));
  }
  return all;
}
}  // namespace onward
