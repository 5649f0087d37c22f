#include "engine/core/base/json_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace onward {
namespace {
namespace dom = simdjson::dom;

/// Texts up to this size share a thread's buffers, which take some fifteen times as much and stay.
constexpr std::size_t kJsonBytesUsual = 1u << 16;
/// Members among which searching for a name is quick.
constexpr std::size_t kFew = 24;

bool names_differ(const ValueMap& map) {
  if (map.size() <= kFew) {
    for (std::size_t i = 1; i < map.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (map[i].first == map[j].first) return false;
    return true;
  }
  std::vector<std::string_view> names;
  names.reserve(map.size());
  for (const auto& [name, value] : map) names.push_back(name);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) == names.end();
}

bool holds_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

/// Puts what was read into `value`, which is null. False: refused. `depth`: levels that may follow.
bool put(const dom::element& read, int depth, Value& value) {
  switch (read.type()) {
    case dom::element_type::NULL_VALUE:
      return true;
    case dom::element_type::BOOL:
      value = bool{read};
      return true;
    case dom::element_type::INT64:
      value = std::int64_t{read};
      return true;
    case dom::element_type::UINT64:  // beyond 63 bits
      return false;
    case dom::element_type::DOUBLE:
      value = double{read};
      return true;
    case dom::element_type::STRING: {
      const std::string_view text{read};
      if (holds_nul(text)) return false;
      value = text;
      return true;
    }
    case dom::element_type::ARRAY: {
      if (depth == 0) return false;
      const dom::array items{read};
      ValueList list;
      list.reserve(items.size());
      for (const dom::element item : items)
        if (!put(item, depth - 1, list.emplace_back())) return false;
      value = std::move(list);
      return true;
    }
    case dom::element_type::OBJECT: {
      if (depth == 0) return false;
      const dom::object members{read};
      ValueMap map;
      map.reserve(members.size());
      for (const auto& [name, member] : members) {
        if (holds_nul(name)) return false;
        if (!put(member, depth - 1, map.emplace_back(name, Value{}).second)) return false;
      }
      if (!names_differ(map)) return false;
      value = std::move(map);
      return true;
    }
  }
  return false;
}
}  // namespace

std::optional<Value> read_sound_json(std::string_view text, JsonLimits limits) {
  // The library lets some lone surrogates through, which can only be written like this.
  if (text.find("\\u") != std::string_view::npos) return std::nullopt;
  thread_local dom::parser usual{kJsonBytesUsual};
  dom::parser large;
  dom::parser& parser = text.size() <= kJsonBytesUsual ? usual : large;
  dom::element root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  std::optional<Value> value{std::in_place};
  if (!put(root, limits.depth, *value)) return std::nullopt;
  return value;
}
}  // namespace onward
