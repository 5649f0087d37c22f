#include "nodes/webhook_pairs.h"

#include "engine/core/template.h"

namespace onward {
namespace {
// Recursion is bounded: values nest no deeper than files and events may.
void append_pair(std::string& out, const std::string& name, const Value& value) {
  if (const ValueMap* map = value.map()) {
    for (const auto& [key, member] : *map)
      append_pair(out, name + "[" + percent_encode(key) + "]", member);
    return;
  }
  if (const ValueList* list = value.list()) {
    for (const Value& item : *list) append_pair(out, name + "[]", item);
    return;
  }
  if (!out.empty() && out.back() != '?') out += '&';
  out += name;
  out += '=';
  out += percent_encode(to_text(value));
}
}  // namespace

void append_pairs(std::string& out, const Value& map) {
  const ValueMap* members = map.map();
  if (!members) return;
  for (const auto& [key, member] : *members) append_pair(out, percent_encode(key), member);
}

std::string encode_but_secrets(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t open = text.find(kSecretOpen);
    result += percent_encode(text.substr(0, open));
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find(kSecretClose, open);
    const std::size_t end = close == std::string_view::npos ? text.size() : close + 1;
    result += text.substr(open, end - open);
    text.remove_prefix(end);
  }
  return result;
}
}  // namespace onward
