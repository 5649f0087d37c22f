// Contacts as other systems send them: their names for our fields, and fields of their own.
#include <fmt/format.h>

#include <algorithm>

#include "engine/api/access.h"
#include "engine/api/event_parts.h"
#include "engine/api/intake.h"
#include "engine/core/base/text.h"
#include "engine/core/contact/custom_prefix.h"

namespace onward {
namespace {
/// The value as the field's type wants it, where another system writes it in a way of its own;
/// what fits in no way is left for the field to refuse.
Value adapted(const Value& value, FieldType type) {
  const std::string* text = value.text();
  if (text && is_blank(*text, " \t")) return {};
  if (type == FieldType::Text && value.is_number()) return to_text(value);
  if (type == FieldType::Instant && value.is_number())
    if (const auto at = read_moment(&value, Instant::max() - kAheadMax, "")) return *at;
  return value;
}

std::string custom_name(std::string_view name) {
  if (name.starts_with(kCustom)) name.remove_prefix(kCustom.size());
  std::string own{name.empty() ? "_" : name};
  std::replace(own.begin(), own.end(), '.', '_');
  return own;
}
}  // namespace

Result<ContactInput> read_foreign_contact(
    const Value& id, const std::vector<std::pair<std::string, Value>>& members) {
  Value contact{ValueMap{}};
  UniqueMembers custom;  // The first of a name is kept.
  if (!id.is_null()) contact.set("id", id);
  std::vector<Field> taken;
  for (const auto& [name, value] : members) {
    const FieldInfo* field = find_field(name);
    const bool again = field && std::find(taken.begin(), taken.end(), field->field) != taken.end();
    if (field && !again) {
      taken.push_back(field->field);
      contact.set(name, adapted(value, field->type));
    } else if (name == "custom" && value.map()) {
      for (const auto& [own, part] : *value.map()) custom.add(custom_name(own), part);
    } else {
      custom.add(custom_name(name), value);
    }
  }
  if (!custom.empty()) contact.set("custom", custom.take());
  auto input = parse_contact(contact);
  if (input && !input->who.id && input->who.email.empty())
    return fail(ErrorKind::Invalid, "no_contact",
                "The contact has neither an id nor an \"email\": nobody can be found by it.");
  return input;
}

Status check_event_object(const Value& item) {
  if (item.map()) return {};
  return fail(ErrorKind::Invalid, "wrong_type",
              fmt::format("An event is an object, found {}.", kind_of(item)));
}

Result<EventInput> complete_event(EventInput input, Result<ContactInput> contact,
                                  const Value& item) {
  if (!contact) return tl::make_unexpected(std::move(contact.error()));
  input.who = std::move(contact->who);
  input.patch = std::move(contact->patch);
  const std::string bytes = canonical_json(item);
  if (bytes.size() > kEventBytesMax)
    return fail(ErrorKind::Invalid, "event_too_large",
                fmt::format("An event may have at most {} bytes.", kEventBytesMax));
  input.id = sha256_hex(bytes);
  input.fingerprint = hash128(bytes);
  return input;
}
}  // namespace onward
