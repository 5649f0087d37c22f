#pragma once
// Paused nodes: pausing parks what is pending, a step at a time; resuming takes it out again. The
// record is committed first, so that a restart continues where a crash came between.
#include <string>
#include <vector>

#include "engine/cell/context.h"
#include "engine/cell/outbox.h"
#include "engine/control/scenario_book.h"
#include "engine/control/switches.h"
#include "engine/jobs/job_queue.h"

namespace onward {
/// The record of a node's pause; `name` is "scenario/node".
AdminRecord record_of(const std::string& name, const NodeSwitch& node);

class NodePauses {
 public:
  /// All must outlive it.
  NodePauses(CellContext& cell, Outbox& outbox, JobQueue& jobs)
      : cell_{cell}, outbox_{outbox}, jobs_{jobs} {}

  /// At a start: `rows` are all of the store.
  void restore(const std::vector<AdminRecord>& rows);
  /// Memory follows a committed record, where it is one of a node's pause: what is out is called
  /// back, and the rest is left to a job.
  void follow(const AdminRecord& record);
  /// The records of nodes that are new in a version: paused, where their author says so.
  std::vector<AdminRecord> first_rows(const std::string& scenario, const BookChange& change) const;

 private:
  void follow(NodePlace place, const std::string& node, const NodeSwitch& state);

  CellContext& cell_;
  Outbox& outbox_;
  JobQueue& jobs_;
};
}  // namespace onward
