#include "engine/runtime/engine.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
constexpr Duration kProbePause = std::chrono::seconds{1};
constexpr Duration kVersionPause = std::chrono::minutes{5};
constexpr std::size_t kCancelChunk = 1'000;
constexpr std::size_t kTimersAtOnce = 500;
constexpr std::size_t kPassContacts = 500;  // of one step

EventAnswer refused(const Error& error) {
  const bool ours = error.kind == ErrorKind::Unavailable || error.kind == ErrorKind::Io;
  return {.kind = ours ? EventAnswer::Kind::Unavailable : EventAnswer::Kind::Rejected,
          .code = error.code,
          .message = error.message};
}

/// Faults that the engine survives: the next round may find room, or the disk's lock free.
Status survivable(Status status) {
  if (!status && status.error().kind == ErrorKind::Unavailable) return {};
  return status;
}

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

void answer_all(std::span<const Work> work, const Error& error) {
  for (const Work& item : work)
    if (item.answer != nullptr) *item.answer = {.event = refused(error)};
}
}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                             DeliverySink& sink, const Clock& clock,
                                             const RuntimeOptions& options) {
  auto snapshot = store->snapshot();
  if (!snapshot) return tl::make_unexpected(std::move(snapshot.error()));
  auto endpoints = store->due_endpoints();
  if (!endpoints) return tl::make_unexpected(std::move(endpoints.error()));
  auto vault = Vault::open({.path = options.key_file, .own = options.own_key_file});
  if (!vault) return tl::make_unexpected(std::move(vault.error()));
  std::unique_ptr<Engine> engine{
      new Engine(std::move(store), kinds, sink, clock, options, *snapshot, std::move(*vault))};
  engine->dispatcher_.restore(*endpoints);
  if (Status done = engine->finish_rekey(); !done) return tl::make_unexpected(done.error());
  engine->restore_switches(*snapshot);
  return engine;
}

Engine::Engine(std::unique_ptr<Store> store, const NodeKinds& kinds, DeliverySink& sink,
               const Clock& clock, const RuntimeOptions& options, const Snapshot& snapshot,
               Vault vault)
    : store_{std::move(store)},
      sink_{sink},
      clock_{clock},
      options_{options},
      epoch_{snapshot.epoch},
      last_seq_{snapshot.last_seq},
      last_contact_{snapshot.last_contact},
      counters_{snapshot.counters},
      tokens_{snapshot.tokens},
      secrets_{std::move(vault), snapshot},
      book_{kinds, snapshot, [this](std::string_view line) { log(std::string{line}); }},
      passes_{snapshot.admin},
      dispatcher_{{.endpoint = options.endpoint_window, .total = options.window}},
      recent_{std::make_shared<RecentLog>(clock.now())} {
  for (const auto& [key, row] : counters_) figures_.pending += row[Counter::Pending];
  book_.know(secrets_.context());
  take_fields(stored_fields(snapshot.admin));
  for (const AdminRecord& record : snapshot.admin)
    if (auto pass = read_pass(record)) scenario_passes_.emplace(record.name, std::move(*pass));
  rebuild_catalog();
}

void Engine::rebuild_catalog() {
  catalog_ = book_.catalog(counters_, epoch_, options_.account_id);
  scenario_due_ = book_.next_due();
  next_check_ = passes_.next_check(catalog_);
  ++generation_;
}

// ---- batches ----

void let_go(Release release, DeliverySink& sink) {
  for (Job& job : release.answered) {
    if (auto* events = std::get_if<EventsJob>(&job)) {
      std::vector<EventAnswer> answers;
      answers.reserve(events->answers.size());
      for (WorkAnswer& answer : events->answers) answers.push_back(std::move(answer.event));
      events->done(std::move(answers));
    } else if (auto* import = std::get_if<ImportJob>(&job)) {
      import->done(std::move(import->answers));
    } else {
      auto& contact = std::get<ContactJob>(job);
      contact.done(std::move(contact.answer));
    }
  }
  if (!release.withdrawn.empty()) sink.withdraw(std::move(release.withdrawn));
  if (!release.tasks.empty()) sink.submit(std::move(release.tasks));
  if (!release.expedited.empty()) sink.expedite(std::move(release.expedited));
}

