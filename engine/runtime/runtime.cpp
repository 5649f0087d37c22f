#include "engine/runtime/runtime.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/runtime/engine.h"
#include "engine/runtime/queries.h"
#include "engine/runtime/release_thread.h"
#include "engine/runtime/webhook_test.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/secret_source.h"

namespace onward {
namespace {
using Steady = std::chrono::steady_clock;
/// Lists are at most this far behind, where the engine has a moment to spare.
constexpr std::chrono::seconds kQuiet{1};
/// A pause in which a fold of its own keeps nobody waiting.
constexpr std::chrono::milliseconds kMoment{3};
/// The engine looks at the clock at least this often, in case somebody moved it.
constexpr std::chrono::seconds kNapMax{60};
/// Nobody waits for the outcome of an attempt to be written down, so it waits a moment for inputs
/// to be written with; many do not wait.
constexpr std::chrono::milliseconds kResultsWait{2};
constexpr std::size_t kResultsMany = 256;
/// Calls (not events) that may wait.
constexpr std::size_t kCallsMax = 10'000;

tl::unexpected<Error> busy() {
  return fail(ErrorKind::Busy, "busy", "the intake queue is full; try again in a moment");
}
}  // namespace

namespace {
struct Resuming;
}

/// Hands over between the edges' threads, the engine thread, the deliverer and the reader.
struct Runtime::Impl final : DeliverySink {
  explicit Impl(RuntimeOptions given) : options{std::move(given)} {}

  // DeliverySink, called by the release thread.
  void expedite(std::vector<DeliveryKey> keys) override { deliverer->expedite(std::move(keys)); }
  void submit(std::vector<DeliveryTask> tasks) override { deliverer->submit(std::move(tasks)); }
  void withdraw(std::vector<DeliveryKey> keys) override { deliverer->withdraw(std::move(keys)); }

  Status push(Job job, std::size_t events);
  Status call(std::function<Status(Engine&)> call) { return push(CallJob{std::move(call)}, 0); }
  Status read(bool fresh, std::function<void(StoreReader&, const Directory&)> query);
  void take_results(std::vector<AttemptResult> finished);
  void run();
  bool wait_for_work(std::vector<Job>& taken, std::vector<AttemptResult>& settled);
  bool fold_in_quiet();
  /// When the engine may fold by itself: what was committed is a second old, and nothing has come
  /// for a moment. While something comes, folds ride in its commits.
  Steady::time_point fold_from() const {
    return std::max(unfolded_since + kQuiet, last_work + kMoment);
  }
  void refresh();
  std::function<void()> showing() {
    return [this] { refresh(); };
  }
  void fail_for_good(const Error& error);
  void cannot_sync(const Error& error);
  void resume_some(const std::shared_ptr<Resuming>& work);
  Status resume_page(Engine& of, const std::shared_ptr<Resuming>& work,
                     const std::vector<Run>& runs);
  Status resume_next(Engine& of, const std::shared_ptr<Resuming>& work);

  RuntimeOptions options;
  SecretBox secrets;  // The deliverer's; it must outlive it.
  std::unique_ptr<Deliverer> deliverer;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<ReaderThread> reader;
  std::unique_ptr<ReleaseThread> releases;
  std::string epoch;
  std::shared_ptr<const RecentLog> recent;
  std::thread thread;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::vector<Job> jobs;  // guarded by mutex, as all below
  std::vector<AttemptResult> results;
  Steady::time_point results_since{};  // when the first of them came
  std::size_t events_waiting = 0;
  bool asleep = false;
  bool started = false;   // may take jobs
  bool closing = false;   // takes no more
  bool stopping = false;  // ends when all is worked off
  bool ended = false;
  bool full = false;
  std::optional<Error> unsynced;  // why nothing can be made durable any more
  std::string failure;
  std::function<void(std::string)> on_failure;
  std::map<std::string, TokenRecord, std::less<>> tokens;
  std::shared_ptr<const Directory> directory;
  std::shared_ptr<const CustomFields> fields;
  EngineFigures figures;
  std::uint64_t bytes_on_disk = 0;
  std::optional<Instant> oldest_due;

