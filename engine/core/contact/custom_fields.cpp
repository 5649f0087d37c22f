#include "engine/core/contact/custom_fields.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/contact/field_suggestions.h"

namespace onward {
namespace {
constexpr std::size_t kCustomNameMax = 256;
constexpr std::size_t kSummaryMax = 1'000;
constexpr std::array kTypes{FieldType::Text,    FieldType::Number, FieldType::Date,
                            FieldType::Instant, FieldType::Flag,   FieldType::List};

std::vector<std::string> names_of(const std::vector<CustomField>& fields) {
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const CustomField& field : fields) names.push_back(field.name);
  return names;
}

}  // namespace

CustomFields::CustomFields(std::vector<CustomField> fields) : fields_{std::move(fields)} {
  std::stable_sort(fields_.begin(), fields_.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto kept = std::unique(fields_.rbegin(), fields_.rend(),
                                [](const auto& a, const auto& b) { return a.name == b.name; });
  fields_.erase(fields_.begin(), kept.base());
}

const CustomField* CustomFields::find(std::string_view name) const {
  const auto at = std::lower_bound(fields_.begin(), fields_.end(), name,
                                   [](const auto& field, auto n) { return field.name < n; });
  return at != fields_.end() && at->name == name ? &*at : nullptr;
}

Result<Value> CustomFields::check(std::string_view name, const Value& value) const {
  if (free() || value.is_null()) return value;
  const CustomField* field = find(name);
  if (field == nullptr)
    return tl::make_unexpected(undeclared_field(name, nearest_name(name, names_of(fields_))));
  const std::string shown = fmt::format("{}{}", kCustom, clipped(name));
  auto typed = coerce(value, field->type, shown);
  if (typed && (typed->get_if<Date>() || typed->get_if<Instant>())) return Value{to_text(*typed)};
  return typed;
}

std::optional<FieldType> find_field_type(std::string_view name) {
  for (const FieldType type : kTypes)
    if (to_string(type) == name) return type;
  return std::nullopt;
}

Status check_custom_name(std::string_view name) {
  const bool sound = !name.empty() && name.size() <= kCustomNameMax && name != "*" &&
                     std::none_of(name.begin(), name.end(), [](char c) {
                       return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '.' ||
                              c == ':' || c == '|' || c == '{' || c == '}';
                     });
  if (sound) return {};
  return fail(ErrorKind::Invalid, "bad_name",
              fmt::format("a custom field's name has 1 to {} bytes without blanks, control "
                          "characters and . : | {{ }}",
                          kCustomNameMax));
}

Value to_value(const CustomField& field) {
  return ValueMap{{"type", to_string(field.type)}, {"summary", field.summary}};
}

Result<CustomField> custom_field_of(std::string name, const Value& content) {
  if (const Status sound = check_custom_name(name); !sound)
    return tl::make_unexpected(sound.error());
  CustomField field{.name = std::move(name)};
  const Value* type = content.find("type");
  const auto known =
      type != nullptr && type->text() ? find_field_type(*type->text()) : std::nullopt;
  if (!known)
    return fail(ErrorKind::Invalid, "bad_type",
                "\"type\" is one of text, number, date, instant, flag and list");
  field.type = *known;
  if (const Value* summary = content.find("summary"); summary && !summary->is_null()) {
    if (!summary->text() || summary->text()->size() > kSummaryMax)
      return fail(ErrorKind::Invalid, "wrong_type",
                  fmt::format("\"summary\" wants a text of at most {} bytes", kSummaryMax));
    field.summary = *summary->text();
  }
  return field;
}

void check_mentions(const CustomFields& declared, bool as_warning, Diagnostics& diagnostics) {
  if (declared.free()) return;
  std::vector<std::string> names;  // gathered for the first wrong one
  for (const CustomMention& mention : diagnostics.mentions()) {
    if (declared.find(mention.name)) continue;
    if (names.empty()) names = names_of(declared.all());
    std::string message =
        fmt::format("custom field \"{}\" is not declared on the server", clipped(mention.name));
    std::string near = diagnostics.nearest(mention.name, names);
    if (!near.empty()) near.insert(0, kCustom);
    if (as_warning)
      diagnostics.warning(mention.at, "undeclared_field", std::move(message), std::move(near));
    else
      diagnostics.error(mention.at, "undeclared_field", std::move(message), std::move(near));
  }
}
}  // namespace onward
