#pragma once
// The real engine on a memory store, a clock that moves only when it is told to, and a receiver
// that answers by rules: what a scenario does, without threads, network or chance. The same inputs
// always come to the same end.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cell/cell.h"
#include "engine/core/base/result.h"
#include "engine/core/scenario/scenario_tests.h"
#include "engine/core/source/diagnostic.h"
#include "engine/store/store.h"

namespace onward {
/// Time that only its owner moves.
class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(Instant start) : now_{start} {}
  Instant now() const override { return now_; }
  void set(Instant at) { now_ = at; }
  void pass(Duration length) { now_ += length; }

 private:
  Instant now_;
};

/// Where a simulation's deliveries go, and what comes back.
class SimulatedReceiver : public DeliverySink {
 public:
  /// Takes out the answers that have come in by `now`; each is given once.
  virtual std::vector<AttemptResult> answers(Instant now) = 0;
  /// Answers that are kept back although they have come in, and until when nobody misses them.
  virtual std::vector<AttemptResult> kept_answers() { return {}; }
  virtual std::optional<Instant> kept_until() const { return std::nullopt; }
};

/// How the receiver of some deliveries answers.
struct ReceiverRule {
  std::string scenario;  ///< Empty: of every scenario.
  std::string node;      ///< Empty: of every node.
  /// By the number of the attempt; the last one repeats.
  std::vector<ReceiverReply> replies;
  /// Afterwards everything is accepted; nothing: for ever.
  std::optional<Instant> until;
};

/// Answers every attempt at once: by the first rule that fits, else with the first status that the
/// node accepts.
class ScriptedReceiver final : public SimulatedReceiver {
 public:
  void submit(std::vector<DeliveryTask> tasks) override;
  void withdraw(std::vector<DeliveryKey> deliveries) override;
  void expedite(std::vector<DeliveryKey>) override {}
  void pause(bool) override {}
  std::vector<AttemptResult> answers(Instant now) override;
  std::vector<AttemptResult> kept_answers() override { return std::exchange(kept_, {}); }
  std::optional<Instant> kept_until() const override {
    return kept_.empty() ? std::nullopt : std::optional{kept_until_};
  }

  /// Keeps answers that accept a first attempt until there are so many: what follows from them is
  /// the same at any time, so that numbers come out alike, for less work. Only the instants at
  /// which deliveries ended are later.
  void answer_together(std::size_t answers) { together_ = answers; }
  /// `book` says which endpoint is which node, and must outlive this; nothing is on its way.
  void set_rules(std::vector<ReceiverRule> rules, const ScenarioBook& book);

 private:
  const ReceiverRule* rule_of(const EndpointKey& endpoint, Instant now);
  /// Whether the answer may be kept.
  bool take(const DeliveryTask& task, Instant now);

  std::vector<DeliveryTask> tasks_;
  std::vector<AttemptResult> kept_;
  Instant kept_until_{};  // the deadline of the first of them
  std::size_t together_ = 0;
  std::vector<ReceiverRule> rules_;
  const ScenarioBook* book_ = nullptr;
};

/// Told of every commit, once the store has it.
using CommitListener = std::function<void(const Commit&)>;
std::unique_ptr<Store> make_watched_store(std::unique_ptr<Store> store, CommitListener listener);

/// Puts `texts` into an empty store, as drafts: no secret they name needs to exist. Refused where
/// one is wrong (who reports mistakes well has loaded them before), or two have one id. Their ids.
Result<std::vector<std::string>> store_drafts(CellStore& store, std::span<const std::string> texts,
                                              const NodeKinds& kinds, Instant now);

class Simulation {
 public:
  /// All that is named by reference must outlive it.
  static Result<std::unique_ptr<Simulation>> open(std::unique_ptr<Store> store,
                                                  const NodeKinds& kinds, VirtualClock& clock,
                                                  SimulatedReceiver& receiver,
                                                  const RuntimeOptions& options = {});

  /// One call of the engine, and more until no answer of the receiver is left.
  Status work(std::vector<Task> jobs = {}, std::vector<AttemptResult> results = {});
  /// Moves the clock to `target`, stopping at each instant at which the engine asks to be woken. A
  /// `target` in the past changes nothing.
  Status run_until(Instant target);
  /// The same, but stays at the last instant at which something was due; `target` bounds what
  /// would never end (a date that comes back each year). Whether nothing is left to be done.
  Result<bool> run_out(Instant target);

  /// Events, at the clock's time, in one post.
  Result<std::vector<EventAnswer>> send(std::vector<EventInput> events);
  /// A patch of a contact, or a command; `create` makes the contact where there is none.
  Result<WorkAnswer> take(Input input, bool create = false);

  Cell& engine() { return *engine_; }
  const Cell& engine() const { return *engine_; }

 private:
  Simulation(std::unique_ptr<Cell> engine, VirtualClock& clock, SimulatedReceiver& receiver)
      : engine_{std::move(engine)}, clock_{clock}, receiver_{receiver} {}

  Result<bool> drive(Instant target);

  std::unique_ptr<Cell> engine_;
  VirtualClock& clock_;
  SimulatedReceiver& receiver_;
};
}  // namespace onward
