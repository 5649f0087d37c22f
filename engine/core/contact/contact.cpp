#include "engine/core/contact/contact.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "engine/core/base/text.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
namespace {
constexpr std::array kFields{
    FieldInfo{Field::Email, "email", FieldType::Text, "Address, such as jane@example.org", "email"},
    FieldInfo{Field::FirstName, "first_name", FieldType::Text, "Jane", "firstname"},
    FieldInfo{Field::LastName, "last_name", FieldType::Text, "Doe", "lastname"},
    FieldInfo{Field::Phone, "phone", FieldType::Text, "Any form: +1 514 555 0100", "phone"},
    FieldInfo{Field::Cellphone, "cellphone", FieldType::Text, "+1 514 555 0101", "cellphone"},
    FieldInfo{Field::Language, "language", FieldType::Text, "fr, en-CA", "language"},
    FieldInfo{Field::Gender, "gender", FieldType::Text, "As the contact says", "gender"},
    FieldInfo{Field::Country, "country", FieldType::Text, "CA, or Canada", "country"},
    FieldInfo{Field::Company, "company", FieldType::Text, "Example Ltd.", "company"},
    FieldInfo{Field::BirthDate, "birth_date", FieldType::Date, "A day: 1990-05-01", "birth_date"},
    FieldInfo{Field::PostalCode, "postal_code", FieldType::Text, "H2X 1Y4, 01234", "postal_code"},
    FieldInfo{Field::Note, "note", FieldType::Text, "Free text", "note"},
    FieldInfo{Field::Timezone, "timezone", FieldType::Text, "IANA zone: America/Toronto",
              "timezone"},
    FieldInfo{Field::SubscribedAt, "subscribed_at", FieldType::Instant,
              "First subscription: 2026-05-01T09:00:00Z", "subscribed_at"},
    FieldInfo{Field::ConsentType, "consent.type", FieldType::Text, "express, implied",
              "consent_type"},
    FieldInfo{Field::ConsentSource, "consent.source", FieldType::Text, "Where it was given: a form",
              "consent_source"},
    FieldInfo{Field::ConsentGivenAt, "consent.given_at", FieldType::Instant, "2026-05-01T09:00:00Z",
              "consent_given_at"},
    FieldInfo{Field::ConsentExpiresAt, "consent.expires_at", FieldType::Instant,
              "2028-05-01T09:00:00Z", "consent_expires_at"},
    FieldInfo{Field::ConsentProof, "consent.proof", FieldType::Text,
              "What shows it: a link, a text", "consent_proof"},
    FieldInfo{Field::ConsentIp, "consent.ip", FieldType::Text, "192.0.2.7", "consent_ip"},
};

struct Alias {
  std::string_view alias;
  Field field;
};
// Names in the documents that Onward answers to, and what forms commonly call the same.
constexpr std::array kAliases{
    Alias{"firstname", Field::FirstName},
    Alias{"name", Field::FirstName},
    Alias{"lastname", Field::LastName},
    Alias{"mobile", Field::Cellphone},
    Alias{"genre", Field::Gender},
    Alias{"birthdate", Field::BirthDate},
    Alias{"birthday", Field::BirthDate},
    Alias{"date_of_birth", Field::BirthDate},
    Alias{"zip", Field::PostalCode},
    Alias{"zip_code", Field::PostalCode},
    Alias{"zipcode", Field::PostalCode},
    Alias{"time_zone", Field::Timezone},
    Alias{"subscription_date", Field::SubscribedAt},
    Alias{"consent_type", Field::ConsentType},
    Alias{"consent_source", Field::ConsentSource},
    Alias{"consent_given_at", Field::ConsentGivenAt},
    Alias{"consent_date", Field::ConsentGivenAt},
    Alias{"consent_expires_at", Field::ConsentExpiresAt},
    Alias{"consent_expiration", Field::ConsentExpiresAt},
    Alias{"consent_proof", Field::ConsentProof},
    Alias{"consent_ip", Field::ConsentIp},
};

constexpr std::string_view kConsent = "consent";

template <class Pairs, class Key>
auto position(Pairs& pairs, const Key& key) {
  return std::lower_bound(pairs.begin(), pairs.end(), key,
                          [](const auto& pair, const Key& k) { return pair.first < k; });
}

template <class Pairs, class Key>
const Value* get_from(const Pairs& pairs, const Key& key) {
  const auto at = position(pairs, key);
  return at != pairs.end() && at->first == key ? &at->second : nullptr;
}

template <class Pairs, class Key>
void set_in(Pairs& pairs, const Key& key, Value value) {
  const auto at = position(pairs, key);
  const bool present = at != pairs.end() && at->first == key;
  if (value.is_null()) {
    if (present) pairs.erase(at);
  } else if (present) {
    at->second = std::move(value);
  } else {
    pairs.emplace(at, typename Pairs::value_type::first_type{key}, std::move(value));
  }
}

/// Whether `now` differs from what is there; null and absent are one.
bool differs(const Value* present, const Value& now) {
  return present ? !(*present == now) : !now.is_null();
}

/// Sets the groups and tells who joined and left.
void set_groups(Contact& contact, std::vector<std::string> groups, PatchEffect& effect) {
  std::set_difference(groups.begin(), groups.end(), contact.groups.begin(), contact.groups.end(),
                      std::back_inserter(effect.joined));
  std::set_difference(contact.groups.begin(), contact.groups.end(), groups.begin(), groups.end(),
                      std::back_inserter(effect.left));
  if (effect.joined.empty() && effect.left.empty()) return;
  contact.groups = std::move(groups);
  effect.changed.emplace_back("groups");
}

std::vector<std::string> patched_groups(const Contact& contact, const ContactPatch& patch,
                                        PatchEffect& effect) {
  std::vector<std::string> groups = patch.groups ? *patch.groups : contact.groups;
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  for (const std::string& group : patch.groups_add) {
    const auto at = std::lower_bound(groups.begin(), groups.end(), group);
    if (at != groups.end() && *at == group) continue;
    if (groups.size() >= kContactPartsMax) {
      effect.ignored.push_back("groups." + group);
    } else {
      groups.insert(at, group);
    }
  }
  for (const std::string& group : patch.groups_remove) {
    const auto at = std::lower_bound(groups.begin(), groups.end(), group);
    if (at != groups.end() && *at == group) groups.erase(at);
  }
  return groups;
}
}  // namespace

