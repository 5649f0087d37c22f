#pragma once
// The heart: what one input does to one contact and its runs. Pure: no clock, disk, lock or thread.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/now.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/contact/event.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/ledger.h"
#include "engine/core/journey/migration.h"
#include "engine/core/journey/run.h"
#include "engine/core/journey/stats.h"
#include "engine/core/scenario/catalog.h"

namespace onward {
using SourceId = std::string;  ///< Who sent an event; "" is the default source.
using EventId = std::string;   ///< The sender's id of an event; empty: no dedupe.

struct EventInput {
  SourceId source;
  EventId id;
  ContactRef who;
  ContactPatch patch;
  Event event;
  bool history = false;  ///< Updates contact and statistics, starts nothing.
  Hash128 fingerprint;   ///< Of the body; a repeat with another one is a conflict.
};
struct PatchInput {
  ContactRef who;
  ContactPatch patch;
  bool quiet = false;  ///< An import: causes no events.
};

/// A point in time at which one contact goes on.
/// Stored by number: append only.
enum class TimerKind : std::uint8_t {
  Wait,            ///< A waiting run's time is up.
  SegmentRecheck,  ///< Time may change the answer of a trigger's segment.
  Date,            ///< A date trigger's day has come.
  RunRecheck,      ///< Time may change a segment that a live run waits for or is bound by.
};
struct TimerKey {
  TimerKind kind = TimerKind::Wait;
  std::uint64_t subject = 0;  ///< Of Wait and RunRecheck: the run. Else: see trigger_subject.
  auto operator<=>(const TimerKey&) const = default;
};
struct Timer {
  Instant at{};
  ContactKey contact;
  TimerKey key;
  auto operator<=>(const Timer&) const = default;
};
struct TimerInput {
  ContactKey contact;
  TimerKey timer;
  Instant due{};
};

struct Forget {};  ///< Erase the contact, keep the numbers.
/// Of an archived scenario it counts as stopped, else as exited.
struct EndRun {
  RunKey run;
  std::string reason;
};
struct ResumeRun {
  RunKey run;
};  ///< A parked run enters its node again.
/// A live run is set aside until it is resumed by hand.
struct ParkRun {
  RunKey run;
  std::string reason;
};
/// A live run moves to another version, to the node that `map` gives for the node where it then is.
/// One that cannot move (see `move_refusal`) stays where it is: the scenario counts it as
/// "not_moved", and the run's path says why.
struct MoveRun {
  RunKey run;
  Version to = 0;
  std::shared_ptr<const NodeMap> map = nullptr;  ///< Null: it keeps its node.
};
/// A background pass reaches the contact: what a trigger needs to know of everybody is set up.
struct ArmTrigger {
  ScenarioKey scenario;
  NodeNumber node;
  bool enter = false;  ///< And one who matches now enters (`backfill`, or a check at a set time),
  Instant since = Instant::min();  ///< unless one came in by this node since then.
};
using Command = std::variant<Forget, EndRun, ResumeRun, MoveRun, ArmTrigger, ParkRun>;
/// The subject of the timers of a trigger.
constexpr std::uint64_t trigger_subject(ScenarioKey scenario, NodeNumber node) {
  return std::uint64_t{scenario.value} << 32 | node.value;
}
struct CommandInput {
  ContactKey contact;
  Command command;
};
using Input = std::variant<EventInput, PatchInput, TimerInput, CommandInput>;

/// What an input can touch of its contact: loaded before, changed in place, written after.
struct ContactState {
  Contact contact;
  Engagement engagement;
  std::vector<LedgerRow> ledger;  ///< Those asked for, and those of live runs' scenarios.
  std::vector<Run> live;          ///< Oldest first.
};

struct NewDelivery {
  Delivery delivery;
  std::shared_ptr<const Request> request;
  const DeliveryPolicy* policy = nullptr;  ///< Of the node; lives as long as the scenario version.
};

/// Everything that `advance` decided. The new contact, engagement, ledger and live runs stand in
/// the ContactState; here stands what changed and what leaves it.
struct Changes {
  /// By what a contact is looked up.
  struct Identity {
    std::string id, email;
  };
  std::uint64_t steps = 0;  ///< That conditions and looks at runs took, see work_budget.h.
  bool contact_changed = false;
  bool engagement_changed = false;
  std::optional<Identity> identity_before;  ///< Where it may have changed.
  std::vector<std::size_t> ledger;          ///< Indexes of changed or new rows of the state.
  std::vector<RunKey> live;                 ///< Changed runs that are still in the state,
  std::vector<Run> ended;                   ///< and those that left it.
  std::vector<NewDelivery> deliveries;
  std::vector<Timer> timers_set, timers_cleared;  ///< None is in both.
  std::vector<CounterChange> counters;
  bool forgotten = false;
  std::vector<std::string> warnings;  ///< For the answer: machine words.
};

/// The contact's rows of (scenario, key), live and test, where they do not stand in the state yet:
/// nobody could foresee that they are needed.
using LedgerSource = std::function<std::vector<LedgerRow>(ScenarioKey, const EntryKey&)>;

/// Why runs end, and requests are cancelled, of a contact that is forgotten.
inline constexpr std::string_view kForgotten = "forgotten";

/// Limits on one input's cascade. Beyond them a run under way is parked with reason "cascade", and
/// entries are refused and counted by that name.
inline constexpr int kCascadeDepth = 8;
inline constexpr int kCascadeVisits = 256;

/// A date trigger that is this late fires still; later it is refused and counted "missed".
inline constexpr Duration kDateLateness = std::chrono::hours{24};

/// Applies `input` to `state` and runs the whole cascade, in this order: patch the contact; its
/// statistics; goals and exit rules of live runs; waiting runs, oldest first; triggers, by scenario
/// id; segments that changed from no to yes; then what that caused (group_joined, group_left,
/// contact_updated, changes by nodes), first in first out. The event that starts a run never
/// satisfies a wait of that run. Quiet changes (imports, history) start nothing, but exit rules and
/// waits see the contact as it is then. Never fails: a run that cannot go on is parked. `ledger`
/// may be empty: then all rows there are stand in the state.
Changes advance(const Catalog& catalog, ContactState& state, const Input& input, const Now& now,
                const LedgerSource& ledger = {});
}  // namespace onward
