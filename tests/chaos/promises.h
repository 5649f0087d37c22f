#pragma once
// What Onward promises, held to from the outside: every commit, every request that leaves, and
// every moment of rest is checked against the shadow of the commits. A breach throws Broken.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/cell/cell.h"
#include "engine/core/journey/ledger.h"
#include "engine/core/scenario/reentry.h"
#include "tests/chaos/courier.h"
#include "tests/chaos/disk.h"
#include "tests/chaos/shadow.h"
#include "tests/chaos/world_clock.h"

namespace onward::chaos {
namespace promise {
inline constexpr std::string_view kOnce = "an event takes effect once";
inline constexpr std::string_view kDurable = "what was durable is there after a crash";
inline constexpr std::string_view kNumbers = "numbers are those of the rows";
inline constexpr std::string_view kNeverFall = "counts never fall";
inline constexpr std::string_view kOneDelivery = "a visit has exactly one delivery";
inline constexpr std::string_view kFinal = "what has ended stays ended";
inline constexpr std::string_view kOneBody = "one webhook-id, one body";
inline constexpr std::string_view kRepeat = "nothing is sent again without need";
inline constexpr std::string_view kWrittenDown = "nothing leaves before it is written down";
inline constexpr std::string_view kWindow = "a delivery ends with its window, after a last attempt";
inline constexpr std::string_view kEarly = "nothing is done before its time";
inline constexpr std::string_view kTimers = "who waits has exactly one timer";
inline constexpr std::string_view kOverdue = "nothing stays overdue";
inline constexpr std::string_view kReentry = "re-entry is as the scenario says";
inline constexpr std::string_view kTestApart = "test traffic is apart";
inline constexpr std::string_view kLife = "only active scenarios are entered";
inline constexpr std::string_view kPath = "the way of a contact is the one foreseen";
inline constexpr std::string_view kAnswers = "what is answered is true";
inline constexpr std::string_view kKept = "rows are kept as long as set, and no longer";
inline constexpr std::string_view kForgets = "an id is forgotten after its time";
inline constexpr std::string_view kSecrets = "a secret is the newest, and secret";
inline constexpr std::string_view kTokens = "a token is as it was answered";
inline constexpr std::string_view kImports = "an acknowledged row of an import is applied";
inline constexpr std::string_view kMigrated = "runs move as ordered, or are counted";
inline constexpr std::string_view kBatchOnce = "a batch that has ended is not sent again";
inline constexpr std::string_view kPaused = "a paused node sends nothing";
inline constexpr std::string_view kBulk = "a bulk command does what it answers";
inline constexpr std::string_view kSurvives = "the engine goes on";
}  // namespace promise

class Promises final : public AttemptWatch {
 public:
  Promises(const WorldClock& clock, std::string epoch) : clock_{clock}, epoch_{std::move(epoch)} {}
  void watch(const Disk& disk) { disk_ = &disk; }
  /// The rule by which a scenario is entered again; all its versions have the same.
  void rule(const std::string& scenario, const Reentry& reentry) { rules_[scenario] = reentry; }

  /// How long rows are kept; nothing: for ever.
  void keep(std::optional<Duration> bodies, std::optional<Duration> runs) {
    keep_bodies_ = bodies;
    keep_runs_ = runs;
  }
  /// Is told of each request that leaves.
  void also(std::function<void(const HttpRequest&)> leaves) { also_ = std::move(leaves); }

  void committed(const Commit& commit);
  /// The process died; what it had in flight is lost, and memory begins with what is durable.
  void died();
  void started(Cell& engine);
  /// The engine has nothing to do now. `calm`: how long no fault has been on, the process was up
  /// and the clock was right.
  void at_rest(Cell& engine, const Courier& courier, const Receivers& receivers, Duration calm);
  /// The receivers have accepted everything for longer than any window.
  void at_end(Cell& engine) const;

  std::uint64_t leaves(const HttpRequest& request) override;
  void decided(const HttpRequest& request, const Verdicted& verdict) override;
  void reported(const AttemptResult& result) override;
  void withdrawn(DeliveryKey delivery) override;

  const Shadow& shadow() const { return shadow_; }
  /// Of everything that was written and everything that left.
  std::uint64_t trace_hash() const { return trace_; }
  std::uint64_t attempts() const { return attempts_; }
  std::uint64_t accepted_unheard() const { return accepted_unheard_; }
  std::uint64_t checks() const { return checks_; }
  /// Whether a receiver ever read a request of this delivery.
  bool was_seen(DeliveryKey delivery) const;

 private:
  struct Letter {
    Hash128 body;
    std::uint64_t left = 0, seen = 0;
    bool in_flight = false, disturbed = false;
    DeliveryKey delivery;
    Instant not_before{};  ///< As its receiver asked, in this series of attempts.
    std::uint32_t series = 0;
  };
  void trace(std::string_view text);
  void trace(const Commit& commit);
  void check_runs(const Commit& commit);
  void check_entry(const Run& run);
  void check_waits(const Run& before, const Run& after, Instant at);
  void check_deliveries(const Commit& commit);
  void check_visits(const Commit& commit);
  void check_counters_of(const Commit& commit);
  void check_reentry(const Commit& commit) const;
  // setups.cpp
  void check_purged(const Commit& commit) const;
  void check_kept(Duration calm) const;
  void check_stored(Store& rows) const;
  void check_paused();
  void check_moves(const Commit& commit) const;
  void check_secret(const Commit& commit) const;
  void check_batch(const Delivery& first) const;
  void check_timers(Cell& engine, bool calm) const;
  void check_pending(const Courier& courier, bool window) const;
  std::string letter_of(DeliveryKey delivery) const;

  const WorldClock& clock_;
  std::string epoch_;
  const Disk* disk_ = nullptr;
  std::map<std::string, Reentry> rules_;
  std::optional<Duration> keep_bodies_, keep_runs_;
  std::function<void(const HttpRequest&)> also_;
  /// Nodes that were paused when nothing was left to do: they send nothing until they are resumed.
  std::set<std::pair<ScenarioKey, NodeNumber>> quiet_nodes_;
  Shadow shadow_;
  std::unordered_map<std::string, Letter> letters_;
  std::unordered_map<DeliveryKey, std::uint32_t> reported_;  ///< The greatest number of an attempt.
  std::uint64_t attempts_ = 0, accepted_unheard_ = 0, checks_ = 0;
  std::uint64_t trace_ = 0;
};

[[noreturn]] void broken(std::string_view promise, std::string detail);
}  // namespace onward::chaos