  // The engine thread's own.
  std::uint64_t generation = 0;  // of the directory
  std::shared_ptr<const SecretValues> shown_secrets;
  Steady::time_point unfolded_since{}, last_work{}, last_look{};
};

// ---- intake ----

Status Runtime::Impl::push(Job job, std::size_t events) {
  const std::lock_guard lock{mutex};
  if (!started || closing || ended)
    return fail(ErrorKind::Unavailable, closing ? "stopping" : "not_running",
                closing ? "the server is stopping" : "the engine is not running");
  if (events > 0 && full)
    return fail(ErrorKind::Unavailable, "disk_full",
                "there is no room left on the disk; events are taken again when there is");
  // One post larger than the whole queue is let in when nothing else waits.
  if (events > 0 && events_waiting > 0 && events_waiting + events > options.intake_max)
    return busy();
  if (events == 0 && jobs.size() >= kCallsMax + options.intake_max) return busy();
  jobs.push_back(std::move(job));
  events_waiting += events;
  if (asleep) {
    asleep = false;
    wake.notify_one();
  }
  return {};
}

void Runtime::Impl::take_results(std::vector<AttemptResult> finished) {
  const std::lock_guard lock{mutex};
  const bool first = results.empty();
  if (first) {
    results = std::move(finished);
    results_since = Steady::now();
  } else {
    std::move(finished.begin(), finished.end(), std::back_inserter(results));
  }
  if (asleep && (first || results.size() >= kResultsMany)) {
    asleep = false;
    wake.notify_one();
  }
}

Status Runtime::Impl::read(bool fresh, std::function<void(StoreReader&, const Directory&)> query) {
  auto ask = [this, query = std::move(query)] {
    std::shared_ptr<const Directory> names;
    {
      const std::lock_guard lock{mutex};
      names = directory;
    }
    reader->ask([query, names](StoreReader& from) { query(from, *names); });
  };
  if (fresh)
    return call([ask](Engine& of) {
      Status folded = of.fold();
      ask();
      return folded;
    });
  {
    const std::lock_guard lock{mutex};
    if (!started || ended)
      return fail(ErrorKind::Unavailable, "not_running", "the engine is not running");
  }
  ask();
  return {};
}

// ---- the engine thread ----

void Runtime::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "onward-engine");
  std::vector<Job> taken;
  std::vector<AttemptResult> settled;
  while (wait_for_work(taken, settled)) {
    Status done = engine->work_ahead(std::exchange(taken, {}), std::exchange(settled, {}));
    // Empty or not: what was committed is to be on the disk soon, whoever waits for it.
    releases->pass(engine->take_release());
    if (!done) {
      fail_for_good(done.error());
      return;
    }
    refresh();
    last_work = Steady::now();
    if (engine->fold_pending() && unfolded_since == Steady::time_point{})
      unfolded_since = Steady::now();
  }
  std::optional<Error> fault;
  {
    const std::lock_guard lock{mutex};
    fault = unsynced;
    ended = true;
  }
  if (fault) fail_for_good(*fault);
}

/// The release thread's last word; the engine thread ends with it.
void Runtime::Impl::cannot_sync(const Error& error) {
  {
    const std::lock_guard lock{mutex};
    unsynced = error;
  }
  wake.notify_one();
}

/// False: stop. Sleeps until there is something to do; uses quiet moments to fold.
bool Runtime::Impl::wait_for_work(std::vector<Job>& taken, std::vector<AttemptResult>& settled) {
  while (true) {
    {
      std::unique_lock lock{mutex};
      auto until = std::chrono::steady_clock::now() + kNapMax;
      bool due = false;
      if (const auto next = engine->next_wake()) {
        const Duration left = *next - engine->now();
        due = left <= Duration::zero();
        until = std::min(until, std::chrono::steady_clock::now() + std::max(left, Duration{0}));
      }
      const bool folds = engine->fold_pending();
      if (folds) until = std::min(until, fold_from());
      const auto pressing = [&] {
        return stopping || unsynced || !jobs.empty() || results.size() >= kResultsMany;
      };
      if (!due && !pressing() && results.empty()) {
        asleep = true;
        wake.wait_until(lock, until, [&] { return pressing() || !results.empty(); });
      }
      if (!due && !pressing() && !results.empty()) {
        asleep = true;
        wake.wait_until(lock, std::min(until, results_since + kResultsWait), pressing);
      }
      asleep = false;
      if (unsynced) return false;
      taken.swap(jobs);
      settled.swap(results);
      events_waiting = 0;
      if (stopping && taken.empty() && settled.empty()) return false;
      const auto next = engine->next_wake();
      due = next && *next <= engine->now();
      if (!taken.empty() || !settled.empty() || due) {
        return true;
      }
    }
    if (!fold_in_quiet()) return false;
  }
}

