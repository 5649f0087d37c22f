#pragma once
// The running engine, as the edges see it: every call may come from any thread and returns at once;
// what it asked for is answered by a callback on the thread of the engine, of the author, of the
// reader or of releases, which must not block.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/log_record.h"
#include "engine/core/base/result.h"
#include "engine/core/contact/custom_fields.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/stats.h"
#include "engine/core/scenario/node.h"
#include "engine/core/scenario/scenario_diff.h"
#include "engine/core/source/diagnostic.h"
#include "engine/delivery/deliverer.h"
#include "engine/runtime/working_file.h"
#include "engine/secrets/stored_secret.h"
#include "engine/store/store.h"

namespace onward {
template <class T>
using Done = std::function<void(T)>;

/// The code of what is set aside, since the server crashed on it again and again.
inline constexpr std::string_view kPoison = "poison";

/// What became of one event of a post.
struct EventAnswer {
  /// Unavailable: not taken for a reason of ours, such as a full disk; worth sending again.
  enum class Kind : std::uint8_t { Accepted, Duplicate, Conflict, Rejected, Unavailable };
  Kind kind = Kind::Accepted;
  std::string code;  ///< Of all but the first two: "id_reused", "too_old", …
  std::string message;
  std::vector<std::string> warnings;  ///< "ambiguous_contact"
  std::string incident;               ///< Of Unavailable by an exception: see guarded.h.
};

struct ContactAnswer {
  Contact contact;
  Engagement engagement;
  bool created = false;
  std::vector<std::string> warnings;
};

/// How a contact is named in a path: by id, by email, or by internal number.
struct ContactName {
  std::string id;
  std::string email;
};

/// What a scenario will do by itself.
struct ScenarioNext {
  std::string what;  ///< "start", "hold", "archive"
  Instant at{};
};
/// Work on all runs of a scenario that is under way between the batches.
struct ScenarioProgress {
  std::string what;           ///< "migrate", "purge" or "cancel"
  Version to = 0;             ///< Of a migration.
  std::uint64_t done = 0;     ///< Runs moved or purged, or deliveries cancelled.
  std::uint64_t stayed = 0;   ///< Runs that could not go over: they finish where they are.
  std::uint64_t stopped = 0;  ///< Of a purge: live runs that were ended first.
};

/// What became of one contact of an import.
struct ImportAnswer {
  /// Refused: with `code` and `message`. Unavailable: not taken for a reason of ours, such as a
  /// full disk; worth sending again.
  enum class Kind : std::uint8_t { Created, Updated, Unchanged, Refused, Unavailable };
  Kind kind = Kind::Unchanged;
  std::string code;
  std::string message;
  std::vector<std::string> warnings;  ///< "ambiguous_contact"
};
struct ImportMode {
  bool trigger = false;  ///< Changes may start scenarios (group_joined, …); else they are quiet.
  bool dry_run = false;  ///< Tells what would be done, and does nothing.
};

struct ScenarioInfo {
  std::string id;
  std::string title;
  ScenarioState state = ScenarioState::Draft;
  Version version = 0;                 ///< The newest.
  RulesFormat format = kNewestFormat;  ///< The rules that checked it.
  std::vector<std::string> test_emails;
  Instant created{};
  std::optional<Instant> activated, archived;
  std::vector<std::pair<Version, Instant>> versions;
  std::string text;  ///< YAML of the newest version; only where one was asked for.
  std::optional<Instant> purged;
  Instant changed{};                 ///< Its newest version, or its last change of life.
  std::optional<ScenarioNext> next;  ///< What will happen to it by itself.
  std::optional<ScenarioProgress> progress;
  std::int64_t entered = 0, inside = 0, pending = 0, failed = 0;  ///< Live, of all versions.
  std::vector<std::string> warnings;  ///< Of an activation: nodes whose requests are all refused.
};

/// Runs under way that should go over to the version that is applied.
struct MigrationRequest {
  bool wanted = false;
  std::vector<std::pair<std::string, std::string>> map;  ///< Node id -> node id of the new version.
};

struct VersionInfo {
  Version version = 0;
  Instant created{};
  RulesFormat format = kNewestFormat;  ///< The rules that checked it.
  std::size_t nodes = 0;               ///< 0 where the text cannot be read any more.
  std::int64_t entered = 0;
  std::int64_t inside = 0;       ///< Live runs on it.
  std::int64_t test_inside = 0;  ///< Test runs on it.
  bool newest = false;
};
struct ScenarioVersions {
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  std::vector<VersionInfo> versions;  ///< Newest first.
  std::optional<ScenarioProgress> progress;
};
struct VersionText {
  std::string id;
  Version version = 0;
  Instant created{};
  RulesFormat format = kNewestFormat;  ///< The rules that checked it.
  std::string text;
};

/// What applying a text would do, before anything is done.
struct ScenarioPlan {
  /// Where people are now, over all versions, live and test; of the nodes that changed, and those
  /// where somebody is.
  struct Place {
    std::string node;
    std::int64_t waiting = 0;
    bool kept = true;  ///< The new version has it.
  };
  /// An added node.
  struct Inserted {
    std::string node;
    std::int64_t past = 0;   ///< Are behind it already: they never see it.
    std::int64_t ahead = 0;  ///< Would still come to it, were they moved to the new version.
  };
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  bool created = false;  ///< There is no such scenario yet.
  bool changed = false;  ///< A new version would be made.
  Version from = 0, to = 0;
  bool refused = false;
  std::vector<Diagnostic> diagnostics;
  ScenarioDiff diff;
  std::vector<Place> places;
  std::vector<Inserted> inserted;
  std::int64_t inside = 0;         ///< Runs under way; unless moved they finish on their version.
  std::vector<std::string> notes;  ///< For people: re-entry, times, who finishes where.
  std::vector<std::string> stranded;  ///< Why a migration would be refused; a sentence each.
};

struct ApplyAnswer {
  ScenarioInfo scenario;
  bool created = false;
  bool changed = false;                 ///< A new version was made.
  std::vector<Diagnostic> diagnostics;  ///< Warnings; or the errors, then nothing was applied.
  bool refused = false;
  bool migrating = false;  ///< Runs under way are going over now.
};

struct NodeStats {
  std::string id;
  std::string kind;
  bool sends = false;              ///< Asks for deliveries.
  std::vector<std::string> ports;  ///< Those of the kind, also where nobody left by them yet.
  CounterRow counts;
  bool paused = false;  ///< Its deliveries are parked until it is resumed.
};
struct StatsSide {
  CounterRow scenario;
  std::vector<NodeStats> nodes;  ///< In the order of the newest file, then nodes of old versions.
};
struct ScenarioStats {
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  Instant as_of{};
  std::vector<Version> versions;
  StatsSide live, test;
};

/// What is to become of a secret or a credential.
struct SecretChange {
  std::string value;                     ///< Empty: it keeps the one it has.
  bool rotate = false;                   ///< The old value stays beside the new one.
  bool drop_old = false;                 ///< Ends that.
  AuthScheme scheme = AuthScheme::None;  ///< Of a credential; None: as it is.
  std::string login;                     ///< Basic: the username. Header: the header's name.
  /// Where it may be sent; nothing: as it is. A new one must have it.
  std::optional<SecretHosts> hosts = std::nullopt;
};
/// All that is ever told of one. Never its value.
struct SecretInfo {
  std::string name;
  bool readable = true;  ///< False: sealed under a master key that is not here.
  Instant set{};
  std::optional<Instant> rotated;  ///< While an old value stays: since when.
  AuthScheme scheme = AuthScheme::None;
  std::string login;
  SecretHosts hosts;                 ///< Where it may be sent.
  std::vector<std::string> used_by;  ///< Scenarios, by id, that are not archived.
  /// The hosts to which these send it, and those of them that `hosts` refuses.
  std::vector<std::string> sent_to, refused_hosts;
};
struct SecretAnswer {
  SecretInfo info;
  bool created = false, changed = false;
};
struct RekeyAnswer {
  std::size_t sealed = 0;      ///< Secrets and credentials under the new key.
  std::size_t unreadable = 0;  ///< Those that no key here opens; the old keys stay for them.
};
/// What the test button of a node found.
struct WebhookTestAnswer {
  std::string id;  ///< "test_evt_…"
  bool accepted = false;
  std::string explanation;  ///< What to do, where it was not accepted.
  Attempt attempt;
  std::shared_ptr<const Request> request;  ///< With references in place of secrets.
};

struct RuntimeFigures {
  std::uint64_t events_accepted = 0, events_duplicate = 0, events_rejected = 0;
  std::uint64_t contacts_full = 0;  ///< Events, changes and rows refused since they do not fit.
  std::uint64_t attempts_accepted = 0, attempts_refused = 0, attempts_local = 0;
  std::uint64_t attempts_after_unknown = 0;  ///< Their receiver may have had the request before.
  std::uint64_t commits = 0, inputs = 0;
  std::uint64_t commit_micros_total = 0;
  std::size_t pending = 0;
  std::size_t queued = 0, queued_max = 0;              ///< Events that are not answered yet.
  std::size_t queued_bytes = 0, queued_bytes_max = 0;  ///< What they take of memory.
  std::uint64_t bytes_on_disk = 0, log_bytes = 0;
  std::optional<Instant> oldest_due;
  std::optional<Instant> held_since;  ///< Since when nothing is sent.
  std::uint64_t log_lines_dropped = 0;
  DelivererFigures delivery;
};

/// Which deliveries are meant, of all or by any of these.
struct DeliveryQuery {
  std::string scenario, node;  ///< Ids; empty: all. A node wants its scenario.
  std::optional<DeliveryState> state;
  std::optional<Instant> since, until;  ///< Created from `since` on, before `until`.
  std::string code;                     ///< Of the last attempt, "503" or "timeout", or the reason.
};
bool fits(const DeliveryQuery& query, const Delivery& delivery);

/// What people do to deliveries.
enum class ByHand : std::uint8_t { Retry, Cancel };
struct ByHandAnswer {
  std::size_t changed = 0;  ///< Deliveries; members of a batch count each.
  std::size_t skipped = 0;  ///< That fit, and cannot be taken back: never sendable, or body gone.
};

struct SwitchAnswer {
  std::string scenario, node;  ///< Ids.
  bool paused = false;
  std::int64_t pending = 0;  ///< Deliveries that wait for the receiver or for the switch.
};

/// Which live runs are meant.
struct RunQuery {
  std::string scenario, node;  ///< Ids; empty: all.
  std::optional<RunState> state;
  std::string reason;  ///< Of a parked one.
};

/// One line of the log for people: a change (see Activity), or what came of a delivery.
struct LogLine {
  Instant at{};
  std::string what;  ///< "scenario.activated", "delivery.refused", "delivery.failed"
  std::string scenario, node, who, text;
  std::optional<DeliveryKey> delivery;
};
struct LogPage {
  std::vector<LogLine> lines;  ///< Oldest first.
  std::string next;            ///< Goes on behind them, also when more has happened.
  bool more = false;           ///< There is more already.
};

/// Time as the engine sees it; a test's is set by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  /// What the machine's clock shows; `now` differs while a clock that was moved is not trusted yet.
  virtual Instant wall() const { return now(); }
  /// Until when nothing that cannot be undone is to be done for its time, since the time is not
  /// certain: no wait ends, no delivery fails for its deadline, no row is deleted for its age.
  virtual std::optional<Instant> uncertain_until() const { return std::nullopt; }
};
const Clock& system_clock();
/// The later of the two times that it may be.
inline Instant latest(const Clock& clock) { return std::max(clock.now(), clock.wall()); }
class MonitoredClock;

