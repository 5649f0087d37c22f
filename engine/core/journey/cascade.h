#pragma once
// Inside `advance`: one input, and the queue of the events that it causes. For the files of this
// folder only.
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "engine/core/journey/advance.h"
#include "engine/core/journey/change_set.h"
#include "engine/core/journey/contact_changes.h"
#include "engine/core/journey/entries.h"
#include "engine/core/journey/input_scope.h"
#include "engine/core/journey/run_walk.h"

namespace onward {
/// One input's whole cascade over one contact: `handle` it, then `finish`.
class Cascade {
 public:
  /// All arguments must outlive it.
  Cascade(const Catalog& catalog, ContactState& state, const Now& now, const LedgerSource& ledger);
  Cascade(const Cascade&) = delete;
  Cascade& operator=(const Cascade&) = delete;

  void handle(const EventInput& input);
  void handle(const PatchInput& input);
  void handle(const TimerInput& input);
  void handle(const CommandInput& input);
  /// Ended runs leave the state.
  Changes finish();

 private:
  void apply(const Forget& command);
  void apply(const EndRun& command);
  void apply(const ResumeRun& command);
  void apply(const ParkRun& command);
  void apply(const MoveRun& command);
  void apply(const ArmTrigger& command);

  /// Runs and triggers react to an event, or with null to a change of the contact alone.
  void dispatch(const std::shared_ptr<const Event>& event, bool quiet = false);
  void drain_derived_events();
  void apply_run_rules(const RunStimulus& by);
  void wake_waiting_runs(const RunStimulus& by);
  /// Counts looks at all live runs. False: this input may make no more.
  bool look_at_runs();
  /// Whether a live run may react to an event of the type: waits for it, or has a rule about it.
  bool runs_listen_to(const std::string& type);
  bool listens_to(RunRef run, const std::string& type) const;

  Changes changes_;
  InputScope scope_;
  ContactChanges contact_;
  ChangeSet edits_;
  RunWalk walk_;
  Entries entries_;
  const Event* borrowed_ = nullptr;  ///< The input's own: runs that outlive it get a copy.
  /// What live runs listen to, by type, as of a revision of the runs.
  std::unordered_map<std::string, bool> listened_;
  std::uint64_t listened_revision_ = 0;
};
}  // namespace onward