void refuse(std::span<Job> jobs, const Error& error) {
  const EventAnswer lost{.kind = EventAnswer::Kind::Unavailable,
                         .code = "engine_stopped",
                         .message = "the engine has stopped: " + error.message};
  for (Job& job : jobs) {
    if (auto* events = std::get_if<EventsJob>(&job))
      events->done(std::vector<EventAnswer>(events->inputs.size(), lost));
    else if (auto* contact = std::get_if<ContactJob>(&job))
      contact->done(fail(ErrorKind::Unavailable, lost.code, lost.message));
    else if (auto* import = std::get_if<ImportJob>(&job))
      import->done(std::vector<WorkAnswer>(import->inputs.size(), WorkAnswer{.event = lost}));
  }
}

Status Engine::work(std::vector<Job> jobs, std::vector<AttemptResult> results) {
  Status done = work_ahead(std::move(jobs), std::move(results));
  Release release = take_release();
  if (Status synced = store_->sync(); !synced) {
    refuse(release.answered, synced.error());
    return synced;
  }
  let_go(std::move(release), sink_);
  return done;
}

Status Engine::work_ahead(std::vector<Job> jobs, std::vector<AttemptResult> results) {
  if (full_ && clock_.now() >= probe_at_) {
    Status probed = store_->probe();
    full_ = !probed;
    if (!probed) probe_at_ = clock_.now() + kProbePause;
    if (probed) log("store.writable");
    if (probed = survivable(std::move(probed)); !probed) return probed;
  }
  if (!held_.empty() && !full_) {
    results.insert(results.begin(), std::make_move_iterator(held_.begin()),
                   std::make_move_iterator(held_.end()));
    held_.clear();
  }
  if (Status done = take_transitions(); !done) return done;
  if (Status done = take_due(); !done) return done;
  if (Status done = survivable(begin_checks()); !done) return done;

  for (std::size_t first = 0; first < jobs.size();) {
    std::size_t end = first;
    while (end < jobs.size() && !std::holds_alternative<CallJob>(jobs[end])) ++end;
    if (Status done = take_inputs(std::span{jobs}.subspan(first, end - first), results); !done)
      return done;
    if (end < jobs.size()) {
      if (Status done = store_->sync(); !done) return done;
      if (Status done = survivable(std::get<CallJob>(jobs[end++]).call(*this)); !done) return done;
    }
    first = end;
  }
  if (Status done = take_inputs({}, results); !done) return done;
  if (Status done = step_scenario_passes(); !done) return done;
  if (Status done = step_pass(); !done) return done;
  if (const Date today = date_of(clock_.now()); today != seen_swept_) {
    Status done = store_->forget_seen(clock_.now() - options_.dedupe_for);
    if (!done && done.error().kind != ErrorKind::Unavailable) return done;
    if (done) seen_swept_ = today;
  }
  if (Status done = do_chore(); !done) return done;
  return refill();
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
  for (std::size_t first = 0; done && (first < work.size() || !results.empty());
       first += options_.batch_max) {
    const auto part =
        std::span{work}.subspan(first, std::min(options_.batch_max, work.size() - first));
    done = commit_batch(part, std::exchange(results, {}));
    if (!done)
      answer_all(std::span{work}.subspan(first), done.error());
    else
      done = refill();
  }
  std::move(jobs.begin(), jobs.end(), std::back_inserter(release_.answered));
  return done;
}

/// One commit; where a row of it is refused, its inputs one by one, so that they share no fate.
Status Engine::commit_batch(std::span<const Work> work, std::span<const AttemptResult> results,
                            std::span<const AdminRecord> admin) {
  Status done = commit_once(work, results, admin);
  if (done) return done;
  if (done.error().kind == ErrorKind::Unavailable) {
    answer_all(work, done.error());
    held_.insert(held_.end(), results.begin(), results.end());
    return {};
  }
  if (done.error().kind != ErrorKind::Conflict) return done;
  // What a full disk did not take is to be taken again, so the pass must not go on either.
  if (done = commit_one_by_one(work, results); !done || admin.empty() || full_) return done;
  return survivable(commit_once({}, {}, admin));
}

