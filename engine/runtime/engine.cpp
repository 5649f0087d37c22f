#include "engine/runtime/engine.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <iterator>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "engine/runtime/admin_rows.h"
#include "engine/runtime/poison.h"
#include "engine/runtime/sending.h"
#include "engine/runtime/weight.h"
#include "engine/store/unreadable.h"

namespace onward {
namespace {
constexpr Duration kProbePause = std::chrono::seconds{1};
constexpr Duration kVersionPause = std::chrono::minutes{5};
/// Until a timer of a contact that cannot be read is tried again.
constexpr Duration kDamagedPause = std::chrono::hours{1};
constexpr Duration kClockBehind = std::chrono::minutes{1};
constexpr std::size_t kTimersAtOnce = 500;
constexpr std::size_t kCarefulInputs = 1'000;  // after an end in the middle of a batch
constexpr std::size_t kPassInputs = 500;       // of one step
/// Of jobs with few inputs.
constexpr std::size_t kBulkBytes = std::size_t{256} << 10;
/// Deliveries that a commit makes before it takes no further input.
constexpr std::size_t kCommitDeliveries = 4'000;
/// Steps of conditions, likewise: some 20 ms.
constexpr std::uint64_t kCommitSteps = 4'000'000;
/// Deliveries that the results of one round settle: a batch is settled with all its members.
constexpr std::size_t kSettledAtOnce = 1'000;

/// Whether a batch that failed so is to be taken once more, piece by piece.
bool is_of_one_piece(const Error& error) {
  return error.kind == ErrorKind::Conflict || error.kind == ErrorKind::Internal;
}

std::string unwritable_record(std::string_view code) {
  if (code == "store_busy") return "store.busy";
  return code == "disk_read_only" ? "store.read_only" : "store.full";
}

/// Faults that the engine survives: the next round may find room, or the disk's lock free.
Status survivable(Status status) {
  if (!status && status.error().kind == ErrorKind::Unavailable) return {};
  return status;
}

/// `at` is a pause of ours from some moment on. Where it is further away than that, the clock was
/// set back meanwhile, and nobody waits for it to come there again.
Instant paused_until(Instant at, Instant now) { return at - now > kProbePause ? now : at; }

/// What the store holds of declared fields; one that cannot be read is left out.
CustomFields stored_fields(const std::vector<AdminRecord>& records) {
  std::vector<CustomField> fields;
  for (const AdminRecord& record : records) {
    if (record.kind != AdminKind::Field || record.removed) continue;
    const auto content = parse_json(record.content);
    if (!content) continue;
    if (auto field = custom_field_of(record.name, *content)) fields.push_back(std::move(*field));
  }
  return CustomFields{std::move(fields)};
}

/// Of a trigger's timer: the command that sets the one after it.
std::optional<Input> next_of(const TimerInput& timer) {
  const TimerKey& key = timer.timer;
  if (key.kind != TimerKind::Date && key.kind != TimerKind::SegmentRecheck) return std::nullopt;
  return CommandInput{
      .contact = timer.contact,
      .command = ArmTrigger{.scenario = {static_cast<std::uint32_t>(key.subject >> 32)},
                            .node = {static_cast<std::uint32_t>(key.subject)}}};
}

void answer_all(std::span<const Work> work, const Error& error) {
  for (const Work& item : work)
    if (item.answer != nullptr) *item.answer = {.event = answer_of(error)};
}
}  // namespace

EventAnswer answer_of(const Error& error) {
  const bool ours = error.kind == ErrorKind::Unavailable || error.kind == ErrorKind::Io ||
                    error.kind == ErrorKind::Internal;
  return {.kind = ours ? EventAnswer::Kind::Unavailable : EventAnswer::Kind::Rejected,
          .code = error.code,
          .message = error.message,
          .incident = error.incident};
}

Result<std::unique_ptr<Engine>> Engine::open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                             DeliverySink& sink, const Clock& clock,
                                             const RuntimeOptions& options) {
  auto snapshot = store->snapshot();
  if (!snapshot) return tl::make_unexpected(std::move(snapshot.error()));
  auto endpoints = store->due_endpoints();
  if (!endpoints) return tl::make_unexpected(std::move(endpoints.error()));
  auto reader = store->open_reader();
  if (!reader) return tl::make_unexpected(std::move(reader.error()));
  auto texts = std::make_shared<VersionTexts>(std::move(*reader));
  auto vault = Vault::open({.path = options.key_file, .own = options.own_key_file});
  if (!vault) return tl::make_unexpected(std::move(vault.error()));
  std::unique_ptr<Engine> engine{new Engine(std::move(store), kinds, sink, clock, options,
                                            *snapshot, std::move(texts), std::move(*vault))};
  engine->dispatcher_.restore(*endpoints);
  if (Status done = engine->finish_rekey(); !done) return tl::make_unexpected(done.error());
  for (std::string& row : unreadable_rows(snapshot->admin))
    engine->log({"store.unreadable_row",
                 {{"table", "admin"},
                  {"row", std::move(row)},
                  {"hint",
                   "the database is damaged there; the rest goes on without this row, and a node "
                   "whose pause cannot be read is paused. Set it anew, or restore a backup"}},
                 LogLevel::Error});
  engine->restore_switches(*snapshot);
  engine->restore_jobs(*snapshot);
  if (Status done = engine->meet_suspects(); !done) return tl::make_unexpected(done.error());
  if (const auto since = onward::held_since(snapshot->admin)) engine->hold_sending(*since);
  engine->newest_stored_ = snapshot->newest;
  engine->compare_clock();
  return engine;
}

