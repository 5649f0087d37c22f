#pragma once
// What the parts of a cell share: its store, its clock, and the state in memory that follows its
// commits. One thread.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/cell/batch.h"
#include "engine/cell/clock.h"
#include "engine/cell/numbers.h"
#include "engine/cell/options.h"
#include "engine/cell/ready.h"
#include "engine/control/control_state.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/log_record.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/stats.h"
#include "engine/core/scenario/catalog.h"
#include "engine/store/store.h"

namespace onward {
struct EngineFigures {
  std::uint64_t events_accepted = 0, events_duplicate = 0, events_rejected = 0;
  std::uint64_t contacts_full = 0;  ///< Events, changes and rows refused since they do not fit.
  std::uint64_t attempts_accepted = 0, attempts_refused = 0, attempts_local = 0;
  std::uint64_t attempts_after_unknown = 0;  ///< Their receiver may have had the request before.
  std::uint64_t commits = 0, inputs = 0, commit_micros_total = 0;
  std::int64_t pending = 0;
};

struct CellContext {
  std::unique_ptr<Store> store;
  DeliverySink& sink;
  const Clock& clock;
  RuntimeOptions options;
  Epochs epochs;
  Numbers numbers;
  Counters counters;
  EngineFigures figures;
  ControlState control;
  Catalog catalog;  ///< The versions in use, indexed; follows `control` and `counters`.
  Effects effects;  ///< Of commits since the last `Ready`.
  std::optional<Instant> newest_stored;  ///< The newest time that was stored at the start.

  Instant now() const { return clock.now(); }
  /// See Clock::uncertain_until.
  bool certain() const { return !clock.uncertain_until(); }
  void log(const LogRecord& record) const {
    if (options.log) options.log(record);
  }

  /// An empty commit at this moment.
  Commit new_commit() const {
    return {.at = now(), .last_seq = numbers.sequence, .last_contact = numbers.contact};
  }
  Batch new_batch() const;
  /// A row of the audit log. `who`: the name of a token; empty: the engine itself.
  Activity activity(std::string what, const std::string& scenario, const std::string& who,
                    std::string text = {}) const;

  /// Of the node that made the deliveries of `endpoint`; null where its version is not in memory.
  const DeliveryPolicy* policy_at(const EndpointKey& endpoint) const;
  /// The retry schedule of `delivery`; the default one where its version is not in memory.
  const RetryPolicy& policy_of(const Delivery& delivery) const;
  /// Why this server's policy refuses to call `origin`; empty where it does not.
  std::string refused_origin(std::string_view origin) const {
    return options.refuses_origin ? options.refuses_origin(origin) : std::string{};
  }
  /// The id of a scenario; empty where there is none.
  std::string scenario_id(ScenarioKey scenario) const;
  /// The id of a node; nothing where there is none.
  std::optional<std::string> node_name(NodePlace place) const;
};

/// Faults that the cell survives: a later turn may find room, or the lock of the store free.
inline Status ignore_transient(Status status) {
  if (!status && status.error().kind == ErrorKind::Unavailable) return {};
  return status;
}
}  // namespace onward
