#include "engine/core/base/log_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/base/printable.h"

namespace onward {
namespace {
bool is_plain(std::string_view text) {
  const auto plain = [](unsigned char c) { return c > 0x20 && c != 0x7f && c != '"' && c != '='; };
  return !text.empty() && std::all_of(text.begin(), text.end(), plain);
}

std::string word(const Value& value) {
  const std::string* text = value.text();
  if (text && is_plain(*text)) return *text;
  const auto* instant = value.get_if<Instant>();
  return instant ? format_instant(*instant) : to_json(value);
}
}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::Info:
      return "info";
    case LogLevel::Warning:
      return "warning";
    case LogLevel::Error:
      return "error";
  }
  return "?";
}

std::string to_line(const LogRecord& record, Instant at) {
  std::string line = fmt::format("{} {}", format_instant(at), record.event);
  if (record.level != LogLevel::Info) line += fmt::format(" level={}", to_string(record.level));
  for (const auto& [name, value] : record.fields) line += fmt::format(" {}={}", name, word(value));
  return printable(line);
}

std::string to_json_line(const LogRecord& record, Instant at) {
  ValueMap members{{"at", at}, {"level", to_string(record.level)}, {"event", record.event}};
  members.insert(members.end(), record.fields.begin(), record.fields.end());
  return printable(to_json(std::move(members)));
}
}  // namespace onward