/// One slice, where a second of quiet has passed. False: the store failed.
bool Runtime::Impl::fold_in_quiet() {
  if (!engine->fold_pending() || std::chrono::steady_clock::now() < fold_from()) return true;
  auto more = engine->fold_slice();
  if (more) {
    if (!*more) unfolded_since = {};
    return true;
  }
  if (more.error().kind ==
      ErrorKind::Unavailable) {  // no room: the next quiet moment may have some
    unfolded_since = std::chrono::steady_clock::now();
    return true;
  }
  fail_for_good(more.error());
  return false;
}

/// Shows other threads what the engine's last work changed.
void Runtime::Impl::refresh() {
  std::shared_ptr<const Directory> names;
  if (shown_secrets != engine->secrets().values()) {
    shown_secrets = engine->secrets().values();
    secrets.put(shown_secrets);
  }
  if (generation != engine->catalog_generation()) {
    generation = engine->catalog_generation();
    names = make_directory(engine->book());
  }
  // These two cost more than a batch, so they may lag.
  const auto moment = std::chrono::steady_clock::now();
  const bool look = moment >= last_look + kQuiet;
  if (look) last_look = moment;
  const std::uint64_t bytes = look ? engine->store().size_on_disk() : 0;
  const std::optional<Instant> oldest = look ? engine->oldest_due() : std::nullopt;

  const std::lock_guard lock{mutex};
  if (look) {
    bytes_on_disk = bytes;
    oldest_due = oldest;
  }
  if (names) directory = std::move(names);
  full = engine->full();
  fields = engine->custom_fields();
  figures = engine->figures();
  for (std::size_t i = tokens.size(); i < engine->tokens().size(); ++i)
    tokens.emplace(engine->tokens()[i].sha256, engine->tokens()[i]);
}

/// The store is gone: going on in memory would be lying.
void Runtime::Impl::fail_for_good(const Error& error) {
  std::vector<Job> orphans;
  std::function<void(std::string)> tell;
  {
    const std::lock_guard lock{mutex};
    ended = true;
    failure = error.message;
    orphans.swap(jobs);
    tell = on_failure;
  }
  refuse(orphans, error);
  if (options.log) options.log("engine.stopped message=\"" + error.message + "\"");
  if (tell) tell(error.message);
}

// ---- life ----

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}

Result<std::unique_ptr<Runtime>> Runtime::open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                               std::unique_ptr<HttpClient> client,
                                               ConcurrencyLimits limits, const Clock& clock,
                                               RuntimeOptions options) {
  auto reader = store->open_reader();
  if (!reader) return tl::make_unexpected(std::move(reader.error()));
  auto impl = std::make_unique<Impl>(std::move(options));
  impl->deliverer = std::make_unique<Deliverer>(
      std::move(client),
      DelivererOptions{.limits = limits,
                       .report =
                           [to = impl.get()](std::vector<AttemptResult> finished) {
                             to->take_results(std::move(finished));
                           },
                       .clock = [&clock] { return clock.now(); },
                       .secrets = &impl->secrets});
  auto engine = Engine::open(std::move(store), kinds, *impl, clock, impl->options);
  if (!engine) return tl::make_unexpected(std::move(engine.error()));
  impl->engine = std::move(*engine);
  impl->epoch = impl->engine->epoch();
  impl->recent = impl->engine->recent();
  impl->reader = std::make_unique<ReaderThread>(std::move(*reader));
  impl->releases = std::make_unique<ReleaseThread>(
      impl->engine->store(), *impl,
      [to = impl.get()](const Error& error) { to->cannot_sync(error); });
  impl->refresh();
  return std::unique_ptr<Runtime>{new Runtime(std::move(impl))};
}

Runtime::~Runtime() { (void)stop(Duration::zero()); }

void Runtime::start() {
  impl_->deliverer->start();
  const std::lock_guard lock{impl_->mutex};
  impl_->started = true;
  impl_->thread = std::thread{[this] { impl_->run(); }};
}

