#pragma once
// `onward validate` and `onward schema`: scenario files without a server.
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace onward {
/// Checks each file ("-" is standard input) and reports what is wrong with it: as "text" (for
/// people, on `err`), "short" (one line each, on `out`) or "json" (one list, on `out`). Returns the
/// exit code: 0 where nothing is wrong (warnings aside), 65 for mistakes, 66 where a file cannot be
/// read, 64 for an unknown format.
int validate_files(const std::vector<std::string>& files, std::string_view format, bool colour,
                   std::ostream& out, std::ostream& err);

/// The JSON Schema of scenario files, with a line end.
std::string schema_text();
}  // namespace onward
