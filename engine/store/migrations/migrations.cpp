#include "engine/store/migrations/migrations.h"

namespace onward {
std::span<const Migration> migrations() {
  static const Migration all[] = {{1, kMigration1}, {2, kMigration2}};
  return all;
}
}  // namespace onward