Status Runtime::stop(Duration patience) {
  if (!impl_->thread.joinable()) return {};
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->closing = true;
  }
  // New requests stop leaving first; what is in flight is still recorded by the engine.
  impl_->deliverer->stop(patience);
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
  impl_->releases->stop();
  impl_->reader.reset();
  if (std::string reason = failure(); !reason.empty())
    return fail(ErrorKind::Io, "engine_stopped", std::move(reason));
  return impl_->engine->fold();
}

std::string Runtime::failure() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->failure;
}

void Runtime::on_failure(std::function<void(std::string)> call) {
  const std::lock_guard lock{impl_->mutex};
  impl_->on_failure = std::move(call);
}

void Runtime::around_answers(std::function<void(bool begins)> call) {
  impl_->releases->around_answers(std::move(call));
}

bool Runtime::ready() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->started && !impl_->closing && !impl_->ended && !impl_->full;
}

// ---- events and contacts ----

Status Runtime::events(std::vector<EventInput> events, Done<std::vector<EventAnswer>> done) {
  const std::size_t count = events.size();
  EventsJob job{.done = std::move(done)};
  job.inputs.reserve(count);
  for (EventInput& event : events) job.inputs.emplace_back(std::move(event));
  return impl_->push(std::move(job), std::max<std::size_t>(count, 1));
}

namespace {
ContactAnswer answer_of(WorkAnswer answer) {
  return answer.state ? std::move(*answer.state) : ContactAnswer{};
}
}  // namespace

Status Runtime::patch_contact(ContactRef who, ContactPatch patch, bool create,
                              Done<Result<ContactAnswer>> done) {
  ContactJob job{.input = PatchInput{.who = std::move(who), .patch = std::move(patch)},
                 .create = create};
  job.done = [done = std::move(done)](Result<WorkAnswer> answer) {
    if (!answer) return done(tl::make_unexpected(std::move(answer.error())));
    if (!answer->found)
      return done(fail(ErrorKind::NotFound, "unknown_contact", "there is no such contact"));
    if (answer->event.kind == EventAnswer::Kind::Unavailable ||
        answer->event.kind == EventAnswer::Kind::Rejected)
      return done(fail(ErrorKind::Unavailable, answer->event.code, answer->event.message));
    done(answer_of(std::move(*answer)));
  };
  return impl_->push(std::move(job), 1);
}

namespace {
ImportAnswer import_answer_of(WorkAnswer answer) {
  using Kind = ImportAnswer::Kind;
  ImportAnswer shown{.kind = Kind::Unchanged,
                     .code = std::move(answer.event.code),
                     .message = std::move(answer.event.message),
                     .warnings = std::move(answer.event.warnings)};
  if (answer.event.kind == EventAnswer::Kind::Unavailable)
    shown.kind = Kind::Unavailable;
  else if (answer.event.kind != EventAnswer::Kind::Accepted)
    shown.kind = Kind::Refused;
  else if (answer.created)
    shown.kind = Kind::Created;
  else if (answer.changed)
    shown.kind = Kind::Updated;
  return shown;
}

std::vector<ImportAnswer> import_answers_of(std::vector<WorkAnswer> answers) {
  std::vector<ImportAnswer> shown;
  shown.reserve(answers.size());
  for (WorkAnswer& answer : answers) shown.push_back(import_answer_of(std::move(answer)));
  return shown;
}
}  // namespace

Status Runtime::import_contacts(std::vector<ContactInput> contacts, ImportMode mode,
                                Done<Result<std::vector<ImportAnswer>>> done) {
  std::vector<Input> inputs;
  inputs.reserve(contacts.size());
  for (ContactInput& contact : contacts)
    inputs.emplace_back(PatchInput{
        .who = std::move(contact.who), .patch = std::move(contact.patch), .quiet = !mode.trigger});
  const std::size_t count = std::max<std::size_t>(inputs.size(), 1);
  if (!mode.dry_run)
    return impl_->push(ImportJob{.inputs = std::move(inputs),
                                 .done =
                                     [done = std::move(done)](std::vector<WorkAnswer> answers) {
                                       done(import_answers_of(std::move(answers)));
                                     }},
                       count);
  return impl_->push(
      CallJob{[inputs = std::move(inputs), done = std::move(done)](Engine& engine) -> Status {
        auto answers = engine.rehearse(inputs);
        if (answers) {
          done(import_answers_of(std::move(*answers)));
          return {};
        }
        Error error = std::move(answers.error());
        done(tl::make_unexpected(error));
        if (error.kind != ErrorKind::Io) return {};
        return tl::make_unexpected(std::move(error));
      }},
      count);
}

