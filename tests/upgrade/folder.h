#pragma once
// A data folder as text, and back.
#include <filesystem>
#include <string>

namespace onward {
/// The files of a folder as they are kept in the repository.
inline constexpr const char* kDatabaseText = "onward.sql";
inline constexpr const char* kKeyText = "secret.key.hex";
inline constexpr const char* kTokenText = "token.txt";

/// All that one moment of a database holds, its write-ahead log included, as SQL that makes the
/// same database again. The database may be open elsewhere.
std::string dump_database(const std::filesystem::path& database);
/// Writes the texts of the data folder `folder` into `texts`; the database's is `sql`.
void write_texts(const std::filesystem::path& folder, const std::string& sql,
                 const std::filesystem::path& texts);
/// Makes the data folder `folder`, which must not exist, from the texts in `texts`.
void make_data_folder(const std::filesystem::path& texts, const std::filesystem::path& folder);

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& text);
}  // namespace onward
