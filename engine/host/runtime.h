#pragma once
// The running engine: a lane with its cell, the deliverer, the reader and the author thread, and
// the ways in.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/cell/clock.h"
#include "engine/cell/options.h"
#include "engine/control/recent_log.h"
#include "engine/core/base/result.h"
#include "engine/core/scenario/node.h"
#include "engine/delivery/deliverer.h"
#include "engine/host/authoring.h"
#include "engine/host/calls.h"
#include "engine/host/intake.h"
#include "engine/host/monitored_clock.h"
#include "engine/host/run_resumption.h"
#include "engine/host/shown_state.h"
#include "engine/store/store.h"

namespace onward {
struct RuntimeFigures {
  std::uint64_t events_accepted = 0, events_duplicate = 0, events_rejected = 0;
  std::uint64_t contacts_full = 0;  ///< Events, changes and rows refused since they do not fit.
  std::uint64_t attempts_accepted = 0, attempts_refused = 0, attempts_local = 0;
  std::uint64_t attempts_after_unknown = 0;  ///< Their receiver may have had the request before.
  std::uint64_t commits = 0, inputs = 0;
  std::uint64_t commit_micros_total = 0;
  std::size_t pending = 0;
  std::size_t queued = 0, queued_max = 0;              ///< Events that are not answered yet.
  std::size_t queued_bytes = 0, queued_bytes_max = 0;  ///< What they take of memory.
  std::uint64_t bytes_on_disk = 0, log_bytes = 0;
  std::optional<Instant> oldest_due;
  std::optional<Instant> held_since;  ///< Since when nothing is sent.
  std::uint64_t log_lines_dropped = 0;
  DelivererFigures delivery;
};

/// Owns the threads of the engine, of the author, of the reader and of releases. The store and the
/// client are given to it. Any thread, but `open`, `start` and `stop`: one at a time.
class Runtime {
 public:
  /// Restores everything from the store. `kinds` and `clock` must outlive it.
  static Result<std::unique_ptr<Runtime>> open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                               std::unique_ptr<HttpClient> client,
                                               ConcurrencyLimits limits, const Clock& clock,
                                               RuntimeOptions options);
  ~Runtime();
  void start();
  /// No request begins any more, while events are still taken: `stop` is to follow.
  void send_no_more();
  /// Stops intake, lets what is in flight finish (up to `patience`), folds, ends the threads.
  Status stop(Duration patience);
  /// Why the engine ended by itself (the disk failed); empty while it runs.
  std::string failure() const;
  /// Called once, on the engine thread, when that happens.
  void on_failure(std::function<void(std::string)> call);
  /// Whether events are taken now; else `not_ready`, `disk_full`, `disk_read_only` or `store_busy`.
  Status ready() const;
  /// `call` is called around the answers that were made durable together, on the thread that gives
  /// them: with `true` before the first, `false` after the last. One at most, for good.
  void around_answers(std::function<void(bool begins)> call);

  Intake& intake();
  Authoring& authoring();
  RunResumption& run_resumption();
  /// All else that people ask of the cell and its store.
  Calls& calls();
  /// Who may be called was changed: deliveries that were refused and are allowed now are attempted
  /// at once.
  Status recheck_blocked();
  /// The machine's clock is right; false where it was not in doubt.
  void accept_clock(Reply<bool> reply, std::string who);

  /// Scenarios, fields and tokens as of the last turn.
  const ShownState& shown() const;
  RuntimeFigures figures() const;
  const Epochs& epochs() const;
  /// What deliveries met since the start of the process, the newest 10,000.
  std::shared_ptr<const RecentLog> recent() const;
  /// The time that the runtime goes by.
  const MonitoredClock& clock() const;

 private:
  struct Parts;
  explicit Runtime(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};
}  // namespace onward
