#pragma once
// Who journeys are about: a contact, its typed fields, and the patches that change it.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/base/value.h"

namespace onward {
enum class FieldType : std::uint8_t { Text, Number, Date, Instant, Flag, List };
std::string_view to_string(FieldType type);

/// The fields every contact may have. Stored by number: append only. `id`, `groups`, `updated_at`
/// and personal statistics are no members: see Contact and Engagement.
enum class Field : std::uint8_t {
  Email,
  FirstName,
  LastName,
  Phone,
  Cellphone,
  Language,
  Gender,
  Country,
  Company,
  BirthDate,
  PostalCode,
  Note,
  Timezone,
  SubscribedAt,
  ConsentType,
  ConsentSource,
  ConsentGivenAt,
  ConsentExpiresAt,
  ConsentProof,
  ConsentIp,
};

struct FieldInfo {
  Field field;
  std::string_view name;  ///< "first_name", "consent.given_at"
  FieldType type;
  std::string_view summary;  ///< For people, with an example value.
  std::string_view webhook;  ///< Its name in the standard envelope (seed S2): "firstname".
};
/// The field by which dates and windows are local.
inline constexpr std::string_view kZoneField = "timezone";
/// One row a Field, in the order of the enumeration.
std::span<const FieldInfo> contact_fields();
const FieldInfo& info_of(Field field);
/// By our name, or by an alias of a seed ("firstname", "name", "zip"); null where unknown.
const FieldInfo* find_field(std::string_view name);

/// How many custom fields, and how many groups, one contact holds.
inline constexpr std::size_t kContactPartsMax = 1'000;

/// The caller's own name of a contact. 54321 and "54321" are the same contact; it goes out as it
/// came in.
struct ExternalId {
  std::string text;
  bool numeric = false;
  bool operator==(const ExternalId&) const = default;
  Value value() const;  ///< A number where it came as one.
};

/// A person. Plain data; one thread owns it.
struct Contact {
  ContactKey key;
  std::optional<ExternalId> id;
  std::vector<std::pair<Field, Value>> fields;        ///< Those that are set, by Field.
  std::vector<std::pair<std::string, Value>> custom;  ///< Those that are set, by name.
  std::vector<std::string> groups;                    ///< Sorted, each once.
  Instant created_at{};
  Instant updated_at{};
  bool operator==(const Contact&) const = default;

  const Value* get(Field field) const;
  const Value* get_custom(std::string_view name) const;
  bool in_group(std::string_view group) const;
  /// Trimmed and in ASCII lower case, as it is looked up; empty where there is none.
  std::string email() const;
  /// Sets or, with null, clears.
  void set(Field field, Value value);
  void set_custom(std::string_view name, Value value);
};

/// The time zone of the contact's clocks: its own, or `otherwise`. Points into either.
std::string_view clock_zone(const Contact& contact, std::string_view otherwise);

/// An address as contacts are looked up by it: trimmed, ASCII lower case.
std::string normal_email(std::string_view email);

/// Whether a look-up by this id or, where it is empty, by this address in normal form rightly led
/// to the contact. Where not, what it was looked up by is damaged.
bool goes_by(const Contact& contact, std::string_view id, std::string_view email);

/// Who an input is about. At least one of the two, or `key` where the caller has looked it up.
struct ContactRef {
  std::optional<ExternalId> id;
  std::string email;  ///< Normal form; empty where none.
  bool operator==(const ContactRef&) const = default;
};

/// A merge patch: absent leaves, null clears.
struct ContactPatch {
  std::vector<std::pair<Field, Value>> fields;
  std::vector<std::pair<std::string, Value>> custom;
  std::optional<std::vector<std::string>> groups;  ///< Replaces all.
  std::vector<std::string> groups_add;
  std::vector<std::string> groups_remove;
  bool empty() const;
  bool operator==(const ContactPatch&) const = default;
};

/// What a patch really changed. `updated_at` moves only where something did.
struct PatchEffect {
  std::vector<std::string> changed;  ///< Field names, "custom.plan", "groups".
  std::vector<std::string> joined;   ///< Groups.
  std::vector<std::string> left;
  /// What did not fit: see kContactPartsMax.
  std::vector<std::string> ignored;
  bool any() const { return !changed.empty(); }
};
/// `also` is one more field of the patch.
PatchEffect apply_patch(Contact& contact, const ContactPatch& patch, Instant now,
                        const std::pair<Field, Value>* also = nullptr);

class CustomFields;

/// A contact as an event or `PUT /v1/contacts/{id}` carries it.
struct ContactInput {
  ContactRef who;
  ContactPatch patch;  ///< Holds `email` as well where it was given.
};
/// Reads `{"id"?, "email"?, …fields, "custom": {…}, "groups"…}`. Field names may be dotted or
/// nested ("consent": {"type": …}); aliases are understood. Refused by name: an unknown field, a
/// wrong type, an address or a time zone that is none, a text over 64 KiB, more than 1,000 groups
/// or custom fields; with `declared`, a custom field that is not among them or of another type.
/// `who` is empty where the object names nobody: the caller may know.
Result<ContactInput> parse_contact(const Value& object, const CustomFields* declared = nullptr);

/// The value of a field as a typed value: JSON text becomes a day or an instant where the type asks
/// for one. `name` is for the message.
Result<Value> coerce(const Value& value, FieldType type, std::string_view name);

/// All that is known of a contact, in the form in which GET answers it.
Value to_value(const Contact& contact);
}  // namespace onward
