#pragma once
// `onward validate` and `onward schema`: scenario files without a server.
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/contact/custom_fields.h"

namespace onward {
/// Checks each file ("-" is standard input) and reports what is wrong with it: as "text" (for
/// people, on `err`), "short" (one line each, on `out`) or "json" (one list, on `out`). Returns the
/// exit code: 0 where nothing is wrong (warnings aside), 65 for mistakes, 66 where a file cannot be
/// read, 64 for an unknown format.
/// With `declared`, other custom fields are warnings.
int validate_files(const std::vector<std::string>& files, std::string_view format,
                   std::ostream& out, std::ostream& err, const CustomFields* declared = nullptr);
/// The declarations in the file that `onward fields list --json` wrote.
Result<CustomFields> read_declarations(const std::string& file);

/// The JSON Schema of scenario files, with a line end.
std::string schema_text();
}  // namespace onward
