#pragma once
// One writer over its contacts: takes tasks and outcomes of attempts, commits them, and returns
// what may leave once the commits are durable. No threads; time comes from the clock it is given,
// so that tests and the simulator drive it.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cell/parts.h"
#include "engine/cell/ready.h"
#include "engine/cell/task.h"

namespace onward {
class Cell {
 public:
  /// `kinds`, `sink` and `clock` must outlive it.
  static Result<std::unique_ptr<Cell>> open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                            DeliverySink& sink, const Clock& clock,
                                            const RuntimeOptions& options);

  /// What a turn came to. An error ends the cell: it is the store's, and every task that `ready`
  /// does not hold has been answered with it.
  struct Turn {
    Ready ready;
    Status status;
  };
  /// One turn: settles `results`, takes what is due, then `tasks` in order; of those of many inputs
  /// one commit, in turn with all others that wait (`bulk_left`); then steps of background jobs.
  Turn step(std::vector<Task> tasks, std::vector<AttemptResult> results);
  /// What was committed since the last turn, by calls between two turns.
  Ready take_ready() { return Ready{std::exchange(parts_.cell.effects, {})}; }
  /// For calls: commits the inputs of `tasks` right away. They are answered with the turn.
  /// `all_taken`, where there is one: whether no input was refused, and each contact was there.
  Status take_now(std::vector<Task> tasks, bool* all_taken = nullptr);
  /// Nothing will be taken any more: answers those who wait for the end of long work.
  void abandon(const Error& error);
  /// When `step` should be called even if nothing comes in; nothing: not before something does.
  std::optional<Instant> next_wake() const;
  /// No timer fires for a second: what arrived while this process was stopped is read first.
  void defer_timers() { parts_.due.defer_timers(); }
  /// A version was read elsewhere (CatalogBuilder::read_elsewhere); null: it cannot be read.
  void adopt_version(const VersionName& name, std::shared_ptr<const Scenario> scenario);

  /// Runs a call, or the part of it that answers. See CommitWriter::guarded.
  template <class Work>
  auto guarded(std::string_view where, Work&& work) {
    return parts_.writer.guarded(where, std::forward<Work>(work));
  }
  /// For calls: the share of the load of the call that runs. A job that answers later keeps it.
  LoadShare take_admission() { return std::move(admission_); }
  /// A row of the audit log.
  Status note(Activity activity) { return parts_.writer.note(std::move(activity)); }

  // What people do; for calls.
  ScenarioCommands& scenarios() { return parts_.scenarios; }
  ScenarioViews& views() { return parts_.views; }
  DeliveryCommands& deliveries() { return parts_.deliveries; }
  ContactCommands& contacts() { return parts_.contacts; }
  SecretCommands& secrets() { return parts_.secrets; }
  AccessCommands& access() { return parts_.access; }

  // What it knows.
  const CellContext& context() const { return parts_.cell; }
  const ControlState& control() const { return parts_.cell.control; }
  CatalogBuilder& versions() { return parts_.builder; }
  Store& store() { return *parts_.cell.store; }
  std::shared_ptr<const RecentLog> recent() const { return parts_.log.recent(); }
  std::optional<Instant> oldest_due() const { return parts_.outbox.oldest_due(); }
  /// See CommitWriter::read_only.
  const std::optional<Error>& read_only() const { return parts_.writer.read_only(); }
  /// Whether inputs of large tasks are left for the next turn.
  bool bulk_left() const { return !parts_.bulk.empty(); }
  /// Whether results were handed in that are not recorded yet, though they can be.
  bool results_left() const { return !read_only() && !parts_.backlog.empty(); }
  /// Inputs that the last turn took: as many outcomes of attempts keep up with them.
  std::uint64_t inputs_of_turn() const { return context().figures.inputs - inputs_before_; }

 private:
  explicit Cell(CellContext context) : parts_{std::move(context)} {}

  Status restore(const Snapshot& snapshot, std::span<const DueEndpoint> endpoints);
  Status take_turn(std::span<Task> tasks, std::vector<AttemptResult> results);
  Status take_tasks(std::span<Task> tasks, std::vector<AttemptResult>& results);
  Status take_inputs(std::span<Task> tasks, std::vector<AttemptResult>& results);
  Status run_call(CallTask& task);

  CellParts parts_;
  std::uint64_t inputs_before_ = 0;  // the turn
  LoadShare admission_;              // of the call that runs
  bool stepping_ = false;            // in `step`, which calls must not enter again
};

/// For drivers without threads: turns, each published, until no input is left. The error is fatal.
Status drive(Cell& cell, std::vector<Task> tasks = {}, std::vector<AttemptResult> results = {});
}  // namespace onward