Status Runtime::forget_contact(ContactName who, Done<Result<bool>> done) {
  return impl_->call([this, who = std::move(who),
                      done = std::move(done)](Engine& engine) -> Status {
    auto key = engine.find_contact(who);
    if (!key) {
      done(tl::make_unexpected(key.error()));
      return tl::make_unexpected(key.error());
    }
    if (!*key) {
      done(fail(ErrorKind::NotFound, "unknown_contact", "there is no such contact"));
      return {};
    }
    std::vector<Job> jobs;
    jobs.emplace_back(ContactJob{.input = CommandInput{.contact = **key, .command = Forget{}},
                                 .done = [done](Result<WorkAnswer> answer) {
                                   if (!answer)
                                     return done(tl::make_unexpected(std::move(answer.error())));
                                   if (answer->event.kind == EventAnswer::Kind::Unavailable ||
                                       answer->event.kind == EventAnswer::Kind::Rejected)
                                     return done(fail(ErrorKind::Unavailable, answer->event.code,
                                                      answer->event.message));
                                   done(answer->found);
                                 }});
    return engine.work_ahead(std::move(jobs), {});
  });
}

Status Runtime::contact(ContactName who, Done<Result<ContactAnswer>> done) {
  return impl_->call([who = std::move(who), done = std::move(done)](Engine& engine) -> Status {
    done(engine.contact(who));
    return {};
  });
}

// ---- scenarios ----

namespace {
/// A fault of the store ends the engine; one of the asker is only answered.
template <class T>
Status answered(const Result<T>& result) {
  if (!result && result.error().kind == ErrorKind::Io) return tl::make_unexpected(result.error());
  return {};
}

/// The call that answers `done` with what `act` finds.
///
/// `seen` is called in between: what the act changed is shown to other threads before it is
/// answered.
template <class T, class Act>
std::function<Status(Engine&)> asking(std::function<void()> seen, Done<Result<T>> done, Act act) {
  return [seen = std::move(seen), done = std::move(done),
          act = std::move(act)](Engine& engine) mutable -> Status {
    Result<T> result = act(engine);
    Status status = answered(result);
    seen();
    done(std::move(result));
    return status;
  };
}
}  // namespace

Status Runtime::apply(std::string id, std::string text, Done<Result<ApplyAnswer>> done,
                      MigrationRequest migration, std::string who) {
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [id = std::move(id), text = std::move(text), migration = std::move(migration),
              who = std::move(who)](Engine& of) { return of.apply(id, text, migration, who); }));
}

Status Runtime::plan(std::string id, std::string text, MigrationRequest migration,
                     Done<Result<ScenarioPlan>> done) {
  return impl_->call(asking(
      impl_->showing(), std::move(done),
      [id = std::move(id), text = std::move(text), migration = std::move(migration)](Engine& of) {
        return of.plan(id, text, migration);
      }));
}

Status Runtime::purge(std::string id, Done<Result<ScenarioInfo>> done) {
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [id = std::move(id)](Engine& of) { return of.purge(id); }));
}

Status Runtime::versions(std::string id, Done<Result<ScenarioVersions>> done) {
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [id = std::move(id)](Engine& of) { return of.versions(id); }));
}

Status Runtime::version_text(std::string id, Version version, Done<Result<VersionText>> done) {
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [id = std::move(id), version](Engine& of) { return of.book().text(id, version); }));
}

Status Runtime::activate(std::string id, std::optional<std::vector<std::string>> test_emails,
                         Done<Result<ScenarioInfo>> done, std::string who) {
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [id = std::move(id), emails = std::move(test_emails),
              who = std::move(who)](Engine& of) { return of.activate(id, emails, who); }));
}

Status Runtime::hold(std::string id, Done<Result<ScenarioInfo>> done, std::string who) {
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [id = std::move(id), who = std::move(who)](Engine& of) { return of.hold(id, who); }));
}

