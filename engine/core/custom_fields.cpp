#include "engine/core/custom_fields.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "engine/core/clipped.h"
#include "engine/core/field_suggestions.h"

namespace onward {
namespace {
constexpr std::string_view kCustom = "custom.";
constexpr std::size_t kNameMax = 256;
constexpr std::size_t kSummaryMax = 1'000;
constexpr std::array kTypes{FieldType::Text,    FieldType::Number, FieldType::Date,
                            FieldType::Instant, FieldType::Flag,   FieldType::List};

std::vector<std::string> names_of(const std::vector<CustomField>& fields) {
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const CustomField& field : fields) names.push_back(field.name);
  return names;
}

/// Walks over a scenario's tree. Keys below "additional", "headers" and the like are the receiver's
/// names, not ours; what stands below "tests" is no part of the scenario.
class Mentions {
 public:
  std::vector<CustomMention> found;

  void walk(const Tree& tree, std::string_view key, bool ours) {
    for (const Tree& item : tree.items) walk(item, key, ours);
    for (const Tree::Entry& entry : tree.entries) {
      if (ours) name(entry.key, entry.key_at);
      if (ours && entry.key == "custom" && entry.value.is_map())
        for (const Tree::Entry& own : entry.value.entries)
          name(fmt::format("{}{}", kCustom, own.key), own.key_at);
      const bool theirs = entry.key == "additional" || entry.key == "headers" ||
                          entry.key == "payload" || entry.key == "query";
      walk(entry.value, entry.key, ours && !theirs);
    }
    if (!tree.is_scalar()) return;
    if (ours && (key == "contact_fields" || key == "field")) name(tree.text, tree.at);
    placeholders(tree);
    constexpr std::string_view kPath = "$.subscriber.";
    if (tree.text.starts_with(kPath))
      name(std::string_view{tree.text}.substr(kPath.size()), tree.at);
  }

 private:
  /// "custom.plan", or a member of its value: "custom.plan.name".
  void name(std::string_view text, Position at) {
    if (!text.starts_with(kCustom)) return;
    text.remove_prefix(kCustom.size());
    text = text.substr(0, text.find('.'));
    if (!text.empty() && text != "*") found.push_back({std::string{text}, at});
  }

  void placeholders(const Tree& tree) {
    constexpr std::string_view kContact = "contact.";
    constexpr std::string_view kEnds = " \t|}";
    std::string_view text = tree.text;
    while (true) {
      const std::size_t open = text.find("{{");
      if (open == std::string_view::npos) return;
      text.remove_prefix(open + 2);
      const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
      const std::string_view inside = text.substr(first);
      if (inside.starts_with(kContact)) {
        const std::string_view field = inside.substr(kContact.size());
        name(field.substr(0, field.find_first_of(kEnds)), tree.at);
      }
    }
  }
};
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
  const bool sound = !name.empty() && name.size() <= kNameMax && name != "*" &&
                     std::none_of(name.begin(), name.end(), [](char c) {
                       return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '.' ||
                              c == ':' || c == '|' || c == '{' || c == '}';
                     });
  if (sound) return {};
  return fail(ErrorKind::Invalid, "bad_name",
              fmt::format("a custom field's name has 1 to {} bytes without blanks, control "
                          "characters and . : | {{ }}",
                          kNameMax));
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

std::vector<CustomMention> custom_mentions(const Tree& scenario) {
  Mentions mentions;
  for (const Tree::Entry& entry : scenario.entries)
    if (entry.key != "tests") mentions.walk(entry.value, entry.key, /*ours=*/true);
  return std::move(mentions.found);
}

void check_mentions(const Tree& scenario, const CustomFields& declared, bool as_warning,
                    Diagnostics& diagnostics) {
  if (declared.free()) return;
  for (const CustomMention& mention : custom_mentions(scenario)) {
    if (declared.find(mention.name)) continue;
    std::string message =
        fmt::format("custom field \"{}\" is not declared on the server", mention.name);
    std::string near = nearest_name(mention.name, names_of(declared.all()));
    if (!near.empty()) near.insert(0, kCustom);
    if (as_warning)
      diagnostics.warning(mention.at, "undeclared_field", std::move(message), std::move(near));
    else
      diagnostics.error(mention.at, "undeclared_field", std::move(message), std::move(near));
  }
}
}  // namespace onward
