#pragma once
// All edits of runs, ledger rows, counters, timers and deliveries by one input. For the files of
// this folder only.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/core/journey/advance.h"
#include "engine/core/journey/input_scope.h"

namespace onward {
/// A run of the state, to read. Only `ChangeSet::edit` turns it into one to write, so that no
/// changed run is forgotten in the changes. Valid until a run is added.
class RunRef {
 public:
  const Run& operator*() const { return *run_; }
  const Run* operator->() const { return run_; }

 private:
  friend class ChangeSet;
  explicit RunRef(Run& run) : run_{&run} {}
  Run* run_;
};

/// Numbers of one row, on their way into the changes.
class CounterWriter {
 public:
  CounterWriter(std::vector<CounterChange>& out, const CounterKey& key) : out_{out}, key_{key} {}
  void add(Counter counter, std::int32_t delta) const {
    out_.push_back({.key = key_, .name = {}, .counter = counter, .delta = delta});
  }
  void add(std::string_view name, std::int32_t delta) const {
    out_.push_back({.key = key_, .name = name, .counter = Counter::kCount, .delta = delta});
  }

 private:
  std::vector<CounterChange>& out_;
  const CounterKey key_;
};

class ChangeSet {
 public:
  /// All arguments must outlive it.
  ChangeSet(InputScope& scope, ContactState& state, const LedgerSource& ledger, Changes& changes);

  // ---- runs: those that ended stay at their position until `finish` ----
  std::size_t run_count() const { return state_.live.size(); }
  RunRef run_at(std::size_t position) { return RunRef{state_.live[position]}; }
  std::optional<RunRef> live_run(RunKey key);
  /// A new run of the contact, which is Running: it is counted as entered and inside.
  RunRef add_run(Run run);
  /// For changes of anything but the state, the version and the timers.
  Run& edit(RunRef run);
  /// The one place that changes the state of a run. It moves the counters of both states, and ends
  /// the timers of a wait. `reason`: of Parked, Exited and Stopped.
  void transition(RunRef run, RunState to, std::string_view reason = {});
  /// Parks a Running run before it arrives at the last node of its path, past the bounds of one
  /// input: see `Run::pending_arrival`.
  void park_before_arrival(RunRef run);
  /// A Running run goes over to another version, with the counters of both.
  void change_version(RunRef run, Version to);
  /// When a run that waits continues, with its timer.
  void set_wake(RunRef run, std::optional<Instant> at);
  /// When time alone may change what a run waits for or is bound by, with its timer.
  void set_recheck(RunRef run, std::optional<Instant> at);
  /// Grows with each change of a run.
  std::uint64_t runs_revision() const { return runs_revision_; }

  // ---- the ledger ----
  /// Null if there is none. Valid until the next row is loaded or added.
  const LedgerRow* find_row(ScenarioKey scenario, const EntryKey& key, bool test);
  void record_entry(ScenarioKey scenario, const EntryKey& key, bool test);
  void record_refusal(ScenarioKey scenario, bool test, std::string_view reason);
  /// True if it is the contact's first visit of the node in the scenario.
  bool record_visit(const Run& run, NodeNumber node);

  // ---- counters, timers, deliveries ----
  /// Of the run's version, or of a node there.
  CounterWriter counters(const Run& run, NodeNumber node = {});
  CounterWriter counters(const CounterKey& key) { return {changes_.counters, key}; }
  /// The last that is said of a timer is what holds.
  void set_timer(const Timer& timer);
  void clear_timer(const Timer& timer);
  void move_timer(TimerKey key, const std::optional<Instant>& from,
                  const std::optional<Instant>& to);
  DeliveryKey next_delivery() const;
  void add_delivery(NewDelivery delivery);
  /// For the answer; each word once.
  void warn_once(std::string_view warning);

  /// Ended runs leave the state; live ones get a copy of `borrowed`, which does not outlive the
  /// input.
  void finish(const Event* borrowed);

 private:
  std::optional<std::size_t> position_of(ScenarioKey scenario, const EntryKey& key,
                                         bool test) const;
  /// The position of the row, which is loaded if it is not in the state; nothing if none exists.
  std::optional<std::size_t> load_row(ScenarioKey scenario, const EntryKey& key, bool test);
  /// The position of the row, which is added if none exists.
  std::size_t need_row(ScenarioKey scenario, const EntryKey& key, bool test);
  LedgerRow& edit_row(std::size_t position);

  InputScope& scope_;
  ContactState& state_;
  const LedgerSource& ledger_;
  Changes& changes_;
  std::unordered_set<RunKey> dirty_;  ///< Those of `changes_.live`.
  RunKey dirty_last_{};
  std::uint64_t runs_revision_ = 0;
  std::uint32_t runs_ = 0;  ///< Added by this input.
};
}  // namespace onward