Status Runtime::archive(std::string id, bool cancel_pending, Done<Result<ScenarioInfo>> done,
                        std::string who) {
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [id = std::move(id), cancel_pending, who = std::move(who)](Engine& of) {
                              return of.archive(id, cancel_pending, who);
                            }));
}

Status Runtime::duplicate(std::string id, std::string new_id, Done<Result<ScenarioInfo>> done,
                          std::string who) {
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [id = std::move(id), new_id = std::move(new_id), who = std::move(who)](
                                Engine& of) { return of.duplicate(id, new_id, who); }));
}

Status Runtime::remove_draft(std::string id, Done<Result<ScenarioInfo>> done, std::string who) {
  return impl_->call(asking(
      impl_->showing(), std::move(done),
      [id = std::move(id), who = std::move(who)](Engine& of) { return of.remove_draft(id, who); }));
}

// ---- by hand ----

Status Runtime::switch_node(std::string scenario, std::string node, bool pause,
                            Done<Result<SwitchAnswer>> done, std::string who) {
  return impl_->call(asking(
      impl_->showing(), std::move(done),
      [scenario = std::move(scenario), node = std::move(node), pause,
       who = std::move(who)](Engine& of) { return of.switch_node(scenario, node, pause, who); }));
}

Status Runtime::by_hand(ByHand act, DeliveryKey delivery, Done<Result<ByHandAnswer>> done,
                        std::string who) {
  return impl_->call(
      asking(impl_->showing(), std::move(done), [act, delivery, who = std::move(who)](Engine& of) {
        return of.by_hand(act, delivery, who);
      }));
}

Status Runtime::by_hand(ByHand act, DeliveryQuery which, bool dry_run,
                        Done<Result<ByHandAnswer>> done, std::string who) {
  return impl_->call([act, which = std::move(which), dry_run, done = std::move(done),
                      who = std::move(who)](Engine& of) -> Status {
    of.by_hand(act, which, dry_run, who, done);
    return {};
  });
}

namespace {
/// Runs that are resumed page by page: the reader finds them, the engine resumes them.
struct Resuming {
  RunQuery which;
  RunKey one;
  std::string cursor, who;
  std::size_t count = 0;
  Done<Result<std::size_t>> done;
};
constexpr std::size_t kRunsAtOnce = 500;
}  // namespace

/// The next page; the engine answers each command, and the last answer asks for the page after it.
void Runtime::Impl::resume_some(const std::shared_ptr<Resuming>& work) {
  const auto refuse = [work](const Error& error) { work->done(tl::make_unexpected(error)); };
  const auto found = [this, work, refuse](StoreReader& from, const Directory& names) {
    auto filter = filter_of(names, work->which);
    if (!filter) return refuse(filter.error());
    filter->state = RunState::Parked;
    filter->run = work->one;
    auto list = from.live_runs(*filter, kRunsAtOnce, work->cursor);
    if (!list) return refuse(list.error());
    work->cursor = list->next;
    if (Status taken = call([this, work, runs = std::move(list->runs)](Engine& of) -> Status {
          return resume_page(of, work, runs);
        });
        !taken)
      refuse(taken.error());
  };
  // Folded, so that what was parked a moment ago is found.
  if (Status taken = read(/*fresh=*/work->cursor.empty(), found); !taken) refuse(taken.error());
}

Status Runtime::Impl::resume_page(Engine& of, const std::shared_ptr<Resuming>& work,
                                  const std::vector<Run>& runs) {
  if (runs.empty()) return resume_next(of, work);
  std::vector<Job> resumed;
  for (const Run& run : runs)
    resumed.emplace_back(ContactJob{
        .input = CommandInput{.contact = run.contact, .command = ResumeRun{run.key}},
        .done = [this, work, last = &run == &runs.back()](Result<WorkAnswer> answer) {
          const bool taken =
              answer && answer->found && answer->event.kind == EventAnswer::Kind::Accepted;
          if (taken) ++work->count;
          if (!last) return;
          if (Status next =
                  call([this, work](Engine& engine) { return resume_next(engine, work); });
              !next)
            work->done(tl::make_unexpected(next.error()));
        }});
  return of.work_ahead(std::move(resumed), {});
}