Engine::Engine(std::unique_ptr<Store> store, const NodeKinds& kinds, DeliverySink& sink,
               const Clock& clock, const RuntimeOptions& options, const Snapshot& snapshot,
               std::shared_ptr<VersionTexts> texts, Vault vault)
    : store_{std::move(store)},
      sink_{sink},
      clock_{clock},
      options_{options},
      epochs_{snapshot.epochs},
      last_seq_{snapshot.last_seq},
      last_text_{snapshot.last_text},
      last_contact_{snapshot.last_contact},
      counters_{snapshot.counters},
      tokens_{std::make_shared<const TokenBook>(snapshot.tokens)},
      secrets_{std::move(vault), snapshot},
      book_{kinds, snapshot, std::move(texts), [this](const LogRecord& record) { log(record); }},
      passes_{snapshot.admin},
      dispatcher_{{.endpoint = options.endpoint_window, .total = options.window}},
      jobs_{options.stopwatch},
      recent_{std::make_shared<RecentLog>(clock.now())},
      careful_{options.working && options.working->died_at_work() ? kCarefulInputs : 0},
      keep_bodies_{KeepWalk::Of::Bodies, options.keep_bodies, clock.now()},
      keep_runs_{KeepWalk::Of::Runs, options.keep_runs, clock.now()} {
  for (const auto& [key, row] : counters_) figures_.pending += row[Counter::Pending];
  book_.watch(options_.working.get());
  book_.know(author_context());
  take_fields(stored_fields(snapshot.admin));
  for (const AdminRecord& record : snapshot.admin)
    if (auto pass = read_pass(record)) scenario_passes_.emplace(record.name, std::move(*pass));
  for (const AdminRecord& record : snapshot.admin)
    for (KeepWalk* walk : {&keep_bodies_, &keep_runs_}) walk->restore(record);
  rebuild_catalog();
}

AuthorContext Engine::author_context() const {
  AuthorContext context = secrets_.context();
  context.refuses_origin = options_.refuses_origin;
  return context;
}

/// What is stored is of a later time than now: somebody set the clock.
void Engine::compare_clock() const {
  const Instant now = clock_.now();
  if (!newest_stored_ || *newest_stored_ <= now + kClockBehind) return;
  log({"clock.behind",
       {{"now", format_instant(now)},
        {"newest", format_instant(*newest_stored_)},
        {"hint",
         "the newest stored time is later than this machine's clock: set the clock if it is wrong. "
         "Until it has held for 5 minutes, or `onward clock accept`, no timer fires"}},
       LogLevel::Warning});
}

void Engine::rebuild_catalog() {
  const VersionsInUse used = versions_in_use(counters_);
  for (VersionName& name : book_.missing(used)) {
    if (!reads_elsewhere_)
      book_.adopt(name, book_.load(name));
    else if (awaited_.insert(name).second)
      wanted_.push_back(std::move(name));
  }
  ask_for_title();
  catalog_ = book_.catalog(used, epochs_.newest(), options_.account_id);
  catalog_.limit_contacts(options_.contact_bytes_max);
  scenario_due_ = book_.next_due();
  next_check_ = passes_.next_check(catalog_);
  ++generation_;
}

void Engine::read_elsewhere() {
  reads_elsewhere_ = true;
  ask_for_title();
}

/// One at a time, and after all that is needed: nothing waits for the titles of archived scenarios.
void Engine::ask_for_title() {
  if (!reads_elsewhere_ || !awaited_.empty()) return;
  if (auto name = book_.untitled()) {
    awaited_.insert(*name);
    wanted_.push_back(std::move(*name));
  }
}

void Engine::adopt_version(const VersionName& name, std::shared_ptr<const Scenario> scenario) {
  awaited_.erase(name);
  book_.adopt(name, std::move(scenario));
  rebuild_catalog();
  std::vector<Dispatcher::Handout> waiting = std::exchange(waiting_for_version_, {});
  hand_out(waiting);
}

// ---- batches ----

Status Engine::work(std::vector<Job> jobs, std::vector<AttemptResult> results) {
  Status done;
  do {
    done = work_ahead(std::exchange(jobs, {}), std::exchange(results, {}));
    Release release = take_release();
    if (Status synced = store_->sync(); !synced) {
      refuse(release.answered, synced.error());
      return synced;
    }
    let_go(std::move(release), sink_);
  } while (done && bulk_left());
  return done;
}

Status Engine::take_now(std::vector<Job> jobs, bool* all_taken) {
  std::vector<AttemptResult> none;
  const std::size_t before = release_.answered.size();
  Status done = take_inputs(jobs, none);
  if (all_taken != nullptr)
    *all_taken =
        std::ranges::all_of(std::span{release_.answered}.subspan(before), [](const Job& job) {
          const auto* contact = std::get_if<ContactJob>(&job);
          return contact == nullptr || (contact->answer.found &&
                                        contact->answer.event.kind == EventAnswer::Kind::Accepted);
        });
  return done;
}

