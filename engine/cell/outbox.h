#pragma once
// From a committed delivery to the task that leaves: a bounded window over the durable queue, and
// the batches that share a request.
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/cell/attempt_log.h"
#include "engine/cell/batch_deliveries.h"
#include "engine/cell/catalog_builder.h"
#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/dispatcher.h"
#include "engine/cell/quarantine.h"
#include "engine/cell/request_batcher.h"
#include "engine/cell/result_backlog.h"

namespace onward {
/// One thread.
class Outbox {
 public:
  /// All must outlive it.
  struct Parts {
    CellContext& cell;
    CommitWriter& writer;
    CatalogBuilder& builder;
    ResultBacklog& backlog;
    Quarantine& quarantine;
    AttemptLog& log;
  };
  explicit Outbox(const Parts& parts);

  /// What the store knows at start.
  void restore(std::span<const DueEndpoint> endpoints) { window_.restore(endpoints); }
  /// After the commit of a batch: its deliveries leave, change, or are withdrawn.
  void follow(const BatchDeliveries& batch);
  /// Takes from the store what is due and has room, and seals batches.
  Status refill();
  /// When `refill` may have something to do; nothing: not before something else happens.
  std::optional<Instant> next() const;
  /// A version was read: deliveries that waited for it leave.
  void retry_waiting();

  /// While a node is held, nothing of it leaves.
  void hold(NodePlace node, bool held) { window_.holds().set(node.first, node.second, held); }
  void hold_all(bool held) { window_.holds().set_all(held); }
  /// What has left of a node, or of all nodes of a scenario, waits in the store again.
  void call_back(NodePlace node) { withdraw(window_.recall(node.first, node.second)); }
  void call_back(ScenarioKey scenario) { withdraw(window_.recall(scenario)); }

  /// The row of a delivery that is out; null where it is not.
  const Delivery* find(DeliveryKey delivery) const { return window_.find(delivery); }
  std::optional<Instant> oldest_due() const { return window_.oldest_due(); }

 private:
  void follow_changed(const BatchDeliveries& batch);
  void hand_out(std::vector<Dispatcher::Handout>& handouts);
  void hand_out(Dispatcher::Handout& handout, std::shared_ptr<const Scenario> version);
  void withdraw(const std::vector<DeliveryKey>& deliveries);
  Result<std::shared_ptr<const Request>> merged_request(const Delivery& carrier);

  CellContext& cell_;
  CommitWriter& writer_;
  CatalogBuilder& builder_;
  ResultBacklog& backlog_;
  Quarantine& quarantine_;
  AttemptLog& log_;
  Dispatcher window_;
  RequestBatcher batcher_;
  std::vector<Dispatcher::Handout> waiting_for_version_;
};
}  // namespace onward