Status Engine::commit_one_by_one(std::span<const Work> work,
                                 std::span<const AttemptResult> results) {
  const auto take = [&](std::span<const Work> one,
                        std::span<const AttemptResult> result) -> Status {
    Status done = commit_once(one, result);
    if (done) return done;
    if (done.error().kind == ErrorKind::Io) return done;
    if (done.error().kind == ErrorKind::Unavailable)
      held_.insert(held_.end(), result.begin(), result.end());
    log(fmt::format("input.refused code={} message=\"{}\"", done.error().code,
                    done.error().message));
    answer_all(one, done.error());
    return {};
  };
  for (std::size_t i = 0; i < work.size(); ++i)
    if (Status done = take(work.subspan(i, 1), {}); !done) return done;
  for (AttemptResult result : results) {
    // What the receiver said is all that can be too much in a result.
    if (Status done = commit_once({}, {&result, 1});
        !done && done.error().kind == ErrorKind::Conflict)
      result.response = result.error = {};
    else if (done)
      continue;
    if (Status done = take({}, {&result, 1}); !done) return done;
  }
  return {};
}

Status Engine::commit_once(std::span<const Work> work, std::span<const AttemptResult> results,
                           std::span<const AdminRecord> admin) {
  Batch batch = new_batch();
  if (Status done = batch.prefetch(work); !done) return done;
  for (const Work& item : work)
    if (Status done = batch.take(item); !done) return done;
  for (const AttemptResult& result : results) {
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
  }
  batch.rows().admin.assign(admin.begin(), admin.end());
  if (Status done = commit_and_adopt(batch, Durable::Later); !done) return done;
  count(work);
  return {};
}

Batch Engine::new_batch() const {
  return Batch{*store_,   catalog_,      counters_,    switches_,
               last_seq_, last_contact_, clock_.now(), options_.dedupe_for};
}

Status Engine::commit_and_adopt(Batch& batch, Durable when) {
  const Commit commit = batch.finish();
  if (!commit.empty())
    if (Status done = commit_rows(commit, when); !done) return done;
  adopt(batch, commit);
  passes_.adopt(commit.admin);
  return {};
}

Status Engine::commit_rows(const Commit& commit, Durable when) {
  const auto started = std::chrono::steady_clock::now();
  Status done = store_->commit(commit);
  if (done && when == Durable::Now) done = store_->sync();
  if (!done) {
    if (done.error().kind == ErrorKind::Unavailable) {
      if (!full_) log(fmt::format("store.full message=\"{}\"", done.error().message));
      full_ = true;
      probe_at_ = clock_.now() + kProbePause;
    }
    return done;
  }
  ++figures_.commits;
  figures_.commit_micros_total +=
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::steady_clock::now() - started)
                                     .count());
  return {};
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
  for (const Delivery& delivery : batch.cancelled()) {
    dispatcher_.settled(delivery);
    withdrawn.push_back(delivery.key);
  }
  withdraw(withdrawn);
  for (const Settled& settled : batch.settled()) dispatcher_.settled(settled.settlement.delivery);
  for (const auto& [key, delivery] : batch.changed()) {
    dispatcher_.settled(delivery);
    if (!delivery.pending() || delivery.parked || delivery.batch) continue;
    const DeliveryPolicy* policy = policy_at(delivery.endpoint);
    if (policy != nullptr && policy->batch) gathered(delivery, *policy->batch);
  }
  count(batch.settled());

  std::vector<Dispatcher::Handout> handouts;
  for (const NewDelivery& made : batch.deliveries()) {
    const bool cancelled = std::ranges::find(withdrawn, made.delivery.key) != withdrawn.end();
    if (made.delivery.state == DeliveryState::Failed) note_born_failed(made.delivery);
    if (!made.delivery.pending() || made.delivery.parked || cancelled) continue;
    if (made.policy != nullptr && made.policy->batch)
      gathered(made.delivery, *made.policy->batch);
    else
      dispatcher_.created(made.delivery, made.request, handouts);
  }
  hand_out(handouts);
}