Status Engine::work_ahead(std::vector<Job> jobs, std::vector<AttemptResult> results) {
  assert(!working_);
  working_ = true;
  inputs_before_ = figures_.inputs;
  set_bulk_aside(jobs);
  for (const AttemptResult& result : results) reported_.push_back(result.delivery);
  Status done = work_on(jobs, std::move(results));
  working_ = false;
  if (done) release_recorded();
  if (done) return done;
  refuse(jobs, done.error());
  for (Bulk& bulk : std::exchange(bulks_, {})) refuse({&bulk.job, 1}, done.error());
  return done;
}

void Engine::abandon(const Error& error) {
  const Error stopped = stopped_by(error);
  jobs_.fail_all(stopped);
  for (Bulk& bulk : std::exchange(bulks_, {})) refuse({&bulk.job, 1}, error);
}

Status Engine::work_on(std::span<Job> jobs, std::vector<AttemptResult> results) {
  if (fault_) return tl::make_unexpected(*fault_);
  if (unwritable_ && clock_.now() >= paused_until(probe_at_, clock_.now())) {
    Status probed = store_->probe();
    if (!probed) {
      if (probed.error().kind != ErrorKind::Unavailable) return probed;
      refuse_writing(probed.error());
    } else {
      unwritable_.reset();
      sink_.pause(false);
      log({"store.writable", {}, LogLevel::Warning});
    }
  }
  for (std::vector<AttemptResult>* earlier : {&later_, &held_}) {
    if (earlier->empty() || (earlier == &held_ && unwritable_)) continue;
    results.insert(results.begin(), std::make_move_iterator(earlier->begin()),
                   std::make_move_iterator(earlier->end()));
    earlier->clear();
  }
  hold_back(results);
  if (Status done = take_transitions(); !done) return done;
  if (Status done = take_due(); !done) return done;
  if (Status done = survivable(begin_checks()); !done) return done;

  for (std::size_t first = 0; first < jobs.size();) {
    std::size_t end = first;
    while (end < jobs.size() && !std::holds_alternative<CallJob>(jobs[end])) ++end;
    if (Status done = take_inputs(jobs.subspan(first, end - first), results); !done) return done;
    if (end < jobs.size()) {
      auto& job = std::get<CallJob>(jobs[end++]);
      job.refused = nullptr;  // From here on the call answers.
      admission_ = std::move(job.admission);
      // One that throws before it has answered, and before it has changed anything, is answered by
      // the end of its `done`.
      Status done = guarded("engine.call", [&] { return job.call(*this); });
      job.call = nullptr;
      admission_ = {};
      if (!done && done.error().kind == ErrorKind::Internal) done = {};
      if (Status lasting = survivable(std::move(done)); !lasting) return lasting;
      if (fault_) return tl::make_unexpected(*fault_);
    }
    first = end;
  }
  if (Status done = take_inputs({}, results); !done) return done;
  if (Status done = take_bulk(); !done) return done;
  if (Status done = step_scenario_passes(); !done) return done;
  if (Status done = step_pass(); !done) return done;
  if (Status done = survivable(step_retention()); !done) return done;
  expire_seen();
  if (Status done = survivable(run_jobs()); !done) return done;
  return refill();
}

/// What was reported and does not wait for another round was committed, or has no delivery any
/// more.
void Engine::release_recorded() {
  if (reported_.empty()) return;
  std::unordered_set<DeliveryKey> left;
  for (const auto* waiting : {&later_, &held_})
    for (const AttemptResult& result : *waiting) left.insert(result.delivery);
  const auto recorded = std::stable_partition(reported_.begin(), reported_.end(),
                                              [&](DeliveryKey key) { return left.contains(key); });
  release_.recorded.insert(release_.recorded.end(), recorded, reported_.end());
  reported_.erase(recorded, reported_.end());
}

/// Leaves to the next round what would settle too many deliveries in this one.
void Engine::hold_back(std::vector<AttemptResult>& results) {
  std::size_t rows = 0;
  for (auto result = results.begin(); result != results.end(); ++result) {
    const Delivery* delivery = dispatcher_.find(result->delivery);
    const std::size_t weight = delivery == nullptr ? 1 : 1 + delivery->members.size();
    if (rows > 0 && rows + weight > kSettledAtOnce) {
      later_.insert(later_.end(), std::make_move_iterator(result),
                    std::make_move_iterator(results.end()));
      results.erase(result, results.end());
      return;
    }
    rows += weight;
  }
}

namespace {
/// Of a job whose inputs are answered together; null of others.
template <class Call>
void with_inputs(Job& job, Call call) {
  if (auto* events = std::get_if<EventsJob>(&job)) call(*events);
  if (auto* import = std::get_if<ImportJob>(&job)) call(*import);
}
std::size_t inputs_of(Job& job) {
  std::size_t inputs = 0;
  with_inputs(job, [&](const auto& many) { inputs = many.inputs.size(); });
  return inputs;
}

/// Whether it is done a commit a round: it has many inputs, or a few large ones, from which much
/// can be made.
bool is_bulk(Job& job) {
  bool bulk = false;
  with_inputs(job, [&](const auto& many) {
    std::size_t bytes = 0;
    if (many.inputs.size() > 1 && many.inputs.size() <= Engine::kBulkInputs)
      for (const Input& input : many.inputs) bytes += weight_of(input);
    bulk = many.inputs.size() > Engine::kBulkInputs || bytes > kBulkBytes;
  });
  return bulk;
}
}  // namespace