std::string_view to_string(FieldType type) {
  switch (type) {
    case FieldType::Text:
      return "text";
    case FieldType::Number:
      return "number";
    case FieldType::Date:
      return "date";
    case FieldType::Instant:
      return "instant";
    case FieldType::Flag:
      return "flag";
    case FieldType::List:
      return "list";
  }
  return "";
}

std::span<const FieldInfo> contact_fields() { return kFields; }

const FieldInfo& info_of(Field field) { return kFields[static_cast<std::size_t>(field)]; }

const FieldInfo* find_field(std::string_view name) {
  for (const FieldInfo& info : kFields)
    if (info.name == name) return &info;
  for (const Alias& alias : kAliases)
    if (alias.alias == name) return &info_of(alias.field);
  return nullptr;
}

Value ExternalId::value() const {
  std::int64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (numeric && end.ec == std::errc{} && end.ptr == text.data() + text.size()) return number;
  return text;
}

const Value* Contact::get(Field field) const { return get_from(fields, field); }
const Value* Contact::get_custom(std::string_view name) const { return get_from(custom, name); }
void Contact::set(Field field, Value value) { set_in(fields, field, std::move(value)); }
void Contact::set_custom(std::string_view name, Value value) {
  set_in(custom, name, std::move(value));
}

bool Contact::in_group(std::string_view group) const {
  return std::binary_search(groups.begin(), groups.end(), group, std::less<>{});
}

std::string Contact::email() const {
  const Value* value = get(Field::Email);
  return value && value->text() ? normal_email(*value->text()) : std::string{};
}

std::string_view clock_zone(const Contact& contact, std::string_view otherwise) {
  const Value* own = contact.get(Field::Timezone);
  return own && own->text() && !own->text()->empty() ? *own->text() : otherwise;
}

bool goes_by(const Contact& contact, std::string_view id, std::string_view email) {
  if (!id.empty()) return contact.id && contact.id->text == id;
  return contact.email() == email;
}

std::string normal_email(std::string_view email) { return lower(trimmed(email, " \t\r\n\f\v")); }

bool ContactPatch::empty() const {
  return fields.empty() && custom.empty() && !groups && groups_add.empty() && groups_remove.empty();
}

PatchEffect apply_patch(Contact& contact, const ContactPatch& patch, Instant now,
                        const std::pair<Field, Value>* also) {
  PatchEffect effect;
  const std::size_t fields = patch.fields.size() + (also == nullptr ? 0 : 1);
  effect.changed.reserve(fields + patch.custom.size());
  if (contact.fields.empty()) contact.fields.reserve(fields);
  const auto set = [&](Field field, const Value& value) {
    const Value* present = contact.get(field);
    // One form of every address, whoever writes it: lookups compare it byte by byte.
    const bool is_email = field == Field::Email && value.text();
    Value normal = is_email ? Value{normal_email(*value.text())} : Value{};
    if (!differs(present, is_email ? normal : value)) return;
    contact.set(field, is_email ? std::move(normal) : Value{value});
    effect.changed.emplace_back(info_of(field).name);
  };
  for (const auto& [field, value] : patch.fields) set(field, value);
  if (also != nullptr) set(also->first, also->second);
  for (const auto& [name, value] : patch.custom) {
    const Value* present = contact.get_custom(name);
    if (!differs(present, value)) continue;
    std::string changed{kCustom};
    changed += name;
    if (!present && contact.custom.size() >= kContactPartsMax) {
      effect.ignored.push_back(std::move(changed));
      continue;
    }
    contact.set_custom(name, value);
    effect.changed.push_back(std::move(changed));
  }
  if (patch.groups || !patch.groups_add.empty() || !patch.groups_remove.empty())
    set_groups(contact, patched_groups(contact, patch, effect), effect);
  if (effect.any()) contact.updated_at = now;
  return effect;
}

Value to_value(const Contact& contact) {
  Value out{ValueMap{}};
  if (contact.id) out.set("id", contact.id->value());
  Value consent;
  for (const auto& [field, value] : contact.fields) {
    const std::string_view name = info_of(field).name;
    const auto dot = name.find('.');
    if (dot == std::string_view::npos) {
      out.set(name, value);
    } else {
      consent.set(name.substr(dot + 1), value);
    }
  }
  if (!consent.is_null()) out.set(kConsent, std::move(consent));
  if (!contact.custom.empty())
    out.set("custom", ValueMap{contact.custom.begin(), contact.custom.end()});
  out.set("groups", ValueList{contact.groups.begin(), contact.groups.end()});
  out.set("created_at", contact.created_at);
  out.set("updated_at", contact.updated_at);
  return out;
}
}  // namespace onward
