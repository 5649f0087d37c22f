#include "engine/cell/catalog_builder.h"

#include <utility>

namespace onward {
void CatalogBuilder::rebuild() {
  const VersionsInUse used = versions_in_use(cell_.counters);
  for (VersionName& name : cell_.control.scenarios.missing(used)) {
    if (!reads_elsewhere_)
      cell_.control.scenarios.adopt(name, cell_.control.scenarios.load(name));
    else if (awaited_.insert(name).second)
      wanted_.push_back(std::move(name));
  }
  ask_for_title();
  cell_.catalog =
      cell_.control.scenarios.catalog(used, cell_.epochs.newest(), cell_.options.account_id);
  cell_.catalog.limit_contacts(cell_.options.contact_bytes_max);
  next_transition_ = next_due(cell_.control.scenarios);
  ++cell_.control.generation;
}

void CatalogBuilder::read_elsewhere() {
  reads_elsewhere_ = true;
  ask_for_title();
}

/// One at a time, and after all that is needed: nothing waits for the titles of archived scenarios.
void CatalogBuilder::ask_for_title() {
  if (!reads_elsewhere_ || !awaited_.empty()) return;
  if (auto name = cell_.control.scenarios.untitled()) {
    awaited_.insert(*name);
    wanted_.push_back(std::move(*name));
  }
}

void CatalogBuilder::adopt(const VersionName& name, std::shared_ptr<const Scenario> scenario) {
  awaited_.erase(name);
  cell_.control.scenarios.adopt(name, std::move(scenario));
  rebuild();
}
}  // namespace onward
