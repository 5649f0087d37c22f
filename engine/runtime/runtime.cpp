#include <pthread.h>

#include <algorithm>
#include <utility>

#include "engine/authoring/yaml_reader.h"
#include "engine/runtime/runtime_impl.h"

namespace onward {
namespace {
using Steady = std::chrono::steady_clock;
/// What was committed stays in the journal at least so long.
constexpr std::chrono::seconds kQuiet{1};
/// A pause in which a fold of its own keeps nobody waiting.
constexpr std::chrono::milliseconds kMoment{3};
/// The engine looks at the clock at least this often, in case somebody moved it.
constexpr std::chrono::seconds kNapMax{60};
/// Large posts and imports that are not done by then at a stop are refused: they are sent again.
constexpr Duration kBulkPatience = std::chrono::seconds{5};
/// No busy machine lets the engine thread sleep that much too long.
constexpr std::chrono::seconds kOversleepMax{2};
/// Nobody waits for the outcome of an attempt to be written down, so it waits a moment for inputs
/// to be written with; many do not wait.
constexpr std::chrono::milliseconds kOutcomesWait{2};

tl::unexpected<Error> not_now(const Error& unwritable) {
  return fail(unwritable.kind, unwritable.code,
              unwritable.message + "; events are taken again as soon as that is over");
}

tl::unexpected<Error> busy() {
  return fail(ErrorKind::Busy, "busy", "the intake queue is full; try again in a moment");
}
}  // namespace

// ---- intake ----

tl::unexpected<Error> Runtime::Impl::not_running() const {
  return fail(ErrorKind::Unavailable, closing ? "stopping" : "not_running",
              closing ? "the server is stopping" : "the engine is not running");
}

Result<LoadShare> Runtime::Impl::admit(JobWeight weight) {
  const bool events = weight.events > 0;
  if (!takes_jobs()) return not_running();
  if (events && unwritable) return not_now(*unwritable);
  const LoadLimits limits =
      events ? LoadLimits{.count = options.intake_max, .bytes = options.intake_bytes_max}
             : LoadLimits{.count = options.calls_max, .bytes = options.calls_bytes_max};
  auto admission = LoadShare::take(events ? intake : calls, limits,
                                   std::max<std::size_t>(weight.events, 1), weight.bytes);
  if (!admission) return busy();
  return *std::move(admission);
}

Status Runtime::Impl::push(Job job, JobWeight weight) {
  const std::lock_guard lock{mutex};
  auto admission = admit(weight);
  if (!admission) return tl::make_unexpected(std::move(admission.error()));
  std::visit([&](auto& one) { one.admission = *std::move(admission); }, job);
  enqueue(std::move(job));
  return {};
}

Result<std::shared_ptr<LoadShare>> Runtime::Impl::admit_call(std::size_t bytes) {
  const std::lock_guard lock{mutex};
  auto admission = admit({.events = 0, .bytes = kCallBytes + bytes});
  if (!admission) return tl::make_unexpected(std::move(admission.error()));
  return std::make_shared<LoadShare>(*std::move(admission));
}

Status Runtime::Impl::call_anyway(CallJob job) {
  const std::lock_guard lock{mutex};
  if (!takes_jobs()) return not_running();
  enqueue(std::move(job));
  return {};
}

void Runtime::Impl::enqueue(Job job) {
  jobs.push_back(std::move(job));
  if (asleep) {
    asleep = false;
    wake.notify_one();
  }
}

void Runtime::Impl::take_results(std::vector<AttemptResult> finished) {
  const std::lock_guard lock{mutex};
  const bool first = outcomes.empty();
  outcomes.add(std::move(finished), Steady::now());
  if (asleep && (first || outcomes.urgent())) {
    asleep = false;
    wake.notify_one();
  }
}

Status Runtime::Impl::read(std::function<void(StoreReader&, const Directory&)> query) {
  {
    const std::lock_guard lock{mutex};
    if (!started || ended)
      return fail(ErrorKind::Unavailable, "not_running", "the engine is not running");
  }
  reader->ask([this, query = std::move(query)](StoreReader& from) {
    std::shared_ptr<const Directory> names;
    {
      const std::lock_guard lock{mutex};
      names = directory;
    }
    query(from, *names);
  });
  return {};
}

// ---- the engine thread ----

Runtime::Impl::Steady::time_point Runtime::Impl::fold_from() const {
  return std::max(unfolded_since + kQuiet, last_work + kMoment);
}

void Runtime::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "onward-engine");
  const NoReading no_reading;
  std::vector<Job> taken;
  std::vector<AttemptResult> settled;
  read_wanted();
  while (wait_for_work(taken, settled)) {
    Status done = engine->work_ahead(std::exchange(taken, {}), std::exchange(settled, {}));
    // Empty or not: what was committed is to be on the disk soon, whoever waits for it.
    releases->pass(engine->take_release());
    if (!done) {
      fail_for_good(done.error());
      return;
    }
    refresh();
    read_wanted();
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
    watch_clock();
    // Before the mutex is taken, since it reads the store and every post waits for the mutex. Only
    // this thread changes what it depends on, so it holds until the thread works again.
    const std::optional<Instant> next = engine->next_wake();
    {
      std::unique_lock lock{mutex};
      auto until = std::chrono::steady_clock::now() + kNapMax;
      bool due = false;
      if (next) {
        const Duration left = *next - engine->now();
        due = left <= Duration::zero();
        until = std::min(until, std::chrono::steady_clock::now() + std::max(left, Duration{0}));
      }
      const bool folds = engine->fold_pending();
      if (folds) until = std::min(until, fold_from());
      const auto pressing = [&] {
        return stopping || unsynced || !jobs.empty() || outcomes.urgent();
      };
      const bool sleeps = !due && !pressing();
      if (sleeps && outcomes.empty()) {
        asleep = true;
        wake.wait_until(lock, until, [&] { return pressing() || !outcomes.empty(); });
      }
      if (!due && !pressing() && !outcomes.empty()) {
        asleep = true;
        wake.wait_until(lock, std::min(until, outcomes.since() + kOutcomesWait), pressing);
      }
      asleep = false;
      // This process was stopped while it slept, and clients may have written to it meanwhile.
      if (sleeps && Steady::now() - until > kOversleepMax) engine->defer_timers();
      if (unsynced) return false;
      taken.swap(jobs);
      settled = outcomes.take(engine->inputs_of_round());
      if (stopping && taken.empty() && settled.empty() && !engine->results_left() &&
          !(engine->bulk_left() && Steady::now() < bulk_until))
        return false;
      due = next && *next <= engine->now();
      if (!taken.empty() || !settled.empty() || due) {
        return true;
      }
    }
    if (!fold_in_quiet()) return false;
  }
}

