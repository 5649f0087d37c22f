#include "engine/files/contact_columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "engine/core/base/text.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
namespace {
/// Bytes of a cell that a message repeats.
constexpr std::size_t kFoundMax = 60;
constexpr std::array<std::string_view, 4> kGroupColumns{"groups", "groups_add", "groups_remove",
                                                        "custom"};
constexpr std::array kTypes{CellType::Text, CellType::Number, CellType::Flag, CellType::List,
                            CellType::Json};

/// "First Name" as a field is written: "first_name".
std::string folded(std::string_view header) {
  std::string name = lower(trimmed(header));
  for (char& c : name)
    if (c == ' ' || c == '-') c = '_';
  return name;
}

std::optional<CellType> find_type(std::string_view name) {
  for (const CellType type : kTypes)
    if (to_string(type) == name) return type;
  return std::nullopt;
}

bool names_id(std::string_view name) { return name == "id" || name == "uid" || name == "ref"; }

/// The field that a name means, under our own name for it; nothing where it means none.
std::optional<std::string> field_named(std::string_view name) {
  if (names_id(name)) return "id";
  if (std::find(kGroupColumns.begin(), kGroupColumns.end(), name) != kGroupColumns.end())
    return std::string{name};
  if (name.starts_with(kCustom) && name.size() > kCustom.size() &&
      name.find('.', kCustom.size()) == std::string_view::npos)
    return std::string{name};
  if (const FieldInfo* info = find_field(name)) return std::string{info->name};
  return std::nullopt;
}

/// A target such as "custom.seats:number". The name may be folded; that of a custom field may not.
std::optional<ContactColumn> column_named(std::string_view target) {
  ContactColumn column;
  std::string_view name = trimmed(target);
  if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos) {
    if (const auto type = find_type(trimmed(name.substr(colon + 1)))) {
      column.type = *type;
      name = trimmed(name.substr(0, colon));
    }
  }
  auto field = field_named(name);
  if (!field) field = field_named(folded(name));
  if (!field) return std::nullopt;
  column.field = *std::move(field);
  if (column.field == "custom") column.type = CellType::Json;
  return column;
}

/// What is wrong with the type behind a custom field's name, such as "nubmer" of
/// "custom.seats:nubmer"; empty where there is no type, or a known one. Without this check the
/// mistake would become part of the name, and each contact would get one more field.
std::string wrong_type_of(std::string_view target) {
  const std::string_view name = trimmed(target);
  const std::size_t colon = name.rfind(':');
  if (colon == std::string_view::npos || !folded(name).starts_with(kCustom)) return {};
  const std::string_view type = trimmed(name.substr(colon + 1));
  if (find_type(type)) return {};
  std::vector<std::string> types;
  for (const CellType known : kTypes) types.emplace_back(to_string(known));
  const std::string near = nearest_name(type, types);
  return fmt::format(
      "unknown type \"{}\"{}; the types are {}, and a name that has a colon needs one behind it, "
      "for example {}:text",
      clipped(type, kFoundMax), near.empty() ? "" : fmt::format(" (perhaps {})", near),
      fmt::join(types, ", "), clipped(name, kFoundMax));
}

std::vector<std::string> known_names() {
  std::vector<std::string> names{"id", "groups", "groups_add", "groups_remove"};
  for (const FieldInfo& info : contact_fields()) names.emplace_back(info.name);
  return names;
}

std::string no_field(std::string_view name) {
  const std::string near = nearest_name(folded(name), known_names());
  return near.empty() ? fmt::format("\"{}\"", name)
                      : fmt::format("\"{}\" (perhaps {})", name, near);
}

CellFault fault(const ContactColumn& column, std::string_view wants, std::string_view found) {
  return {column.header, Error{ErrorKind::Invalid, "wrong_type",
                               fmt::format("\"{}\" wants {}, found \"{}\"", column.header, wants,
                                           clipped(found, kFoundMax))}};
}

CellResult<Value> number_of(const ContactColumn& column, std::string_view cell) {
  std::string_view text = trimmed(cell);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t whole = 0;
  const char* const end = text.data() + text.size();
  if (const auto read = std::from_chars(text.data(), end, whole);
      read.ec == std::errc{} && read.ptr == end)
    return Value{whole};
  double number = 0;
  if (const auto read = std::from_chars(text.data(), end, number);
      read.ec == std::errc{} && read.ptr == end && std::isfinite(number))
    return Value{number};
  return tl::make_unexpected(fault(column, "a number such as 12 or 12.5", cell));
}

