// CloudEvents 1.0 over HTTP (the specification's JSON format and HTTP protocol binding).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/api/event_parts.h"
#include "engine/api/intake.h"
#include "engine/core/base/base64.h"
#include "engine/core/base/text.h"
#include "engine/core/contact/vocabulary.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::string_view kStructured = "application/cloudevents+json";
constexpr std::string_view kBatched = "application/cloudevents-batch+json";
constexpr std::string_view kPrefix = "ce-";
constexpr std::string_view kVersion = "1.0";
/// Where the attributes that have no place of their own stand in an event's data.
constexpr std::string_view kAttributes = "cloudevent";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

// ---- attributes ----

tl::unexpected<Error> bad_attribute(std::string_view name, std::string_view sentence) {
  return fail(ErrorKind::Invalid, "bad_attribute",
              fmt::format("The attribute \"{}\" {}.", name, sentence));
}

/// A required attribute of text.
Result<std::string> required(const Value& event, std::string_view name) {
  const Value* value = event.find(name);
  if (!value || value->is_null())
    return fail(ErrorKind::Invalid, "missing_attribute",
                fmt::format("A CloudEvent wants the attribute \"{}\".", name));
  if (!value->text()) return bad_attribute(name, "wants a text");
  if (value->text()->empty()) return bad_attribute(name, "may not be empty");
  return *value->text();
}

/// An optional attribute of text; empty where it is absent.
Result<std::string> optional(const Value& event, std::string_view name) {
  const Value* value = event.find(name);
  if (!value || value->is_null()) return std::string{};
  return required(event, name);
}

Status check_version(const Value& event) {
  const auto version = required(event, "specversion");
  if (!version) return tl::make_unexpected(version.error());
  if (*version == kVersion) return {};
  return fail(
      ErrorKind::Invalid, "unsupported_specversion",
      fmt::format("This server takes CloudEvents {}, found \"{}\".", kVersion, clipped(*version)));
}

/// Names are small letters and digits; extensions are texts, whole numbers or flags.
Status check_attribute_names(const ValueMap& event) {
  for (const auto& [name, value] : event) {
    if (name == "data" || name == "data_base64") continue;
    if (name.empty() ||
        !std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || is_digit(c); }))
      return bad_attribute(name.substr(0, 64), "has a name that is none: small letters and digits");
    if (value.list() || value.map() || value.get_if<double>())
      return bad_attribute(name, "wants a text, a whole number, true or false");
  }
  return {};
}

// ---- data ----

bool is_json(std::string_view type) {
  return type.empty() || type == "application/json" || type == "text/json" ||
         (type.size() > 5 && type.ends_with("+json"));
}

/// What `data` or `data_base64` hold: an object, or null where there is nothing.
Result<Value> read_cloud_data(const Value& event, const std::string& content_type) {
  const Value* plain = event.find("data");
  const Value* coded = event.find("data_base64");
  if (plain && coded)
    return fail(ErrorKind::Invalid, "bad_data",
                "A CloudEvent has \"data\" or \"data_base64\", not both.");
  Value data = plain ? *plain : Value{};
  if (coded && !coded->is_null()) {
    const auto bytes = coded->text() ? base64_decode(*coded->text()) : std::nullopt;
    if (!bytes) return fail(ErrorKind::Invalid, "bad_data", "\"data_base64\" is no Base64.");
    if (!is_json(media_type(content_type)))
      return fail(ErrorKind::Invalid, "bad_data",
                  fmt::format("The data is of the type \"{}\"; only JSON is understood here.",
                              media_type(content_type)));
    auto parsed = parse_posted(*bytes);
    if (!parsed) return tl::make_unexpected(parsed.error());
    data = *std::move(parsed);
  }
  if (!data.is_null() && !data.map()) return wrong_type("data", "an object", data);
  return data;
}

/// Who it is about: data.contact, which leaves the data, else the subject.
Result<ContactInput> read_cloud_contact(Value& data, const std::string& subject) {
  Value contact;
  if (ValueMap* members = data.get_if<ValueMap>()) {
    const auto found = std::find_if(members->begin(), members->end(),
                                    [](const auto& member) { return member.first == "contact"; });
    if (found != members->end()) {
      contact = std::move(found->second);
      members->erase(found);
    }
  }
  if (contact.is_null() && !subject.empty())
    contact.set(subject.find('@') == std::string::npos ? "id" : "email", subject);
  if (contact.is_null())
    return fail(ErrorKind::Invalid, "no_contact",
                "A CloudEvent says whom it is about: in \"subject\" (an id, or an address), or in "
                "\"data\" as \"contact\" with an \"id\" or an \"email\".");
  if (!contact.map()) return wrong_type("data.contact", "an object", contact);
  auto input = parse_contact(contact);
  if (input && !input->who.id && input->who.email.empty())
    return fail(ErrorKind::Invalid, "no_contact",
                "\"data.contact\" wants an \"id\" or an \"email\", or nobody can be found by it.");
  return input;
}