Status Engine::take_due() {
  while (true) {
    const Instant now = clock_.now();
    const auto next = store_->next_timer();
    if (full_ || !next || *next > now || now < timers_from_) return {};
    const auto timers = store_->timers_due(now, kTimersAtOnce);
    if (!timers) return tl::make_unexpected(timers.error());
    if (timers->empty()) return {};
    std::vector<Input> inputs;
    inputs.reserve(timers->size());
    for (const Timer& timer : *timers)
      inputs.emplace_back(
          TimerInput{.contact = timer.contact, .timer = timer.key, .due = timer.at});
    std::vector<Work> work;
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
    if (timers->size() >= kTimersAtOnce) return {};
  }
}

// ---- passes over all contacts ----

/// Checks at a set time whose time has come.
Status Engine::begin_checks() {
  if (full_ || !next_check_ || *next_check_ > clock_.now()) return {};
  const TriggerPasses::DueChecks due = passes_.due_checks(catalog_, last_contact_, clock_.now());
  Commit commit{
      .at = clock_.now(), .last_seq = last_seq_, .last_contact = last_contact_, .admin = due.rows};
  for (const ScenarioKey key : due.missed) {
    const CatalogScenario* scenario = catalog_.find(key);
    const CounterKey of{.scenario = key, .version = scenario->newest};
    const auto known = counters_.find(of);
    CounterRow row = known == counters_.end() ? CounterRow{} : known->second;
    row.add("missed", 1);
    commit.counters.emplace_back(of, std::move(row));
    log(fmt::format("trigger.missed scenario={}", scenario->id));
  }
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
  if (full_) return {};
  const auto step = passes_.next_step(catalog_, kPassContacts);
  if (!step) return {};
  std::vector<Work> work;
  work.reserve(step->inputs.size());
  for (const Input& input : step->inputs) work.push_back({.input = &input});
  return commit_batch(work, {}, {&step->row, 1});
}

std::optional<Instant> Engine::next_wake() const {
  if (full_) return probe_at_;
  if (!held_.empty() || !chores_.empty() || !scenario_passes_.empty() || passes_.any())
    return clock_.now();
  std::optional<Instant> next = store_->next_timer();
  if (next) next = std::max(*next, timers_from_);
  if (next_check_ && (!next || *next_check_ < *next)) next = next_check_;
  if (const auto due = dispatcher_.next(); due && (!next || *due < *next)) next = due;
  if (scenario_due_ && (!next || *scenario_due_ < *next)) next = scenario_due_;
  return next;
}

// ---- deliveries ----