struct RuntimeOptions {
  std::int64_t account_id = 1;
  std::size_t contact_bytes_max = kContactBytesMax;  ///< Of one contact as it is stored.
  Duration dedupe_for = std::chrono::hours{24 * 7};
  /// How long after its end what a request said is kept, and a run; nothing: for ever. Runs are
  /// kept no shorter than bodies: a contact's are found through them when it is forgotten.
  std::optional<Duration> keep_bodies, keep_runs;
  /// Events, changes and imports that are taken and not answered yet, wherever they are; beyond
  /// either: Busy.
  std::size_t intake_max = 20'000;
  std::size_t intake_bytes_max = std::size_t{64} << 20;
  /// The same of calls, such as the text of a scenario that is applied.
  std::size_t calls_max = 10'000;
  std::size_t calls_bytes_max = std::size_t{64} << 20;
  /// Of outcomes of attempts that wait for the engine; beyond, excerpts of responses are left out.
  std::size_t results_bytes_max = std::size_t{16} << 20;
  std::size_t batch_max = 1'000;  ///< Inputs in one commit.
  /// A commit ends with the input with which its new rows reach this.
  std::size_t commit_bytes_max = std::size_t{4} << 20;
  std::size_t endpoint_window = 1'000;  ///< Deliveries of one endpoint in memory.
  std::size_t window = 20'000;          ///< Deliveries of all endpoints in memory.
  /// See AuthorContext; may be empty. What it answers may change: see `recheck_blocked`.
  std::function<std::string(std::string_view origin)> refuses_origin;
  std::filesystem::path key_file;  ///< Of the master key; empty: in memory, gone with the process.
  bool own_key_file = true;        ///< See KeyFile.
  std::uint64_t log_long = std::uint64_t{128} << 20;  ///< Bytes of the store's log worth a line.
  bool any_secret = false;  ///< Scenarios may name secrets that are not there: simulations.
  /// For the time budget of background jobs; empty: a step a round, see job_queue.h.
  std::function<std::chrono::nanoseconds()> stopwatch;
  /// A clock that nobody can set, such as the time since boot, of any thread; empty: that one.
  std::function<Duration()> since_boot;
  LogSink log;  ///< May be empty. Must not block: the engine's threads call it.
  std::function<std::uint64_t()> log_dropped;  ///< Lines that the log dropped; may be empty.
  std::shared_ptr<WorkingFile> working;        ///< Null: a crash leaves no name behind.
};

