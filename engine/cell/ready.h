#pragma once
// Nothing leaves the process before it is durable. What a cell has committed and may let out is a
// `Ready`; only a `Publisher` can open one, and it syncs the store first.
#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "engine/cell/task.h"
#include "engine/delivery/scheduler.h"
#include "engine/store/cell_store.h"

namespace onward {
/// Receives the deliveries that may leave: the deliverer, or a test.
class DeliverySink {
 public:
  virtual ~DeliverySink() = default;
  virtual void submit(std::vector<DeliveryTask> tasks) = 0;
  /// These need not be attempted any more; those in flight may still report.
  virtual void withdraw(std::vector<DeliveryKey> deliveries) = 0;
  /// The deadline of these has passed: their last attempt is made now.
  virtual void expedite(std::vector<DeliveryKey> deliveries) = 0;
  /// The outcomes that were reported of these are durable, or dropped with their deliveries: each
  /// one that was reported is named once.
  virtual void recorded(std::vector<DeliveryKey> /*deliveries*/) {}
  /// Called on the cell's thread. While it is paused no attempt begins, since none could be
  /// recorded; those in flight may still report.
  virtual void pause(bool paused) = 0;
};

/// What the commits of a cell let out once they are durable.
struct Effects {
  std::vector<Task> answered;  ///< With their answers; no calls among them.
  std::vector<DeliveryTask> tasks;
  std::vector<DeliveryKey> withdrawn, expedited;  ///< Withdrawn before the tasks are submitted.
  std::vector<DeliveryKey> recorded;              ///< Their reported outcomes are in the commits.
  bool empty() const {
    return answered.empty() && tasks.empty() && withdrawn.empty() && expedited.empty() &&
           recorded.empty();
  }
};

/// Effects that wait for a sync. Move-only: published once. One that is destroyed unpublished
/// leaves its tasks to `refuse`.
class [[nodiscard]] Ready {
 public:
  Ready() = default;
  explicit Ready(Effects effects) : effects_{std::move(effects)} {}
  Ready(Ready&&) = default;
  Ready& operator=(Ready&&) = default;

  bool empty() const { return effects_.empty(); }
  std::size_t inputs() const;

 private:
  friend class Publisher;
  friend struct ReadyAccess;  // of tests
  Effects effects_;
};

/// Makes durable, then lets out: answers first, then requests. One thread at a time, and in the
/// order in which the cell returned the values.
class Publisher {
 public:
  /// Both must outlive it.
  Publisher(CellStore& store, DeliverySink& sink) : store_{store}, sink_{sink} {}

  /// Called between the sync and the first answer, with the result of the sync.
  using Synced = std::function<void(const Status&)>;
  /// One sync for all of `ready`. Where it fails the tasks are answered with its error, and no
  /// request leaves.
  Status publish(std::span<Ready> ready, const Synced& synced_now = {});
  Status publish(Ready ready) { return publish({&ready, 1}); }

 private:
  friend struct ReadyAccess;  // of tests
  static void let_out(Effects effects, DeliverySink& sink);

  CellStore& store_;
  DeliverySink& sink_;
};
}  // namespace onward
