#include "engine/core/journey/advance.h"

#include "engine/core/journey/cascade.h"

namespace onward {
Changes advance(const Catalog& catalog, ContactState& state, const Input& input, const Now& now,
                const LedgerSource& ledger) {
  Cascade cascade{catalog, state, now, ledger};
  std::visit([&](const auto& of) { cascade.handle(of); }, input);
  return cascade.finish();
}
}  // namespace onward
