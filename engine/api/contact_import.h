#pragma once
// Posted tables of contacts, from CSV or NDJSON to patches, and what became of them back to JSON.
// Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/http.h"
#include "engine/core/base/result.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/custom_fields.h"
#include "engine/files/contact_columns.h"
#include "engine/host/runtime.h"

namespace onward {
inline constexpr std::size_t kImportRowsMax = 10'000;  ///< In one post.
/// Contacts times the groups that every contact of a post joins.
inline constexpr std::size_t kImportJoinsMax = 200'000;

struct ImportForm {
  bool csv = true;  ///< Else one JSON object a line.
  ColumnMap map;
  char delimiter = 0;  ///< 0: found in the header.
  bool ignore_unmapped = false;
  CellRules cells;
  std::vector<std::string> groups;  ///< Every contact joins these.
};

/// Where one contact stood in the post.
struct ImportPlace {
  std::size_t index = 0;  ///< From 0, of the rows below the header.
  std::size_t line = 0;   ///< From 1.
};

/// A post, read. Its rows succeed or fail alone.
struct ImportPost {
  std::vector<ContactInput> contacts;
  std::vector<ImportPlace> places;  ///< Of `contacts`.
  struct Refusal {
    ImportPlace place;
    std::string column;  ///< Empty where the row as a whole is wrong.
    Error error;
  };
  std::vector<Refusal> refused;  ///< By index.
};
/// Fails where no row can be told: an empty body, a header that means nothing, too many rows.
/// Custom fields have the types under which they are `declared`.
Result<ImportPost> parse_import(std::string_view body, const ImportForm& form,
                                const CustomFields& declared);

/// `{"created", "updated", "unchanged", "refused", "dry_run", "warnings", "errors": [{"index",
/// "line", "column"?, "code", "message"}]}`. `answers` are those of `post.contacts`. 503 where one
/// was not taken for a reason of ours: the same post can be sent again.
ApiReply render_import(const ImportPost& post, const std::vector<ImportAnswer>& answers,
                       bool dry_run);
}  // namespace onward
