#include "engine/files/contact_export.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "engine/core/contact/contact.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/source/diagnostic.h"
#include "engine/files/contact_columns.h"
#include "engine/files/csv.h"

namespace onward {
namespace {
constexpr std::string_view kOddCustom = "custom";  // those whose names make no header

std::string type_suffix(CellType type) { return fmt::format(":{}", to_string(type)); }

/// Whether "custom.NAME" is read back as this very name.
bool makes_header(std::string_view name) {
  return !name.empty() && name.front() != ' ' && name.back() != ' ' && name != "*" &&
         name.find_first_of("\t\r\n") == std::string_view::npos;
}

std::vector<std::string> all_fields(bool statistics) {
  std::vector<std::string> names{"id"};
  for (const FieldInfo& info : contact_fields()) names.emplace_back(info.name);
  for (const std::string_view name :
       {std::string_view{"groups"}, kAllCustom, std::string_view{"created_at"},
        std::string_view{"updated_at"}})
    names.emplace_back(name);
  if (statistics)
    for (const std::string_view name : statistic_names())
      names.push_back(fmt::format("statistics.{}", name));
  return names;
}
}  // namespace

Result<ContactTable> ContactTable::make(ContactTableOptions options) {
  const std::vector<std::string> known = all_fields(/*statistics=*/true);
  if (options.fields.empty()) {
    options.fields = all_fields(options.statistics);
  } else {
    for (std::string& field : options.fields) {
      if (const FieldInfo* info = find_field(field)) field = info->name;
      if (field == "custom") field = kAllCustom;
      if (field.starts_with(kCustom) && field.size() > kCustom.size()) continue;
      if (std::find(known.begin(), known.end(), field) != known.end()) continue;
      const std::string near = nearest_name(field, known);
      return fail(ErrorKind::Invalid, "unknown_field",
                  near.empty() ? fmt::format("there is no field \"{}\" of a contact", field)
                               : fmt::format("there is no field \"{}\" of a contact, perhaps {}",
                                             field, near));
    }
  }
  return ContactTable{std::move(options)};
}

unsigned ContactTable::kind_of(const Value& value) {
  if (value.is_null()) return 0;
  if (value.text()) return Text;
  if (value.is_number()) return Number;
  if (value.get_if<bool>()) return Flag;
  const ValueList* list = value.list();
  const bool texts =
      list && !list->empty() &&
      std::all_of(list->begin(), list->end(), [](const Value& v) { return v.text() != nullptr; });
  return texts ? List : Other;
}

bool ContactTable::takes_custom(std::string_view name) const {
  return std::any_of(options_.fields.begin(), options_.fields.end(), [&](const auto& field) {
    return field == kAllCustom ||
           (field.starts_with(kCustom) && std::string_view{field}.substr(kCustom.size()) == name);
  });
}

void ContactTable::look(const Value& contact) {
  if (const Value* id = contact.find("id")) id_ |= kind_of(*id);
  const Value* custom = contact.find("custom");
  if (custom == nullptr || !custom->map()) return;
  for (const auto& [name, value] : *custom->map())
    if (takes_custom(name)) custom_[name] |= kind_of(value);
}

std::string ContactTable::header() {
  columns_.clear();
  const auto seen = [this](const std::string& name) {
    const auto found = custom_.find(name);
    return found == custom_.end() ? 0u : found->second;
  };
  for (const std::string& field : options_.fields) {
    if (field == kAllCustom) {
      bool odd = false;
      for (const auto& [name, kinds] : custom_) {
        const bool named = std::find(options_.fields.begin(), options_.fields.end(),
                                     fmt::format("{}{}", kCustom, name)) != options_.fields.end();
        if (named) continue;
        if (makes_header(name))
          columns_.push_back({name, /*custom=*/true, kinds});
        else
          odd = true;
      }
      if (odd) columns_.push_back({std::string{kOddCustom}});
    } else if (field.starts_with(kCustom)) {
      std::string name = field.substr(kCustom.size());
      columns_.push_back({name, /*custom=*/true, seen(name)});
    } else {
      columns_.push_back({field, /*custom=*/false, field == "id" ? id_ : Text});
    }
  }
  std::vector<std::string> cells;
  for (const Column& column : columns_) {
    std::string title = column.custom ? fmt::format("{}{}", kCustom, column.path) : column.path;
    const bool typed = column.custom || column.path == "id";
    if (typed && column.seen == Number)
      title += type_suffix(CellType::Number);
    else if (typed && column.seen == Flag)
      title += type_suffix(CellType::Flag);
    else if (typed && column.seen == List)
      title += type_suffix(CellType::List);
    else if (typed && column.seen != 0 && column.seen != Text)
      title += type_suffix(CellType::Json);
    else if (column.custom && column.path.find(':') != std::string::npos)
      title += type_suffix(CellType::Text);  // so that no end of the name is taken for a type
    cells.push_back(std::move(title));
  }
  return csv_row(cells, options_.delimiter);
}

std::string ContactTable::cell(const Column& column, const Value& value) const {
  if (value.is_null()) return {};
  const bool typed = column.custom || column.path == "id";
  if (typed && column.seen != Text && column.seen != Number && column.seen != Flag &&
      column.seen != List)
    return to_json(value);
  if (const ValueList* list = value.list()) {
    std::vector<std::string> names;
    for (const Value& item : *list) names.push_back(to_text(item));
    std::string joined = names.empty() ? std::string{} : join_names(names);
    return options_.guard ? guard_formula(joined) : joined;
  }
  if (const std::string* text = value.text()) return options_.guard ? guard_formula(*text) : *text;
  return value.map() ? to_json(value) : to_text(value);
}

std::string ContactTable::row(const Value& contact) const {
  std::vector<std::string> cells;
  cells.reserve(columns_.size());
  const Value* custom = contact.find("custom");
  for (const Column& column : columns_) {
    if (!column.custom && column.path == kOddCustom) {
      ValueMap odd;
      if (custom != nullptr && custom->map())
        for (const auto& [name, value] : *custom->map())
          if (!makes_header(name) && custom_.contains(name)) odd.emplace_back(name, value);
      cells.push_back(odd.empty() ? std::string{} : to_json(Value{std::move(odd)}));
      continue;
    }
    const Value* value = !column.custom ? contact.find_path(column.path)
                         : custom       ? custom->find(column.path)
                                        : nullptr;
    cells.push_back(value == nullptr ? std::string{} : cell(column, *value));
  }
  return csv_row(cells, options_.delimiter);
}

Value ContactTable::chosen(const Value& contact) const {
  Value out{ValueMap{}};
  const auto put = [&out](std::string_view outer, std::string_view inner, const Value& value) {
    const Value* present = out.find(outer);
    Value group = present ? *present : Value{ValueMap{}};
    group.set(inner, value);
    out.set(outer, std::move(group));
  };
  const Value* custom = contact.find("custom");
  for (const std::string& field : options_.fields) {
    if (field == kAllCustom) {
      if (custom != nullptr && !out.find("custom")) out.set("custom", *custom);
      if (custom != nullptr && custom->map())
        for (const auto& [name, value] : *custom->map()) put("custom", name, value);
    } else if (field.starts_with(kCustom)) {
      const std::string name = field.substr(kCustom.size());
      if (const Value* value = custom ? custom->find(name) : nullptr) put("custom", name, *value);
    } else if (const Value* value = contact.find_path(field)) {
      const std::size_t dot = field.find('.');
      if (dot == std::string::npos)
        out.set(field, *value);
      else
        put(std::string_view{field}.substr(0, dot), std::string_view{field}.substr(dot + 1),
            *value);
    }
  }
  return out;
}
}  // namespace onward