CellResult<Value> flag_of(const ContactColumn& column, std::string_view cell) {
  const std::string word = folded(cell);
  for (const std::string_view yes : {"true", "yes", "1"})
    if (word == yes) return Value{true};
  for (const std::string_view no : {"false", "no", "0"})
    if (word == no) return Value{false};
  return tl::make_unexpected(fault(column, "true or false (or yes, no, 1, 0)", cell));
}

CellResult<Value> list_of(const ContactColumn& column, std::string_view cell) {
  const auto names = split_names(cell);
  if (!names) return tl::make_unexpected(CellFault{column.header, names.error()});
  return Value{ValueList(names->begin(), names->end())};
}

CellType type_of(FieldType type) {
  switch (type) {
    case FieldType::Number:
      return CellType::Number;
    case FieldType::Flag:
      return CellType::Flag;
    case FieldType::List:
      return CellType::List;
    case FieldType::Text:
    case FieldType::Date:
    case FieldType::Instant:
      return CellType::Text;
  }
  return CellType::Text;
}

/// The type that a column's cells have in the end.
CellType type_of(const ContactColumn& column) {
  if (column.type != CellType::Field) return column.type;
  if (column.field.starts_with("groups")) return CellType::List;
  const FieldInfo* info = find_field(column.field);
  return info == nullptr ? CellType::Text : type_of(info->type);
}

CellResult<Value> value_of(const ContactColumn& column, std::string_view cell) {
  switch (type_of(column)) {
    case CellType::Field:
    case CellType::Text: {
      const FieldInfo* info = find_field(column.field);
      const bool plain = info == nullptr ? !names_id(column.field) : info->type == FieldType::Text;
      return Value{plain ? cell : trimmed(cell)};
    }
    case CellType::Number:
      return number_of(column, cell);
    case CellType::Flag:
      return flag_of(column, cell);
    case CellType::List:
      return list_of(column, cell);
    case CellType::Json: {
      auto value = parse_json(cell);
      if (value) return std::move(*value);
      return tl::make_unexpected(CellFault{
          column.header,
          Error{ErrorKind::Invalid, "bad_json",
                fmt::format("\"{}\" wants JSON: {}", column.header, value.error().message)}});
    }
  }
  return Value{};
}

/// A contact on its way to parse_contact.
class Draft {
 public:
  /// False: it is there already.
  bool set(std::string_view field, Value value) {
    if (!field.starts_with(kCustom)) return members_.add(field, std::move(value));
    return custom_.add(field.substr(kCustom.size()), std::move(value));
  }
  Value take() {
    ValueMap members = members_.take();
    if (!custom_.empty()) members.emplace_back("custom", custom_.take());
    return Value{std::move(members)};
  }

 private:
  MapBuilder members_, custom_;
};

/// Sets a field, or with "custom" all members of an object. What is no object is told by
/// parse_contact.
bool set_field(Draft& draft, std::string_view field, Value value) {
  if (field != "custom" || !value.map()) return draft.set(field, std::move(value));
  for (const auto& [name, part] : *value.map())
    if (!draft.set(fmt::format("{}{}", kCustom, name), part)) return false;
  return true;
}

/// Unknown columns, and columns in all, that a message names.
constexpr std::size_t kNamedMax = 10;
constexpr std::size_t kColumnsNamedMax = 100;

std::string and_more(std::size_t all, std::size_t named) {
  return all > named ? fmt::format(" and {} more", all - named) : std::string{};
}

tl::unexpected<Error> wrong_type(std::string_view header, std::string_view wrong) {
  return fail(ErrorKind::Invalid, "unknown_field",
              fmt::format("column \"{}\": {}", clipped(header, kFoundMax), wrong));
}

Error given_twice(std::string_view name) {
  return {ErrorKind::Invalid, "duplicate_field", fmt::format("\"{}\" is given twice", name)};
}
}  // namespace