void Runtime::Impl::watch_clock() {
  using Kind = MonitoredClock::Change::Kind;
  const auto change = clock.take_change();
  if (!change || !options.log) return;
  const Value by = count_value(change->by.count());
  if (change->kind == Kind::Moved)
    options.log({"clock.moved",
                 {{"by_ms", by},
                  {"hint",
                   "the server goes by the time since the machine started until the new time has "
                   "held for 5 minutes, or until `onward clock accept`"}},
                 LogLevel::Warning});
  else
    options.log({change->kind == Kind::Back ? "clock.back" : "clock.accepted",
                 {{"by_ms", by}},
                 LogLevel::Warning});
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
  std::shared_ptr<const ScenarioBook> copy;
  if (shown_secrets != engine->secrets().values()) {
    shown_secrets = engine->secrets().values();
    secrets.put(shown_secrets);
  }
  if (generation != engine->catalog_generation()) {
    generation = engine->catalog_generation();
    copy = std::make_shared<const ScenarioBook>(engine->book());
    names = make_directory(*copy);
  }
  // These two cost more than a batch, so they may lag.
  const auto moment = std::chrono::steady_clock::now();
  const bool look = moment >= last_look + kQuiet;
  if (look) last_look = moment;
  const std::uint64_t bytes = look ? engine->store().size_on_disk() : 0;
  const std::uint64_t log = look ? engine->store().log_bytes() : 0;
  if (look) watch_log(log);
  if (look && options.working && options.working->lost() && !std::exchange(working_lost, true) &&
      options.log)
    options.log({"working.lost",
                 {{"hint",
                   "somebody cut the file \"working\" in the data folder: what the server works "
                   "on is not noted any more until its next start"}},
                 LogLevel::Warning});
  const std::optional<Instant> oldest = look ? engine->oldest_due() : std::nullopt;

  std::unique_lock lock{mutex};
  if (copy) book.swap(copy);
  if (look) {
    bytes_on_disk = bytes;
    log_bytes = log;
    oldest_due = oldest;
  }
  if (names) directory.swap(names);  // The old one is destroyed after the mutex is released.
  unwritable = engine->unwritable();
  held_since = engine->held_since();
  fields = engine->custom_fields();
  figures = engine->figures();
  tokens = engine->tokens();
  lock.unlock();
  // What the last one alone knew is destroyed elsewhere: it may be a scenario of 10,000 nodes.
  if (copy) authors->queue().discard(std::move(copy));
}

