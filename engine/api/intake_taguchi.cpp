// Seed S0: events in the words of Taguchi's webhooks, where a mapping makes the body.
#include "engine/api/event_parts.h"
#include "engine/api/intake.h"
#include "engine/core/base/text.h"

namespace onward {
namespace {
constexpr std::string_view kTaguchiSource = "taguchi";
constexpr std::string_view kRef = "ref";
// Of the object and the list around an event.
constexpr int kTaguchiDepth = 2;

bool is_blank(const Value* value) {
  return !value || value->is_null() || (value->text() && value->text()->empty());
}

/// The code or the name of an event, "u" or "Unsubscribed".
Result<std::string> read_taguchi_type(const Value& item, const Value* event) {
  const Value* type = item.find("type");
  std::string_view member = "type";
  if (is_blank(type) && event) {
    type = event->find("type");
    member = "event.type";
  }
  if (is_blank(type))
    return fail(ErrorKind::Invalid, "no_type",
                "An event wants a \"type\": a code such as \"u\", or its name, \"Unsubscribed\".");
  if (!type->text()) return wrong_type(member, "a text", *type);
  return read_event_type(lower(*type->text()));
}

/// Both an id and a reference of the contact's other home go out as they came in. A reference
/// alone is the id.
Result<ContactInput> read_subscriber(const Value* subscriber) {
  if (!subscriber || subscriber->is_null())
    return fail(ErrorKind::Invalid, "no_contact",
                "An event wants a \"subscriber\" with an \"id\", a \"ref\" or an \"email\".");
  if (!subscriber->map()) return wrong_type("subscriber", "an object", *subscriber);
  const Value* id = subscriber->find("id");
  const Value* ref = subscriber->find(kRef);
  const bool by_ref = is_blank(id) && !is_blank(ref);
  std::vector<std::pair<std::string, Value>> members;
  for (const auto& [name, value] : *subscriber->map()) {
    if (name == "id" || (name == kRef && by_ref)) continue;
    members.emplace_back(name, name == kRef && is_blank(&value) ? Value{} : value);
  }
  return read_foreign_contact(by_ref ? *ref : is_blank(id) ? Value{} : *id, members);
}

/// The event's data: the members of `event` but its type, then what else stands beside them.
Value data_of(const ValueMap& item, const Value* event) {
  UniqueMembers data;
  if (event && event->map())
    for (const auto& [name, value] : *event->map())
      if (name != "type") data.add(name, value);
  for (const auto& [name, value] : item)
    if (name != "type" && name != "subscriber" && name != "event") data.add(name, value);
  return data.empty() ? Value{} : Value{data.take()};
}

Result<EventInput> read_taguchi_item(const Value& item, Instant now, bool history) {
  if (const Status object = check_event_object(item); !object)
    return tl::make_unexpected(object.error());
  const Value* event = item.find("event");
  if (event && !event->is_null() && !event->map()) return wrong_type("event", "an object", *event);
  EventInput input;
  input.source = kTaguchiSource;
  input.history = history;
  auto type = read_taguchi_type(item, event);
  if (!type) return tl::make_unexpected(type.error());
  auto at =
      read_moment(event ? event->find("loggedTimestamp") : nullptr, now, "event.loggedTimestamp");
  if (!at) return tl::make_unexpected(at.error());
  input.event = {std::move(*type), *at, data_of(*item.map(), event)};
  return complete_event(std::move(input), read_subscriber(item.find("subscriber")), item);
}
}  // namespace

Result<EventPost> parse_taguchi(std::string_view body, Instant now, bool history) {
  if (const Status few = check_event_count(body); !few) return tl::make_unexpected(few.error());
  auto document = parse_json(body);
  if (!document) {
    // Of what stands around the events nothing is counted.
    const Error first = std::move(document.error());
    document = parse_json(body, {.depth = JsonLimits{}.depth + kTaguchiDepth});
    if (!document || !(document->list() || document->find("events")))
      return tl::make_unexpected(first);
  }
  PostReader reader{
      [now, history](const Value& item) { return read_taguchi_item(item, now, history); },
      PostReader::Ids::Derived};
  const ValueList* list = document->list();
  if (const Value* events = document->find("events")) {
    list = events->list();
    if (!list) return wrong_type("events", "a list", *events);
  }
  if (!list) {
    reader.post.lone = true;
    (void)reader.take(*document);
    return std::move(reader.post);
  }
  for (const Value& item : *list)
    if (const Status taken = reader.take(item); !taken) return tl::make_unexpected(taken.error());
  if (list->empty()) return fail(ErrorKind::Invalid, "no_events", "The body holds no event.");
  return std::move(reader.post);
}
}  // namespace onward
