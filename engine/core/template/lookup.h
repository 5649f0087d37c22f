#pragma once
// Where a value comes from: the names that authors use for a contact's fields, resolved once, so
// that nothing is searched by name while contacts advance.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/contact/event.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
/// One resolved name.
struct Lookup {
  enum class Source : std::uint8_t {
    Id,
    Field,
    Custom,     ///< One custom field, or a member of it.
    AllCustom,  ///< The whole map.
    Groups,
    CreatedAt,
    UpdatedAt,
    Statistic,
    Ref,    ///< The custom field "ref" where it is set, else the id.
    Event,  ///< The triggering event's data; `event.type` and `event.at` where it has none such.
  };

  Source source = Source::Field;
  Field field{};
  Statistic statistic{};
  std::string name;  ///< Of a custom field; the whole path of an event.
  std::string rest;  ///< A path into a custom field's value; mostly empty.
  bool operator==(const Lookup&) const = default;

  /// The value, which may stand in `scratch`; null where it is missing or JSON's null. Adds to
  /// `looked_at`, if it is given, how many things were compared or copied for it.
  const Value* find(const Contact& contact, const Engagement& engagement, const Event* event,
                    Value& scratch, std::size_t* looked_at = nullptr) const;
  /// Its canonical name as authors write it: "first_name", "custom.plan", "event.order.id".
  std::string written() const;
  /// What an author may compare it with; nothing where only the value itself can tell.
  std::optional<FieldType> type() const;
};

/// "first_name", "custom.plan", "consent.type", "id", "groups", "updated_at", a statistic, or an
/// alias of another system's; nothing where there can be no such field.
std::optional<Lookup> find_contact_lookup(std::string_view name);
/// `path` is without "event.".
Lookup event_lookup(std::string_view path);
/// Reports to `diagnostics` the custom field that a lookup reads, if it reads one.
void note_custom_field(const Lookup& lookup, Position at, Diagnostics& diagnostics);
/// Whether a path such as "order.total" has a part, and no part of it is empty.
bool is_path(std::string_view path);
/// Every name that `find_contact_lookup` knows, aliases and custom fields aside.
const std::vector<std::string>& contact_names();
}  // namespace onward
