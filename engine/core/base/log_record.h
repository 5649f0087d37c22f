#pragma once
// What the server tells its operator: one record a line, as words or as JSON.
#include <functional>
#include <string>
#include <string_view>

#include "engine/core/base/value.h"

namespace onward {
enum class LogLevel { Info, Warning, Error };
std::string_view to_string(LogLevel level);

/// Something that happened, with what a program would ask for in fields of their own.
struct LogRecord {
  std::string_view event;  ///< "store.full"; lives as long as the call that takes the record.
  ValueMap fields;         ///< In the order in which they are printed.
  LogLevel level = LogLevel::Info;
};
/// A count as a value, whatever its type.
template <class Count>
Value count_value(Count count) {
  return Value{static_cast<std::int64_t>(count)};
}

/// Takes a record; any thread.
using LogSink = std::function<void(const LogRecord& record)>;

/// "2026-05-01T09:00:00.000Z store.full level=warning message=\"no room\"": texts with blanks,
/// quotes or control characters are quoted and escaped as in JSON, so a record is always one line;
/// info is not named. No newline.
std::string to_line(const LogRecord& record, Instant at);
/// The same as an object: "at", "level", "event", then the fields. No newline.
std::string to_json_line(const LogRecord& record, Instant at);
}  // namespace onward
