#pragma once
// The parts of a cell, wired: each is given the ones above it that it needs, and no others.
#include "engine/cell/access_commands.h"
#include "engine/cell/attempt_log.h"
#include "engine/cell/backfills.h"
#include "engine/cell/bulk_queue.h"
#include "engine/cell/catalog_builder.h"
#include "engine/cell/commit_writer.h"
#include "engine/cell/contact_commands.h"
#include "engine/cell/context.h"
#include "engine/cell/control_writer.h"
#include "engine/cell/delivery_commands.h"
#include "engine/cell/due_work.h"
#include "engine/cell/input_writer.h"
#include "engine/cell/job_runner.h"
#include "engine/cell/node_pauses.h"
#include "engine/cell/outbox.h"
#include "engine/cell/quarantine.h"
#include "engine/cell/result_backlog.h"
#include "engine/cell/scenario_commands.h"
#include "engine/cell/scenario_views.h"
#include "engine/cell/secret_commands.h"
#include "engine/jobs/job_queue.h"

namespace onward {
struct CellParts {
  explicit CellParts(CellContext context);
  CellParts(const CellParts&) = delete;
  CellParts& operator=(const CellParts&) = delete;

  CellContext cell;
  // Into the store, and out of the process.
  CommitWriter writer;
  CatalogBuilder builder;
  ResultBacklog backlog;
  AttemptLog log;
  Quarantine quarantine;
  Outbox outbox;
  InputWriter inputs;
  // Background work, and what people set up.
  JobQueue jobs;
  Backfills backfills;
  NodePauses pauses;
  ControlWriter control;
  JobRunner runner;
  DueWork due;
  BulkQueue bulk;
  // What people do.
  ScenarioViews views;
  ScenarioCommands scenarios;
  DeliveryCommands deliveries;
  ContactCommands contacts;
  SecretCommands secrets;
  AccessCommands access;
};
}  // namespace onward
