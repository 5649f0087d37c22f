#include "engine/api/event_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/api/event_parts.h"
#include "engine/api/problem.h"
#include "engine/core/base/text.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/field_suggestions.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
constexpr std::array<std::string_view, 6> kMembers{"id", "source", "type", "at", "contact", "data"};
constexpr std::size_t kEventIdMax = 256;
constexpr std::size_t kUsualBytes = 512;  ///< Of an event, as JSON.

Status check_event_members(const ValueMap& object) {
  for (const auto& [name, value] : object) {
    if (std::find(kMembers.begin(), kMembers.end(), name) != kMembers.end()) continue;
    const std::string nearest = nearest_name(name, std::span{kMembers});
    return fail(
        ErrorKind::Invalid, "unknown_member",
        nearest.empty()
            ? fmt::format("An event has no member \"{}\"; it has {}. What the event tells "
                          "goes into \"data\".",
                          clipped(name), fmt::join(kMembers, ", "))
            : fmt::format("An event has no member \"{}\"{}", clipped(name), perhaps(nearest, "?")));
  }
  return {};
}

Result<std::string> required_event_type(const Value* value) {
  if (!value || value->is_null())
    return fail(ErrorKind::Invalid, "no_type",
                "An event wants a \"type\" such as \"subscription\".");
  if (!value->text()) return wrong_type("type", "a text", *value);
  return read_event_type(*value->text());
}

Result<Instant> read_at(const Value* value, Instant now) {
  if (!value || value->is_null()) return now;
  if (!value->text())
    return wrong_type("at", "an instant such as \"2026-05-01T09:00:00Z\"", *value);
  const auto at = parse_instant(*value->text());
  if (!at)
    return fail(ErrorKind::Invalid, "bad_instant",
                fmt::format("\"at\" wants an instant such as \"2026-05-01T09:00:00Z\" (RFC 3339, "
                            "with an offset), found \"{}\".",
                            clipped(*value->text())));
  return not_ahead(*at, now, "at");
}

/// What two posts of one id must have in common. The members stand in a fixed order; what is inside
/// them stays in the sender's.
Result<Hash128> event_fingerprint(const Value& object) {
  std::string bytes;
  bytes.reserve(kUsualBytes);
  for (const std::string_view member : {"type", "at", "contact", "data"}) {
    if (const Value* value = object.find(member)) append_json(bytes, *value);
    bytes += '\n';
  }
  if (bytes.size() > kEventBytesMax)
    return fail(ErrorKind::Invalid, "event_too_large",
                fmt::format("An event may have at most {} bytes.", kEventBytesMax));
  return hash128(bytes);
}

PostReader reader_of(Instant now, bool history) {
  return PostReader{
      [now, history](const Value& object) { return parse_event(object, now, history); },
      PostReader::Ids::Sent};
}

Result<EventPost> parse_event_lines(std::string_view body, Instant now, bool history) {
  PostReader reader = reader_of(now, history);
  for (std::size_t line = 1; !body.empty(); ++line) {
    std::string_view text = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(body.size(), text.size() + 1));
    if (is_blank(text)) continue;
    if (text.ends_with('\r')) text.remove_suffix(1);
    const auto object = parse_json(text);
    const Status taken = object ? reader.take(*object, line) : reader.refuse(object.error(), line);
    if (!taken) return tl::make_unexpected(taken.error());
  }
  return std::move(reader.post);
}

/// The items of a JSON list as they are written, found by quotes and brackets alone, so that one
/// that is no JSON does not take the others along; nothing where the list itself cannot be told.
std::optional<std::vector<std::string_view>> split_list(std::string_view text) {
  text = trimmed(text);
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  text.remove_prefix(1);  // The closing bracket stays: it ends an item.
  std::vector<std::string_view> items;
  std::size_t begin = 0;
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '[' || c == '{') ++depth;
    const bool closes = c == ']' || c == '}';
    const bool ends = depth == 0 && (c == ',' || closes);
    if (closes && depth > 0) --depth;
    if (!ends) continue;
    items.push_back(text.substr(begin, i - begin));
    if (is_blank(items.back())) return std::nullopt;
    if (items.size() > kEventsMax) return items;  // Too many already: the reader says so.
    begin = i + 1;
    if (closes) return begin == text.size() ? std::optional{std::move(items)} : std::nullopt;
  }
  return std::nullopt;
}

/// A list of which an item is no JSON: that one alone is refused.
Result<EventPost> parse_items(const std::vector<std::string_view>& items, Instant now,
                              bool history) {
  PostReader reader = reader_of(now, history);
  for (const std::string_view item : items) {
    const auto object = parse_json(item);
    const Status taken = object ? reader.take(*object, 0) : reader.refuse(object.error(), 0);
    if (!taken) return tl::make_unexpected(taken.error());
  }
  return std::move(reader.post);
}

