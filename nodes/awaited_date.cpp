#include "nodes/awaited_date.h"

#include <string>
#include <utility>
#include <vector>

#include "engine/core/base/time_zone.h"
#include "nodes/time_of_day.h"

namespace onward {
namespace {
using namespace std::chrono;

constexpr Duration kWaitOffsetMax = days{3653};  // ten years

/// A day, or a day and a time without an offset, as it stands.
std::optional<LocalTime> parse_local(std::string_view text) {
  if (parse_instant(text)) return std::nullopt;
  const auto as_utc = parse_instant_in(text, "UTC");
  if (!as_utc) return std::nullopt;
  const Date day = date_of(*as_utc);
  return LocalTime{day, *as_utc - day};
}

/// `custom.renewal`, `contact.birth_date`, `event.appointment.at`.
std::optional<Lookup> find_field_of(std::string_view name) {
  if (name.starts_with("event.") && name.size() > 6) return event_lookup(name.substr(6));
  if (name.starts_with("contact.")) name.remove_prefix(8);
  return find_contact_lookup(name);
}

bool may_hold_a_day(const Lookup& lookup) {
  const auto type = lookup.type();
  if (!type) return lookup.source != Lookup::Source::AllCustom;
  return *type == FieldType::Date || *type == FieldType::Instant;
}

const std::vector<std::string>& names_of_days() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> days;
    for (const std::string& name : contact_names())
      if (const auto lookup = find_contact_lookup(name); lookup && may_hold_a_day(*lookup))
        days.push_back(name);
    return days;
  }();
  return names;
}
}  // namespace

AwaitedDate::AwaitedDate(Settings& settings) {
  const Tree& tree = *settings.find("date");
  name_ = tree.text;
  read(settings, tree);
  const bool field = !fixed_ && !day_;
  for (const std::string_view key : {"offset", "at"})
    if (const Tree* found = settings.find(key); found && !field)
      settings.error(found->at, "conflict",
                     "\"" + std::string{key} +
                         "\" goes with a field, such as custom.renewal; here write the time itself "
                         "into \"date\"");
  if (!field) return;
  if (settings.has("at")) {
    at_ = time_of_day(settings, "at");
    offset_ = whole_days(settings, "offset", floor<days>(kWaitOffsetMax));
  } else if (const auto offset = settings.optional<Duration>("offset")) {
    offset_ = *offset;
    if (offset_ < -kWaitOffsetMax || offset_ > kWaitOffsetMax)
      settings.error(settings.find("offset")->at, "bad_duration",
                     "\"offset\" wants up to ten years either way, found " +
                         describe(*settings.find("offset")));
  }
}

void AwaitedDate::read(Settings& settings, const Tree& tree) {
  if (tree.is_scalar()) {
    fixed_ = parse_instant(tree.text);
    if (fixed_) return;
    if (const auto local = parse_local(tree.text)) {
      day_ = local->date;
      time_ = local->time_of_day;
      return;
    }
    const auto lookup = find_field_of(tree.text);
    if (lookup && !may_hold_a_day(*lookup)) {
      const auto type = lookup->type();
      settings.error(tree.at, "wrong_type",
                     "\"date\" must name a field that holds a day or a time, for example "
                     "birth_date or custom.renewal (" +
                         describe(tree) +
                         (type ? " is a " + std::string{to_string(*type)} + " field)"
                               : std::string{" holds all custom fields)"}));
      return;
    }
    if (lookup) {
      if (!is_path(tree.text) &&
          settings.error_since(2, tree.at, "bad_path",
                               "\"date\": " + describe(tree) +
                                   " has an empty part; write one dot between two names"))
        return;
      field_ = *lookup;
      note_custom_field(field_, tree.at, settings.diagnostics());
      return;
    }
  }
  settings.error(tree.at, "wrong_type",
                 "\"date\" wants a time such as 2026-12-24T09:00, or a field that holds one, such "
                 "as birth_date, custom.renewal or event.appointment; found " +
                     describe(tree),
                 tree.is_scalar() ? settings.nearest(tree.text, names_of_days()) : std::string{});
}

std::optional<Instant> AwaitedDate::of(const Visit& visit) const {
  const std::string_view zone = zone_of(visit);
  if (fixed_) return fixed_;
  if (day_) return to_instant(*day_, time_, zone);
  Value scratch;
  const Value* value = field_.find(visit.contact, visit.engagement, visit.event, scratch);
  if (!value) return std::nullopt;
  if (const auto* day = value->get_if<Date>()) return moved(*day, Duration{}, zone);
  const std::string* text = value->text();
  if (const auto local = text ? parse_local(*text) : std::nullopt)
    return moved(local->date, local->time_of_day, zone);
  const auto* own = value->get_if<Instant>();
  const auto instant = own ? std::optional{*own} : text ? parse_instant(*text) : std::nullopt;
  if (!instant) return std::nullopt;
  if (!at_ && offset_ == Duration{}) return instant;  // not read back from clocks: exact
  const LocalTime local = to_local(*instant, zone);
  return moved(local.date, local.time_of_day, zone);
}

/// Whole days of the offset move the day, the rest is exact: "two hours before" is that on any day.
Instant AwaitedDate::moved(Date day, Duration time, std::string_view zone) const {
  const auto whole = duration_cast<days>(offset_);
  return to_instant(day + whole, at_.value_or(time), zone) + (offset_ - whole);
}
}  // namespace onward
