#pragma once
// An engine on a data folder, a clock that only its owner moves, and receivers that answer what
// they are told: how a folder of this suite is made, and how a later program continues it.
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/simulation/simulation.h"

namespace onward {
/// What a receiver answers to one attempt.
struct AttemptReply {
  int status = 200;  ///< 0: no answer, for the reason `code`.
  std::string code = {};
  std::string response = {};
  bool permanent = false, local = false;
  std::optional<Duration> retry_after = std::nullopt;
};
/// The reply to an attempt; nothing: it stays on its way.
using Answering = std::function<std::optional<AttemptReply>(const DeliveryTask&)>;

class World final : public SimulatedReceiver {
 public:
  /// Throws where the folder cannot be opened. `commits` is called after each commit.
  World(const std::filesystem::path& folder, Instant now, CommitListener commits = {});

  Cell& engine() { return simulation_->engine(); }
  VirtualClock& clock() { return clock_; }
  /// Lists, after a flush: they show all that was committed.
  std::unique_ptr<ReadModel> reader();

  /// From now on; at first everything is accepted.
  void receivers_answer(Answering answering) { answering_ = std::move(answering); }
  /// An event as `POST /v1/events` reads it. The answer has its kind: "accepted", "duplicate", …
  std::string post(std::string_view json);
  /// A change as `PUT /v1/contacts/{id}` makes it.
  void put(std::string_view id, std::string_view json);
  /// A command for the contact with this id.
  void command(std::string_view id, Command command);
  /// Resumes each parked run once; how many there were.
  std::size_t resume_parked();
  /// Lets time pass, and everything that falls due in it happen.
  void pass(Duration length) { until(clock_.now() + length); }
  void until(Instant at);
  /// One call of the engine, with the answers that have come.
  void work();

  // SimulatedReceiver.
  void submit(std::vector<DeliveryTask> tasks) override;
  void withdraw(std::vector<DeliveryKey> deliveries) override;
  void expedite(std::vector<DeliveryKey>) override {}
  void pause(bool) override {}
  std::vector<AttemptResult> answers(Instant now) override;

 private:
  VirtualClock clock_;
  std::vector<DeliveryTask> tasks_;
  Answering answering_;
  std::unique_ptr<Simulation> simulation_;
};

/// How each server of this suite is configured.
RuntimeOptions options_of(const std::filesystem::path& folder);

/// All that the program tells of its folder: scenarios with their versions and numbers, contacts
/// with their journeys, deliveries with their requests and attempts, the audit log, secrets,
/// tokens, fields, paused nodes. `whole`: with texts and requests.
Value answers_of(Cell& engine, bool whole);
/// The same of a folder on which nothing has run yet: no timer has fired, no job has continued.
Value answers_of(const std::filesystem::path& folder, Instant now);
}  // namespace onward
