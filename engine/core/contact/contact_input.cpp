// Contacts as they come in: every member is checked by its field's type, and refused by name.
#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/contact/address.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/custom_fields.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
constexpr std::size_t kTextMax = 64 * 1024;
constexpr std::size_t kMemberNameMax = 256;  // of ids, groups and custom fields
constexpr std::size_t kFewNames = 24;        // among which one search after the other is quick

tl::unexpected<Error> refuse(std::string code, std::string_view name, std::string_view sentence) {
  std::string message = "\"";
  message += name;
  message += "\" ";
  message += sentence;
  return fail(ErrorKind::Invalid, std::move(code), std::move(message));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

/// Shows what was found: short, and a kind rather than a value.
std::string_view value_kind(const Value& value) {
  if (value.is_null()) return "null";
  if (value.get_if<bool>()) return "a flag";
  if (value.is_number()) return "a number";
  if (value.list()) return "a list";
  if (value.map()) return "an object";
  return "a text of another form";
}

std::string_view wanted(FieldType type) {
  switch (type) {
    case FieldType::Text:
      return "a text";
    case FieldType::Number:
      return "a number";
    case FieldType::Date:
      return "a day such as \"1990-05-01\"";
    case FieldType::Instant:
      return "a time with its offset such as \"2026-05-01T09:00:00Z\"";
    case FieldType::Flag:
      return "true or false";
    case FieldType::List:
      return "a list of texts";
  }
  return "";
}

/// Reads one contact's members into a ContactInput; every method answers the first fault.
class ContactReader {
 public:
  explicit ContactReader(const CustomFields* declared) : declared_{declared} {}

  Result<ContactInput> read(const Value& object) {
    const ValueMap* members = object.map();
    if (!members) return refuse("wrong_type", "contact", "wants an object");
    for (const auto& [name, value] : *members)
      if (auto status = member(name, value); !status) return tl::make_unexpected(status.error());
    return std::move(input_);
  }

 private:
  Status member(std::string_view name, const Value& value) {
    if (name == "id" || name == "uid" || name == "ref") return id(name, value);
    if (name == "custom") return custom(value);
    if (name.starts_with(kCustom)) return custom_field(name.substr(kCustom.size()), value);
    if (name == "organizationId") return custom_field(name, value);
    if (name == "consent") return consent(value);
    if (name == "groups") return groups(value);
    if (name == "groups_add") return names(name, value, input_.patch.groups_add);
    if (name == "groups_remove") return names(name, value, input_.patch.groups_remove);
    if (name == "updated_at" || name == "created_at")
      return refuse("read_only_field", name, "is kept by the server and cannot be set");
    const FieldInfo* info = find_field(name);
    return info ? field(*info, name, value) : unknown(name);
  }

  Status id(std::string_view name, const Value& value) {
    if (input_.who.id) return refuse("duplicate_field", name, "is given twice");
    ExternalId id;
    if (const auto* number = value.get_if<std::int64_t>()) {
      id = {std::to_string(*number), /*numeric=*/true};
    } else if (const auto* text = value.text()) {
      id = {*text, /*numeric=*/false};
    } else {
      return refuse("wrong_type", name, found("wants a text or an integer", value));
    }
    if (id.text.empty() || id.text.size() > kMemberNameMax || has_control(id.text))
      return refuse("bad_id", name, "wants 1 to 256 bytes without control characters");
    // Nobody sees them, and another system takes them away: two contacts where there is one.
    if (id.text.front() == ' ' || id.text.back() == ' ')
      return refuse("bad_id", name, "has blanks at its beginning or end; leave them out");
    // Clients take these segments out of a path, and call another route.
    if (id.text == "." || id.text == "..")
      return refuse("bad_id", name, "may not be \".\" or \"..\"");
    // Paths of the API name contacts without an id so.
    if (id.text.starts_with("email:"))
      return refuse("bad_id", name, "may not begin with \"email:\"");
    input_.who.id = std::move(id);
    return {};
  }

  Status field(const FieldInfo& info, std::string_view name, const Value& value) {
    for (const auto& set : input_.patch.fields)
      if (set.first == info.field) return refuse("duplicate_field", name, "is given twice");
    auto typed = coerce(value, info.type, name);
    if (!typed) return tl::make_unexpected(typed.error());
    if (info.field == Field::Email && typed->text()) {
      std::string email = normal_email(*typed->text());
      if (!is_address(email)) return refuse("bad_email", name, "is no e-mail address");
      input_.who.email = email;
      *typed = std::move(email);
    }
    if (info.field == Field::Timezone && typed->text() && !zone_exists(*typed->text()))
      return refuse("bad_timezone", name,
                    "is no zone of the IANA database, such as America/Toronto");
    input_.patch.fields.emplace_back(info.field, *std::move(typed));
    return {};
  }

  Status consent(const Value& value) {
    const ValueMap* members = value.map();
    if (!members && !value.is_null())
      return refuse("wrong_type", "consent", found("wants an object", value));
    if (members) {
      for (const auto& [name, part] : *members) {
        const FieldInfo* info = find_field("consent." + name);
        const auto status = info ? field(*info, info->name, part) : unknown("consent." + name);
        if (!status) return status;
      }
      return {};
    }
    for (const FieldInfo& info : contact_fields())
      if (info.name.starts_with("consent."))
        if (auto status = field(info, info.name, value); !status) return status;
    return {};
  }

  Status custom(const Value& value) {
    const ValueMap* members = value.map();
    if (!members) return refuse("wrong_type", "custom", found("wants an object", value));
    for (const auto& [name, part] : *members)
      if (auto status = custom_field(name, part); !status) return status;
    return {};
  }

  Status custom_field(std::string_view name, const Value& value) {
    const std::string shown = std::string{kCustom} + clipped(name);
    if (name.empty() || name.size() > kMemberNameMax || has_control(name) ||
        name.find('.') != std::string_view::npos)
      return refuse("bad_name", shown, "wants a name of 1 to 256 bytes without dots");
    if (is_taken(name)) return refuse("duplicate_field", shown, "is given twice");
    auto& custom = input_.patch.custom;
    if (custom.size() >= kContactPartsMax) return too_many_fields();
    const std::size_t size = value.text() ? value.text()->size() : to_json(value).size();
    if (size > kTextMax) return refuse("too_long", shown, "is longer than 64 KiB");
    auto checked = declared_ == nullptr ? Result<Value>{value} : declared_->check(name, value);
    if (!checked) return tl::make_unexpected(std::move(checked.error()));
    custom.emplace_back(name, std::move(*checked));
    return {};
  }

  /// Whether the patch has the custom field already; of one that has many, by a set of names.
  bool is_taken(std::string_view name) {
    const auto& custom = input_.patch.custom;
    if (custom.size() < kFewNames)
      return std::ranges::any_of(custom, [&](const auto& set) { return set.first == name; });
    if (custom_names_.empty())
      for (const auto& set : custom) custom_names_.insert(set.first);
    return !custom_names_.emplace(name).second;
  }

  static Status too_many_fields() {
    return refuse("too_many", "custom", "has more than 1,000 fields");
  }

  Status groups(const Value& value) {
    input_.patch.groups.emplace();
    if (value.is_null()) return {};
    return names("groups", value, *input_.patch.groups);
  }

  Status names(std::string_view name, const Value& value, std::vector<std::string>& out) {
    const ValueList* list = value.list();
    if (!list) return refuse("wrong_type", name, found("wants a list of texts", value));
    if (list->size() > kContactPartsMax)
      return refuse("too_many", name, "names more than 1,000 groups");
    for (const Value& item : *list) {
      const std::string* text = item.text();
      if (!text) return refuse("wrong_type", name, found("wants a list of texts", item));
      if (text->empty() || text->size() > kMemberNameMax || has_control(*text))
        return refuse("bad_name", name, "wants names of 1 to 256 bytes without control characters");
      out.push_back(*text);
    }
    return {};
  }

  static Status unknown(std::string_view name) {
    std::vector<std::string> known{"id", "custom", "groups", "groups_add", "groups_remove"};
    for (const FieldInfo& info : contact_fields()) known.emplace_back(info.name);
    const std::string near = nearest_name(name, known);
    std::string sentence = "is no field of a contact";
    sentence +=
        near.empty() ? "; fields of your own belong below \"custom\"" : perhaps(near, " was meant");
    return refuse("unknown_field", clipped(name), sentence);
  }

  static std::string found(std::string_view wants, const Value& value) {
    std::string sentence{wants};
    sentence += ", found ";
    sentence += value.text() ? "a text" : value_kind(value);
    return sentence;
  }

  const CustomFields* declared_;
  ContactInput input_;
  std::unordered_set<std::string> custom_names_;  ///< Once there are many.
};
}  // namespace