/// The type, the subject and every extension, as the sender wrote them.
Value attributes_of(const ValueMap& event) {
  ValueMap attributes;
  for (const auto& [name, value] : event) {
    const bool elsewhere = name == "specversion" || name == "id" || name == "source" ||
                           name == "time" || name == "data" || name == "data_base64" ||
                           name == "datacontenttype";
    if (!elsewhere && !value.is_null()) attributes.emplace_back(name, value);
  }
  return attributes;
}

/// What two events of one source and id must have in common; extensions such as a trace may differ.
Hash128 cloud_event_fingerprint(const Value& event) {
  std::string bytes;
  for (const std::string_view member : {"type", "subject", "time", "data", "data_base64"}) {
    if (const Value* value = event.find(member)) bytes += canonical_json(*value);
    bytes += '\n';
  }
  return hash128(bytes);
}

Result<Instant> read_time(const Value& event, Instant now) {
  const auto text = optional(event, "time");
  if (!text) return tl::make_unexpected(text.error());
  if (text->empty()) return now;
  const auto at = parse_instant(*text);
  if (!at) return bad_attribute("time", "wants an instant such as \"2026-05-01T09:00:00Z\"");
  return not_ahead(*at, now, "time");
}

/// One event in the form of the JSON format.
Result<EventInput> read_event(const Value& event, Instant now, bool history) {
  const ValueMap* members = event.map();
  if (!members)
    return fail(ErrorKind::Invalid, "wrong_type",
                fmt::format("A CloudEvent is an object, found {}.", kind_of(event)));
  if (const Status version = check_version(event); !version)
    return tl::make_unexpected(version.error());
  if (const Status names = check_attribute_names(*members); !names)
    return tl::make_unexpected(names.error());

  EventInput input;
  input.history = history;
  for (const auto& [name, into] :
       {std::pair{"id", &input.id}, std::pair{"source", &input.source}}) {
    auto text = required(event, name);
    if (!text) return tl::make_unexpected(text.error());
    auto checked = read_event_name(Value{*std::move(text)}, name);
    if (!checked) return tl::make_unexpected(checked.error());
    *into = *std::move(checked);
  }
  const auto written = required(event, "type");
  if (!written) return tl::make_unexpected(written.error());
  auto type = type_of_cloudevent(*written);
  if (!type) return tl::make_unexpected(type.error());
  const auto at = read_time(event, now);
  if (!at) return tl::make_unexpected(at.error());
  const auto subject = optional(event, "subject");
  if (!subject) return tl::make_unexpected(subject.error());
  const auto content_type = optional(event, "datacontenttype");
  if (!content_type) return tl::make_unexpected(content_type.error());
  auto data = read_cloud_data(event, *content_type);
  if (!data) return tl::make_unexpected(data.error());
  auto contact = read_cloud_contact(*data, *subject);
  if (!contact) return tl::make_unexpected(contact.error());
  input.who = std::move(contact->who);
  input.patch = std::move(contact->patch);
  if (!data->find(kAttributes)) data->set(kAttributes, attributes_of(*members));
  input.event = {*std::move(type), *at, *std::move(data)};
  input.fingerprint = cloud_event_fingerprint(event);
  return input;
}

// ---- the binary form ----

/// A header's text as the binding has it: quotes and backslashes first, then one round of
/// percent-decoding. Nothing where an escape is broken or the result is no text.
std::optional<std::string> decode_header(std::string_view raw) {
  std::string text;
  if (raw.size() >= 2 && raw.front() == '"' && raw.back() == '"') {
    for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
      if (raw[i] == '\\' && i + 2 < raw.size()) ++i;
      text += raw[i];
    }
    raw = text;
  }
  return percent_decode(raw);
}

/// The event that the `ce-` headers and the body make, in the form of the JSON format.
Result<Value> assemble(const ApiRequest& request, const std::string& media) {
  UniqueMembers event;
  for (const auto& [header, raw] : request.headers) {
    if (header.size() <= kPrefix.size() || !same_name(header.substr(0, kPrefix.size()), kPrefix))
      continue;
    const std::string name = lower(header.substr(kPrefix.size()));
    auto value = decode_header(raw);
    if (!value) return bad_attribute(name, "is no text once its percent escapes are decoded");
    if (name == "data" || name == "datacontenttype")
      return bad_attribute(name, "has no header: the body and its Content-Type are it");
    if (!event.add(name, *std::move(value))) return bad_attribute(name, "comes in two headers");
  }
  if (is_blank(request.body)) return Value{event.take()};
  if (!is_json(media))
    return fail(
        ErrorKind::Invalid, "bad_data",
        fmt::format("The data is of the type \"{}\"; only JSON is understood here.", media));
  auto data = parse_json(request.body);
  if (!data) return tl::make_unexpected(data.error());
  event.add("data", *std::move(data));
  return Value{event.take()};
}

