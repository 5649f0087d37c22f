#pragma once
// A whole engine on a memory store and a clock set by hand: what a scenario does, without threads
// or network.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/simulation/simulation.h"

namespace onward {
/// Keeps what would have been sent.
class FakeSink final : public SimulatedReceiver {
 public:
  void submit(std::vector<DeliveryTask> tasks) override;
  void withdraw(std::vector<DeliveryKey> deliveries) override;
  void expedite(std::vector<DeliveryKey> deliveries) override;
  void pause(bool now) override { paused = now; }
  std::vector<AttemptResult> answers(Instant) override { return {}; }  // See Stage::reply.
  std::vector<DeliveryTask> tasks;  ///< Handed out and not yet answered.
  std::vector<DeliveryKey> withdrawn, expedited;
  bool paused = false;
};

class Stage {
 public:
  /// Applies and activates `scenario`, where there is one. A store may be handed in and outlives
  /// nothing.
  /// `kinds`, where they are not the usual ones, outlive it.
  explicit Stage(std::string_view scenario = {}, std::unique_ptr<Store> store = nullptr,
                 RuntimeOptions options = {}, const NodeKinds* kinds = nullptr);

  /// Applies (and activates) a scenario; the test fails where that is refused.
  void apply(std::string_view text, bool activate = true);
  void activate(const std::string& id, std::vector<std::string> test_emails);

  /// An event of the contact with id `who`. `contact` and `data` are JSON objects.
  EventAnswer event(std::string_view who, std::string_view type, std::string_view data = "{}",
                    std::string_view contact = "{}");
  EventAnswer send(EventInput input);
  std::vector<EventAnswer> send(std::vector<EventInput> inputs);
  /// An input as POST /v1/events would read it.
  EventInput input(std::string_view who, std::string_view type, std::string_view data = "{}",
                   std::string_view contact = "{}") const;
  WorkAnswer command(ContactKey contact, Command command);
  /// A change of the contact with id `who`, as PUT makes it; `quiet` as an import does.
  WorkAnswer patch(std::string_view who, std::string_view contact, bool quiet = false);

  /// Lets time pass, waking the engine whenever it asks for it.
  void pass(Duration length);
  /// Answers all that is on its way with `status`; 0 is a refused connection. How many there were.
  std::size_t reply(int status, std::optional<Duration> retry_after = std::nullopt);

  /// The node at which the newest run of `who` is, "done", "exited", "stopped", or "" without a
  /// run.
  std::string place_of(std::string_view who);
  std::vector<Run> runs_of(std::string_view who);
  /// "joined pause hello": the nodes of the newest run of `who`.
  std::string path_of(std::string_view who);
  /// Every delivery of every scenario, by key.
  std::vector<Delivery> deliveries();
  std::shared_ptr<const Request> request_of(DeliveryKey delivery);
  ContactAnswer contact(std::string_view who);
  /// Live (or test) numbers of a node, or with "" of the scenario.
  CounterRow counts(std::string_view node, bool test = false);
  /// The first broken promise of the numbers; empty where all hold.
  std::string broken() const { return check_counters(simulation_->engine().context().counters); }

  /// The engine is thrown away and opened again on the same store.
  void restart();
  /// The store as well: closed, and what `reopen` opens takes its place.
  void restart(const std::function<std::unique_ptr<Store>()>& reopen);
  /// The same store under a program with other node kinds, which outlive the stage.
  void restart(const NodeKinds& kinds);

  /// What the next restart begins with.
  RuntimeOptions& options() { return options_; }
  Cell& engine() { return simulation_->engine(); }
  VirtualClock& clock() { return clock_; }
  /// With all that the engine has let go of by now.
  FakeSink& sink() {
    if (Ready ready = engine().take_ready(); !ready.empty()) must_publish(std::move(ready));
    return sink_;
  }
  std::unique_ptr<ReadModel> reader();

 private:
  void open(std::unique_ptr<Store> store);
  void must_publish(Ready ready);
  void work(std::vector<Task> jobs, std::vector<AttemptResult> results = {});
  std::string node_id(ScenarioKey scenario, NodeNumber node) const;

  const NodeKinds* kinds_;
  VirtualClock clock_{std::chrono::sys_days{std::chrono::year{2026} / 5 / 1} +
                      std::chrono::hours{9}};
  FakeSink sink_;
  RuntimeOptions options_;
  std::shared_ptr<Store> kept_;  // shared with the engine through a thin handle, for `restart`
  std::unique_ptr<Simulation> simulation_;
  std::string scenario_;
};
}  // namespace onward
