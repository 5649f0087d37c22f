#include "engine/api/event_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/api/event_json.h"
#include "engine/core/base/clipped.h"
#include "engine/core/contact/vocabulary.h"

namespace onward {
namespace {
constexpr std::size_t kIdMax = 256;
/// From here on a number of seconds would be of the year 5138: it is one of milliseconds.
constexpr double kMillisecondsFrom = 1e11;
constexpr double kMillisecondsMax = 253'402'300'799'999.0;  // the end of 9999

Value sorted(const Value& value) {
  if (const ValueList* list = value.list()) {
    ValueList items;
    items.reserve(list->size());
    for (const Value& item : *list) items.push_back(sorted(item));
    return items;
  }
  const ValueMap* map = value.map();
  if (!map) return value;
  ValueMap members;
  members.reserve(map->size());
  for (const auto& [name, member] : *map) members.emplace_back(name, sorted(member));
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return members;
}

/// A number of seconds or milliseconds since 1970; nothing where no calendar has it.
std::optional<Instant> instant_of(double number) {
  const double milliseconds = std::abs(number) < kMillisecondsFrom ? number * 1000 : number;
  if (!(milliseconds >= 0 && milliseconds <= kMillisecondsMax)) return std::nullopt;
  return Instant{Duration{static_cast<std::int64_t>(std::llround(milliseconds))}};
}

std::optional<Instant> instant_of(const std::string& text) {
  double number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && fault == std::errc{} && end == text.data() + text.size())
    return instant_of(number);
  return parse_instant(text);
}
}  // namespace

std::string_view kind_of(const Value& value) {
  if (value.is_null()) return "null";
  if (value.text()) return "a text";
  if (value.is_number()) return "a number";
  if (value.list()) return "a list";
  if (value.map()) return "an object";
  return "a flag";
}

tl::unexpected<Error> wrong_type(std::string_view member, std::string_view wanted,
                                 const Value& found) {
  return fail(ErrorKind::Invalid, "wrong_type",
              fmt::format("\"{}\" wants {}, found {}.", member, wanted, kind_of(found)));
}

Result<std::string> read_event_type(std::string_view name) {
  auto type = canonical_event(name);
  if (!type)
    return fail(
        ErrorKind::Invalid, "bad_type",
        fmt::format("\"{}\" is no event type: small letters, digits and _, a letter first, at "
                    "most 64, such as \"order_placed\".",
                    clipped(name)));
  return std::move(*type);
}

Result<std::string> read_event_name(const Value& value, std::string_view member) {
  std::string name;
  if (const auto* number = value.get_if<std::int64_t>())
    name = std::to_string(*number);
  else if (const auto* text = value.text())
    name = *text;
  else if (!value.is_null())
    return wrong_type(member, "a text", value);
  if (name.empty() && member == "id" && !value.is_null())
    return fail(ErrorKind::Invalid, "bad_id",
                "\"id\" is empty: no repeat could be told by it. Leave it out instead.");
  if (member == "id" && !name.empty()) {
    const bool control = std::ranges::any_of(
        name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (control || name.front() == ' ' || name.back() == ' ')
      return fail(ErrorKind::Invalid, "bad_id",
                  "\"id\" may have no control characters, and no blanks at its beginning or end: "
                  "a repeat that lost them would not be told as one.");
  }
  if (name.size() > kIdMax)
    return fail(ErrorKind::Invalid, "too_long",
                fmt::format("\"{}\" may have at most {} bytes.", member, kIdMax));
  return name;
}

Result<Instant> not_ahead(Instant at, Instant now, std::string_view member) {
  if (at > now + kAheadMax)
    return fail(ErrorKind::Invalid, "at_in_future",
                fmt::format("\"{}\" is {}, more than 5 minutes ahead of this server's clock ({}).",
                            member, format_instant(at), format_instant(now)));
  return at;
}

Result<Instant> read_moment(const Value* value, Instant now, std::string_view member) {
  if (!value || value->is_null()) return now;
  if (!value->text() && !value->is_number())
    return wrong_type(member, "seconds since 1970 or an instant", *value);
  const auto at = value->text() ? instant_of(*value->text()) : instant_of(value->number());
  if (!at)
    return fail(ErrorKind::Invalid, "bad_instant",
                fmt::format("\"{}\" wants seconds since 1970, such as 1777626000, or an instant "
                            "with its offset, such as \"2026-05-01T09:00:00Z\", found {}.",
                            member, clipped(to_json(*value))));
  return not_ahead(*at, now, member);
}

std::string canonical_json(const Value& value) { return to_json(sorted(value)); }

Status check_members(const Value& value) {
  if (const ValueList* list = value.list()) {
    for (const Value& item : *list)
      if (Status checked = check_members(item); !checked) return checked;
    return {};
  }
  const ValueMap* map = value.map();
  if (!map) return {};
  if (map->size() > kMembersMax)
    return fail(
        ErrorKind::Invalid, "bad_json",
        fmt::format("An object may have at most {} members (got {}).", kMembersMax, map->size()));
  for (const auto& [name, member] : *map)
    if (Status checked = check_members(member); !checked) return checked;
  return {};
}

Result<Value> parse_posted(std::string_view text, JsonLimits limits) {
  auto value = parse_json(text, limits);
  if (value)
    if (const Status checked = check_members(*value); !checked)
      return tl::make_unexpected(checked.error());
  return value;
}

namespace {
/// What a text takes in JSON, its quotes included.
std::size_t text_size(std::string_view text) {
  std::size_t size = text.size() + 2;
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t')
      size += 1;
    else if (static_cast<unsigned char>(c) < 0x20)
      size += 5;
  }
  return size;
}
}  // namespace

std::size_t json_size(const Value& value) {
  if (const std::string* text = value.text()) return text_size(*text);
  std::size_t size = 2;
  if (const ValueList* list = value.list()) {
    if (!list->empty()) size += list->size() - 1;
    for (const Value& item : *list) size += json_size(item);
    return size;
  }
  if (const ValueMap* map = value.map()) {
    if (!map->empty()) size += map->size() - 1;
    for (const auto& [name, member] : *map) size += text_size(name) + 1 + json_size(member);
    return size;
  }
  return to_json(value).size();
}

bool UniqueMembers::add(std::string_view name, Value value) {
  constexpr std::size_t kFew = 24;
  if (members_.size() < kFew) {
    for (const auto& member : members_)
      if (member.first == name) return false;
  } else {
    if (names_.empty())
      for (const auto& member : members_) names_.insert(member.first);
    if (!names_.emplace(name).second) return false;
  }
  members_.emplace_back(name, std::move(value));
  return true;
}
}  // namespace onward
