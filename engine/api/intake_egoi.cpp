// Seed S3: events in the form of E-goi's webhooks.
#include <fmt/format.h>

#include "engine/api/event_parts.h"
#include "engine/api/intake.h"
#include "engine/core/base/clipped.h"

namespace onward {
namespace {
constexpr std::string_view kEgoiSource = "egoi";
// Of the object and the list around an event.
constexpr int kEgoiDepth = 2;

bool is_id(std::string_view name) { return name == "uid" || name == "id"; }

bool is_empty_member(const Value& value) {
  return value.is_null() || (value.text() && value.text()->empty());
}

/// Two names of one contact must be the same one.
Status take_id(Value& id, const Value& found, std::string_view member) {
  if (is_empty_member(found)) return {};
  if (id.is_null()) {
    id = found;
    return {};
  }
  if (to_text(id) == to_text(found)) return {};
  return fail(ErrorKind::Invalid, "id_mismatch",
              fmt::format("\"contact.base\" names the contact {}, \"{}\" names {}.",
                          clipped(to_json(id)), member, clipped(to_json(found))));
}

/// The one id of `base`; null where it is empty.
Result<Value> read_base(const Value* base) {
  if (!base || base->is_null()) return Value{};
  const ValueList* ids = base->list();
  if (!ids) return wrong_type("contact.base", "a list with the contact's id", *base);
  if (ids->size() > 1)
    return fail(
        ErrorKind::Invalid, "many_contacts",
        fmt::format("\"contact.base\" names {} contacts; an event is one contact's.", ids->size()));
  return ids->empty() || is_empty_member(ids->front()) ? Value{} : ids->front();
}

/// `{"base": [id], "fields": [{…}]}`. Several objects in `fields` describe the one contact.
Result<ContactInput> read_egoi_contact(const Value* contact) {
  if (!contact || contact->is_null())
    return fail(ErrorKind::Invalid, "no_contact",
                "An event wants a \"contact\" with \"base\" and \"fields\".");
  if (!contact->map()) return wrong_type("contact", "an object", *contact);
  auto id = read_base(contact->find("base"));
  if (!id) return tl::make_unexpected(id.error());
  std::vector<std::pair<std::string, Value>> members;
  const auto take = [&](const Value& fields) -> Status {
    const ValueMap* map = fields.map();
    if (!map) return wrong_type("contact.fields", "a list of objects", fields);
    for (const auto& [name, value] : *map) {
      if (!is_id(name))
        members.emplace_back(name, value);
      else if (auto taken = take_id(*id, value, "contact.fields." + name); !taken)
        return taken;
    }
    return {};
  };
  if (const Value* fields = contact->find("fields"); fields && !fields->is_null()) {
    if (const ValueList* list = fields->list()) {
      for (const Value& item : *list)
        if (const Status taken = take(item); !taken) return tl::make_unexpected(taken.error());
    } else if (const Status taken = take(*fields); !taken) {
      return tl::make_unexpected(taken.error());
    }
  }
  return read_foreign_contact(*id, members);
}

/// The event's data: the members of `action_data`, then what else stands beside them.
Result<Value> read_egoi_data(const ValueMap& item, const Value* action_data) {
  const bool empty = !action_data || action_data->is_null() ||
                     (action_data->list() && action_data->list()->empty());  // PHP's {}
  if (!empty && !action_data->map()) return wrong_type("action_data", "an object", *action_data);
  UniqueMembers data{empty ? ValueMap{} : *action_data->map()};
  for (const auto& [name, value] : item) {
    const bool known =
        name == "action" || name == "action_date" || name == "action_data" || name == "contact";
    if (!known) data.add(name, value);
  }
  if (empty && data.empty()) return Value{};
  return Value{data.take()};
}

Result<EventInput> read_egoi_item(const Value& item, Instant now, bool history) {
  if (const Status object = check_event_object(item); !object)
    return tl::make_unexpected(object.error());
  EventInput input;
  input.source = kEgoiSource;
  input.history = history;
  const Value* action = item.find("action");
  if (!action || is_empty_member(*action))
    return fail(ErrorKind::Invalid, "no_type",
                "An event wants an \"action\" such as \"email_open\".");
  if (!action->text()) return wrong_type("action", "a text", *action);
  auto type = read_event_type(*action->text());
  if (!type) return tl::make_unexpected(type.error());
  auto at = read_moment(item.find("action_date"), now, "action_date");
  if (!at) return tl::make_unexpected(at.error());
  auto data = read_egoi_data(*item.map(), item.find("action_data"));
  if (!data) return tl::make_unexpected(data.error());
  input.event = {std::move(*type), *at, std::move(*data)};
  return complete_event(std::move(input), read_egoi_contact(item.find("contact")), item);
}
}  // namespace

Result<EventPost> parse_egoi(std::string_view body, Instant now, bool history) {
  const auto document = parse_json(body, {.depth = JsonLimits{}.depth + kEgoiDepth});
  if (!document) return tl::make_unexpected(document.error());
  const Value* events = document->find("events");
  if (!events || !events->list())
    return fail(ErrorKind::Invalid, "no_events", "The body wants the form {\"events\": [ … ]}.");
  PostReader reader{
      [now, history](const Value& item) { return read_egoi_item(item, now, history); },
      PostReader::Ids::Derived};
  for (const Value& item : *events->list())
    if (const Status taken = reader.take(item); !taken) return tl::make_unexpected(taken.error());
  if (events->list()->empty())
    return fail(ErrorKind::Invalid, "no_events", "\"events\" holds no event.");
  return std::move(reader.post);
}
}  // namespace onward
