#include "nodes/webhook_pairs.h"

#include "engine/core/template/template.h"

namespace onward {
namespace {
/// `name` is as it was when this returns. Recursion is bounded: values nest no deeper than files
/// and events may.
bool append_under(std::string& out, std::string& name, const Value& value, PairLevel level,
                  std::size_t most) {
  const std::size_t length = name.size();
  if (const ValueMap* map = value.map()) {
    for (const auto& [key, member] : *map) {
      if (!open_pair(name, key, level, most) ||
          !append_under(out, name, member, PairLevel::Below, most))
        return false;
      name.resize(length);
    }
    return true;
  }
  if (const ValueList* list = value.list()) {
    name += "[]";
    for (const Value& item : *list)
      if (!append_under(out, name, item, PairLevel::Below, most)) return false;
    name.resize(length);
    return true;
  }
  if (!out.empty() && out.back() != '?') out += '&';
  if (!append_within(out, name, most)) return false;
  out += '=';
  if (const std::string* text = value.text())
    return append_percent_encoded(out, *text, /*keep_slash=*/false, most);
  return append_percent_encoded(out, to_text(value), /*keep_slash=*/false, most);
}
}  // namespace

bool open_pair(std::string& name, std::string_view key, PairLevel level, std::size_t most) {
  if (level == PairLevel::Top) return append_percent_encoded(name, key, /*keep_slash=*/false, most);
  name += '[';
  if (!append_percent_encoded(name, key, /*keep_slash=*/false, most)) return false;
  name += ']';
  return true;
}

bool append_pair(std::string& out, std::string& name, const Value& value, std::size_t most) {
  return append_under(out, name, value, PairLevel::Below, most);
}

bool append_pairs(std::string& out, const Value& map, std::size_t most) {
  const ValueMap* members = map.map();
  if (!members) return true;
  std::string name;
  return append_under(out, name, map, PairLevel::Top, most);
}

bool append_but_secrets(std::string& out, std::string_view text, std::size_t most) {
  while (!text.empty()) {
    const std::size_t open = text.find(kSecretOpen);
    if (!append_percent_encoded(out, text.substr(0, open), /*keep_slash=*/false, most))
      return false;
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find(kSecretClose, open);
    const std::size_t end = close == std::string_view::npos ? text.size() : close + 1;
    if (!append_within(out, text.substr(open, end - open), most)) return false;
    text.remove_prefix(end);
  }
  return true;
}
}  // namespace onward
