#pragma once
// How the database came to its present form, step by step. Forward only; each step is one
// transaction; the number of the last one is the file's `user_version`.
#include <span>
#include <string_view>

namespace onward {
struct SchemaMigration {
  int version = 0;
  std::string_view sql;
};
/// In order, numbered from 1.
std::span<const SchemaMigration> migrations();

extern const std::string_view kMigration1;
extern const std::string_view kMigration2;
extern const std::string_view kMigration3;
extern const std::string_view kMigration4;
}  // namespace onward
