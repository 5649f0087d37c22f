#include "nodes/webhook_body.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include "engine/core/base/clipped.h"
#include "engine/core/base/placeholder_marks.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/contact/vocabulary.h"
#include "nodes/webhook_pairs.h"

namespace onward {
namespace {
using Members = std::vector<BodyMember>;
using Source = BodyPart::Source;

constexpr std::array<std::string_view, 4> kDefaultFields{"id", "email", "first_name", "last_name"};

BodyMember member(std::string_view name, BodyPart part) {
  BodyMember result{std::string{name}, ",", std::move(part)};
  append_json_string(result.json_name, name);
  result.json_name += ':';
  return result;
}

BodyPart constant(Value value) {
  std::string json = to_json(value);
  return {BodyPart::Constant{std::move(value), std::move(json)}};
}

/// Compiles what an author wrote as part of a body: constants, placeholders, and `$.` paths where
/// `paths`.
BodyPart compile_body(const Tree& tree, bool paths, std::string_view what,
                      Diagnostics& diagnostics) {
  if (tree.is_map()) {
    Members members;
    for (const Tree::Entry& entry : tree.entries)
      members.push_back(member(entry.key, compile_body(entry.value, paths, what, diagnostics)));
    return {std::move(members)};
  }
  if (tree.is_list()) {
    std::vector<BodyPart> items;
    for (const Tree& item : tree.items)
      items.push_back(compile_body(item, paths, what, diagnostics));
    return {std::move(items)};
  }
  if (tree.is_scalar() && tree.text.starts_with("$.")) {
    if (paths) {
      if (auto path = PayloadPath::compile(tree.text, tree.text_at, what, diagnostics))
        return {*std::move(path)};
    } else {
      diagnostics.warning(tree.at, "no_effect",
                          fmt::format("{}: \"{}\" is sent as it stands; such paths are understood "
                                      "in \"payload\" only, here write \"{{{{ … }}}}\"",
                                      what, clipped(tree.text)));
    }
  }
  if (tree.is_scalar() && has_placeholder(tree.text))
    return {Template::compile(tree.text, tree.text_at, TemplateUse::Body, what, diagnostics)};
  return constant(to_value(tree));
}

Value timestamp(const Visit& visit) {
  return format_instant(std::chrono::floor<std::chrono::seconds>(visit.now.at));
}

/// Names of the list that an event came from.
constexpr std::string_view kListNames[] = {"list_id", "listId"};

Value list_of(const Visit& visit) {
  if (!visit.event) return {};
  for (const std::string_view name : kListNames)
    if (const Value* found = visit.event->data.find(name)) return *found;
  return {};
}

/// The event's data without its list; our name of a mailing becomes the receiver's.
Value action_data(const Visit& visit) {
  ValueMap members;
  if (!visit.event || !visit.event->data.map()) return members;
  const ValueMap& data = *visit.event->data.map();
  for (const auto& [name, value] : data) {
    if (std::ranges::find(kListNames, name) != std::end(kListNames)) continue;
    const bool mailing = name == "mailing" && !visit.event->data.find("messageHash");
    members.emplace_back(mailing ? "messageHash" : name, value);
  }
  return members;
}

std::int64_t action_date(const Visit& visit) {
  const Instant at = visit.event ? visit.event->at : visit.now.at;
  return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}

Value base_ids(const Visit& visit) {
  if (!visit.contact.id) return ValueList{};
  return ValueList{visit.contact.id->value()};
}

Value from(Source source, const Visit& visit) {
  switch (source) {
    case Source::DeliveryId:
      return visit.delivery_id;
    case Source::Timestamp:
      return timestamp(visit);
    case Source::AccountId:
      return visit.account_id;
    case Source::Action:
      return visit.event ? Value{action_of(visit.event->type)} : Value{};
    case Source::ActionDate:
      return action_date(visit);
    case Source::ActionData:
      return action_data(visit);
    case Source::ListId:
      return list_of(visit);
    case Source::BaseIds:
      return base_ids(visit);
  }
  return {};
}

/// The value of a part that is neither a map nor a list of parts; it may stand in `scratch`. Of a
/// template that is text, nothing.
const Value* value_of(const BodyPart& part, const Visit& visit, const TemplateSubject& subject,
                      Value& scratch) {
  static const Value kNull;
  if (const auto* found = std::get_if<BodyPart::Constant>(&part.what)) return &found->value;
  if (const auto* path = std::get_if<PayloadPath>(&part.what)) return &path->find(subject, scratch);
  if (const auto* source = std::get_if<Source>(&part.what)) {
    scratch = from(*source, visit);
    return &scratch;
  }
  if (const auto* lookup = std::get_if<Lookup>(&part.what)) {
    std::size_t looked_at = 0;
    const Value* found =
        lookup->find(visit.contact, visit.engagement, visit.event, scratch, &looked_at);
    charge_lookup(subject.room, looked_at);
    return found ? found : &kNull;
  }
  const auto* text = std::get_if<Template>(&part.what);
  assert(text && "maps and lists are gone through by the callers");
  return text->is_value() ? &text->find_value(subject, scratch) : nullptr;
}

/// Whether the input may go on rendering: its look-ups count as well as what it writes.
bool has_room(const TemplateSubject& subject) { return !subject.room || subject.room->left() > 0; }

/// What is there as text already goes out without a value in between.
bool append_field(std::string& out, const Lookup& lookup, const Visit& visit,
                  const TemplateSubject& subject, std::size_t most) {
  const Contact& contact = visit.contact;
  if (lookup.source == Lookup::Source::Id && contact.id && !contact.id->numeric) {
    append_json_string(out, contact.id->text);
    return true;
  }
  if (lookup.source == Lookup::Source::Groups) {
    out += '[';
    for (const std::string& group : contact.groups) {
      if (&group != &contact.groups.front()) out += ',';
      append_json_string(out, group);
      if (out.size() > most) return false;
    }
    out += ']';
    return true;
  }
  if (lookup.source == Lookup::Source::AllCustom && !contact.custom.empty()) {
    char separator = '{';
    for (const auto& [name, value] : contact.custom) {
      out += separator;
      append_json_string(out, name);
      out += ':';
      if (!append_json(out, value, most)) return false;
      separator = ',';
    }
    out += '}';
    return true;
  }
  Value scratch;
  std::size_t looked_at = 0;
  const Value* value = lookup.find(contact, visit.engagement, visit.event, scratch, &looked_at);
  charge_lookup(subject.room, looked_at);
  if (value) return append_json(out, *value, most);
  out += "null";
  return true;
}

/// Appends a part as JSON, and stops when `out` becomes longer than `most`. False if it stopped.
bool append_member(std::string& out, const BodyPart& part, const Visit& visit,
                   const TemplateSubject& subject, std::size_t most) {
  if (out.size() > most || !has_room(subject)) return false;
  if (const auto* found = std::get_if<BodyPart::Constant>(&part.what))
    return append_within(out, found->json, most);
  if (const auto* lookup = std::get_if<Lookup>(&part.what))
    return append_field(out, *lookup, visit, subject, most);
  if (const auto* source = std::get_if<Source>(&part.what);
      source && *source == Source::DeliveryId) {
    append_json_string(out, visit.delivery_id);
    return true;
  }
  if (const auto* members = std::get_if<Members>(&part.what)) {
    out += '{';
    for (const BodyMember& m : *members) {
      const std::string_view name = m.json_name;
      if (!append_within(out, name.substr(&m == &members->front() ? 1 : 0), most) ||
          !append_member(out, m.part, visit, subject, most))
        return false;
    }
    out += '}';
    return true;
  }
  if (const auto* items = std::get_if<std::vector<BodyPart>>(&part.what)) {
    char separator = '[';
    for (const BodyPart& item : *items) {
      out += separator;
      if (!append_member(out, item, visit, subject, most)) return false;
      separator = ',';
    }
    out += items->empty() ? "[]" : "]";
    return true;
  }
  Value scratch;
  if (const Value* value = value_of(part, visit, subject, scratch))
    return append_json(out, *value, most);
  std::string text;
  return std::get<Template>(part.what).render_to(text, subject, most) &&
         append_json_string(out, text, most);
}

/// The same as pairs for forms and queries, below `name`, which is as before when this returns.
bool append_as_pairs(std::string& out, std::string& name, PairLevel level, const BodyPart& part,
                     const Visit& visit, const TemplateSubject& subject, std::size_t most) {
  if (out.size() > most || !has_room(subject)) return false;
  const std::size_t length = name.size();
  if (const auto* members = std::get_if<Members>(&part.what)) {
    for (const BodyMember& m : *members) {
      if (!open_pair(name, m.name, level, most) ||
          !append_as_pairs(out, name, PairLevel::Below, m.part, visit, subject, most))
        return false;
      name.resize(length);
    }
    return true;
  }
  if (const auto* items = std::get_if<std::vector<BodyPart>>(&part.what)) {
    name += "[]";
    for (const BodyPart& item : *items)
      if (!append_as_pairs(out, name, PairLevel::Below, item, visit, subject, most)) return false;
    name.resize(length);
    return true;
  }
  Value scratch;
  if (const Value* value = value_of(part, visit, subject, scratch))
    return append_pair(out, name, *value, most);
  std::string text;
  return std::get<Template>(part.what).render_to(text, subject, most) &&
         append_pair(out, name, Value{std::move(text)}, most);
}

BodyMember field(std::string_view wire, std::string_view name) {
  const auto lookup = find_contact_lookup(name);
  assert(lookup);  // Asked before.
  return member(wire, {*lookup});
}

/// The members that tell of the contact, each name once.
class DataMembers {
 public:
  explicit DataMembers(bool events) : events_{events} {}

