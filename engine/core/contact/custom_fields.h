#pragma once
// Custom fields that somebody has declared: their types, checked at every door. Free where nothing
// is declared.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
struct CustomField {
  std::string name;  ///< Without "custom."
  FieldType type = FieldType::Text;
  std::string summary;  ///< For people; may be empty.
  bool operator==(const CustomField&) const = default;
};
inline constexpr std::size_t kCustomFieldsMax = 1'000;

/// All declared ones. Immutable, so that doors on other threads share it.
class CustomFields {
 public:
  CustomFields() = default;
  /// Of two with one name the later wins.
  explicit CustomFields(std::vector<CustomField> fields);

  /// Whether contacts may have any custom field.
  bool free() const { return fields_.empty(); }
  const CustomField* find(std::string_view name) const;
  const std::vector<CustomField>& all() const { return fields_; }  ///< By name.

  /// The value as it is kept: a day or an instant in its one form, as text. Refused by name: a
  /// field that is not declared, a wrong type. Null clears whatever there is.
  Result<Value> check(std::string_view name, const Value& value) const;

 private:
  std::vector<CustomField> fields_;
};

std::optional<FieldType> find_field_type(std::string_view name);  ///< "number"
/// A name that can be declared: what a contact takes, and a scenario can write.
Status check_custom_name(std::string_view name);
/// {"type", "summary"}: the declaration without its name, as it is posted and stored; and back.
Value to_value(const CustomField& field);
Result<CustomField> custom_field_of(std::string name, const Value& content);

/// Reports the custom fields that a scenario reads or sets (`diagnostics.mentions()`) and that are
/// not declared; `as_warning` where only the server can be sure.
void check_mentions(const CustomFields& declared, bool as_warning, Diagnostics& diagnostics);
}  // namespace onward
