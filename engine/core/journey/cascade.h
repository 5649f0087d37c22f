#pragma once
// Inside `advance`: what one input does to a contact, while it is done. For its own files only.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/core/base/work_budget.h"
#include "engine/core/journey/advance.h"

namespace onward {
/// Of a run, or an entry, past the bounds of one input.
inline constexpr std::string_view kCascadeReason = "cascade";

/// Names of what changed: fields, "groups", kinds of events that feed the statistics.
class ChangedNames {
 public:
  void add(std::string_view name) {
    if (holds(name)) return;
    names_.emplace_back(name);
    if (names_.size() == kFew) known_.insert(names_.begin(), names_.end());
    if (names_.size() > kFew) known_.emplace(name);
  }
  bool empty() const { return names_.empty(); }
  bool holds(std::string_view name) const {
    if (names_.size() >= kFew) return known_.contains(std::string{name});
    return std::ranges::find(names_, name) != names_.end();
  }
  bool meets(const ReadSet& reads) const {
    return std::ranges::any_of(names_, [&](const std::string& name) {
      return reads.fields.contains(name) || reads.events.contains(name) ||
             (reads.time && name == kZoneField);
    });
  }
  auto begin() const { return names_.begin(); }
  auto end() const { return names_.end(); }

 private:
  static constexpr std::size_t kFew = 16;
  std::vector<std::string> names_;         // in the order of their changes
  std::unordered_set<std::string> known_;  // the same, from `kFew` on
};

inline std::optional<Instant> earlier(const std::optional<Instant>& a,
                                      const std::optional<Instant>& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

inline bool listed(const std::vector<std::string>& events, std::string_view type) {
  return std::ranges::any_of(
      events, [&](const std::string& event) { return event == type || event == kAnyEvent; });
}

/// One input's whole cascade over one contact. Its parts: advance.cpp (inputs, changes, rules),
/// advance_triggers.cpp (who enters), advance_walk.cpp (the way of a run).
class Cascade {
 public:
  Cascade(const Catalog& catalog, ContactState& state, const Now& now, const LedgerSource& ledger)
      : catalog_{catalog}, state_{state}, now_{now}, ledger_{ledger} {
    changes_.counters.reserve(kUsualChanges);
  }

  void take(const EventInput& input);
  void take(const PatchInput& input);
  void take(const TimerInput& input);
  void take(const CommandInput& input);
  Changes finish();

 private:
  static constexpr std::size_t kUsualChanges = 24;  // of counters, by one input
  static constexpr std::size_t kUsualPath = 4;

  struct Caused {
    std::shared_ptr<const Event> event;  ///< Null: a node changed the contact.
    int depth = 0;
  };
  struct Place {
    const CatalogScenario* home = nullptr;
    const Scenario* scenario = nullptr;  ///< The run's version; null where it cannot be read.
    const ScenarioNode* node = nullptr;
  };
  struct Person {
    Contact contact;
    Engagement engagement;
  };
  struct PersonView {
    const Contact& contact;
    const Engagement& engagement;
  };
  /// Numbers of one row, on their way into the changes.
  class Tally {
   public:
    Tally(std::vector<CounterChange>& out, const CounterKey& key) : out_{out}, key_{key} {}
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

  void take_id(const ExternalId& id);
  /// Whether a node's change leaves the contact within its limit.
  bool fits(const ContactPatch& patch) const {
    return onward::fits(state_.contact, state_.engagement, patch, catalog_.contact_bytes_max());
  }
  /// `also`: one more field to set.
  void patch_contact(const ContactPatch& patch, bool quiet, bool by_node = false,
                     const std::pair<Field, Value>* also = nullptr);
  void changed(std::string_view name);
  void remember_identity();
  /// Before a change: keeps what edges compare with, where a trigger watches one of the names.
  void remember(std::string_view name);
  void remember(const ContactPatch& patch);
  bool heard(std::string_view type) const;
  void cause(std::string_view type, Value data);
  void work_off_caused();
  /// An event, or with null only a change of the contact, reaches runs and triggers.
  void happen(const std::shared_ptr<const Event>& event, bool quiet = false);
  /// Counts looks at all live runs. False: this input may make no more.
  bool look_at_runs();
  /// Whether a live run may react to an event of the type: waits for it, or has a rule about it.
  bool runs_listen_to(const std::string& type);
  void bind_runs(const Event* event, const ChangedNames& names);
  void wake_runs(const Event* event, const ChangedNames& names);
  void cross_edges(bool quiet);

  /// Rules of the run's version that hold: by `event`, or by the contact as it is. With `names`
  /// only rules about what changed are asked. True: the run has ended.
  bool rules_end(Run& run, const Scenario& scenario, const Event* event, const ChangedNames* names);
  bool exit_by(Run& run, const Scenario& scenario, const ExitRule* rule, const Event* event);
  const ExitRule* holding(Run& run, const std::vector<ExitRule>& rules, const Scenario& scenario,
                          const Event* event, const ChangedNames* names);
  std::optional<Instant> recheck_of(const Run& run, const Scenario& scenario,
                                    const ScenarioNode& node);
  void set_recheck(Run& run, std::optional<Instant> at);

  void take_wait(const TimerInput& input);
  void take_run_recheck(const TimerInput& input);
  void take_segment_recheck(const TimerInput& input, const CatalogTrigger& trigger,
                            const SegmentListen& listen);
  void take_date(const TimerInput& input, const CatalogTrigger& trigger, const DateListen& listen);
  std::optional<CatalogTrigger> trigger_of(std::uint64_t subject) const;
  void arm(const ArmTrigger& command);
  PersonView present() const { return {state_.contact, state_.engagement}; }
  std::optional<Instant> due_of(const CatalogTrigger& trigger, const PersonView& person,
                                Instant after);
  bool fired_already(const CatalogTrigger& trigger, const PersonView& before, Instant due);
  void move_timer(TimerKey key, const std::optional<Instant>& from,
                  const std::optional<Instant>& to);
  /// The last that is said of a timer stands.
  void set_timer(const Timer& timer);
  void clear_timer(const Timer& timer);

  bool try_start(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event);
  void enter(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event,
             std::string_view refusal = {});
  void start(const CatalogScenario& scenario, std::size_t trigger, EntryKey key, bool test,
             const std::shared_ptr<const Event>& event);
  void move(Run& run, const MoveRun& command);
  void refuse_move(Run& run, const std::string& why);

  void walk(Run& run, const CatalogScenario& home, const Scenario& scenario, std::size_t at);
  void arrive(Run& run, const ScenarioNode& node);
  /// Applies what a node decided. True: the run left, to `next`.
  bool settle_outcome(Run& run, const CatalogScenario& home, const Scenario& scenario,
                      const ScenarioNode& node, Outcome outcome, std::size_t& next);
  void ask_for(Run& run, const CatalogScenario& home, const ScenarioNode& node, RequestDraft draft);
  void wake(Run& run, const WakeCause& cause);
  void follow_zone(Run& run, const Place& place);
  void leave_hold(Run& run);
  void end(Run& run, RunState state, std::string_view reason);
  void park_run(Run& run, std::string_view reason);
  void resume(Run& run);

  Place place_of(const Run& run) const;
  /// Valid until the next one is made.
  Visit visit_of(const Run& run, const Scenario& scenario, const ScenarioNode& node);
  SegmentSubject subject(const CatalogScenario& home, std::string_view timezone,
                         const Event* event = nullptr);
  /// Of what a run waits for or is bound by: counted, and told in the run's path.
  void note_too_much_work(Run& run);
  /// The row for a change of it: added where there is none.
  LedgerRow& ledger_row(ScenarioKey scenario, const EntryKey& key, bool test);
  /// The row for a question: null where there is none. Valid until the next row is loaded or added.
  const LedgerRow* find_row(ScenarioKey scenario, const EntryKey& key, bool test);
  void mark(const LedgerRow& row);
  Tally counters(const Run& run, NodeNumber node = {});
  void mark(const Run& run);
  Run* live_run(RunKey key);
  DeliveryKey next_delivery() const { return {numbered(now_.seq, deliveries_)}; }

  const Catalog& catalog_;
  ContactState& state_;
  const Now& now_;
  const LedgerSource& ledger_;
  const Event* borrowed_ = nullptr;  ///< The input's own: runs that outlive it get a copy.
  /// As edges saw the contact last; nothing where all that they watch is as it was.
  std::optional<Person> before_;
  /// The contact's time zone before a change that runs have not seen yet; empty: it had none.
  std::optional<std::string> zone_before_;
  ChangedNames for_rules_;                       ///< Changes that runs have not seen yet,
  ChangedNames for_edges_;                       ///< and those that triggers have not.
  std::vector<const CatalogScenario*> entered_;  ///< By what happens now; each once.
  Changes changes_;
  std::unordered_set<RunKey> marked_;  ///< Those of `changes_.live`.
  std::vector<Caused> caused_;  ///< First in, first out; those before `worked_off_` are done.
  std::size_t worked_off_ = 0;
  int depth_ = 0;
  int visits_ = 0;
  std::uint64_t looks_ = 0;  ///< At live runs.
  /// What live runs listen to, by type; empty when a run has come to another node since.
  std::unordered_map<std::string, bool> listens_to_;
  ConditionWork work_;                ///< What the conditions of this input may still take,
  WorkBudget room_{kInputRenderMax};  ///< and what it may still render.
  std::uint32_t runs_ = 0;
  std::uint32_t deliveries_ = 0;
  std::string delivery_id_;  ///< Of the visit that was made last.
};
}  // namespace onward
