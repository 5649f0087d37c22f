#include "engine/api/contact_import.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/api/event_parts.h"
#include "engine/api/problem.h"
#include "engine/core/base/error_codes.h"
#include "engine/core/base/text.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/contact/field_suggestions.h"
#include "engine/files/csv.h"

namespace onward {
namespace {
Error no_contact() {
  return {ErrorKind::Invalid, "no_contact",
          "a contact wants an \"id\" or an \"email\", or nobody can be found by it"};
}

/// Takes rows one after another and sorts them into the post.
class ImportReader {
 public:
  ImportReader(const ImportForm& form, const CustomFields& declared)
      : form_{form}, declared_{declared} {}

  Status start() {
    if (form_.groups.empty()) return {};
    auto groups = parse_contact(
        ValueMap{{"groups_add", ValueList(form_.groups.begin(), form_.groups.end())}});
    if (!groups) return tl::make_unexpected(groups.error());
    groups_ = std::move(groups->patch.groups_add);
    return {};
  }

  bool full() const { return rows_ >= kImportRowsMax; }
  /// Whether another row would add more contacts to `groups` than one post may.
  bool full_of_groups() const {
    return (post.contacts.size() + 1) * groups_.size() > kImportJoinsMax;
  }

  void refuse(std::size_t line, std::string column, Error error) {
    post.refused.push_back({{rows_++, line}, std::move(column), std::move(error)});
  }

  /// Members of `contact` stand for columns; `name_of` tells their headers.
  template <class NameOf>
  void take(std::size_t line, const Value& contact, NameOf name_of) {
    auto input = parse_contact(contact);
    if (!input) return refuse(line, culprit(contact, name_of), std::move(input.error()));
    for (auto& [name, value] : input->patch.custom) {
      auto checked = suggestions_.check(declared_, name, value);
      if (!checked)
        return refuse(line, name_of(std::string{kCustom} + name), std::move(checked.error()));
      value = *std::move(checked);
    }
    if (!input->who.id && input->who.email.empty()) return refuse(line, {}, no_contact());
    auto& joins = input->patch.groups_add;
    joins.insert(joins.end(), groups_.begin(), groups_.end());
    post.contacts.push_back(std::move(*input));
    post.places.push_back({rows_++, line});
  }

  ImportPost post;

 private:
  /// The column without which the contact would pass: each is asked alone.
  template <class NameOf>
  std::string culprit(const Value& contact, NameOf name_of) const {
    for (const auto& [name, value] : *contact.map()) {
      const ValueMap* inner = value.map();
      if (name != "custom" || inner == nullptr) {
        if (!parse_contact(ValueMap{{name, value}})) return name_of(name);
        continue;
      }
      for (const auto& [custom, part] : *inner)
        if (!parse_contact(ValueMap{{"custom", ValueMap{{custom, part}}}}))
          return name_of(std::string{kCustom} + custom);
    }
    return {};
  }

