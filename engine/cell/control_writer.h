#pragma once
// The one way to change what people set up: commits a `Change`, applies it, and lets the cell
// follow.
#include "engine/cell/backfills.h"
#include "engine/cell/catalog_builder.h"
#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/node_pauses.h"
#include "engine/control/change.h"

namespace onward {
class ControlWriter {
 public:
  /// All must outlive it.
  struct Parts {
    CellContext& cell;
    CommitWriter& writer;
    CatalogBuilder& builder;
    Backfills& backfills;
    NodePauses& pauses;
  };
  explicit ControlWriter(const Parts& parts) : parts_{parts} {}

  /// An error: nothing has changed. Durable with the next sync, before anybody learns of it.
  Status commit(Change change);

 private:
  Parts parts_;
};
}  // namespace onward