bool is_binary(const ApiRequest& request) {
  return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
    return header.first.size() > kPrefix.size() &&
           same_name(header.first.substr(0, kPrefix.size()), kPrefix);
  });
}

// ---- types ----

/// "OrderPlaced", "order-placed" and "order_placed" alike.
std::string snake_case(std::string_view segment) {
  std::string name;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const char c = segment[i];
    const bool upper = c >= 'A' && c <= 'Z';
    const bool begins_word =
        upper && i > 0 && (is_lower(segment[i - 1]) || is_digit(segment[i - 1]));
    if (begins_word) name += '_';
    name += c == '-' || c == '/' || c == ':' ? '_' : lower(c);
  }
  return name;
}

bool is_version(std::string_view segment) {
  return segment.size() > 1 && (segment[0] == 'v' || segment[0] == 'V') &&
         std::all_of(segment.begin() + 1, segment.end(), is_digit);
}

/// How many segments of a reverse-DNS name are the domain: "com.example", "uk.co.example".
std::size_t domain_of(const std::vector<std::string_view>& segments) {
  constexpr std::array<std::string_view, 7> kSecond{"co", "com", "org", "net", "gov", "ac", "edu"};
  const bool country = segments.size() > 3 && segments[0].size() == 2 &&
                       std::find(kSecond.begin(), kSecond.end(), segments[1]) != kSecond.end();
  return country ? 3 : 2;
}
}  // namespace

Result<std::string> type_of_cloudevent(std::string_view type) {
  if (auto known = canonical_event(type)) return *std::move(known);
  std::vector<std::string_view> segments;
  for (std::size_t begin = 0; begin <= type.size();) {
    const std::size_t end = std::min(type.find('.', begin), type.size());
    segments.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  if (segments.size() > 1 && is_version(segments.back())) segments.pop_back();
  const std::size_t first = segments.size() > 2 ? domain_of(segments) : 0;
  std::string name;
  for (std::size_t i = first; i < segments.size(); ++i) {
    if (!name.empty()) name += '_';
    name += snake_case(segments[i]);
  }
  const bool whole = std::none_of(segments.begin(), segments.end(),
                                  [](std::string_view segment) { return segment.empty(); });
  if (auto found = whole ? canonical_event(name) : std::nullopt) return *std::move(found);
  return fail(ErrorKind::Invalid, "bad_type",
              fmt::format("\"{}\" makes no event type: \"{}\" is no name of small letters, digits "
                          "and _, a letter first, at most 64.",
                          clipped(type), clipped(name)));
}

bool is_cloudevents_document(const ApiRequest& request) {
  const std::string media = media_type(request.header("content-type"));
  return media == kStructured || media == kBatched;
}

Result<EventPost> parse_cloudevents(const ApiRequest& request, Instant now, bool history) {
  PostReader reader{[now, history](const Value& event) { return read_event(event, now, history); },
                    PostReader::Ids::Sent};
  const std::string media = media_type(request.header("content-type"));
  if (media == kBatched) {
    if (const Status few = check_event_count(request.body); !few)
      return tl::make_unexpected(few.error());
    const auto document = parse_json(request.body, {.depth = JsonLimits{}.depth + 1});
    if (!document) return tl::make_unexpected(document.error());
    if (!document->list())
      return fail(ErrorKind::Invalid, "wrong_type",
                  fmt::format("A batch of CloudEvents is a list, found {}.", kind_of(*document)));
    for (const Value& event : *document->list())
      if (const Status taken = reader.take(event); !taken)
        return tl::make_unexpected(taken.error());
    return std::move(reader.post);  // An empty batch is one, too.
  }
  reader.post.lone = true;
  if (media == kStructured) {
    const auto event = parse_json(request.body);
    if (!event) return tl::make_unexpected(event.error());
    (void)reader.take(*event);
    return std::move(reader.post);
  }
  if (media.starts_with("application/cloudevents") || !is_binary(request))
    return fail(ErrorKind::Invalid, "unsupported_media_type",
                fmt::format("CloudEvents come as {}, as {}, or with their attributes in ce- "
                            "headers, not as \"{}\".",
                            kStructured, kBatched, clipped(media)));
  const auto event = assemble(request, media);
  if (!event) return tl::make_unexpected(event.error());
  (void)reader.take(*event);
  return std::move(reader.post);
}
}  // namespace onward