  /// False where there is one of this name.
  bool add(BodyMember made) {
    if (!names_.insert(made.name).second) return false;
    members_.push_back(std::move(made));
    return true;
  }

  /// Adds the field that an author calls `name`, under its name on the wire. False where it is
  /// there already.
  bool add_field(std::string_view name) {
    if (name == kAllCustom || name == "custom") return add_known("custom", "custom");
    if (name.starts_with(kCustom)) return add_custom(name);
    const FieldInfo* info = find_field(name);
    const std::string_view standard = info ? info->webhook : name;
    return add_known(events_ ? events_field(name) : standard, name);
  }

  void add_all_fields() {
    add_field("id");
    for (const FieldInfo& info : contact_fields()) add_field(info.name);
    add_field("groups");
    add_field("updated_at");
    for (const std::string_view name : statistic_names()) add_field(name);
    add_field(kAllCustom);
  }

  Members take() { return std::move(members_); }

 private:
  /// `wire`: the name on the wire of the field that an author calls `name`.
  bool add_known(std::string_view wire, std::string_view name) {
    return !names_.contains(std::string{wire}) && add(field(wire, name));
  }

  bool add_custom(std::string_view name) {
    if (!custom_at_ && add(member("custom", {Members{}}))) custom_at_ = members_.size() - 1;
    if (!custom_at_) return false;  // all of them are there
    const std::string_view own = name.substr(kCustom.size());
    if (!custom_names_.insert(std::string{own}).second) return false;
    std::get<Members>(members_[*custom_at_].part.what).push_back(field(own, name));
    return true;
  }

