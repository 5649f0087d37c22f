#pragma once
// Who enters: triggers on events, on segments that change, and on dates. For the files of this
// folder only.
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/core/journey/advance.h"
#include "engine/core/journey/change_set.h"
#include "engine/core/journey/contact_changes.h"
#include "engine/core/journey/input_scope.h"
#include "engine/core/journey/run_walk.h"

namespace onward {
class Entries {
 public:
  /// All arguments must outlive it.
  Entries(InputScope& scope, ContactChanges& contact, ChangeSet& changes, RunWalk& walk)
      : scope_{scope}, contact_{contact}, changes_{changes}, walk_{walk} {}

  /// Triggers that listen to `event` (null: none), then those on segments that changed from no to
  /// yes. A scenario is entered once. `quiet`: only timers follow the changes of the contact.
  void start_runs(const std::shared_ptr<const Event>& event, bool quiet);
  /// A timer of a trigger is due.
  void handle(const TimerInput& input);
  /// The job that follows an activation reaches the contact.
  void install(const ArmTrigger& command);

 private:
  struct LiveRuns {
    std::uint32_t of_key = 0;  ///< Of the scenario and the entry key.
    std::uint32_t of_scenario = 0;
    std::uint32_t of_contact = 0;
  };

  void handle_segment_recheck(const TimerInput& input, const CatalogTrigger& trigger,
                              const SegmentListen& listen);
  void handle_date(const TimerInput& input, const CatalogTrigger& trigger,
                   const DateListen& listen);
  /// The trigger of an active scenario's current version that a timer is of.
  std::optional<CatalogTrigger> trigger_of(std::uint64_t subject) const;
  bool start_by_event(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event);
  void fire_segment_changes(bool quiet);
  void move_timer_of(const CatalogTrigger& trigger, const ContactView& before);
  std::optional<std::string_view> crossed(const CatalogTrigger& trigger,
                                          const SegmentListen& listen, const ContactView& before);
  std::optional<Instant> next_due(const CatalogTrigger& trigger, const ContactView& view,
                                  Instant after);
  bool has_fired_for(const CatalogTrigger& trigger, const ContactView& before, Instant due);

  void enter(const CatalogTrigger& trigger, const std::shared_ptr<const Event>& event,
             std::string_view refusal = {});
  void count_refusal(const CatalogScenario& scenario, bool test, std::string_view reason);
  void refuse(const CatalogScenario& scenario, std::string_view reason);
  LiveRuns count_live(const CatalogScenario& scenario, const EntryKey& key);
  Entry decide(const CatalogScenario& scenario, const EntryKey& key);
  void end_live_runs(const CatalogScenario& scenario, const EntryKey& key);
  void start(const CatalogTrigger& trigger, EntryKey key,
             const std::shared_ptr<const Event>& event);

  SegmentSubject subject(const CatalogTrigger& trigger, const Event* event = nullptr) {
    return scope_.subject(*trigger.scenario, trigger.scenario->current().timezone, event);
  }
  /// Whether only the addresses under test may enter.
  static bool in_test(const CatalogScenario& scenario) { return !scenario.test_emails.empty(); }

  InputScope& scope_;
  ContactChanges& contact_;
  ChangeSet& changes_;
  RunWalk& walk_;
  std::vector<const CatalogScenario*> entered_;  ///< By what is dispatched now; each once.
};
}  // namespace onward
