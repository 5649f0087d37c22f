#pragma once
// Contacts as a table that can be imported again.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/value.h"

namespace onward {
struct ContactTableOptions {
  std::vector<std::string> fields;  ///< Empty: all; "custom.*" is every custom field.
  bool statistics = false;          ///< Where no fields are named: the personal statistics as well.
  char delimiter = ',';
  bool guard = true;  ///< Cells that a spreadsheet would take for formulas: see guard_formula.
};

/// Writes contacts, in the form in which GET answers them, as CSV. Looks at all of them first: what
/// custom fields there are, and of which type, decides the columns ("custom.seats:number").
class ContactTable {
 public:
  /// Refused: a field that there is none of.
  static Result<ContactTable> make(ContactTableOptions options);

  void look(const Value& contact);
  std::string header();
  std::string row(const Value& contact) const;
  /// What the fields ask for of a contact that goes out as JSON: all, or those.
  Value chosen(const Value& contact) const;

 private:
  enum Seen : unsigned { Text = 1, Number = 2, Flag = 4, List = 8, Other = 16 };
  struct Column {
    std::string path;  ///< "consent.type"; of custom fields the name alone.
    bool custom = false;
    unsigned seen = 0;
  };
  explicit ContactTable(ContactTableOptions options) : options_{std::move(options)} {}
  static unsigned kind_of(const Value& value);
  std::string cell(const Column& column, const Value& value) const;
  bool takes_custom(std::string_view name) const;

  ContactTableOptions options_;
  std::vector<Column> columns_;
  std::map<std::string, unsigned, std::less<>> custom_;  ///< What was seen of each.
  unsigned id_ = 0;
};
}  // namespace onward