/// Also to the end of the queue of those that were set aside before.
void Engine::set_bulk_aside(std::vector<Job>& jobs) {
  std::erase_if(jobs, [this](Job& job) {
    if (!is_bulk(job)) return false;
    with_inputs(job, [](auto& many) { many.answers.resize(many.inputs.size()); });
    if (bulks_.empty()) bulk_most_ = options_.batch_max;
    bulks_.push_back({.job = std::move(job)});
    return true;
  });
}

/// One commit of inputs of large jobs, the first of them first; each job is answered when all of
/// its inputs are taken. While nothing can be written all of them are refused.
Status Engine::take_bulk() {
  do {
    if (bulks_.empty()) return {};
    std::vector<Work> work;
    const std::size_t most = at_once(std::min(bulk_most_, options_.batch_max));
    for (Bulk& bulk : bulks_)
      with_inputs(bulk.job, [&](auto& many) {
        for (std::size_t i = bulk.taken; i < many.inputs.size() && work.size() < most; ++i)
          work.push_back({.input = &many.inputs[i], .answer = &many.answers[i]});
      });
    Taken taken;
    if (Status done = commit_part(work, {}, {}, taken); !done) return done;
    if (taken.refused || unwritable_) {
      answer_all(std::span<const Work>{work}.subspan(taken.work),
                 taken.refused ? *taken.refused : *unwritable_);
      taken.work = work.size();
    }
    // What a commit does not take has been read for nothing, so the next one reads less.
    bulk_most_ = std::max<std::size_t>(2 * taken.work, 1);
    std::deque<Bulk> left;
    for (Bulk& bulk : std::exchange(bulks_, {})) {
      const std::size_t size = inputs_of(bulk.job);
      const std::size_t more = std::min(taken.work, size - bulk.taken);
      bulk.taken += more;
      taken.work -= more;
      if (bulk.taken == size)
        release_.answered.push_back(std::move(bulk.job));
      else
        left.push_back(std::move(bulk));
    }
    // Turn by turn, so that a long one keeps no short one waiting.
    if (left.size() > 1) std::rotate(left.begin(), left.begin() + 1, left.end());
    bulks_ = std::move(left);
  } while (unwritable_);
  return {};
}

/// Commits the inputs of neighbouring jobs together, and the results with the first of them; then
/// each job is answered.
Status Engine::take_inputs(std::span<Job> jobs, std::vector<AttemptResult>& results) {
  std::vector<Work> work;
  for (Job& job : jobs) {
    const auto take_all = [&work](auto& many) {
      many.answers.resize(many.inputs.size());
      for (std::size_t i = 0; i < many.inputs.size(); ++i)
        work.push_back({.input = &many.inputs[i], .answer = &many.answers[i]});
    };
    if (auto* events = std::get_if<EventsJob>(&job)) {
      take_all(*events);
    } else if (auto* import = std::get_if<ImportJob>(&job)) {
      take_all(*import);
    } else {
      auto& contact = std::get<ContactJob>(job);
      work.push_back({.input = &contact.input,
                      .answer = &contact.answer,
                      .create = contact.create,
                      .want_state = true});
    }
  }
  // A command may cancel what a result settles: then one after the other.
  const bool commands = std::ranges::any_of(
      work, [](const Work& item) { return std::holds_alternative<CommandInput>(*item.input); });
  Status done;
  if (commands && !results.empty()) done = commit_batch({}, std::exchange(results, {}));
  if (careful_ > 0)
    for (const AttemptResult& result : std::exchange(results, {}))
      if (done) done = commit_batch({}, {&result, 1});
  std::span<const Work> left{work};
  while (done && (!left.empty() || !results.empty())) {
    const auto part = left.first(std::min(at_once(options_.batch_max), left.size()));
    done = commit_batch(part, std::exchange(results, {}));
    if (!done) break;
    left = left.subspan(part.size());
    done = refill();
  }
  // Also where no commit was tried: an answer that nobody gave says "accepted".
  if (!done) answer_all(left, done.error());
  std::move(jobs.begin(), jobs.end(), std::back_inserter(release_.answered));
  return done;
}

/// One commit, or several where its rows are too large for one.
Status Engine::commit_batch(std::span<const Work> work, std::span<const AttemptResult> results,
                            std::span<const AdminRecord> admin) {
  std::size_t most = work.size();
  while (true) {
    const auto part = work.first(std::min(most, work.size()));
    const bool last = part.size() == work.size();
    Taken taken;
    Status done = commit_part(part, results, last ? admin : std::span<const AdminRecord>{}, taken);
    if (!done) {
      answer_all(work, done.error());
      return done;
    }
    work = work.subspan(taken.work);
    results = results.subspan(taken.results);
    if (work.empty() && results.empty()) return {};
    if (taken.refused || unwritable_) {
      // The rest is refused as well: a pass must not go on past what it could not commit.
      answer_all(work, taken.refused ? *taken.refused : *unwritable_);
      held_.insert(held_.end(), results.begin(), results.end());
      return {};
    }
    // What a commit does not take has been read for nothing, so the next one reads less.
    most = std::max<std::size_t>(2 * taken.work, 1);
  }
}