  bool events_;
  Members members_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> custom_names_;
  std::optional<std::size_t> custom_at_;  ///< The member that holds the chosen custom fields.
};

BodyPart standard_envelope(Members data) {
  Members envelope;
  envelope.push_back(member("id", {Source::DeliveryId}));
  envelope.push_back(member("event", constant("automation.webhook.send")));
  envelope.push_back(member("timestamp", {Source::Timestamp}));
  envelope.push_back(member("idClient", {Source::AccountId}));
  envelope.push_back(member("data", {std::move(data)}));
  return {std::move(envelope)};
}

constexpr std::string_view kEventsFields[] = {"id", "email", "cellphone", "first_name",
                                              "last_name"};

void read_fields(Settings& settings, bool events, DataMembers& data) {
  const Tree* tree = settings.find("contact_fields");
  if (!tree) {
    const std::span<const std::string_view> usual =
        events ? std::span<const std::string_view>{kEventsFields} : kDefaultFields;
    for (const std::string_view name : usual) data.add_field(name);
    return;
  }
  const auto take = [&](const Tree& item) {
    const auto lookup = item.is_scalar() ? find_contact_lookup(item.text) : std::nullopt;
    if (lookup && !is_path(item.text) &&
        settings.error_since(2, item.at, "bad_path",
                             fmt::format("\"contact_fields\": \"{}\" has an empty part; write one "
                                         "dot between two names",
                                         clipped(item.text))))
      return;
    if (lookup && item.text != kAllCustom)
      note_custom_field(*lookup, item.at, settings.diagnostics());
    if (!item.is_scalar()) {
      settings.error(
          item.at, "wrong_type",
          fmt::format("\"contact_fields\" wants names of fields, found {}", describe(item)));
    } else if (item.text == "all") {
      data.add_all_fields();
    } else if (item.text != kAllCustom && !lookup) {
      settings.error(
          item.at, "unknown_field",
          fmt::format("\"contact_fields\": a contact has no field \"{}\"", clipped(item.text)),
          settings.nearest(item.text, contact_names()));
    } else if (!data.add_field(item.text)) {
      settings.warning(
          item.at, "duplicate_field",
          fmt::format("\"contact_fields\": \"{}\" is there already", clipped(item.text)));
    }
  };
  if (!tree->is_list()) return take(*tree);
  for (const Tree& item : tree->items) take(item);
}

void read_additional(Settings& settings, DataMembers& data) {
  const Tree* tree = settings.find("additional");
  if (!tree) return;
  if (!tree->is_map()) {
    settings.error(tree->at, "wrong_type",
                   fmt::format("\"additional\" wants a mapping such as {{ source: onward }}, found "
                               "{}",
                               describe(*tree)));
    return;
  }
  const std::string what = fmt::format("node \"{}\": \"additional\"", settings.node());
  for (const Tree::Entry& entry : tree->entries)
    if (!data.add(member(entry.key,
                         compile_body(entry.value, /*paths=*/false, what, settings.diagnostics()))))
      settings.error(entry.key_at, "name_taken",
                     fmt::format("\"additional\": \"{}\" is sent already, as a field of the "
                                 "contact; choose another name",
                                 clipped(entry.key)));
}
}  // namespace

WebhookBody::WebhookBody(Settings& settings) {
  const Tree* payload = settings.find("payload");
  const bool stated = settings.has("envelope");
  const std::string envelope = settings.choice("envelope");
  if (!payload) {
    if (envelope == "payload")
      settings.error(settings.find("envelope")->at, "missing_key",
                     "\"envelope: payload\" wants the map itself, in \"payload\"");
    if (envelope == "events")
      read_events(settings);
    else
      read_standard(settings);
    return;
  }
  if (stated && envelope != "payload")
    settings.error(
        payload->at, "conflict",
        fmt::format("\"payload\" replaces the {} envelope; remove one of them", envelope));
  for (const std::string_view key : {"contact_fields", "additional"})
    if (const Tree* other = settings.find(key))
      settings.error(
          other->at, "conflict",
          fmt::format("\"{}\" has no place beside \"payload\"; put it into the payload", key));
  if (!payload->is_map()) {
    settings.error(payload->at, "wrong_type",
                   fmt::format("\"payload\" wants a mapping, found {}", describe(*payload)));
    return;
  }
  root_ = compile_body(*payload, /*paths=*/true,
                       fmt::format("node \"{}\": \"payload\"", settings.node()),
                       settings.diagnostics());
}

void WebhookBody::read_standard(Settings& settings) {
  DataMembers data{/*events=*/false};
  data.add(member("type", constant("member")));
  read_fields(settings, /*events=*/false, data);
  read_additional(settings, data);
  root_ = standard_envelope(data.take());
  standard_ = true;
}

const WebhookBody& WebhookBody::test_data() {
  static const WebhookBody kBody = [] {
    DataMembers data{/*events=*/false};
    data.add(member("type", constant("member")));
    for (const std::string_view name : kDefaultFields) data.add_field(name);
    WebhookBody body;
    body.root_ = standard_envelope(data.take());
    return body;
  }();
  return kBody;
}

void WebhookBody::read_events(Settings& settings) {
  DataMembers chosen{/*events=*/true};
  read_fields(settings, /*events=*/true, chosen);
  read_additional(settings, chosen);
  Members fields = chosen.take();
  std::vector<BodyPart> listed;  // Empty where nothing was chosen.
  if (!fields.empty()) listed.push_back({std::move(fields)});
  Members contact;
  contact.push_back(member("base", {Source::BaseIds}));
  contact.push_back(member("fields", {std::move(listed)}));
  Members event;
  event.push_back(member("action", {Source::Action}));
  event.push_back(member("action_date", {Source::ActionDate}));
  event.push_back(member("action_data", {Source::ActionData}));
  event.push_back(member("list_id", {Source::ListId}));
  event.push_back(member("contact", {std::move(contact)}));
  std::vector<BodyPart> events;
  events.push_back({std::move(event)});
  Members envelope;
  envelope.push_back(member("events", {std::move(events)}));
  root_ = {std::move(envelope)};
}

bool WebhookBody::append_json(std::string& out, const Visit& visit, const TemplateSubject& subject,
                              std::size_t most) const {
  return append_member(out, root_, visit, subject, most) && out.size() <= most;
}

bool WebhookBody::append_pairs(std::string& out, const Visit& visit, const TemplateSubject& subject,
                               std::size_t most) const {
  // Only a map has names.
  if (!std::holds_alternative<Members>(root_.what)) return true;
  std::string name;
  return append_as_pairs(out, name, PairLevel::Top, root_, visit, subject, most) &&
         out.size() <= most;
}
}  // namespace onward