Status Engine::refill() {
  if (Status fixed = survivable(fix_batches()); !fixed) return fixed;
  std::vector<Dispatcher::Handout> handouts;
  Status done = dispatcher_.refill(*store_, clock_.now(), handouts);
  hand_out(handouts);
  if (done && !ungathered_.empty() && !full_) {
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
  for (Dispatcher::Handout& handout : handouts) {
    const Delivery& delivery = handout.delivery;
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
    if (node == nullptr || node->node->delivery_policy() == nullptr) {
      held_.push_back({.delivery = delivery.key,
                       .number = delivery.attempts + 1,
                       .started = now,
                       .code = "version_missing",
                       .error = "the scenario version that asked for it cannot be read any more",
                       .retry_after = kVersionPause,
                       .permanent = now >= delivery.deadline,
                       .local = now < delivery.deadline});
      continue;
    }
    if (node->node->delivery_policy()->batch) {
      // After a restart, or while the disk is full: what is not fixed is not sent.
      if (!delivery.batch) {
        dispatcher_.settled(delivery);
        const auto known = gathering_.find(delivery.endpoint);
        if (known == gathering_.end() || !known->second.waiting.contains(delivery.key))
          ungathered_.insert(delivery.endpoint);
        continue;
      }
      auto whole = whole_request(delivery);
      if (!whole) {
        // The store's fault shows in its next call; until then the batch stays where it is.
        log(fmt::format("batch.unreadable message=\"{}\"", whole.error().message));
        dispatcher_.settled(delivery);
        continue;
      }
      if (*whole) handout.request = std::move(*whole);
    }
    release_.tasks.push_back(
        {.delivery = delivery.key,
         .endpoint = delivery.endpoint,
         .number = delivery.attempts + 1,
         .last = now >= delivery.deadline,
         .request = std::move(handout.request),
         .owner = version->second,
         .policy = node->node->delivery_policy(),
         .webhook_id = format_delivery(epoch_, delivery.batch.value_or(delivery.key))});
  }
}

/// Also of those that have not left yet.
void Engine::withdraw(const std::vector<DeliveryKey>& deliveries) {
  if (deliveries.empty()) return;
  const std::set<DeliveryKey> gone{deliveries.begin(), deliveries.end()};
  std::erase_if(release_.tasks,
                [&](const DeliveryTask& task) { return gone.contains(task.delivery); });
  release_.withdrawn.insert(release_.withdrawn.end(), deliveries.begin(), deliveries.end());
}

const DeliveryPolicy* Engine::policy_at(const EndpointKey& endpoint) const {
  const CatalogScenario* home = catalog_.find(endpoint.scenario);
  const Scenario* scenario = home == nullptr ? nullptr : home->version(endpoint.version);
  const ScenarioNode* node = scenario == nullptr ? nullptr : scenario->find(endpoint.node);
  return node == nullptr ? nullptr : node->node->delivery_policy();
}

const RetryPolicy& Engine::policy_of(const Delivery& delivery) const {
  static const RetryPolicy fallback = default_retry_policy();
  const DeliveryPolicy* policy = policy_at(delivery.endpoint);
  return policy == nullptr ? fallback : policy->retry;
}

/// Parked ones as well; a batch with all its members at once.
Status Engine::cancel_pending(ScenarioKey scenario) {
  const ScenarioRecord* record = book_.find(scenario);
  for (const auto& [id, node] : record->nodes) {
    DeliveryKey after;
    while (true) {
      const auto keys =
          store_->deliveries_of(scenario, node, DeliveryState::Pending, after, kCancelChunk);
      if (!keys) return tl::make_unexpected(keys.error());
      if (keys->empty()) break;
      after = keys->back();
      const auto loaded = store_->deliveries(*keys);
      if (!loaded) return tl::make_unexpected(loaded.error());
      Batch batch = new_batch();
      for (const auto& one : *loaded) {
        if (!one) continue;
        const auto done = act_on_unit(batch, ByHand::Cancel, one->delivery, "archived");
        if (!done) return tl::make_unexpected(done.error());
      }
      if (Status done = commit_and_adopt(batch); !done) return done;
    }
  }
  return {};
}

Status Engine::do_chore() {
  if (chores_.empty() || full_) return {};
  const auto done = chores_.front()(*this);
  if (!done) return survivable(tl::make_unexpected(done.error()));
  // Turn by turn, so that a long one keeps no short one waiting.
  if (!*done) chores_.push_back(std::move(chores_.front()));
  chores_.pop_front();
  return {};
}

// ---- calls ----

Activity Engine::activity_of(std::string what, const std::string& scenario, const std::string& who,
                             std::string text) const {
  return {.at = clock_.now(),
          .what = std::move(what),
          .scenario = scenario,
          .who = who.empty() ? "engine" : who,
          .text = std::move(text)};
}

Status Engine::note(Activity activity) {
  return commit_rows({.at = clock_.now(),
                      .last_seq = last_seq_,
                      .last_contact = last_contact_,
                      .activity = {std::move(activity)}});
}

Status Engine::commit_change(const BookChange& change, std::vector<AdminRecord> admin) {
  if (change.scenarios.empty() && change.versions.empty() && admin.empty()) return {};
  Commit commit{.at = clock_.now(),
                .last_seq = last_seq_,
                .last_contact = last_contact_,
                .scenarios = change.scenarios,
                .versions = change.versions,
                .admin = std::move(admin),
                .activity = change.activity};
  for (const ScenarioRecord& record : change.scenarios) {
    const CatalogScenario* known = catalog_.find(record.key);
    const Scenario* current = !change.versions.empty() ? change.built.get()
                              : known == nullptr       ? nullptr
                                                       : known->version(record.newest);
    if (current == nullptr) continue;
    for (AdminRecord& row :
         passes_.on_change(book_.find(record.key), record, *current, last_contact_, clock_.now()))
      commit.admin.push_back(std::move(row));
  }
  if (Status done = commit_rows(commit); !done) return done;
  passes_.adopt(commit.admin);
  book_.adopt(change);
  rebuild_catalog();
  for (const AdminRecord& row : commit.admin) follow_switch(row);
  return {};
}

Result<ApplyAnswer> Engine::apply(const std::string& id, const std::string& text,
                                  const MigrationRequest& migration, const std::string& who) {
  if (scenario_passes_.contains(pass_name(ScenarioPass::Kind::Migrate, id)))
    return fail(ErrorKind::Conflict, "migrating",
                fmt::format("runs of \"{}\" are still going over to its newest version; apply "
                            "again when they have",
                            id));
  auto applied = book_.apply(id, text, clock_.now());
  if (!applied) return tl::make_unexpected(std::move(applied.error()));
  if (applied->answer.refused) return std::move(applied->answer);
  std::optional<ScenarioPass> pass;
  if (migration.wanted) {
    auto planned = plan_migration(id, *applied, migration);
    if (!planned) return tl::make_unexpected(std::move(planned.error()));
    pass = std::move(*planned);
  }
  applied->answer.migrating = pass.has_value();
  if (applied->answer.changed)
    applied->change.activity.push_back(
        activity_of("scenario.applied", id, who,
                    fmt::format("version {}", applied->change.versions.front().version)));
  std::vector<AdminRecord> admin = first_switches(id, applied->change);
  if (pass) admin.push_back(record_of(*pass));
  if (Status done = commit_change(applied->change, std::move(admin)); !done)
    return tl::make_unexpected(done.error());
  if (pass) scenario_passes_[pass->name()] = std::move(*pass);
  if (Status done = take_transitions(); !done) return tl::make_unexpected(done.error());
  auto info = book_.info(id, /*with_text=*/false);
  if (!info) return tl::make_unexpected(std::move(info.error()));
  applied->answer.scenario = std::move(*info);
  if (applied->answer.changed)
    log(fmt::format("scenario.applied scenario={} version={}", id,
                    applied->answer.scenario.version));
  return std::move(applied->answer);
}

Result<ScenarioInfo> Engine::duplicate(const std::string& id, const std::string& new_id,
                                       const std::string& who) {
  auto applied = book_.duplicate(id, new_id, clock_.now());
  if (!applied) return tl::make_unexpected(std::move(applied.error()));
  if (applied->answer.refused)
    return fail(ErrorKind::Conflict, "not_valid_any_more",
                fmt::format("scenario \"{}\" was accepted by an earlier version of Onward, but is "
                            "not valid now; apply a corrected file under the new id",
                            id));
  applied->change.activity.push_back(
      activity_of("scenario.duplicated", new_id, who, fmt::format("from \"{}\"", id)));
  if (Status done = commit_change(applied->change, first_switches(new_id, applied->change)); !done)
    return tl::make_unexpected(done.error());
  return info(new_id, /*with_text=*/false);
}

namespace {
Result<ScenarioInfo> changed(const Engine& engine, const std::string& id, const Status& done) {
  if (!done) return tl::make_unexpected(done.error());
  return engine.info(id, /*with_text=*/false);
}

/// "test mode for jane@example.org, joe@example.org"
std::string test_mode_text(const std::optional<std::vector<std::string>>& emails) {
  if (!emails || emails->empty()) return {};
  std::string text = "test mode for ";
  for (const std::string& email : *emails) text += (&email == &emails->front() ? "" : ", ") + email;
  return text;
}
}  // namespace

Result<ScenarioInfo> Engine::activate(const std::string& id,
                                      const std::optional<std::vector<std::string>>& test_emails,
                                      const std::string& who) {
  if (Status ready = check_secrets_of(id); !ready) return tl::make_unexpected(ready.error());
  auto change = book_.activate(id, test_emails, clock_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  const bool waits =
      !change->scenarios.empty() && change->scenarios.front().state == ScenarioState::Scheduled;
  change->activity.push_back(activity_of(waits ? "scenario.scheduled" : "scenario.activated", id,
                                         who, test_mode_text(test_emails)));
  return changed(*this, id, commit_change(*change));
}

Result<ScenarioInfo> Engine::hold(const std::string& id, const std::string& who) {
  auto change = book_.hold(id);
  if (!change) return tl::make_unexpected(std::move(change.error()));
  change->activity.push_back(activity_of("scenario.held", id, who));
  return changed(*this, id, commit_change(*change));
}

Result<ScenarioInfo> Engine::archive(const std::string& id, bool with_pending,
                                     const std::string& who) {
  auto change = book_.archive(id, clock_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  change->activity.push_back(
      activity_of("scenario.archived", id, who, with_pending ? "pending requests cancelled" : ""));
  Status done = commit_change(*change);
  if (done && with_pending) done = cancel_pending(book_.find(id)->key);
  return changed(*this, id, done);
}

Result<ScenarioInfo> Engine::remove_draft(const std::string& id, const std::string& who) {
  auto change = book_.remove_draft(id);
  if (!change) return tl::make_unexpected(std::move(change.error()));
  auto info = book_.info(id, /*with_text=*/false);
  change->activity.push_back(activity_of("scenario.deleted", id, who));
  if (Status done = commit_change(*change); !done) return tl::make_unexpected(done.error());
  return info;
}

Result<ScenarioStats> Engine::stats(const std::string& id, Version version) const {
  auto stats = book_.stats(id, version, counters_, clock_.now());
  const ScenarioRecord* record = stats ? book_.find(id) : nullptr;
  if (record == nullptr || switches_.empty()) return stats;
  for (const auto& [name, number] : record->nodes) {
    if (!is_paused(switches_, {record->key, number})) continue;
    for (StatsSide* side : {&stats->live, &stats->test})
      for (NodeStats& node : side->nodes)
        if (node.id == name) node.paused = true;
  }
  return stats;
}

Result<std::optional<ContactKey>> Engine::find_contact(const ContactName& name) {
  const IdentityQuery query{.id = name.id, .email = name.email};
  const auto matches = store_->identify({&query, 1});
  if (!matches) return tl::make_unexpected(matches.error());
  const IdentityMatch& match = matches->front();
  if (!name.id.empty()) return match.by_id;
  if (match.by_email.empty()) return std::optional<ContactKey>{};
  return std::optional{match.by_email.front().contact};
}

Result<ContactAnswer> Engine::contact(const ContactName& name) {
  const auto key = find_contact(name);
  if (!key) return tl::make_unexpected(key.error());
  if (*key) {
    const LoadQuery query{.contact = **key};
    auto states = store_->load({&query, 1});
    if (!states) return tl::make_unexpected(states.error());
    if (auto& state = states->front())
      return ContactAnswer{.contact = std::move(state->contact),
                           .engagement = std::move(state->engagement)};
  }
  return fail(
      ErrorKind::NotFound, "unknown_contact",
      fmt::format("there is no contact {}", name.id.empty() ? "with the address " + name.email
                                                            : "with the id \"" + name.id + "\""));
}

Status Engine::add_token(const TokenRecord& token) {
  if (Status done = commit_rows({.at = clock_.now(),
                                 .last_seq = last_seq_,
                                 .last_contact = last_contact_,
                                 .tokens = {token}});
      !done)
    return done;
  tokens_.push_back(token);
  return {};
}

// ---- declared fields ----

void Engine::take_fields(CustomFields fields) {
  fields_ = std::make_shared<const CustomFields>(std::move(fields));
  book_.know_fields(fields_);
}

Status Engine::commit_admin(AdminRecord record) {
  return commit_rows({.at = clock_.now(),
                      .last_seq = last_seq_,
                      .last_contact = last_contact_,
                      .admin = {std::move(record)}});
}

Result<bool> Engine::declare_field(const CustomField& field) {
  const bool fresh = fields_->find(field.name) == nullptr;
  if (fresh && fields_->all().size() >= kCustomFieldsMax)
    return fail(ErrorKind::Conflict, "too_many",
                fmt::format("at most {} custom fields can be declared", kCustomFieldsMax));
  if (Status done = commit_admin(
          {.kind = AdminKind::Field, .name = field.name, .content = to_json(to_value(field))});
      !done)
    return tl::make_unexpected(done.error());
  std::vector<CustomField> all = fields_->all();
  all.push_back(field);
  take_fields(CustomFields{std::move(all)});
  return fresh;
}

Result<bool> Engine::remove_field(const std::string& name) {
  if (fields_->find(name) == nullptr)
    return fail(ErrorKind::NotFound, "unknown_field",
                fmt::format("there is no declared field \"{}\"", name));
  if (Status done = commit_admin({.kind = AdminKind::Field, .name = name, .removed = true}); !done)
    return tl::make_unexpected(done.error());
  std::vector<CustomField> all = fields_->all();
  std::erase_if(all, [&](const CustomField& field) { return field.name == name; });
  take_fields(CustomFields{std::move(all)});
  return true;
}

Result<std::vector<WorkAnswer>> Engine::rehearse(std::span<const Input> inputs) {
  std::vector<WorkAnswer> answers(inputs.size());
  std::vector<Work> work;
  work.reserve(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    work.push_back({.input = &inputs[i], .answer = &answers[i]});
  Batch batch = new_batch();
  if (Status done = batch.prefetch(work); !done) return tl::make_unexpected(done.error());
  for (const Work& item : work)
    if (Status done = batch.take(item); !done) return tl::make_unexpected(done.error());
  return answers;
}

// ---- figures ----

void Engine::count(std::span<const Work> work) {
  for (const Work& item : work) {
    ++figures_.inputs;
    if (!std::holds_alternative<EventInput>(*item.input) || item.answer == nullptr) continue;
    switch (item.answer->event.kind) {
      case EventAnswer::Kind::Accepted:
        ++figures_.events_accepted;
        break;
      case EventAnswer::Kind::Duplicate:
        ++figures_.events_duplicate;
        break;
      case EventAnswer::Kind::Conflict:
      case EventAnswer::Kind::Rejected:
      case EventAnswer::Kind::Unavailable:
        ++figures_.events_rejected;
        break;
    }
  }
}

void Engine::count(std::span<const Settled> settled) {
  for (const Settled& one : settled) {
    if (one.result.local)
      ++figures_.attempts_local;
    else if (one.settlement.accepted)
      ++figures_.attempts_accepted;
    else
      ++figures_.attempts_refused;
    if (one.settlement.accepted) continue;
    log_attempt(one);
    note_settled(one);
  }
}

void Engine::log_attempt(const Settled& settled) const {
  if (!options_.log) return;
  const Delivery& delivery = settled.settlement.delivery;
  const AttemptResult& result = settled.result;
  const ScenarioRecord* record = book_.find(delivery.endpoint.scenario);
  log(fmt::format(
      "delivery.attempted delivery={} scenario={} attempt={} status={} code={} "
      "took_ms={} state={}{}{}",
      format_delivery(epoch_, delivery.key), record == nullptr ? "?" : record->id, result.number,
      result.status, result.code.empty() ? "-" : result.code, result.took.count(),
      to_string(delivery.state), delivery.due ? " next_at=" + format_instant(*delivery.due) : "",
      delivery.reason.empty() ? "" : " reason=" + delivery.reason));
}

void Engine::note_settled(const Settled& settled) {
  const Delivery& delivery = settled.settlement.delivery;
  const AttemptResult& result = settled.result;
  const ScenarioRecord* record = book_.find(delivery.endpoint.scenario);
  std::string text = fmt::format("attempt {}: {}", result.number,
                                 result.status != 0 ? std::to_string(result.status) : result.code);
  if (!result.error.empty()) text += ", " + result.error;
  if (!delivery.members.empty()) text += fmt::format(", batch of {}", delivery.members.size());
  if (settled.settlement.failed) text += ", failed for good: " + delivery.reason;
  if (delivery.due) text += ", next at " + format_instant(*delivery.due);
  const char* what = settled.settlement.failed ? "delivery.failed"
                     : result.local            ? "delivery.deferred"
                                               : "delivery.refused";
  recent_->add({.at = clock_.now(),
                .what = what,
                .scenario = record == nullptr ? "" : record->id,
                .node = name_of({delivery.endpoint.scenario, delivery.endpoint.node}).value_or(""),
                .who = "engine",
                .text = std::move(text),
                .delivery = delivery.key});
}

void Engine::note_born_failed(const Delivery& delivery) {
  const ScenarioRecord* record = book_.find(delivery.endpoint.scenario);
  recent_->add({.at = clock_.now(),
                .what = "delivery.failed",
                .scenario = record == nullptr ? "" : record->id,
                .node = name_of({delivery.endpoint.scenario, delivery.endpoint.node}).value_or(""),
                .who = "engine",
                .text = "never sent: " + delivery.reason,
                .delivery = delivery.key});
}

void Engine::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}
}  // namespace onward