/// One commit; where a row of it is refused, or a piece of it throws, its inputs one by one, so
/// that they share no fate.
Status Engine::commit_part(std::span<const Work> work, std::span<const AttemptResult> results,
                           std::span<const AdminRecord> admin, Taken& taken) {
  Status done = commit_once(work, results, admin, taken);
  if (done) return done;
  if (done.error().kind == ErrorKind::Unavailable) {
    taken = {.work = work.size(), .results = results.size(), .refused = done.error()};
    answer_all(work, done.error());
    held_.insert(held_.end(), results.begin(), results.end());
    return {};
  }
  if (!is_of_one_piece(done.error())) return done;
  if (work.size() == 1 && results.empty() && admin.empty())
    return leave_out(work, {}, done.error());
  const bool all = taken.work == work.size() && taken.results == results.size();
  // What a full disk did not take is to be taken again, so the pass must not go on either.
  done = commit_one_by_one(work.first(taken.work), results.first(taken.results));
  if (!done || admin.empty() || !all || unwritable_) return done;
  Taken nothing;
  return survivable(commit_once({}, {}, admin, nothing));
}

Status Engine::commit_one_by_one(std::span<const Work> work,
                                 std::span<const AttemptResult> results) {
  for (std::size_t i = 0; i < work.size(); ++i)
    if (Status done = commit_once(work.subspan(i, 1), {}); !done)
      if (done = leave_out(work.subspan(i, 1), {}, done.error()); !done) return done;
  for (AttemptResult result : results) {
    // What the receiver said is all that can be too much in a result.
    if (Status done = commit_once({}, {&result, 1}); !done && is_of_one_piece(done.error()))
      result.response = result.error = {};
    else if (done)
      continue;
    if (Status done = commit_once({}, {&result, 1}); !done)
      if (done = leave_out({}, {&result, 1}, done.error()); !done) return done;
  }
  return {};
}

/// One input, or one result, that was not committed even alone: it is answered so.
Status Engine::leave_out(std::span<const Work> work, std::span<const AttemptResult> results,
                         const Error& error) {
  if (error.kind == ErrorKind::Io) return tl::make_unexpected(error);
  if (error.kind == ErrorKind::Internal)
    return work.empty() ? give_up(results.front(), error) : give_up(work.front(), error);
  if (error.kind == ErrorKind::Unavailable)
    held_.insert(held_.end(), results.begin(), results.end());
  log({"input.refused", {{"code", error.code}, {"message", error.message}}, LogLevel::Warning});
  answer_all(work, error);
  return {};
}

/// An input that threw is as if it had never come. A timer would come again at once, so it goes:
/// its run is parked for people to resume, its trigger waits for the next time.
Status Engine::give_up(const Work& work, const Error& error) {
  if (work.answer != nullptr) *work.answer = {.event = answer_of(error)};
  const auto* timer = std::get_if<TimerInput>(work.input);
  if (timer == nullptr) return {};
  if (error.code == kUnreadableRow) {  // It stays: the contact may be readable again.
    Commit later{.at = clock_.now(), .last_seq = last_seq_, .last_contact = last_contact_};
    later.timers_cleared.push_back({timer->due, timer->contact, timer->timer});
    later.timers_set.push_back({later.at + kDamagedPause, timer->contact, timer->timer});
    return survivable(commit_rows(later));
  }
  const std::optional<Input> again = next_of(*timer);
  for (const auto parks : {Batch::Parks::Run, Batch::Parks::Nothing}) {
    Batch batch = new_batch();
    const auto commit = onward::guarded("engine.set_aside", options_.log, [&]() -> Result<Commit> {
      Status done = batch.take_aside(*work.input, kInternalError, parks);
      if (done && again && parks == Batch::Parks::Run) done = batch.take({.input = &*again});
      if (!done) return tl::make_unexpected(done.error());
      return batch.finish();
    });
    if (commit) return survivable(commit_and_adopt(batch, *commit));
    if (commit.error().kind != ErrorKind::Internal)
      return survivable(tl::make_unexpected(commit.error()));
  }
  return {};  // It stays due, and is tried again after a pause (see `take_due`).
}

/// The outcome of an attempt that cannot be settled fails its delivery, for people to retry.
Status Engine::give_up(const AttemptResult& result, const Error& error) {
  const AttemptResult failed{.delivery = result.delivery,
                             .number = result.number,
                             .started = result.started,
                             .code = std::string{kInternalError},
                             .error = error.message,
                             .permanent = true};
  Status done = commit_once({}, {&failed, 1});
  if (!done && done.error().kind == ErrorKind::Unavailable) held_.push_back(failed);
  return survivable(std::move(done));
}

Status Engine::commit_once(std::span<const Work> work, std::span<const AttemptResult> results,
                           std::span<const AdminRecord> admin, Taken& taken) {
  taken = {.work = work.size(), .results = results.size()};
  careful_ -= std::min(careful_, work.size());
  const std::size_t pieces = work.size() + results.size();
  WorkWatch watch{options_.working.get(), pieces};
  std::vector<WorkItem> aside;
  Batch batch = new_batch();
  // Nothing outside of the batch is touched before its commit, so that it can be thrown away whole.
  // Which of several pieces threw shows when they are taken one by one; only that is logged.
  const LogSink silent;
  const auto commit =
      onward::guarded("engine.input", pieces > 1 ? silent : options_.log, [&]() -> Result<Commit> {
        if (auto filled = fill(batch, watch, work, results, taken, aside); !filled)
          return tl::make_unexpected(std::move(filled.error()));
        if (taken.work == work.size() && taken.results == results.size())
          batch.rows().admin.assign(admin.begin(), admin.end());
        return batch.finish();
      });
  if (!commit) return tl::make_unexpected(commit.error());
  if (Status done = commit_and_adopt(batch, *commit); !done) return done;
  let_be(aside);
  count(work.first(taken.work));
  return {};
}