Result<EventPost> parse_document(std::string_view body, Instant now, bool history) {
  if (const Status few = check_event_count(body); !few) return tl::make_unexpected(few.error());
  // A list is one level more than its events.
  const bool listed = trimmed(body).starts_with('[');
  const auto document = parse_json(body, {.depth = JsonLimits{}.depth + (listed ? 1 : 0)});
  if (!document) {
    if (const auto items = split_list(body)) return parse_items(*items, now, history);
    return tl::make_unexpected(document.error());
  }
  PostReader reader = reader_of(now, history);
  const ValueList* list = document->list();
  if (!list) {
    reader.post.lone = true;
    (void)reader.take(*document, 0);
    return std::move(reader.post);
  }
  for (const Value& object : *list) {
    if (const Status taken = reader.take(object, 0); !taken)
      return tl::make_unexpected(taken.error());
  }
  return std::move(reader.post);
}

tl::unexpected<Error> too_many_events() {
  return fail(ErrorKind::Invalid, "too_many_events",
              fmt::format("One post may have at most {} events.", kEventsMax));
}

/// The bytes of an event as it is kept: as JSON, with the names and values of its contact.
std::size_t stored_size(const EventInput& input) {
  std::size_t size = input.id.size() + input.source.size() + input.event.type.size() +
                     json_size(input.event.data) + input.who.email.size();
  for (const auto& [field, value] : input.patch.fields) size += json_size(value);
  for (const auto& [name, value] : input.patch.custom) size += name.size() + json_size(value);
  for (const auto* names : {&input.patch.groups_add, &input.patch.groups_remove})
    for (const std::string& name : *names) size += name.size();
  if (input.patch.groups)
    for (const std::string& name : *input.patch.groups) size += name.size();
  return size;
}

Value describe_place(const EventPlace& place) {
  Value value;
  value.set("index", static_cast<std::int64_t>(place.index));
  if (place.line > 0) value.set("line", static_cast<std::int64_t>(place.line));
  if (!place.id.empty()) value.set("id", place.id);
  return value;
}

Value describe_refusal(const EventPlace& place, std::string_view code, std::string_view message) {
  Value value = describe_place(place);
  value.set("code", code);
  value.set("message", message);
  return value;
}
}  // namespace

Status PostReader::take(const Value& item, std::size_t line) {
  if (auto room = count(); !room) return room;
  EventPlace place{index_++, line, {}};
  const Status bounded = check_members(item);
  auto event = bounded ? read_(item) : tl::make_unexpected(bounded.error());
  // Here and not by each reader: what is stored may come from outside of what a reader measures.
  if (event && stored_size(*event) > kEventBytesMax)
    event = fail(ErrorKind::Invalid, "event_too_large",
                 fmt::format("An event may have at most {} bytes.", kEventBytesMax));
  if (event) {
    if (ids_ == Ids::Sent) place.id = event->id;
    post.events.push_back(std::move(*event));
    post.places.push_back(std::move(place));
    return {};
  }
  if (const Value* id = ids_ == Ids::Sent ? item.find("id") : nullptr)
    if (const auto* text = id->text(); text && text->size() <= kEventIdMax) place.id = *text;
  post.refused.push_back({std::move(place), std::move(event.error())});
  return {};
}

Status PostReader::refuse(Error error, std::size_t line) {
  if (auto room = count(); !room) return room;
  post.refused.push_back({{index_++, line, {}}, std::move(error)});
  return {};
}

Status PostReader::count() const {
  if (index_ < kEventsMax) return {};
  return too_many_events();
}

Status check_event_count(std::string_view body) {
  // An item takes a byte at least, and its comma.
  if (body.size() <= 2 * kEventsMax) return {};
  const auto items = split_list(body);
  if (items && items->size() > kEventsMax) return too_many_events();
  return {};
}

void refuse_undeclared(EventPost& post, const CustomFields& declared) {
  if (declared.free()) return;
  FieldSuggestions suggestions;
  const auto fault_of = [&](ContactPatch& patch) -> std::optional<Error> {
    for (auto& [name, value] : patch.custom) {
      auto checked = suggestions.check(declared, name, value);
      if (!checked) return std::move(checked.error());
      value = std::move(*checked);
    }
    return std::nullopt;
  };
  std::size_t kept = 0;
  for (std::size_t i = 0; i < post.events.size(); ++i) {
    if (auto fault = fault_of(post.events[i].patch)) {
      post.refused.push_back({std::move(post.places[i]), std::move(*fault)});
      continue;
    }
    if (kept != i) {
      post.events[kept] = std::move(post.events[i]);
      post.places[kept] = std::move(post.places[i]);
    }
    ++kept;
  }
  post.events.resize(kept);
  post.places.resize(kept);
}

