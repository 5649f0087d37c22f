#include "engine/store/migrations/migrations.h"

namespace onward {
std::span<const SchemaMigration> migrations() {
  static const SchemaMigration all[] = {{1, kMigration1}, {2, kMigration2}};
  return all;
}
}  // namespace onward