std::string_view to_string(CellType type) {
  switch (type) {
    case CellType::Field:
      return "";
    case CellType::Text:
      return "text";
    case CellType::Number:
      return "number";
    case CellType::Flag:
      return "flag";
    case CellType::List:
      return "list";
    case CellType::Json:
      return "json";
  }
  return "";
}

bool is_kept_by_server(std::string_view name) {
  for (const std::string_view kept :
       {"created_at", "updated_at", "statistics", "warnings", "refused"})
    if (name == kept || (name.starts_with(kept) && name[kept.size()] == '.')) return true;
  return false;
}

Result<std::vector<ContactColumn>> match_columns(std::span<const std::string> headers,
                                                 const ColumnMap& map, bool ignore_unmapped) {
  if (headers.size() > kColumnsMax)
    return fail(
        ErrorKind::Invalid, "too_many_columns",
        fmt::format("a table may have at most {} columns (got {})", kColumnsMax, headers.size()));
  std::unordered_map<std::string_view, const ColumnMap::value_type*> by_header;
  for (const auto& entry : map) by_header.try_emplace(trimmed(entry.first), &entry);
  std::vector<ContactColumn> columns;
  std::vector<std::string> unknown;  // The first kNamedMax of them.
  std::size_t unknown_count = 0;
  std::map<std::string, std::string> taken;  // field -> header
  std::set<std::string_view> used;           // of the map
  for (const std::string& header : headers) {
    const auto found = by_header.find(trimmed(header));
    ContactColumn column;
    if (found != by_header.end()) {
      const auto* mapped = found->second;
      used.insert(mapped->first);
      if (mapped->second != "-") {
        if (const std::string wrong = wrong_type_of(mapped->second); !wrong.empty())
          return wrong_type(header, wrong);
        auto named = column_named(mapped->second);
        if (!named)
          return fail(ErrorKind::Invalid, "unknown_field",
                      fmt::format("column \"{}\" is mapped to {}, which is no field of a contact; "
                                  "fields of your own are written custom.NAME",
                                  header, no_field(mapped->second)));
        column = *std::move(named);
      }
    } else if (const std::string wrong = wrong_type_of(header); !wrong.empty()) {
      return wrong_type(header, wrong);
    } else if (auto named = column_named(header)) {
      column = *std::move(named);
    } else if (trimmed(header) != "-" && !is_kept_by_server(trimmed(header))) {
      if (++unknown_count <= kNamedMax) unknown.push_back(no_field(header));
    }
    column.header = header;
    if (!column.field.empty()) {
      const auto [place, fresh] = taken.try_emplace(column.field, header);
      if (!fresh)
        return fail(ErrorKind::Invalid, "duplicate_field",
                    fmt::format("columns \"{}\" and \"{}\" both mean {}", place->second, header,
                                column.field));
    }
    columns.push_back(std::move(column));
  }
  for (const auto& [header, field] : map)
    if (!used.contains(header)) {
      const std::vector<std::string> names{headers.begin(), headers.end()};
      const std::string near = nearest_name(header, names);
      const auto named = headers.first(std::min(headers.size(), kColumnsNamedMax));
      return fail(ErrorKind::Invalid, "unknown_column",
                  fmt::format("there is no column \"{}\"{}; the columns are: {}{}", header,
                              near.empty() ? "" : fmt::format(", perhaps \"{}\"", near),
                              fmt::join(named, ", "), and_more(headers.size(), named.size())));
    }
  if (!unknown.empty() && !ignore_unmapped)
    return fail(ErrorKind::Invalid, "unmapped_column",
                fmt::format("no field of a contact is called {}{}; map each to a field or to "
                            "custom.NAME, or ignore what is not mapped",
                            fmt::join(unknown, ", "), and_more(unknown_count, unknown.size())));
  if (!taken.contains("id") && !taken.contains("email"))
    return fail(ErrorKind::Invalid, "no_contact",
                "no column is the id or the email of the contacts, so nobody can be found by them");
  return columns;
}

void give_types(std::span<ContactColumn> columns, const CustomFields& declared) {
  for (ContactColumn& column : columns) {
    if (!column.field.starts_with(kCustom) || column.type != CellType::Field) continue;
    const CustomField* field = declared.find(std::string_view{column.field}.substr(kCustom.size()));
    if (field != nullptr) column.type = type_of(field->type);
  }
}

