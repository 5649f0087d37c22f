#pragma once
// Data folders as the first version of the program left them.
#include <filesystem>

namespace onward {
/// Takes back what later migrations did to a database that nobody has open. What the tables of the
/// first schema hold stays, as does the journal.
void back_to_first_schema(const std::filesystem::path& database);
int schema_of(const std::filesystem::path& database);
}  // namespace onward