  const ImportForm& form_;
  const CustomFields& declared_;
  FieldSuggestions suggestions_;
  std::vector<std::string> groups_;
  std::size_t rows_ = 0;
};

tl::unexpected<Error> too_many() {
  return fail(ErrorKind::Invalid, "too_many_contacts",
              fmt::format("One post may have at most {} contacts.", kImportRowsMax));
}

tl::unexpected<Error> too_many_joins(const ImportForm& form) {
  return fail(
      ErrorKind::Invalid, "too_many_contacts",
      fmt::format("One post may add contacts to at most {} groups in all: with {} \"groups\" "
                  "it may have at most {} contacts.",
                  kImportJoinsMax, form.groups.size(),
                  kImportJoinsMax / std::max<std::size_t>(form.groups.size(), 1)));
}

Result<ImportPost> parse_csv(std::string_view body, const ImportForm& form,
                             const CustomFields& declared, ImportReader& reader) {
  CsvReader rows{pieces_of(body), form.delimiter};
  CsvRow row;
  if (!rows.next(row)) return fail(ErrorKind::Invalid, "no_contacts", "The body holds no header.");
  if (row.fault)
    return fail(ErrorKind::Invalid, row.fault->code,
                fmt::format("The header cannot be read: {}.", row.fault->message));
  auto columns = match_columns(row.cells, form.map, form.ignore_unmapped);
  if (!columns) return tl::make_unexpected(columns.error());
  give_types(*columns, declared);
  const auto header_of = [&columns](const std::string& field) {
    for (const ContactColumn& column : *columns)
      if (column.field == field) return column.header;
    return field;
  };
  while (rows.next(row)) {
    // Spreadsheets leave such rows behind.
    if (!row.fault && std::all_of(row.cells.begin(), row.cells.end(),
                                  [](const std::string& cell) { return cell.empty(); }))
      continue;
    if (reader.full()) return too_many();
    if (reader.full_of_groups()) return too_many_joins(form);
    if (row.fault) {
      reader.refuse(row.line, {}, std::move(*row.fault));
      continue;
    }
    const auto contact = contact_of(*columns, row.cells, form.cells);
    if (contact)
      reader.take(row.line, *contact, header_of);
    else
      reader.refuse(row.line, contact.error().column, contact.error().error);
  }
  return std::move(reader.post);
}

Result<ImportPost> parse_contact_lines(std::string_view body, const ImportForm& form,
                                       ImportReader& reader) {
  const ColumnIndex columns{form.map};
  for (std::size_t line = 1; !body.empty(); ++line) {
    std::string_view text = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(body.size(), text.size() + 1));
    if (is_blank(text)) continue;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (reader.full()) return too_many();
    if (reader.full_of_groups()) return too_many_joins(form);
    auto object = parse_posted(text);
    auto contact = object ? contact_of_object(*object, columns) : std::move(object);
    if (contact)
      reader.take(line, *contact, [](const std::string& field) { return field; });
    else
      reader.refuse(line, {}, std::move(contact.error()));
  }
  return std::move(reader.post);
}

Value describe(const ImportPlace& place, const std::string& column, std::string_view code,
               std::string_view message) {
  Value value;
  value.set("index", static_cast<std::int64_t>(place.index));
  value.set("line", static_cast<std::int64_t>(place.line));
  if (!column.empty()) value.set("column", column);
  value.set("code", code);
  if (!message.empty()) value.set("message", message);
  return value;
}
}  // namespace

Result<ImportPost> parse_import(std::string_view body, const ImportForm& form,
                                const CustomFields& declared) {
  if (is_blank(body)) return fail(ErrorKind::Invalid, "no_contacts", "The body is empty.");
  ImportReader reader{form, declared};
  if (const Status started = reader.start(); !started) return tl::make_unexpected(started.error());
  return form.csv ? parse_csv(body, form, declared, reader)
                  : parse_contact_lines(body, form, reader);
}

ApiReply render_import(const ImportPost& post, const std::vector<ImportAnswer>& answers,
                       bool dry_run) {
  using Kind = ImportAnswer::Kind;
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::int64_t unchanged = 0;
  ValueList warnings;
  std::vector<std::pair<std::size_t, Value>> errors;
  for (const auto& refusal : post.refused)
    errors.emplace_back(refusal.place.index, describe(refusal.place, refusal.column,
                                                      refusal.error.code, refusal.error.message));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const ImportAnswer& answer = answers[i];
    const ImportPlace& place = post.places[i];
    for (const std::string& code : answer.warnings)
      warnings.push_back(describe(place, {}, code, {}));
    switch (answer.kind) {
      case Kind::Created:
        ++created;
        break;
      case Kind::Updated:
        ++updated;
        break;
      case Kind::Unchanged:
        ++unchanged;
        break;
      case Kind::Refused:
        errors.emplace_back(place.index, describe(place, {}, answer.code, answer.message));
        break;
      case Kind::Unavailable:
        // Of this row alone: the others need not wait for it.
        if (answer.code == kUnreadableRow) {
          errors.emplace_back(place.index, describe(place, {}, answer.code, answer.message));
          break;
        }
        return problem_of({ErrorKind::Unavailable, answer.code, answer.message});
    }
  }
  std::stable_sort(errors.begin(), errors.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  ValueList listed;
  for (auto& [index, error] : errors) listed.push_back(std::move(error));
  const auto refused = static_cast<std::int64_t>(listed.size());
  return json_reply(200, ValueMap{{"created", created},
                                  {"updated", updated},
                                  {"unchanged", unchanged},
                                  {"refused", refused},
                                  {"dry_run", dry_run},
                                  {"warnings", std::move(warnings)},
                                  {"errors", std::move(listed)}});
}
}  // namespace onward
