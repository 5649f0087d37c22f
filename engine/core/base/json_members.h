#pragma once
// Members of the JSON objects that rows of jobs hold. One that is missing, or of another kind,
// reads as its zero: rows of earlier versions lack some.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/base/value.h"

namespace onward {
inline std::int64_t int_member(const Value& object, std::string_view name) {
  const Value* member = object.find(name);
  const auto* number = member == nullptr ? nullptr : member->get_if<std::int64_t>();
  return number == nullptr ? 0 : *number;
}
inline bool flag_member(const Value& object, std::string_view name) {
  const Value* member = object.find(name);
  const bool* flag = member == nullptr ? nullptr : member->get_if<bool>();
  return flag != nullptr && *flag;
}
inline std::string text_member(const Value& object, std::string_view name) {
  const Value* member = object.find(name);
  return member == nullptr || member->text() == nullptr ? std::string{} : *member->text();
}
}  // namespace onward
