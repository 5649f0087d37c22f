#pragma once
// One run of a contact: from node to node, into waits and out of them, over to another version, to
// its end. For the files of this folder only.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/journey/advance.h"
#include "engine/core/journey/change_set.h"
#include "engine/core/journey/changed_fields.h"
#include "engine/core/journey/contact_changes.h"
#include "engine/core/journey/input_scope.h"

namespace onward {
/// A run, and what the catalog knows about where it is. Valid until a run is added.
struct RunContext {
  RunRef run;
  const CatalogScenario* home = nullptr;
  const Scenario* scenario = nullptr;  ///< The run's version; null where it cannot be read.
  const ScenarioNode* node = nullptr;  ///< Where the run is; null where the version lacks it.

  /// Nothing is reached any more in a scenario that is archived.
  bool stopped() const { return home == nullptr || home->state == ScenarioState::Archived; }
  RunContext at(const ScenarioNode& other) const {
    return {.run = run, .home = home, .scenario = scenario, .node = &other};
  }
  /// Of `node`, in the version.
  std::size_t index() const { return static_cast<std::size_t>(node - scenario->nodes.data()); }
};

/// What lets a run react: an event, changes of the contact, or both.
struct RunStimulus {
  const Event* event = nullptr;
  /// Only rules about these fields are asked. Null: all rules about the contact are.
  const ChangedFields* changed = nullptr;
};

/// Adds to the note of a step, which is one line.
void append_note(std::string& note, std::string_view text);

class RunWalk {
 public:
  /// All arguments must outlive it.
  RunWalk(InputScope& scope, ContactChanges& contact, ChangeSet& changes)
      : scope_{scope}, contact_{contact}, changes_{changes} {}

  RunContext context_of(RunRef run) const;

  /// A Running run arrives at the node with index `at` of its version, and goes on from there until
  /// it waits, is parked or ends. `kEnd`: it is done.
  void walk(const RunContext& context, std::size_t at);
  /// Counts the goal if its rules hold, then ends the run if an exit rule holds. True: it ended.
  bool exits_by_rules(const RunContext& context, const RunStimulus& by = {});
  /// A run that waits is woken if it waited for `by`; else its timers follow the change.
  void wake_by(const RunContext& context, const RunStimulus& by);
  void wake(const RunContext& context, const WakeCause& cause);
  /// Time may have changed what a run is bound by or waits for.
  void check_again(const RunContext& context);
  /// A parked run arrives where it was kept from arriving, or enters its node again, uncounted.
  void resume(const RunContext& context);
  /// A live run moves to another version. One that cannot move stays as it is and says why.
  void migrate(const RunContext& context, const MoveRun& command);

 private:
  /// A segment that counts towards `context.run`: whether its result is yes. If it took too much
  /// work, that is counted and noted in the path.
  bool matches(const RunContext& context, const Segment& segment, const Event* event);
  void note_too_much_work(const RunContext& context);
  const ExitRule* first_matching_rule(const RunContext& context, const std::vector<ExitRule>& rules,
                                      const RunStimulus& by);
  void exit_by(const RunContext& context, const ExitRule& rule, const Event* event);
  /// When time alone may change what the run is bound by or waits for at its node.
  std::optional<Instant> next_recheck(const RunContext& context);

  void arrive(const RunContext& context);
  /// A node that the run is at already; it does not count as a visit. A wait is measured from
  /// `arrived`.
  void enter_again(const RunContext& context, Instant arrived);
  void follow_zone(const RunContext& context);
  void apply_and_continue(const RunContext& context, Outcome outcome);
  /// Applies what a node decided. The index of the next node, or `kEnd`; nothing if the run stays.
  std::optional<std::size_t> apply_outcome(const RunContext& context, Outcome outcome);
  void wake_now(const RunContext& context, Outcome& outcome);
  /// `note` says so if the change does not fit into the contact.
  void patch_contact(const RunContext& context, const ContactPatch& patch, std::string& note);
  void create_delivery(const RunContext& context, RequestDraft draft);

  void migrate_in_place(const RunContext& to, Version version);
  void migrate_to_node(const RunContext& to, Version version);
  void refuse_move(const RunContext& context, const std::string& why);

  SegmentSubject subject(const RunContext& context, const Event* event = nullptr) {
    return scope_.subject(*context.home, context.scenario->timezone, event);
  }
  /// Valid until the next one is made.
  Visit visit_of(const RunContext& context);

  InputScope& scope_;
  ContactChanges& contact_;
  ChangeSet& changes_;
  std::string delivery_id_;  ///< Of the visit that was made last.
};
}  // namespace onward