Status Runtime::Impl::resume_next(Engine& of, const std::shared_ptr<Resuming>& work) {
  if (!work->cursor.empty() && !(work->one && work->count > 0)) {
    resume_some(work);
    return {};
  }
  if (work->count > 0)
    if (Status noted = of.note(
            {.at = of.now(),
             .what = "runs.resumed",
             .scenario = work->which.scenario,
             .node = work->which.node,
             .who = work->who.empty() ? "engine" : work->who,
             .text = work->one ? format_run(work->one) : std::to_string(work->count) + " runs"});
        !noted && noted.error().kind == ErrorKind::Io)
      return noted;
  work->done(work->count);
  return {};
}

Status Runtime::resume_run(RunKey run, Done<Result<bool>> done, std::string who) {
  auto work = std::make_shared<Resuming>(
      Resuming{.one = run,
               .who = std::move(who),
               .done = [done = std::move(done)](Result<std::size_t> count) {
                 if (!count) return done(tl::make_unexpected(std::move(count.error())));
                 done(*count > 0);
               }});
  impl_->resume_some(work);
  return {};
}

Status Runtime::resume_runs(RunQuery which, Done<Result<std::size_t>> done, std::string who) {
  auto work = std::make_shared<Resuming>(
      Resuming{.which = std::move(which), .who = std::move(who), .done = std::move(done)});
  impl_->resume_some(work);
  return {};
}

Status Runtime::scenario(std::string id, Done<Result<ScenarioInfo>> done) {
  return impl_->call(asking(impl_->showing(), std::move(done), [id = std::move(id)](Engine& of) {
    return of.info(id, /*with_text=*/true);
  }));
}

Status Runtime::scenarios(Done<Result<std::vector<ScenarioInfo>>> done) {
  return impl_->call(asking(impl_->showing(), std::move(done), [](Engine& of) {
    return Result<std::vector<ScenarioInfo>>{of.scenarios()};
  }));
}

Status Runtime::stats(std::string id, Version version, Done<Result<ScenarioStats>> done) {
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [id = std::move(id), version](Engine& of) { return of.stats(id, version); }));
}

// ---- lists ----

Status Runtime::runs(ContactName who, std::size_t limit, std::string cursor, bool fresh,
                     Done<Result<RunPage>> done) {
  return impl_->read(fresh, [who = std::move(who), limit, cursor = std::move(cursor),
                             done = std::move(done)](StoreReader& from, const Directory& names) {
    done(query_runs(from, names, who, limit, cursor));
  });
}

Status Runtime::live_runs(RunQuery which, std::size_t limit, std::string cursor, bool fresh,
                          Done<Result<RunPage>> done) {
  return impl_->read(fresh, [which = std::move(which), limit, cursor = std::move(cursor),
                             done = std::move(done)](StoreReader& from, const Directory& names) {
    done(query_live_runs(from, names, which, limit, cursor));
  });
}

Status Runtime::deliveries(DeliveryQuery which, std::size_t limit, std::string cursor, bool fresh,
                           Done<Result<DeliveryPage>> done) {
  return impl_->read(fresh, [which = std::move(which), limit, cursor = std::move(cursor),
                             done = std::move(done)](StoreReader& from, const Directory& names) {
    done(query_deliveries(from, names, which, limit, cursor));
  });
}

Status Runtime::logs(std::string scenario, std::optional<Instant> since, std::size_t limit,
                     std::string cursor, Done<Result<LogPage>> done) {
  return impl_->read(false, [recent = impl_->recent, scenario = std::move(scenario), since, limit,
                             cursor = std::move(cursor),
                             done = std::move(done)](StoreReader& from, const Directory& names) {
    if (!scenario.empty() && !names.by_id.contains(scenario))
      return done(fail(ErrorKind::NotFound, "unknown_scenario",
                       "there is no scenario \"" + scenario + "\""));
    done(query_logs(from, *recent, scenario, since, limit, cursor));
  });
}

Status Runtime::delivery(DeliveryKey key, bool fresh, Done<Result<DeliveryView>> done) {
  return impl_->read(fresh,
                     [key, done = std::move(done)](StoreReader& from, const Directory& names) {
                       done(query_delivery(from, names, key));
                     });
}

