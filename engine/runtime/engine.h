#pragma once
// The engine without its threads: takes jobs and attempt results, commits them in batches, answers,
// and hands deliveries out. One thread; time comes from the clock it is given, so that tests and
// the simulator drive it.
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/core/contact/custom_fields.h"
#include "engine/core/scenario/catalog.h"
#include "engine/delivery/scheduler.h"
#include "engine/runtime/batch.h"
#include "engine/runtime/dispatcher.h"
#include "engine/runtime/gathered.h"
#include "engine/runtime/guarded.h"
#include "engine/runtime/job_queue.h"
#include "engine/runtime/load.h"
#include "engine/runtime/recent_log.h"
#include "engine/runtime/retention.h"
#include "engine/runtime/runtime.h"
#include "engine/runtime/scenario_book.h"
#include "engine/runtime/scenario_pass.h"
#include "engine/runtime/secret_book.h"
#include "engine/runtime/switches.h"
#include "engine/runtime/token_book.h"
#include "engine/runtime/trigger_passes.h"
#include "engine/store/store.h"

namespace onward {
class Engine;
class WorkWatch;
struct WorkItem;

/// A post of events: answered as a whole, once all of it is committed.
struct EventsJob {
  std::vector<Input> inputs;
  std::vector<WorkAnswer> answers;
  Done<std::vector<EventAnswer>> done;
  LoadShare admission = {};
};
/// One patch or command that wants to know what became of its contact.
struct ContactJob {
  Input input;
  WorkAnswer answer;
  bool create = false;
  Done<Result<WorkAnswer>> done;
  LoadShare admission = {};
};
/// Anything else, between two batches. An error ends the engine: it is the store's.
struct CallJob {
  std::function<Status(Engine&)> call;  ///< Answers whoever asked, also where it ends in an error.
  /// Answers in its place where the engine ends before it; may be empty where nobody waits.
  std::function<void(const Error&)> refused = {};
  LoadShare admission = {};
};
/// Patches of many contacts: answered as a whole, once all of it is committed.
struct ImportJob {
  std::vector<Input> inputs;
  std::vector<WorkAnswer> answers;
  Done<std::vector<WorkAnswer>> done;
  LoadShare admission = {};
};
using Job = std::variant<EventsJob, ContactJob, CallJob, ImportJob>;

/// What may leave once all that was committed before is on the disk: answers, and requests.
struct Release {
  std::vector<Job> answered;  ///< With their answers; no calls among them.
  std::vector<DeliveryTask> tasks;
  std::vector<DeliveryKey> withdrawn, expedited;  ///< Withdrawn before the tasks are handed in.
  std::vector<DeliveryKey> recorded;  ///< Whose reported outcomes no crash can lose any more.
  bool empty() const {
    return answered.empty() && tasks.empty() && withdrawn.empty() && expedited.empty() &&
           recorded.empty();
  }
};

/// Where deliveries go: the deliverer, or a test.
class DeliverySink {
 public:
  virtual ~DeliverySink() = default;
  virtual void submit(std::vector<DeliveryTask> tasks) = 0;
  /// These need not be attempted any more; those in flight may still report.
  virtual void withdraw(std::vector<DeliveryKey> deliveries) = 0;
  /// The window of these has ended: their last attempt is made now, whatever they waited for.
  virtual void expedite(std::vector<DeliveryKey> deliveries) = 0;
  /// The outcomes that were reported of these are durable, or dropped with their deliveries: each
  /// one that was reported is named once.
  virtual void recorded(std::vector<DeliveryKey> /*deliveries*/) {}
  /// Called on the engine's thread. While it is paused no attempt begins, since none could be
  /// recorded; those in flight may still report.
  virtual void pause(bool paused) = 0;
};

/// Answers, and hands over; after `Store::sync`, and only then. Any thread, but one at a time and
/// in the order in which the engine gave the releases.
void let_go(Release release, DeliverySink& sink);
/// The answer to whoever waits when `error` ends the engine.
Error stopped_by(const Error& error);
/// Answers what never came to be durable. Leaves alone what was moved from: another answers it.
void refuse(std::span<Job> jobs, const Error& error);

/// What an input that was not taken is told.
EventAnswer answer_of(const Error& error);

struct EngineFigures {
  std::uint64_t events_accepted = 0, events_duplicate = 0, events_rejected = 0;
  std::uint64_t contacts_full = 0;  ///< Events, changes and rows refused since they do not fit.
  std::uint64_t attempts_accepted = 0, attempts_refused = 0, attempts_local = 0;
  std::uint64_t attempts_after_unknown = 0;  ///< Their receiver may have had the request before.
  std::uint64_t commits = 0, inputs = 0, commit_micros_total = 0;
  std::int64_t pending = 0;
};

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                              DeliverySink& sink, const Clock& clock,
                                              const RuntimeOptions& options);

  /// Settles `results`, takes what is due, then works off `jobs` in order, but for those of more
  /// than kBulkInputs: one commit of them, in turn with all others that wait (`bulk_left`), so that
  /// they delay nobody for long. An error is fatal. What it committed for them may not be durable
  /// yet: whoever may learn of it then is named by `take_release`, but for those whom calls answer:
  /// what these tell them must wait for `Store::sync` as well. After an error every job that
  /// `take_release` does not name has been answered with it.
  Status work_ahead(std::vector<Job> jobs, std::vector<AttemptResult> results);
  /// For calls: commits inputs of jobs right away. Answered with all else that `take_release`
  /// names.
  /// `all_taken`, where there is one: whether no input was refused, and each contact was there.
  Status take_now(std::vector<Job> jobs, bool* all_taken = nullptr);
  Release take_release() { return std::exchange(release_, {}); }
  /// All of it, as often as it takes: works, syncs, lets go.
  Status work(std::vector<Job> jobs, std::vector<AttemptResult> results);
  /// Nothing will be worked off any more: answers those who wait for the end of long work.
  void abandon(const Error& error);
  /// When `work` should be called even if nothing comes in; nothing: not before something does.
  std::optional<Instant> next_wake() const;
  Instant now() const { return clock_.now(); }
  /// The newest time that was stored at the start.
  std::optional<Instant> newest_stored() const { return newest_stored_; }

  /// Runs a call, or the part of it that answers. An exception before anything was changed is an
  /// Error{Internal}; after that it ends the process (see guarded.h).
  template <class Work>
  auto guarded(std::string_view where, Work&& work) {
    const std::uint64_t before = changes_;
    return onward::guarded(where, options_.log, [&] {
      try {
        return std::forward<Work>(work)();
      } catch (const PassesThrough&) {
        throw;
      } catch (...) {
        if (changes_ != before) std::terminate();
        throw;
      }
    });
  }
  /// A slice of the fold; whether more is left.
  Result<bool> fold_slice() { return store_->fold_slice(); }
  bool fold_pending() const { return store_->fold_pending(); }
  static constexpr std::size_t kBulkInputs = 100;
  /// Whether inputs of large jobs are left for the next round.
  bool bulk_left() const { return !bulks_.empty(); }
  /// Whether results were handed in that are not recorded yet, though they can be.
  bool results_left() const { return !unwritable_ && !(held_.empty() && later_.empty()); }
  Status fold() { return store_->fold(); }
  /// For calls: what the call that runs takes of the load. Whatever answers later keeps it.
  LoadShare take_admission() { return std::move(admission_); }

  // For calls: everything below runs on the engine's thread, between two batches. `who` of a change
  // is the name of the token behind it; empty: the engine itself.

  // These read texts of scenarios, which may take seconds: for engines without threads.
  Result<ApplyAnswer> apply(const std::string& id, const std::string& text,
                            const MigrationRequest& migration = {}, const std::string& who = {});
  Result<ScenarioInfo> duplicate(const std::string& id, const std::string& new_id,
                                 const std::string& who = {});
  Result<ScenarioPlan> plan(const std::string& id, const std::string& text,
                            const MigrationRequest& migration) const;
  Result<ScenarioVersions> versions(const std::string& id);
  Result<ScenarioStats> stats(const std::string& id, Version version) const;

  // The same, with what the texts say read elsewhere, on a copy of `book`. None of these reads one.
  /// `made` is taken where it is current; else nothing: it must be made again, with its `moves`.
  /// `moves` may be null: then nobody is moved.
  Result<std::optional<ApplyAnswer>> apply(Authored& made, const Moves* moves,
                                           const std::string& who);
  Result<std::optional<ScenarioInfo>> duplicate(Authored& made, const std::string& who);
  /// Whether the text of `made` is to be stored ahead: it is too long for the commit of its
  /// version.
  static bool is_long(const Authored& made) { return !made.packed.empty() && !made.apart; }
  TextKey next_text() { return {++last_text_.value}; }
  /// Stores the part `number` of the packed text of `made`; whether there are more. Until a version
  /// names `text`, nothing has changed.
  Result<bool> store_text_part(const Authored& made, TextKey text, std::uint16_t number);
  /// Of a packed text of `bytes` that no version came to name.
  void drop_text(TextKey text, std::size_t bytes);
  /// Where the runs of a scenario are now.
  RunCensus census(const std::string& id) const;
  /// `sizes`: of versions whose number of nodes was not known.
  Result<ScenarioVersions> versions(const std::string& id,
                                    const std::map<Version, std::size_t>& sizes);
  /// With the book of the same moment these are the statistics; empty where there is no such
  /// scenario.
  StatsBasis stats_basis(const std::string& id) const;
  /// The refusal of what could not be made often enough.
  static tl::unexpected<Error> changing(const std::string& id);

  /// From now on versions that are needed and not in memory are read elsewhere: `take_wanted` names
  /// them, each once, and `adopt_version` is to be told what came of it. Meanwhile deliveries that
  /// need one wait. So are the titles of archived scenarios, which the start does not read.
  void read_elsewhere();
  std::vector<VersionName> take_wanted() { return std::exchange(wanted_, {}); }
  /// Null: it cannot be read.
  void adopt_version(const VersionName& name, std::shared_ptr<const Scenario> scenario);
  /// Begins it; the pieces are done by `work`.
  Result<ScenarioInfo> purge(const std::string& id, const std::string& who = {});
  Result<ScenarioInfo> info(const std::string& id) const;
  std::vector<ScenarioInfo> scenarios() const;
  Result<ScenarioInfo> activate(const std::string& id,
                                const std::optional<std::vector<std::string>>& test_emails,
                                const std::string& who = {});
  Result<ScenarioInfo> hold(const std::string& id, const std::string& who = {});
  Result<ScenarioInfo> archive(const std::string& id, bool cancel_pending,
                               const std::string& who = {});
  Result<ScenarioInfo> remove_draft(const std::string& id, const std::string& who = {});
  Result<SwitchAnswer> switch_node(const std::string& scenario, const std::string& node, bool pause,
                                   const std::string& who = {});
  Result<ByHandAnswer> by_hand(ByHand act, DeliveryKey delivery, const std::string& who = {});
  /// Works through all that fit as a background job, which a restart continues; `done` is called at
  /// its end, unless the engine ends before.
  void by_hand(ByHand act, const DeliveryQuery& which, bool dry_run, const std::string& who,
               Done<Result<ByHandAnswer>> done);
  /// Tells people of a change that nothing else in the store shows.
  Status note(Activity activity);
  Activity activity_of(std::string what, const std::string& scenario, const std::string& who,
                       std::string text = {}) const;
  std::shared_ptr<const RecentLog> recent() const { return recent_; }
  const Switches& switches() const { return switches_; }
  Result<ContactAnswer> contact(const ContactName& name);
  Result<std::optional<ContactKey>> find_contact(const ContactName& name);
  /// `token` has a hash, a name, a role and perhaps an end.
  Result<TokenRecord> issue_token(TokenRecord token, const std::string& who = {});
  Result<TokenRecord> revoke_token(const std::string& name, const std::string& who = {});
  /// What `inputs` would do, one after the other, were they taken now; nothing is kept. Works
  /// through them as a background job; `done` is called at the end.
  void rehearse(std::vector<Input> inputs, Done<Result<std::vector<WorkAnswer>>> done);
  /// Whether the field is a new one.
  Result<bool> declare_field(const CustomField& field, const std::string& who = {});
  Result<bool> remove_field(const std::string& name, const std::string& who = {});
  const std::shared_ptr<const CustomFields>& custom_fields() const { return fields_; }
  const ScenarioBook& book() const { return book_; }
  const Counters& counters() const { return counters_; }
  const Epochs& epochs() const { return epochs_; }
  const std::shared_ptr<const TokenBook>& tokens() const { return tokens_; }
  const EngineFigures& figures() const { return figures_; }
  /// No timer fires for a second: what arrived while this process was stopped is read first.
  void defer_timers();
  std::optional<Instant> oldest_due() const { return dispatcher_.oldest_due(); }
  /// Why nothing can be written for now (a full disk, one that may only be read, a lock of another
  /// program): intake is refused until a probe succeeds.
  const std::optional<Error>& unwritable() const { return unwritable_; }
  /// Inputs that the last round took: as many outcomes of attempts keep up with them.
  std::uint64_t inputs_of_round() const { return figures_.inputs - inputs_before_; }
  /// Grows with every change of a scenario and of what files may name, so that others know when to
  /// look again.
  std::uint64_t catalog_generation() const { return generation_; }
  Store& store() { return *store_; }

  /// Since when nothing is sent (sending.h); nothing: requests leave.
  const std::optional<Instant>& held_since() const { return held_since_; }
  /// False: it was not held.
  Result<bool> resume_sending(const std::string& who = {});
  /// The policy was changed: what it had refused and allows now is due at once.
  void recheck_blocked();
  /// Somebody said that the machine's clock is right.
  Result<bool> note_clock(const std::string& who);

  // Secrets and credentials.
  const SecretBook& secrets() const { return secrets_; }
  std::vector<SecretInfo> list_secrets(SecretKind kind) const;
  Result<SecretAnswer> set_secret(SecretKind kind, const std::string& name,
                                  const SecretChange& change, std::string_view who);
  Result<SecretAnswer> remove_secret(SecretKind kind, const std::string& name, bool force,
                                     std::string_view who);
  Result<RekeyAnswer> rekey(std::string_view who);
  /// The one attempt of a node's test button. `newest`: the newest version, which only the caller
  /// can read where it is not built; may be null.
  Result<DeliveryTask> webhook_test(const std::string& scenario, const std::string& node,
                                    std::shared_ptr<const Scenario> newest = {}) const;

 private:
  Engine(std::unique_ptr<Store> store, const NodeKinds& kinds, DeliverySink& sink,
         const Clock& clock, const RuntimeOptions& options, const Snapshot& snapshot,
         std::shared_ptr<VersionTexts> texts, Vault vault);

  Status work_on(std::span<Job> jobs, std::vector<AttemptResult> results);
  Status take_inputs(std::span<Job> jobs, std::vector<AttemptResult>& results);
  void set_bulk_aside(std::vector<Job>& jobs);
  Status take_bulk();
  /// How much of a batch its first commit took.
  struct Taken {
    std::size_t work = 0, results = 0;
    std::optional<Error> refused;  ///< The store cannot be written; all are answered so.
  };
  Status commit_part(std::span<const Work> work, std::span<const AttemptResult> results,
                     std::span<const AdminRecord> admin, Taken& taken);
  Status commit_batch(std::span<const Work> work, std::span<const AttemptResult> results,
                      std::span<const AdminRecord> admin = {});
  Status commit_one_by_one(std::span<const Work> work, std::span<const AttemptResult> results);
  Status leave_out(std::span<const Work> work, std::span<const AttemptResult> results,
                   const Error& error);
  Status give_up(const Work& work, const Error& error);
  Status give_up(const AttemptResult& result, const Error& error);
  /// Takes into `batch` what `commit_once` commits.
  Status fill(Batch& batch, WorkWatch& watch, std::span<const Work> work,
              std::span<const AttemptResult> results, Taken& taken, std::vector<WorkItem>& aside);
  /// One input or one result: it always fits.
  Status commit_once(std::span<const Work> work, std::span<const AttemptResult> results) {
    Taken taken;
    return commit_once(work, results, {}, taken);
  }
  /// Commits the first of them: as many as fit into one commit (`commit_bytes_max`), at least one.
  /// `taken` says how many, also after an error. `admin` is part of the commit of the last of them.
  Status commit_once(std::span<const Work> work, std::span<const AttemptResult> results,
                     std::span<const AdminRecord> admin, Taken& taken);
  /// Durable with the next sync, before anybody hears of it.
  Status commit_rows(const Commit& commit);
  void adopt(Batch& batch, const Commit& commit);
  void gather_changed(const Batch& batch);
  void hold_back(std::vector<AttemptResult>& results);
  void release_recorded();
  Status take_due();
  Status begin_checks();
  Status step_pass();
  void expire_seen();
  Status refill();
  void hand_out(std::vector<Dispatcher::Handout>& handouts);
  Status commit_change(BookChange change, std::vector<AdminRecord> admin = {});
  Status commit_admin(std::vector<AdminRecord> records, std::vector<Activity> activity);
  // scenario_life.cpp
  Status take_transitions();
  std::optional<ScenarioProgress> progress_of(const ScenarioRecord& record) const;
  Result<std::optional<ScenarioPass>> plan_migration(const Authored& made,
                                                     const Moves& moves) const;
  Status step_scenario_passes();
  Result<bool> work_off(const std::vector<Input>& inputs);
  Status step_migration(ScenarioPass pass);
  Status end_migration(const ScenarioPass& pass, const std::string& why);
  Status step_purge(ScenarioPass pass);
  Status end_purge(const ScenarioPass& pass);
  void hold_nodes(const ScenarioRecord& record, bool held);
  bool cancelling(ScenarioKey scenario) const;
  void complete(ScenarioInfo& info) const;
  // retention.cpp
  Status step_retention();
  Status drop_bodies(KeepWalk walk);
  Status drop_runs(KeepWalk walk);
  /// What one step of a walk finds.
  struct TakenBodies {
    std::set<DeliveryKey> bodies;  ///< That go.
    std::set<DeliveryKey> stays;   ///< Batches that do not go yet.
    std::size_t looked_at = 0;     ///< Deliveries besides the rows of the walk.
  };
  Result<bool> take_body(TakenBodies& taken, const Delivery& delivery, Instant before);
  Result<bool> take_deliveries(Commit& commit, TakenBodies& taken,
                               std::span<const DeliveryKey> keys, Instant before);
  Status commit_walk(KeepWalk walk, Commit commit, const std::set<DeliveryKey>& bodies);
  void take_fields(CustomFields fields);
  void rebuild_catalog();
  void ask_for_title();
  /// See RuntimeOptions::refuses_origin.
  std::string refused_origin(std::string_view origin) const;
  AuthorContext author_context() const;
  std::vector<std::string> refusals_of(const std::string& id) const;
  const DeliveryPolicy* policy_at(const EndpointKey& endpoint) const;
  const RetryPolicy& policy_of(const Delivery& delivery) const;
  Batch new_batch() const;
  /// Commits what a batch holds, and lets memory follow.
  Status commit_and_adopt(Batch& batch) { return commit_and_adopt(batch, batch.finish()); }
  Status commit_and_adopt(Batch& batch, const Commit& commit);

  // Background jobs (background_job.h).
  class BulkDeliveries;
  class CancelPending;
  class DropText;
  class ExpireSeen;
  class NodePause;
  class RecheckBlocked;
  class Rehearsal;
  Status run_jobs();
  /// Takes one step of a job, and commits it.
  JobQueue::Take job_step();
  void restore_jobs(const Snapshot& snapshot);
  void restore_bulk(const AdminRecord& row);
  void restore_cancel(const AdminRecord& row);
  void restore_pause(const AdminRecord& row);
  static std::string cancel_name(const std::string& scenario);
  AdminRecord first_cancel_row(const std::string& scenario, const std::string& who);
  Status begin_cancel(const std::string& scenario, const std::string& who);

  void hold_sending(Instant since);

  // Switches (switches.cpp).
  void restore_switches(const Snapshot& snapshot);
  std::vector<AdminRecord> first_switches(const std::string& scenario,
                                          const BookChange& change) const;
  void follow_switch(const AdminRecord& record);
  void follow_switch(NodePlace place, const std::string& node, const NodeSwitch& state);
  std::optional<std::string> name_of(NodePlace place) const;

  // By hand (by_hand.cpp).
  bool purging(ScenarioKey scenario) const;
  Status commit_part_of_text(TextPart part);
  /// Whether `batch` may deal with the unit of `delivery` as well, or leaves it to the next one.
  Result<bool> has_room_for(const Batch& batch, const Delivery& delivery);
  /// Nothing where the batch has dealt with it already.
  Result<ByHandAnswer> act_on_unit(Batch& batch, ByHand act, const Delivery& delivery,
                                   std::string_view reason);

  // What a crash left behind (poison.cpp).
  Status meet_suspects();
  Status set_aside(const Suspect& suspect);
  Status take_aside(Batch& batch, const Work& work) const;
  void let_be(std::span<const WorkItem> aside);
  AttemptResult poisoned(const Delivery& delivery) const;
  Result<std::shared_ptr<const Request>> whole_noted(const Delivery& carrier);
  std::size_t at_once(std::size_t most) const { return careful_ > 0 ? 1 : most; }

  // Batches of deliveries (batching.cpp).
  Status fix_batches();
  Status fix(const std::vector<Gathered::Group>& groups);
  void fix_batch(const Gathered::Group& gathered, std::span<std::optional<LoadedDelivery>> loaded,
                 Commit& commit, std::vector<LoadedDelivery>& left) const;
  void put_back(const Gathered::Group& group);
  void look_for(const EndpointKey& endpoint, DeliveryKey delivery);
  Status gather_again();
  /// Without its request it is looked for in the store.
  void gathered(const Delivery& delivery, const Request* request, const BatchPolicy& policy);
  Result<std::shared_ptr<const Request>> whole_request(const Delivery& carrier);

  void note_settled(const Settled& settled);
  void note_born_failed(const Delivery& delivery);
  void withdraw(const std::vector<DeliveryKey>& deliveries);
  void count(std::span<const Work> work);
  void count(std::span<const Settled> settled);
  void log_attempt(const Settled& settled);
  bool is_news(const EndpointKey& endpoint, const AttemptResult& result);
  void log_deferred(const AttemptResult& result);
  void log_changes(const std::vector<Activity>& changes) const;
  void log(const LogRecord& record) const;
  void refuse_writing(const Error& why);
  void compare_clock() const;
  Status commit_secrets(const SecretBookChange& change);
  Status commit_token(const TokenRecord& token, const std::string& what, const std::string& who);
  Status drop_old_keys();
  Status finish_rekey();
  Status check_secrets_of(const std::string& id) const;
  SecretInfo with_users(SecretKind kind, SecretInfo info) const;

  std::unique_ptr<Store> store_;
  DeliverySink& sink_;
  Release release_;
  /// See Clock::uncertain_until.
  bool certain() const { return !clock_.uncertain_until(); }

  const Clock& clock_;
  std::optional<Instant> newest_stored_;
  RuntimeOptions options_;
  Epochs epochs_;
  Sequence last_seq_ = 0;
  TextKey last_text_;
  ContactKey last_contact_;
  Counters counters_;
  std::shared_ptr<const TokenBook> tokens_;  // never null
  SecretBook secrets_;
  ScenarioBook book_;
  Catalog catalog_;
  std::uint64_t generation_ = 0;
  std::uint64_t inputs_before_ = 0;  // the round
  std::uint64_t changes_ = 0;        // begun: see `guarded`
  bool reads_elsewhere_ = false;
  std::vector<VersionName> wanted_;                       // not in memory, and not yet given out
  std::set<VersionName> awaited_;                         // not in memory, and being read
  std::vector<Dispatcher::Handout> waiting_for_version_;  // what is to leave when they are
  TriggerPasses passes_;
  std::optional<Instant> next_check_;  // of a trigger that asks everybody at a set time
  Dispatcher dispatcher_;
  Switches switches_;
  JobQueue jobs_;
  std::uint64_t last_bulk_ = 0, last_rehearsal_ = 0;  // numbers of such jobs
  /// A job of many inputs, and how many of them have been taken.
  struct Bulk {
    Job job;
    std::size_t taken = 0;
  };
  std::deque<Bulk> bulks_;
  std::size_t bulk_most_ = 1;  // inputs for the next commit of them
  Gathered gathered_;
  /// A search of the store for deliveries of an endpoint that wait for others and are not gathered.
  struct Search {
    DeliveryKey after;
    bool again = false;  ///< Some that it has passed are to be gathered as well.
  };
  std::map<EndpointKey, Search> searches_;
  EndpointKey searched_;  // the last one that had its turn
  std::shared_ptr<RecentLog> recent_;
  std::size_t careful_ = 0;            // so many inputs are taken one by one
  std::vector<AttemptResult> held_;    // results that the disk could not take yet
  std::vector<AttemptResult> later_;   // and those that are for the next round, behind them
  std::vector<DeliveryKey> reported_;  // whose outcomes came in and are not recorded yet
  std::optional<Error> unwritable_;    // why nothing can be written for now
  std::optional<Error> fault_;  // of the store, met by a call that had its answer: ends it all
  LoadShare admission_;         // of the call that runs
  bool working_ = false;        // in `work_ahead`, which calls must not enter again
  std::optional<Instant> held_since_;
  Instant probe_at_{};
  Instant timers_from_{};  // none is taken before
  Date seen_expired_{};    // when a job for it was last begun
  EngineFigures figures_;
  /// Attempts that trouble of our own put off, by code: when that was last told, and how many
  /// since.
  struct Deferred {
    std::optional<Instant> told;
    std::size_t attempts = 0;
  };
  std::map<std::string, Deferred> deferred_;
  std::map<EndpointKey, std::optional<Instant>> mishaps_told_;  ///< See `is_news`.
  std::optional<Instant> scenario_due_;                  // when a scenario starts or ends by itself
  std::map<std::string, ScenarioPass> scenario_passes_;  // under way, by name
  std::string scenario_pass_turn_;                       // the one that was stepped last
  bool runs_turn_ = false;                               // of retention
  KeepWalk keep_bodies_, keep_runs_;
  std::shared_ptr<const CustomFields> fields_;  // never null
};
}  // namespace onward
