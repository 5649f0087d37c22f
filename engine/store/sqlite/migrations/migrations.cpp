#include "engine/store/sqlite/migrations/migrations.h"

namespace onward {
std::span<const SchemaMigration> migrations() {
  static const SchemaMigration kAll[] = {
      {1, kMigration1}, {2, kMigration2}, {3, kMigration3}, {4, kMigration4}};
  return kAll;
}
}  // namespace onward