Status Engine::fill(Batch& batch, WorkWatch& watch, std::span<const Work> work,
                    std::span<const AttemptResult> results, Taken& taken,
                    std::vector<WorkItem>& aside) {
  const auto full = [&] {
    return batch.bytes() >= options_.commit_bytes_max || batch.steps() >= kCommitSteps ||
           batch.deliveries().size() >= kCommitDeliveries;
  };
  const bool sound = work.size() != 1 || watch.begin(*work.front().input);
  if (Status done = batch.prefetch(work); !done) return done;
  for (std::size_t i = 0; i < taken.work; ++i) {
    const Work& item = work[i];
    if (!sound || (work.size() > 1 && !watch.begin(*item.input))) {
      aside.push_back(work_item(*item.input));
      if (Status done = take_aside(batch, item); !done) return done;
      continue;
    }
    if (Status done = batch.take(item); !done) return done;
    watch.end();
    if (full()) taken.work = i + 1;
  }
  if (taken.work < work.size()) taken.results = 0;
  for (std::size_t i = 0; i < taken.results; ++i) {
    const AttemptResult& result = results[i];
    if (full() && i + taken.work > 0) {
      taken.results = i;
      break;
    }
    // Also of one that is poison: this is what sets it aside.
    if (!watch.begin(result.delivery)) aside.push_back(work_item(result.delivery));
    const Delivery* delivery = dispatcher_.find(result.delivery);
    std::optional<LoadedDelivery> stored;
    if (delivery == nullptr) {
      // It was parked while the attempt was under way; the answer counts all the same.
      auto loaded = store_->deliveries({&result.delivery, 1});
      if (!loaded) return tl::make_unexpected(loaded.error());
      stored = std::move(loaded->front());
      if (stored) delivery = &stored->delivery;
    }
    if (delivery == nullptr || !delivery->pending()) continue;
    if (Status done = batch.settle_attempt(*delivery, result, policy_of(*delivery)); !done)
      return done;
    watch.end();
  }
  return {};
}

Batch Engine::new_batch() const {
  return Batch{*store_,       catalog_,     counters_,           switches_, last_seq_,
               last_contact_, clock_.now(), options_.dedupe_for, certain()};
}

/// Not to be given up half-way, and nothing may be caught above either: the note of what is worked
/// on stays in place for the crash guard, since an exception ends the process here.
Status Engine::commit_and_adopt(Batch& batch, const Commit& commit) {
  return unbroken([&]() -> Status {
    if (!commit.empty())
      if (Status done = commit_rows(commit); !done) return done;
    adopt(batch, commit);
    passes_.adopt(commit.admin);
    return {};
  });
}

Status Engine::commit_rows(const Commit& commit) {
  ++changes_;
  const auto started = std::chrono::steady_clock::now();
  Status done = unbroken([&] { return store_->commit(commit); });
  if (!done) {
    if (done.error().kind == ErrorKind::Unavailable) refuse_writing(done.error());
    return done;
  }
  ++figures_.commits;
  figures_.commit_micros_total +=
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::steady_clock::now() - started)
                                     .count());
  return {};
}

/// Nothing is taken in until a probe succeeds. Told once for each reason.
void Engine::refuse_writing(const Error& why) {
  if (!unwritable_ || unwritable_->code != why.code)
    log({unwritable_record(why.code), {{"message", why.message}}, LogLevel::Error});
  if (!unwritable_) sink_.pause(true);
  unwritable_ = why;
  probe_at_ = clock_.now() + kProbePause;
}

/// After the commit, and only then: memory follows, and deliveries leave.
void Engine::adopt(Batch& batch, const Commit& commit) {
  last_seq_ = batch.last_seq();
  last_contact_ = batch.last_contact();
  for (const auto& [key, row] : commit.counters) {
    CounterRow& known = counters_[key];
    figures_.pending += row[Counter::Pending] - known[Counter::Pending];
    known = row;
  }
  std::vector<DeliveryKey> withdrawn;
  std::set<DeliveryKey> batches;  // that lost a member
  for (const Delivery& delivery : batch.cancelled()) {
    dispatcher_.settled(delivery);
    gathered_.remove(delivery.endpoint, delivery.key);
    withdrawn.push_back(delivery.key);
    if (delivery.batch) batches.insert(*delivery.batch);
  }
  for (const Settled& settled : batch.settled()) dispatcher_.settled(settled.settlement.delivery);
  for (const auto& [key, delivery] : batch.changed()) {
    dispatcher_.settled(delivery);
    if (delivery.parked) gathered_.remove(delivery.endpoint, key);
  }
  // What has not left yet is made once more, without them.
  for (const DeliveryKey lost : batches)
    if (const auto carrier = dispatcher_.recall_batch(lost)) withdrawn.push_back(*carrier);
  withdraw(withdrawn);
  gather_changed(batch);
  count(batch.settled());

  std::vector<Dispatcher::Handout> handouts;
  for (const NewDelivery& made : batch.deliveries()) {
    const bool cancelled = batch.is_cancelled(made.delivery.key);
    if (made.delivery.state == DeliveryState::Failed) note_born_failed(made.delivery);
    if (!made.delivery.pending() || made.delivery.parked || cancelled) continue;
    if (made.policy != nullptr && made.policy->batch)
      gathered(made.delivery, made.request.get(), *made.policy->batch);
    else
      dispatcher_.created(made.delivery, made.request, handouts);
  }
  hand_out(handouts);
}

