#pragma once
// An embedded store: contacts and what people set up in one place, under one transaction.
#include <memory>

#include "engine/core/base/result.h"
#include "engine/store/cell_store.h"
#include "engine/store/control_store.h"
#include "engine/store/read_model.h"
#include "engine/store/store_upkeep.h"

namespace onward {
/// `memory/memory_store.h` is the reference, `sqlite/sqlite_store.h` the durable one.
class Store : public CellStore, public ControlStore, public StoreUpkeep {
 public:
  /// Any thread, any number; each reader belongs to one thread.
  virtual Result<std::unique_ptr<ReadModel>> open_reader() = 0;
  /// One reader sees both.
  Result<std::unique_ptr<ControlReader>> open_control_reader() final { return open_reader(); }
};
}  // namespace onward