bool is_address(std::string_view email) {
  const auto at = email.rfind('@');
  if (at == std::string_view::npos || at == 0 || email.size() > kAddressBytesMax) return false;
  const std::string_view domain = email.substr(at + 1);
  return !domain.empty() && domain.front() != '.' && domain.back() != '.' &&
         domain.find("..") == std::string_view::npos && !has_control(email) &&
         email.find_first_of(" <>,;\"()") == std::string_view::npos;
}

Result<Value> coerce(const Value& value, FieldType type, std::string_view name) {
  if (value.is_null()) return Value{};
  const std::string* text = value.text();
  if (text && text->size() > kTextMax) return refuse("too_long", name, "is longer than 64 KiB");
  switch (type) {
    case FieldType::Text:
      if (text) return value;
      break;
    case FieldType::Number:
      if (value.is_number()) return value;
      break;
    case FieldType::Date:
      if (value.get_if<Date>()) return value;
      if (const auto date = text ? parse_date(*text) : std::nullopt) return Value{*date};
      break;
    case FieldType::Instant:
      if (value.get_if<Instant>()) return value;
      if (const auto instant = text ? parse_instant(*text) : std::nullopt) return Value{*instant};
      break;
    case FieldType::Flag:
      if (value.get_if<bool>()) return value;
      break;
    case FieldType::List:
      if (const auto* list = value.list();
          list && std::all_of(list->begin(), list->end(), [](const Value& v) { return v.text(); }))
        return value;
      break;
  }
  std::string sentence = "wants ";
  sentence += wanted(type);
  sentence += ", found ";
  const bool texts_differ = type == FieldType::Date || type == FieldType::Instant;
  sentence += text && !texts_differ ? "a text" : value_kind(value);
  return refuse("wrong_type", name, sentence);
}

Result<ContactInput> parse_contact(const Value& object, const CustomFields* declared) {
  return ContactReader{declared}.read(object);
}
}  // namespace onward