/// What was unparked, or is retried, waits for others again where it never belonged to a batch.
void Engine::gather_changed(const Batch& batch) {
  std::vector<const Delivery*> some;
  std::vector<DeliveryKey> keys;
  for (const auto& [key, delivery] : batch.changed()) {
    if (!delivery.pending() || delivery.parked || delivery.batch) continue;
    const DeliveryPolicy* policy = policy_at(delivery.endpoint);
    if (policy == nullptr || !policy->batch) continue;
    some.push_back(&delivery);
    keys.push_back(key);
  }
  if (some.empty()) return;
  const auto loaded = store_->deliveries(keys);
  for (std::size_t i = 0; i < some.size(); ++i) {
    // The store's fault shows in its next call; the search finds what it hides now.
    const bool found = loaded && (*loaded)[i];
    gathered(*some[i], found ? (*loaded)[i]->request.get() : nullptr,
             *policy_at(some[i]->endpoint)->batch);
  }
}

Status Engine::take_due() {
  while (true) {
    const Instant now = clock_.now();
    const auto next = store_->next_timer();
    if (unwritable_ || held_since_ || !next || *next > now || !certain() ||
        now < paused_until(timers_from_, now))
      return {};
    const std::size_t most = at_once(kTimersAtOnce);
    const auto timers = store_->timers_due(now, most);
    if (!timers) return tl::make_unexpected(timers.error());
    if (timers->empty()) return {};
    std::vector<Input> inputs;
    inputs.reserve(timers->size());
    for (const Timer& timer : *timers)
      inputs.emplace_back(
          TimerInput{.contact = timer.contact, .timer = timer.key, .due = timer.at});
    std::vector<Work> work;
    work.reserve(inputs.size());
    for (const Input& input : inputs) work.push_back({.input = &input});
    if (Status done = commit_batch(work, {}); !done) return done;
    if (store_->next_timer() == next) {
      // Many may be due at one instant; where it is the very same one, it was refused, and is not
      // to be taken again at full speed.
      const auto left = store_->timers_due(now, 1);
      if (!left) return tl::make_unexpected(left.error());
      if (!left->empty() && left->front() == timers->front()) {
        timers_from_ = now + kProbePause;
        return {};
      }
    }
    // The rest of a flood waits its turn behind the inputs that have come in meanwhile.
    if (timers->size() >= most) return {};
  }
}

// ---- passes over all contacts ----

/// Checks at a set time whose time has come.
Status Engine::begin_checks() {
  if (unwritable_ || held_since_ || !certain() || !next_check_ || *next_check_ > clock_.now())
    return {};
  const TriggerPasses::DueChecks due =
      passes_.due_checks(catalog_, last_contact_, clock_.now(), kPassInputs);
  Commit commit{
      .at = clock_.now(), .last_seq = last_seq_, .last_contact = last_contact_, .admin = due.rows};
  Counters missed;
  for (const ScenarioKey key : due.missed) {
    const CatalogScenario* scenario = catalog_.find(key);
    const CounterKey of{.scenario = key, .version = scenario->newest};
    const auto known = counters_.find(of);
    missed.try_emplace(of, known == counters_.end() ? CounterRow{} : known->second)
        .first->second.add("missed", 1);
    log({"trigger.missed", {{"scenario", scenario->id}}, LogLevel::Warning});
  }
  commit.counters.assign(missed.begin(), missed.end());
  if (!commit.empty()) {
    if (Status done = commit_rows(commit); !done) return done;
    for (const auto& [key, row] : commit.counters) counters_[key] = row;
    passes_.adopt(commit.admin);
  }
  next_check_ = passes_.next_check(catalog_);
  return {};
}

/// One step, so that other work comes in between.
Status Engine::step_pass() {
  if (unwritable_) return {};
  const auto step = passes_.next_step(catalog_, kPassInputs);
  if (!step) return {};
  std::vector<Work> work;
  work.reserve(step->inputs.size());
  for (const Input& input : step->inputs) work.push_back({.input = &input});
  return commit_batch(work, {}, {&step->row, 1});
}

void Engine::defer_timers() { timers_from_ = clock_.now() + kProbePause; }