Status Runtime::contacts(std::string group, std::size_t limit, std::string cursor, bool fresh,
                         Done<Result<ContactPage>> done) {
  return impl_->read(fresh, [group = std::move(group), limit, cursor = std::move(cursor),
                             done = std::move(done)](StoreReader& from, const Directory&) {
    done(query_contacts(from, group, limit, cursor));
  });
}

// ---- figures and tokens ----

RuntimeFigures Runtime::figures() const {
  RuntimeFigures shown;
  shown.delivery = impl_->deliverer->figures();
  const std::lock_guard lock{impl_->mutex};
  const EngineFigures& from = impl_->figures;
  shown.events_accepted = from.events_accepted;
  shown.events_duplicate = from.events_duplicate;
  shown.events_rejected = from.events_rejected;
  shown.attempts_accepted = from.attempts_accepted;
  shown.attempts_refused = from.attempts_refused;
  shown.attempts_local = from.attempts_local;
  shown.commits = from.commits;
  shown.inputs = from.inputs;
  shown.commit_micros_total = from.commit_micros_total;
  shown.pending = static_cast<std::size_t>(std::max<std::int64_t>(from.pending, 0));
  shown.oldest_due = impl_->oldest_due;
  shown.queued = impl_->events_waiting;
  shown.queued_max = impl_->options.intake_max;
  shown.bytes_on_disk = impl_->bytes_on_disk;
  return shown;
}

const std::string& Runtime::epoch() const { return impl_->epoch; }

std::optional<TokenRecord> Runtime::find_token(std::string_view sha256) const {
  const std::lock_guard lock{impl_->mutex};
  const auto found = impl_->tokens.find(sha256);
  if (found == impl_->tokens.end()) return std::nullopt;
  return found->second;
}

bool Runtime::has_tokens() const {
  const std::lock_guard lock{impl_->mutex};
  return !impl_->tokens.empty();
}

Status Runtime::add_token(TokenRecord token, Done<Status> done) {
  return impl_->call(
      [this, token = std::move(token), done = std::move(done)](Engine& engine) -> Status {
        Status added = engine.add_token(token);
        impl_->refresh();
        done(added);
        return added;
      });
}

std::shared_ptr<const CustomFields> Runtime::custom_fields() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->fields;
}

Status Runtime::declare_field(CustomField field, Done<Result<bool>> done) {
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [field = std::move(field)](Engine& of) { return of.declare_field(field); }));
}

Status Runtime::remove_field(std::string name, Done<Result<bool>> done) {
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [name = std::move(name)](Engine& of) { return of.remove_field(name); }));
}

// ---- secrets ----

Status Runtime::secrets(SecretKind kind, Done<Result<std::vector<SecretInfo>>> done) {
  return impl_->call(asking(impl_->showing(), std::move(done), [kind](Engine& of) {
    return Result<std::vector<SecretInfo>>{of.list_secrets(kind)};
  }));
}

Status Runtime::set_secret(SecretKind kind, std::string name, SecretChange change,
                           Done<Result<SecretAnswer>> done, std::string who) {
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [kind, name = std::move(name), change = std::move(change),
                             who = std::move(who)](Engine& of) mutable {
                              auto answer = of.set_secret(kind, name, change, who);
                              wipe(change.value);
                              return answer;
                            }));
}

Status Runtime::remove_secret(SecretKind kind, std::string name, bool force,
                              Done<Result<SecretAnswer>> done, std::string who) {
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [kind, name = std::move(name), force, who = std::move(who)](
                                Engine& of) { return of.remove_secret(kind, name, force, who); }));
}

Status Runtime::rekey(Done<Result<RekeyAnswer>> done, std::string who) {
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [who = std::move(who)](Engine& of) { return of.rekey(who); }));
}

Status Runtime::test_webhook(std::string scenario, std::string node,
                             Done<Result<WebhookTestAnswer>> done) {
  return impl_->call([this, scenario = std::move(scenario), node = std::move(node),
                      done = std::move(done)](Engine& engine) -> Status {
    auto task = engine.webhook_test(scenario, node);
    if (!task) {
      done(tl::make_unexpected(std::move(task.error())));
      return {};
    }
    const Status taken = impl_->deliverer->probe(*task, [task = *task, done](AttemptResult result) {
      done(judge_webhook_test(task, std::move(result)));
    });
    if (!taken) done(tl::make_unexpected(taken.error()));
    return {};
  });
}
}  // namespace onward