/// The log is used again when all of it is in the database and nobody reads it: one that grows is
/// held by a reader that does not end. Told with each doubling, and when it is as usual again.
void Runtime::Impl::watch_log(std::uint64_t bytes) {
  if (bytes < options.log_long) {
    if (std::exchange(log_told, 0) > 0 && options.log)
      options.log({"store.log_usual", {{"bytes", count_value(bytes)}}, LogLevel::Warning});
    return;
  }
  if (bytes < 2 * log_told) return;
  log_told = bytes;
  if (!options.log) return;
  options.log({"store.log_growing",
               {{"bytes", count_value(bytes)},
                {"hint",
                 "another program keeps the database open for reading, such as a backup or a "
                 "shell, or there is no room: no checkpoint can pass it, and the log takes ever "
                 "more of the disk"}},
               LogLevel::Warning});
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
  engine->abandon(error);
  if (options.log) options.log({"engine.stopped", {{"message", error.message}}, LogLevel::Error});
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
  auto impl = std::make_unique<Impl>(std::move(options), clock);
  impl->deliverer = std::make_unique<Deliverer>(
      std::move(client),
      DelivererOptions{.limits = limits,
                       .report =
                           [to = impl.get()](std::vector<AttemptResult> finished) {
                             to->take_results(std::move(finished));
                           },
                       .clock = [to = impl.get()] { return to->clock.now(); },
                       .secrets = &impl->secrets,
                       .note = impl->options.working == nullptr
                                   ? nullptr
                                   : &impl->options.working->deliver_note()});
  auto engine = Engine::open(std::move(store), kinds, *impl, impl->clock, impl->options);
  if (!engine) return tl::make_unexpected(std::move(engine.error()));
  impl->engine = std::move(*engine);
  if (const auto newest = impl->engine->newest_stored()) impl->clock.begin_after(*newest);
  impl->epochs = impl->engine->epochs();
  impl->recent = impl->engine->recent();
  impl->reader = std::make_unique<ReaderThread>(std::move(*reader), impl->options.log);
  impl->releases = std::make_unique<ReleaseThread>(
      impl->engine->store(), *impl,
      [to = impl.get()](const Error& error) { to->cannot_sync(error); });
  impl->authors = std::make_unique<AuthorThread>(impl->options.log);
  impl->refresh();
  return std::unique_ptr<Runtime>{new Runtime(std::move(impl))};
}

Runtime::~Runtime() {
  (void)stop(Duration::zero());
  impl_->authors->stop();  // of one that was never started as well
}

void Runtime::start() {
  impl_->deliverer->start();
  impl_->engine->read_elsewhere();
  const std::lock_guard lock{impl_->mutex};
  impl_->started = true;
  impl_->thread = std::thread{[this] { impl_->run(); }};
}

void Runtime::send_no_more() { impl_->deliverer->start_no_more(); }

Status Runtime::stop(Duration patience) {
  if (!impl_->thread.joinable()) return {};
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->closing = true;
  }
  impl_->authors->stop();
  // New requests stop leaving first; what is in flight is still recorded by the engine.
  impl_->deliverer->stop(patience);
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->stopping = true;
    impl_->bulk_until = Impl::Steady::now() + kBulkPatience;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
  impl_->engine->abandon({ErrorKind::Unavailable, "stopping", "the server is stopping"});
  impl_->releases->stop();
  impl_->reader.reset();
  impl_->engine->book().texts().close();
  if (std::string reason = failure(); !reason.empty())
    return fail(ErrorKind::Io, "engine_stopped", std::move(reason));
  Status folded = impl_->engine->fold();
  if (folded && impl_->options.working) impl_->options.working->clean_stop();
  return folded;
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

Status Runtime::ready() const {
  const std::lock_guard lock{impl_->mutex};
  if (!impl_->started || impl_->closing || impl_->ended)
    return fail(ErrorKind::Unavailable, "not_ready",
                "The engine is starting, stopping or has failed.");
  if (impl_->unwritable) return not_now(*impl_->unwritable);
  return {};
}
}  // namespace onward