std::optional<Instant> Engine::next_wake() const {
  if (unwritable_) return paused_until(probe_at_, clock_.now());
  if (!held_.empty() || !later_.empty() || !jobs_.empty() || !bulks_.empty() ||
      !scenario_passes_.empty() || passes_.any() || !searches_.empty() ||
      gathered_.any_ready(clock_.now()))
    return clock_.now();
  std::optional<Instant> next;
  const auto at_latest = [&](std::optional<Instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  if (!held_since_) {
    next = store_->next_timer();
    if (next) next = std::max(*next, paused_until(timers_from_, clock_.now()));
    at_latest(next_check_);
  }
  at_latest(scenario_due_);
  for (const KeepWalk* walk : {&keep_bodies_, &keep_runs_}) at_latest(walk->wake(clock_.now()));
  if (const auto doubt = clock_.uncertain_until(); next && doubt) next = std::max(*next, *doubt);
  at_latest(dispatcher_.next());
  return next;
}

// ---- deliveries ----

Status Engine::refill() {
  if (Status fixed = survivable(fix_batches()); !fixed) return fixed;
  std::vector<Dispatcher::Handout> handouts;
  // What could not be recorded is not sent.
  Status done = unwritable_ ? Status{} : dispatcher_.refill(*store_, clock_.now(), handouts);
  hand_out(handouts);
  if (done && !searches_.empty() && !unwritable_) {
    handouts.clear();
    done = gather_again();
    if (done) done = fix_batches();
    if (done) done = dispatcher_.refill(*store_, clock_.now(), handouts);
    hand_out(handouts);
  }
  const std::vector<DeliveryKey> late = dispatcher_.overdue(clock_.now());
  release_.expedited.insert(release_.expedited.end(), late.begin(), late.end());
  return survivable(std::move(done));
}

void Engine::hand_out(std::vector<Dispatcher::Handout>& handouts) {
  if (handouts.empty()) return;
  const Instant now = clock_.now();
  const bool is_certain = certain();
  for (Dispatcher::Handout& handout : handouts) {
    const Delivery& delivery = handout.delivery;
    const bool over = is_certain && now >= delivery.deadline;
    if (options_.working && options_.working->is_poison(work_item(delivery.key))) {
      held_.push_back(poisoned(delivery));
      continue;
    }
    const CatalogScenario* home = catalog_.find(delivery.endpoint.scenario);
    const auto version = home == nullptr
                             ? std::map<Version, std::shared_ptr<const Scenario>>::const_iterator{}
                             : home->versions.find(delivery.endpoint.version);
    const ScenarioNode* node = home == nullptr || version == home->versions.end()
                                   ? nullptr
                                   : version->second->find(delivery.endpoint.node);
    if (handout.request == nullptr) {
      held_.push_back({.delivery = delivery.key,
                       .number = delivery.attempts + 1,
                       .started = now,
                       .code = "request_missing",
                       .error = "what was to be sent is not stored any more",
                       .permanent = true});
      continue;
    }
    if (home != nullptr && version == home->versions.end() &&
        awaited_.contains({home->id, delivery.endpoint.version})) {
      waiting_for_version_.push_back(std::move(handout));
      continue;
    }
    if (node == nullptr || node->node->delivery_policy() == nullptr) {
      held_.push_back({.delivery = delivery.key,
                       .number = delivery.attempts + 1,
                       .started = now,
                       .code = "version_missing",
                       .error = "the scenario version that asked for it cannot be read any more",
                       .retry_after = kVersionPause,
                       .permanent = over,
                       .local = !over});
      continue;
    }
    if (node->node->delivery_policy()->batch) {
      // After a restart, or while the disk is full: what is not fixed is not sent.
      if (!delivery.batch) {
        dispatcher_.settled(delivery);
        if (!gathered_.contains(delivery.endpoint, delivery.key))
          look_for(delivery.endpoint,
                   searches_.contains(delivery.endpoint) ? delivery.key : DeliveryKey{1});
        continue;
      }
      auto whole = whole_noted(delivery);
      if (!whole) {
        // The store's fault shows in its next call; until then the batch stays where it is.
        log({"batch.unreadable", {{"message", whole.error().message}}, LogLevel::Error});
        dispatcher_.settled(delivery);
        continue;
      }
      if (*whole) handout.request = std::move(*whole);
    }
    release_.tasks.push_back(
        {.delivery = delivery.key,
         .endpoint = delivery.endpoint,
         .number = delivery.attempts + 1,
         .last = over,
         .request = std::move(handout.request),
         .owner = version->second,
         .policy = node->node->delivery_policy(),
         .webhook_id = format_delivery(epochs_, delivery.batch.value_or(delivery.key))});
  }
}

/// Also of those that have not left yet.
void Engine::withdraw(const std::vector<DeliveryKey>& deliveries) {
  if (deliveries.empty()) return;
  const std::set<DeliveryKey> gone{deliveries.begin(), deliveries.end()};
  std::erase_if(release_.tasks,
                [&](const DeliveryTask& task) { return gone.contains(task.delivery); });
  std::erase_if(waiting_for_version_, [&](const Dispatcher::Handout& handout) {
    return gone.contains(handout.delivery.key);
  });
  release_.withdrawn.insert(release_.withdrawn.end(), deliveries.begin(), deliveries.end());
}

const DeliveryPolicy* Engine::policy_at(const EndpointKey& endpoint) const {
  const CatalogScenario* home = catalog_.find(endpoint.scenario);
  const Scenario* scenario = home == nullptr ? nullptr : home->version(endpoint.version);
  const ScenarioNode* node = scenario == nullptr ? nullptr : scenario->find(endpoint.node);
  return node == nullptr ? nullptr : node->node->delivery_policy();
}

const RetryPolicy& Engine::policy_of(const Delivery& delivery) const {
  static const RetryPolicy kFallback = default_retry_policy();
  const DeliveryPolicy* policy = policy_at(delivery.endpoint);
  return policy == nullptr ? kFallback : policy->retry;
}
}  // namespace onward