CellResult<Value> contact_of(std::span<const ContactColumn> columns,
                             std::span<const std::string> cells, CellRules rules) {
  if (columns.size() != cells.size())
    return tl::make_unexpected(CellFault{
        {},
        Error{ErrorKind::Invalid, "wrong_columns",
              fmt::format("the row has {} cells, the header {}", cells.size(), columns.size())}});
  Draft contact;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const ContactColumn& column = columns[i];
    if (column.field.empty()) continue;
    const std::string_view cell =
        rules.raw ? std::string_view{cells[i]} : unguard_formula(cells[i]);
    if (!cell.empty()) {
      auto value = value_of(column, cell);
      if (!value) return value;
      if (!set_field(contact, column.field, std::move(*value)))
        return tl::make_unexpected(CellFault{column.header, given_twice(column.field)});
    } else if (rules.empty_clears && column.field != "id" && column.field != "custom" &&
               !column.field.starts_with("groups_")) {
      (void)set_field(contact, column.field, Value{});
    }
  }
  return contact.take();
}

Result<std::vector<std::string>> split_names(std::string_view cell) {
  std::vector<std::string> names;
  cell = trimmed(cell);
  if (cell.starts_with('[')) {
    const auto list = parse_json(cell);
    if (!list || !list->list())
      return fail(ErrorKind::Invalid, "bad_list",
                  "a list that begins with [ must be JSON, such as [\"a, b\",\"c\"]");
    for (const Value& item : *list->list()) {
      if (!item.text())
        return fail(ErrorKind::Invalid, "bad_list", "a list wants texts, such as [\"a, b\",\"c\"]");
      names.push_back(*item.text());
    }
    return names;
  }
  while (!cell.empty()) {
    const std::size_t end = std::min(cell.find_first_of(",|"), cell.size());
    const std::string_view name = trimmed(cell.substr(0, end));
    if (!name.empty()) names.emplace_back(name);
    cell.remove_prefix(std::min(end + 1, cell.size()));
  }
  return names;
}

std::string join_names(std::span<const std::string> names) {
  const bool plain = std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return !name.empty() && name.find_first_of(",|") == std::string::npos && name.front() != '[' &&
           trimmed(name) == name;
  });
  if (plain) return fmt::format("{}", fmt::join(names, "|"));
  return to_json(Value{ValueList(names.begin(), names.end())});
}

ColumnIndex::ColumnIndex(const ColumnMap& map) {
  std::size_t unknown = 0;
  for (const auto& [name, target] : map) {
    const auto [place, fresh] = targets_.try_emplace(name);
    if (!fresh || target == "-") continue;
    if (const std::string wrong = wrong_type_of(target); !wrong.empty())
      place->second.unknown = fmt::format("\"{}\" ({})", clipped(target, kFoundMax), wrong);
    else if (const auto column = column_named(target))
      place->second.field = column->field;
    else
      place->second.unknown =
          ++unknown <= kNamedMax ? no_field(target) : fmt::format("\"{}\"", target);
  }
}

const ColumnIndex::Target* ColumnIndex::find(const std::string& name) const {
  const auto found = targets_.find(name);
  return found == targets_.end() ? nullptr : &found->second;
}

Result<Value> contact_of_object(const Value& object, const ColumnIndex& index) {
  const ValueMap* members = object.map();
  if (members == nullptr)
    return fail(ErrorKind::Invalid, "wrong_type", "a contact is a JSON object");
  Draft contact;
  for (const auto& [name, value] : *members) {
    const ColumnIndex::Target* mapped = index.find(name);
    if (mapped == nullptr && is_kept_by_server(name)) continue;
    if (mapped != nullptr && !mapped->unknown.empty())
      return fail(ErrorKind::Invalid, "unknown_field",
                  fmt::format("\"{}\" is mapped to {}, which is no field of a contact", name,
                              mapped->unknown));
    if (mapped != nullptr && mapped->field.empty()) continue;
    const std::string& field = mapped == nullptr ? name : mapped->field;
    if (!set_field(contact, field, value)) return tl::make_unexpected(given_twice(field));
  }
  return contact.take();
}
}  // namespace onward
