#include "engine/core/template/lookup.h"

#include <bit>
#include <utility>

#include "engine/core/contact/custom_prefix.h"

namespace onward {
namespace {
using Source = Lookup::Source;

// Systems that keep a reference beside the id of a contact (seed S0) send both; who sends the
// reference alone means the id.
constexpr std::string_view kRef = "ref";
/// What copying an item costs against comparing its name.
constexpr std::size_t kCopied = 16;
constexpr std::size_t kMembersSearchedMax = 4;

const Value* present(const Value* value) { return value && !value->is_null() ? value : nullptr; }

const Value* kept(Value& scratch, Value value) {
  scratch = std::move(value);
  return present(&scratch);
}

const Value* find_custom(const Lookup& lookup, const Contact& contact, std::size_t* looked_at) {
  const Value* value = contact.get_custom(lookup.name);
  // A binary search, and names may begin alike.
  if (looked_at)
    *looked_at +=
        kMembersSearchedMax * static_cast<std::size_t>(std::bit_width(contact.custom.size()));
  return present(value && !lookup.rest.empty() ? value->find_path(lookup.rest, looked_at) : value);
}

const Value* find_event_value(const std::string& path, const Event* event, Value& scratch,
                              std::size_t* looked_at) {
  if (!event) return nullptr;
  if (const Value* value = event->data.find_path(path, looked_at)) return present(value);
  if (path == "type") return kept(scratch, event->type);
  // What the systems that Onward answers to call the time of an event.
  if (path == "at" || path == "loggedTimestamp" || path == "action_date")
    return kept(scratch, event->at);
  return nullptr;
}

Lookup custom_lookup(std::string_view name) {
  const auto dot = name.find('.');
  Lookup lookup{.source = Source::Custom, .name = std::string{name.substr(0, dot)}};
  if (dot != std::string_view::npos) lookup.rest = name.substr(dot + 1);
  return lookup;
}
}  // namespace

const Value* Lookup::find(const Contact& contact, const Engagement& engagement, const Event* event,
                          Value& scratch, std::size_t* looked_at) const {
  const auto look_at = [&](std::size_t count) {
    if (looked_at) *looked_at += count;
  };
  switch (source) {
    case Source::Id:
      return contact.id ? kept(scratch, contact.id->value()) : nullptr;
    case Source::Field:
      return present(contact.get(field));
    case Source::Custom:
      return find_custom(*this, contact, looked_at);
    case Source::AllCustom:
      if (contact.custom.empty()) return nullptr;
      look_at(contact.custom.size() * kCopied);
      return kept(scratch, ValueMap{contact.custom.begin(), contact.custom.end()});
    case Source::Groups:
      look_at(contact.groups.size() * kCopied);
      return kept(scratch, ValueList{contact.groups.begin(), contact.groups.end()});
    case Source::CreatedAt:
      return kept(scratch, contact.created_at);
    case Source::UpdatedAt:
      return kept(scratch, contact.updated_at);
    case Source::Statistic:
      look_at(engagement.mailings.size());
      return kept(scratch, onward::statistic(engagement, statistic));
    case Source::Ref:
      if (const Value* ref = present(contact.get_custom(kRef))) return ref;
      return contact.id ? kept(scratch, contact.id->value()) : nullptr;
    case Source::Event:
      return find_event_value(name, event, scratch, looked_at);
  }
  return nullptr;
}

std::string Lookup::written() const {
  switch (source) {
    case Source::Id:
      return "id";
    case Source::Field:
      return std::string{info_of(field).name};
    case Source::Custom:
      return std::string{kCustom} + name + (rest.empty() ? "" : "." + rest);
    case Source::AllCustom:
      return "custom";
    case Source::Groups:
      return "groups";
    case Source::CreatedAt:
      return "created_at";
    case Source::UpdatedAt:
      return "updated_at";
    case Source::Statistic:
      return std::string{statistic_names()[static_cast<std::size_t>(statistic)]};
    case Source::Ref:
      return "ref";
    case Source::Event:
      return "event." + name;
  }
  return {};
}

std::optional<FieldType> Lookup::type() const {
  switch (source) {
    case Source::Id:
    case Source::Ref:
      return FieldType::Text;
    case Source::Field:
      return info_of(field).type;
    case Source::Groups:
      return FieldType::List;
    case Source::CreatedAt:
    case Source::UpdatedAt:
      return FieldType::Instant;
    case Source::Statistic:
      return type_of(statistic);
    case Source::Custom:
    case Source::AllCustom:
    case Source::Event:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Lookup> find_contact_lookup(std::string_view name) {
  if (const FieldInfo* info = find_field(name))
    return Lookup{.source = Source::Field, .field = info->field};
  if (name.starts_with(kCustom) && name.size() > kCustom.size())
    return custom_lookup(name.substr(kCustom.size()));
  if (name == "id" || name == "uid") return Lookup{.source = Source::Id};
  if (name == kRef) return Lookup{.source = Source::Ref};
  if (name == "groups") return Lookup{.source = Source::Groups};
  if (name == "custom") return Lookup{.source = Source::AllCustom};
  if (name == "created_at") return Lookup{.source = Source::CreatedAt};
  if (name == "updated_at" || name == "update_date") return Lookup{.source = Source::UpdatedAt};
  if (name == "organizationId") return custom_lookup(name);
  if (const auto found = find_statistic(name))
    return Lookup{.source = Source::Statistic, .statistic = *found};
  return std::nullopt;
}

void note_custom_field(const Lookup& lookup, Position at, Diagnostics& diagnostics) {
  if (lookup.source == Lookup::Source::Custom) diagnostics.mention(lookup.name, at);
}

bool is_path(std::string_view path) {
  return !path.empty() && path.front() != '.' && path.back() != '.' &&
         path.find("..") == std::string_view::npos;
}

Lookup event_lookup(std::string_view path) {
  return {.source = Source::Event, .name = std::string{path}};
}

const std::vector<std::string>& contact_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names{"id", "groups", "created_at", "updated_at"};
    for (const FieldInfo& info : contact_fields()) names.emplace_back(info.name);
    for (const std::string_view name : statistic_names()) names.emplace_back(name);
    return names;
  }();
  return kNames;
}
}  // namespace onward