/// Owns the threads of the engine, of the author, of the reader and of releases. The store and the
/// deliverer are given to it.
class Runtime {
 public:
  /// Restores everything from the store. `kinds` must outlive it.
  static Result<std::unique_ptr<Runtime>> open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                               std::unique_ptr<HttpClient> client,
                                               ConcurrencyLimits limits, const Clock& clock,
                                               RuntimeOptions options);
  ~Runtime();
  void start();
  /// No request begins any more, while events are still taken: `stop` is to follow.
  void send_no_more();
  /// Stops intake, lets what is in flight finish (up to `patience`), folds, ends the threads.
  Status stop(Duration patience);
  /// Why the engine ended by itself (the disk failed); empty while it runs.
  std::string failure() const;
  /// Called once, on the engine thread, when that happens.
  void on_failure(std::function<void(std::string)> call);
  /// Whether events are taken now; else `not_ready`, `disk_full`, `disk_read_only` or `store_busy`.
  /// Any thread.
  Status ready() const;
  /// `call` is called around the answers that were made durable together, on the thread that gives
  /// them: with `true` before the first, `false` after the last. One at most, for good.
  void around_answers(std::function<void(bool begins)> call);

  /// Answered after the commit, in the order given. Busy or Unavailable at once where there is no
  /// room; then `done` is not called.
  Status events(std::vector<EventInput> events, Done<std::vector<EventAnswer>> done);

  /// `create`: makes the contact where there is none (PUT); else NotFound.
  Status patch_contact(ContactRef who, ContactPatch patch, bool create,
                       Done<Result<ContactAnswer>> done);
  /// `by` is the name of the token behind it, for the log.
  Status forget_contact(ContactName who, Done<Result<bool>> done, std::string by = {});
  Status contact(ContactName who, Done<Result<ContactAnswer>> done);

  // `who` of a change is the name of the token behind it, for the log.
  Status apply(std::string id, std::string text, Done<Result<ApplyAnswer>> done,
               MigrationRequest migration = {}, std::string who = {});
  /// What is wrong with a file, held to what the server knows: as a new version of `id`, or, where
  /// `id` is empty, as a scenario of its own. Changes nothing.
  Status validate(std::string id, std::string text, Done<Result<std::vector<Diagnostic>>> done);
  /// Changes nothing.
  Status plan(std::string id, std::string text, MigrationRequest migration,
              Done<Result<ScenarioPlan>> done);
  /// Answered when the purge is on its way.
  Status purge(std::string id, Done<Result<ScenarioInfo>> done, std::string who = {});
  Status versions(std::string id, Done<Result<ScenarioVersions>> done);
  Status version_text(std::string id, Version version, Done<Result<VersionText>> done);
  Status activate(std::string id, std::optional<std::vector<std::string>> test_emails,
                  Done<Result<ScenarioInfo>> done, std::string who = {});
  Status hold(std::string id, Done<Result<ScenarioInfo>> done, std::string who = {});
  Status archive(std::string id, bool cancel_pending, Done<Result<ScenarioInfo>> done,
                 std::string who = {});
  Status duplicate(std::string id, std::string new_id, Done<Result<ScenarioInfo>> done,
                   std::string who = {});
  Status remove_draft(std::string id, Done<Result<ScenarioInfo>> done, std::string who = {});
  /// Pauses or resumes the deliveries of a node, whatever its version.
  Status switch_node(std::string scenario, std::string node, bool pause,
                     Done<Result<SwitchAnswer>> done, std::string who = {});
  /// Retries or cancels one delivery, or the batch that it belongs to.
  Status by_hand(ByHand act, DeliveryKey delivery, Done<Result<ByHandAnswer>> done,
                 std::string who = {});
  /// The same to all that fit, which must name a scenario; `dry_run` only counts. Answered when all
  /// is done: meanwhile the engine goes on with other work.
  Status by_hand(ByHand act, DeliveryQuery which, bool dry_run, Done<Result<ByHandAnswer>> done,
                 std::string who = {});
  /// Resumes a parked run: true; false where it is not parked (any more).
  Status resume_run(RunKey run, Done<Result<bool>> done, std::string who = {});
  /// Resumes all that fit; how many.
  Status resume_runs(RunQuery which, Done<Result<std::size_t>> done, std::string who = {});
  Status scenario(std::string id, Done<Result<ScenarioInfo>> done);
  Status scenarios(Done<Result<std::vector<ScenarioInfo>>> done);
  /// `version` 0: all together.
  Status stats(std::string id, Version version, Done<Result<ScenarioStats>> done);

  /// Lists, read on the reader thread: they show whatever was answered before they were asked for.
  struct RunView {
    Run run;
    std::string scenario;               ///< Id.
    std::vector<std::string> node_ids;  ///< Of run.path, in order.
    std::string contact;                ///< The caller's id, or "email:…"; of lists of live runs.
    /// What came of the deliveries of run.path, in order; nothing where a step has none.
    std::vector<std::optional<Delivery>> deliveries;
  };
  /// Entries that were refused to a contact.
  struct RefusedView {
    std::string scenario;
    bool test = false;
    Refusal refusal;
  };
  struct RunPage {
    std::vector<RunView> runs;
    std::string next;
    std::vector<RefusedView> refused;  ///< Of a contact's journey, on its first page.
  };
  struct DeliveryView {
    Delivery delivery;
    std::string scenario, node;              ///< Ids.
    std::string contact;                     ///< The caller's id, or "email:…".
    std::shared_ptr<const Request> request;  ///< Only for one.
    std::vector<Attempt> attempts;           ///< Only for one.
  };
  struct DeliveryPage {
    std::vector<DeliveryView> deliveries;
    std::string next;
  };
  Status runs(ContactName who, std::size_t limit, std::string cursor, Done<Result<RunPage>> done);
  /// Live runs; a page may be short, or empty, and go on.
  Status live_runs(RunQuery which, std::size_t limit, std::string cursor,
                   Done<Result<RunPage>> done);
  /// Newest first; with `since`, `until` or `code` a page may be short, or empty, and go on.
  Status deliveries(DeliveryQuery which, std::size_t limit, std::string cursor,
                    Done<Result<DeliveryPage>> done);
  Status delivery(DeliveryKey key, Done<Result<DeliveryView>> done);

  /// What happened: with a cursor what came after it, with `since` what came from then on, else the
  /// newest. What deliveries met is kept since the start of the process, the newest 10,000.
  Status logs(std::string scenario, std::optional<Instant> since, std::size_t limit,
              std::string cursor, Done<Result<LogPage>> done);
  /// Makes and changes many contacts, each alone; `patch_contact` of each, but in one job. Answered
  /// after the commit, in the order given; bounded by the same queue as events.
  Status import_contacts(std::vector<ContactInput> contacts, ImportMode mode,
                         Done<Result<std::vector<ImportAnswer>>> done, std::string who = {});
  struct ContactPage {
    std::vector<ContactAnswer> contacts;  ///< Oldest first.
    std::string next;
  };
  /// All contacts, or those of one group. `limit` bounds what is given out; with a group a page may
  /// hold fewer, even none, and still have a next one.
  Status contacts(std::string group, std::size_t limit, std::string cursor,
                  Done<Result<ContactPage>> done);

  RuntimeFigures figures() const;
  const Epochs& epochs() const;
  /// By SHA-256 in hex, as things stand now: expired ones too. Any thread.
  std::optional<TokenRecord> find_token(std::string_view sha256) const;
  /// Those that were issued and not revoked, expired ones too. Any thread.
  std::vector<TokenRecord> tokens() const;
  /// `token` has a hash, a name that no other has, a role and perhaps an end. It opens the door
  /// when `done` is called; so does a revoked one open nothing any more.
  Status issue_token(TokenRecord token, Done<Result<TokenRecord>> done, std::string who = {});
  /// Conflict for the last admin's token.
  Status revoke_token(std::string name, Done<Result<TokenRecord>> done, std::string who = {});

  /// Since when nothing is sent; nothing: requests leave. Any thread.
  std::optional<Instant> held_since() const;
  /// The time that the runtime goes by. Any thread.
  const MonitoredClock& clock() const;
  /// The machine's clock is right; false where it was not in doubt.
  Status accept_clock(Done<Result<bool>> done, std::string who = {});
  /// False: nothing was held.
  Status resume_sending(Done<Result<bool>> done, std::string who = {});
  /// Any thread. Who may be called was changed: deliveries that were refused and are allowed now
  /// are attempted at once.
  Status recheck_blocked();

  Status secrets(SecretKind kind, Done<Result<std::vector<SecretInfo>>> done);
  Status set_secret(SecretKind kind, std::string name, SecretChange change,
                    Done<Result<SecretAnswer>> done, std::string who = {});
  /// Conflict where a live scenario needs it, unless `force`: then deliveries wait for it.
  Status remove_secret(SecretKind kind, std::string name, bool force,
                       Done<Result<SecretAnswer>> done, std::string who = {});
  /// A new master key; every secret is sealed anew.
  Status rekey(Done<Result<RekeyAnswer>> done, std::string who = {});
  /// Sends test data as the node of the newest version would; nothing is kept but that
  /// it was done. Busy where
  /// eight such tests are under way.
  Status test_webhook(std::string scenario, std::string node, Done<Result<WebhookTestAnswer>> done,
                      std::string who = {});

  /// The declared custom fields as they are now; never null. Any thread.
  std::shared_ptr<const CustomFields> custom_fields() const;
  /// Answers whether it is a new one. What is stored already stays as it is.
  Status declare_field(CustomField field, Done<Result<bool>> done, std::string who = {});
  Status remove_field(std::string name, Done<Result<bool>> done, std::string who = {});

 private:
  struct Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};
}  // namespace onward
