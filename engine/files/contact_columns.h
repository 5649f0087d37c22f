#pragma once
// Which column of a table is which field of a contact, and what its cells mean.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/custom_fields.h"
#include "engine/files/csv.h"

namespace onward {
/// What a cell holds. Field: whatever the field's own type asks for (text, where it has none).
enum class CellType : std::uint8_t { Field, Text, Number, Flag, List, Json };
std::string_view to_string(CellType type);

struct ContactColumn {
  std::string header;  ///< As the file has it.
  std::string field;   ///< "email", "consent.type", "custom.plan", "groups"; empty: passed over.
  CellType type = CellType::Field;
};

/// Header to field, as a caller says it: {"E-mail", "email"}, {"Seats", "custom.seats:number"},
/// {"Internal", "-"} to pass over.
using ColumnMap = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::size_t kColumnsMax = 10'000;  ///< Of one table.

/// A ColumnMap in which names are found without a search, for many objects.
class ColumnIndex {
 public:
  ColumnIndex(const ColumnMap& map);  // NOLINT(google-explicit-constructor)

  struct Target {
    std::string field;    ///< Empty: passed over.
    std::string unknown;  ///< How a message names a target that is not a field.
  };
  /// Null: the name is not mapped.
  const Target* find(const std::string& name) const;

 private:
  std::unordered_map<std::string, Target> targets_;
};

/// What cells that are empty or look like formulas mean.
struct CellRules {
  bool empty_clears = false;  ///< Else an empty cell leaves the field as it is.
  bool raw = false;           ///< A ' before = + - @ stays where it is: see guard_formula.
};

/// Finds the field of each header: by `map`, or by its own name, an alias, "custom.NAME", each with
/// a type behind it (":number"; an unknown type is refused); "First Name" is first_name. What the
/// server alone keeps (created_at, updated_at, statistics.*, refused.*) is passed over. Fails,
/// naming all of them, where headers mean nothing (unless `ignore_unmapped`), where two mean one
/// field, where the map names a header that is not there, and where nothing tells who the contact
/// is.
Result<std::vector<ContactColumn>> match_columns(std::span<const std::string> headers,
                                                 const ColumnMap& map, bool ignore_unmapped);

/// Columns of custom fields that name no type get that of the declaration.
void give_types(std::span<ContactColumn> columns, const CustomFields& declared);

/// A fault in one cell of a row.
struct CellFault {
  std::string column;  ///< Its header; empty where the row as a whole is wrong.
  Error error;
};
template <class T>
using CellResult = tl::expected<T, CellFault>;

/// The contact of a row, as `parse_contact` understands it.
CellResult<Value> contact_of(std::span<const ContactColumn> columns,
                             std::span<const std::string> cells, CellRules rules);

/// The names in a cell of groups: split by "|" or ",", or a JSON list where it begins with "[".
Result<std::vector<std::string>> split_names(std::string_view cell);
/// The reverse.
std::string join_names(std::span<const std::string> names);

/// Takes off what the server alone keeps and gives members their names by `map`, so that an
/// exported contact can be imported.
Result<Value> contact_of_object(const Value& object, const ColumnIndex& index);
/// Whether a field or a member is only ever written by the server: "created_at", "statistics".
bool is_kept_by_server(std::string_view name);
}  // namespace onward
