#include "engine/cell/parts.h"

#include <utility>

namespace onward {
CellParts::CellParts(CellContext context)
    : cell{std::move(context)},
      writer{cell},
      builder{cell},
      log{cell},
      quarantine{cell, writer, backlog},
      outbox{{cell, writer, builder, backlog, quarantine, log}},
      inputs{{cell, writer, outbox, backlog, quarantine}},
      jobs{cell.options.stopwatch},
      backfills{cell, jobs},
      pauses{cell, outbox, jobs},
      control{{cell, writer, builder, backfills, pauses}},
      runner{{cell, writer, inputs, control, quarantine, jobs}},
      due{{cell, writer, inputs, backfills, quarantine, jobs}},
      bulk{cell, writer, inputs, quarantine},
      views{cell, builder, jobs},
      scenarios{{cell, writer, builder, outbox, pauses, control, jobs, runner, views}},
      deliveries{{cell, writer, builder, outbox, inputs, control, jobs}},
      contacts{cell, jobs},
      secrets{cell, control, builder},
      access{cell, control} {}
}  // namespace onward