Result<EventInput> parse_event(const Value& object, Instant now, bool history) {
  const ValueMap* members = object.map();
  if (!members)
    return fail(ErrorKind::Invalid, "wrong_type",
                fmt::format("An event is an object, found {}.", kind_of(object)));
  if (const Status known = check_event_members(*members); !known)
    return tl::make_unexpected(known.error());

  EventInput input;
  input.history = history;
  for (const auto& [member, into] :
       {std::pair{"id", &input.id}, std::pair{"source", &input.source}}) {
    const Value* value = object.find(member);
    if (!value) continue;
    auto name = read_event_name(*value, member);
    if (!name) return tl::make_unexpected(name.error());
    *into = std::move(*name);
  }

  auto type = required_event_type(object.find("type"));
  if (!type) return tl::make_unexpected(type.error());
  auto at = read_at(object.find("at"), now);
  if (!at) return tl::make_unexpected(at.error());
  const Value* data = object.find("data");
  if (data && !data->is_null() && !data->map()) return wrong_type("data", "an object", *data);
  input.event = {std::move(*type), *at, data ? *data : Value{}};

  const Value* contact = object.find("contact");
  if (!contact || contact->is_null())
    return fail(ErrorKind::Invalid, "no_contact",
                "An event wants a \"contact\" with an \"id\" or an \"email\".");
  if (!contact->map()) return wrong_type("contact", "an object", *contact);
  auto who = parse_contact(*contact);
  if (!who) return tl::make_unexpected(who.error());
  if (!who->who.id && who->who.email.empty())
    return fail(ErrorKind::Invalid, "no_contact",
                "\"contact\" wants an \"id\" or an \"email\", or nobody can be found by it.");
  input.who = std::move(who->who);
  input.patch = std::move(who->patch);

  const auto fingerprint = event_fingerprint(object);
  if (!fingerprint) return tl::make_unexpected(fingerprint.error());
  input.fingerprint = *fingerprint;
  return input;
}

Result<EventPost> parse_events(std::string_view body, EventForm form, Instant now, bool history) {
  if (is_blank(body)) return fail(ErrorKind::Invalid, "no_events", "The body is empty.");
  auto post = form == EventForm::Lines ? parse_event_lines(body, now, history)
                                       : parse_document(body, now, history);
  if (post && post->events.empty() && post->refused.empty())
    return fail(ErrorKind::Invalid, "no_events", "The body holds no event.");
  return post;
}

ApiReply render_answers(const EventPost& post, const std::vector<EventAnswer>& answers) {
  std::int64_t accepted = 0;
  std::int64_t duplicates = 0;
  ValueList warnings;
  std::vector<std::pair<std::size_t, Value>> errors;
  for (const auto& refusal : post.refused)
    errors.emplace_back(refusal.place.index,
                        describe_refusal(refusal.place, refusal.error.code, refusal.error.message));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const EventAnswer& answer = answers[i];
    const EventPlace& place = post.places[i];
    for (const std::string& code : answer.warnings) {
      Value warning = describe_place(place);
      warning.set("code", code);
      warnings.push_back(std::move(warning));
    }
    switch (answer.kind) {
      case EventAnswer::Kind::Accepted:
        ++accepted;
        break;
      case EventAnswer::Kind::Duplicate:
        ++duplicates;
        break;
      case EventAnswer::Kind::Conflict:
      case EventAnswer::Kind::Rejected:
      case EventAnswer::Kind::Unavailable:
        errors.emplace_back(place.index, describe_refusal(place, answer.code, answer.message));
        if (!answer.incident.empty()) errors.back().second.set("incident", answer.incident);
        break;
    }
  }

  // Ours to mend, so to be sent again: what was taken of the post is told from a repeat by its ids.
  // Only where nothing was taken; else the errors say which ones to send again.
  const auto ours = std::find_if(answers.begin(), answers.end(), [](const EventAnswer& answer) {
    return answer.kind == EventAnswer::Kind::Unavailable;
  });
  if (ours != answers.end() && accepted == 0)
    return problem_of({ours->incident.empty() ? ErrorKind::Unavailable : ErrorKind::Internal,
                       ours->code, ours->message, ours->incident});

  if (post.lone && !errors.empty()) {
    const bool conflict = !answers.empty() && answers.front().kind == EventAnswer::Kind::Conflict;
    const bool poison = !answers.empty() && answers.front().code == kPoison;
    const Value& error = errors.front().second;
    return problem(conflict ? 409
                   : poison ? 422
                            : 400,
                   *error.find("code")->text(), *error.find("message")->text());
  }
  if (errors.empty() && warnings.empty())  // The usual case, at the rate of events.
    return {
        202, "application/json",
        fmt::format(R"({{"accepted":{},"duplicates":{},"rejected":0,"warnings":[],"errors":[]}})",
                    accepted, duplicates)};

  std::stable_sort(errors.begin(), errors.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  ValueList listed;
  for (auto& [index, error] : errors) listed.push_back(std::move(error));
  const auto rejected = static_cast<std::int64_t>(listed.size());
  return json_reply(202, ValueMap{{"accepted", accepted},
                                  {"duplicates", duplicates},
                                  {"rejected", rejected},
                                  {"warnings", std::move(warnings)},
                                  {"errors", std::move(listed)}});
}
}  // namespace onward
