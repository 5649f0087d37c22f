#include "engine/cell/cell.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "engine/cell/retention_job.h"
#include "engine/control/admin_rows.h"

namespace onward {
namespace {
constexpr Duration kClockBehind = std::chrono::minutes{1};

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

void log_unreadable_rows(const CellContext& cell, const Snapshot& snapshot) {
  for (std::string& row : unreadable_rows(snapshot.control.admin))
    cell.log({"store.unreadable_row",
              {{"table", "admin"},
               {"row", std::move(row)},
               {"hint",
                "the database is damaged there; the rest goes on without this row, and a node "
                "whose pause cannot be read is paused. Set it anew, or restore a backup"}},
              LogLevel::Error});
}

/// The newest stored time is later than now: somebody set the clock.
void compare_clock(const CellContext& cell) {
  const Instant now = cell.now();
  if (!cell.newest_stored || *cell.newest_stored <= now + kClockBehind) return;
  cell.log({"clock.behind",
            {{"now", format_instant(now)},
             {"newest", format_instant(*cell.newest_stored)},
             {"hint",
              "the newest stored time is later than this machine's clock: set the clock if it is "
              "wrong. Until it has held for 5 minutes, or `onward clock accept`, no timer fires"}},
            LogLevel::Warning});
}
}  // namespace

// ---- the start ----

Result<std::unique_ptr<Cell>> Cell::open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                         DeliverySink& sink, const Clock& clock,
                                         const RuntimeOptions& options) {
  auto snapshot = store->snapshot();
  if (!snapshot) return tl::make_unexpected(std::move(snapshot.error()));
  auto endpoints = store->due_endpoints();
  if (!endpoints) return tl::make_unexpected(std::move(endpoints.error()));
  auto reader = store->open_control_reader();
  if (!reader) return tl::make_unexpected(std::move(reader.error()));
  auto texts = std::make_shared<VersionTexts>(std::move(*reader));
  auto vault = Vault::open({.path = options.key_file, .own = options.own_key_file});
  if (!vault) return tl::make_unexpected(std::move(vault.error()));
  const LogSink log = [sink = options.log](const LogRecord& record) {
    if (sink) sink(record);
  };
  std::unique_ptr<Cell> cell{new Cell(CellContext{
      .store = std::move(store),
      .sink = sink,
      .clock = clock,
      .options = options,
      .epochs = snapshot->epochs,
      .numbers = {.sequence = snapshot->last_seq,
                  .contact = snapshot->last_contact,
                  .text = snapshot->control.last_text},
      .counters = snapshot->counters,
      .control = {.scenarios = {kinds, snapshot->control, std::move(texts), log},
                  .secrets = {std::move(*vault), snapshot->control},
                  .tokens = std::make_shared<const TokenBook>(snapshot->control.tokens)},
      .newest_stored = snapshot->newest})};
  if (Status done = cell->restore(*snapshot, *endpoints); !done)
    return tl::make_unexpected(std::move(done.error()));
  return cell;
}

Status Cell::restore(const Snapshot& snapshot, std::span<const DueEndpoint> endpoints) {
  CellContext& cell = parts_.cell;
  for (const auto& [key, row] : cell.counters) cell.figures.pending += row[Counter::Pending];
  cell.control.scenarios.reader().watch(cell.options.working.get());
  cell.control.scenarios.reader().know(author_context(cell));
  cell.control.set_fields(stored_fields(snapshot.control.admin));
  parts_.backfills.follow(snapshot.control.admin);
  parts_.builder.rebuild();
  parts_.outbox.restore(endpoints);
  if (Status done = parts_.secrets.finish_rekey(); !done) return done;
  log_unreadable_rows(cell, snapshot);
  parts_.pauses.restore(snapshot.control.admin);
  parts_.scenarios.restore(snapshot.control.admin);
  parts_.deliveries.restore(snapshot.control.admin);
  add_retention_jobs(cell, parts_.jobs, snapshot.control.admin);
  if (Status done = parts_.quarantine.load_suspects(); !done) return done;
  parts_.deliveries.restore_sending(snapshot.control.admin);
  compare_clock(cell);
  return {};
}

// ---- a turn ----

Cell::Turn Cell::step(std::vector<Task> tasks, std::vector<AttemptResult> results) {
  assert(!stepping_);
  stepping_ = true;
  inputs_before_ = parts_.cell.figures.inputs;
  parts_.bulk.take_from(tasks);
  parts_.backlog.report(results);
  Status done = take_turn(tasks, std::move(results));
  stepping_ = false;
  Effects& effects = parts_.cell.effects;
  if (done) {
    const std::vector<DeliveryKey> recorded = parts_.backlog.take_recorded();
    effects.recorded.insert(effects.recorded.end(), recorded.begin(), recorded.end());
  } else {
    refuse(tasks, done.error());
    parts_.bulk.refuse_all(done.error());
  }
  return {.ready = take_ready(), .status = std::move(done)};
}

Status drive(Cell& cell, std::vector<Task> tasks, std::vector<AttemptResult> results) {
  Publisher publisher{cell.store(), cell.context().sink};
  do {
    Cell::Turn turn = cell.step(std::exchange(tasks, {}), std::exchange(results, {}));
    if (Status published = publisher.publish(std::move(turn.ready)); !published) return published;
    if (!turn.status) return std::move(turn.status);
  } while (cell.bulk_left());
  return {};
}

void Cell::abandon(const Error& error) {
  parts_.jobs.fail_all(stopped_by(error));
  parts_.bulk.refuse_all(error);
}

Status Cell::take_turn(std::span<Task> tasks, std::vector<AttemptResult> results) {
  if (const auto& fault = parts_.scenarios.fault()) return tl::make_unexpected(*fault);
  if (Status tried = parts_.writer.try_again(); !tried) return tried;
  results = parts_.backlog.take(std::move(results), !read_only(),
                                [this](const AttemptResult& result) -> std::size_t {
                                  const Delivery* delivery = parts_.outbox.find(result.delivery);
                                  return delivery == nullptr ? 1 : 1 + delivery->members.size();
                                });
  if (Status done = parts_.scenarios.take_transitions(); !done) return done;
  if (Status done = parts_.due.take_timers(); !done) return done;
  if (Status done = parts_.due.begin_checks(); !done) return done;
  if (Status done = take_tasks(tasks, results); !done) return done;
  if (Status done = parts_.bulk.step(); !done) return done;
  parts_.due.expire_seen();
  if (Status done = parts_.runner.run(); !done) return done;
  return parts_.outbox.refill();
}

/// Inputs of neighbouring tasks share commits; a call has its turn between two of them.
Status Cell::take_tasks(std::span<Task> tasks, std::vector<AttemptResult>& results) {
  for (std::size_t first = 0; first < tasks.size();) {
    std::size_t end = first;
    while (end < tasks.size() && !std::holds_alternative<CallTask>(tasks[end])) ++end;
    if (Status done = take_inputs(tasks.subspan(first, end - first), results); !done) return done;
    if (end < tasks.size())
      if (Status done = run_call(std::get<CallTask>(tasks[end++])); !done) return done;
    first = end;
  }
  return take_inputs({}, results);
}

Status Cell::run_call(CallTask& task) {
  task.refused = nullptr;  // From here on the call answers.
  admission_ = std::move(task.admission);
  // One that throws before it has answered, and before it has changed anything, is answered by the
  // end of its `done`.
  Status done = guarded("engine.call", [&] { return task.call(*this); });
  task.call = nullptr;
  admission_ = {};
  if (!done && done.error().kind == ErrorKind::Internal) done = {};
  if (Status lasting = ignore_transient(std::move(done)); !lasting) return lasting;
  if (const auto& fault = parts_.scenarios.fault()) return tl::make_unexpected(*fault);
  return {};
}

Status Cell::take_now(std::vector<Task> tasks, bool* all_taken) {
  std::vector<AttemptResult> none;
  std::vector<Task>& answered = parts_.cell.effects.answered;
  const std::size_t before = answered.size();
  Status done = take_inputs(tasks, none);
  if (all_taken != nullptr)
    *all_taken = std::ranges::all_of(std::span{answered}.subspan(before), [](const Task& task) {
      const auto* contact = std::get_if<ContactTask>(&task);
      return contact == nullptr ||
             (contact->answer.found && contact->answer.event.kind == EventAnswer::Kind::Accepted);
    });
  return done;
}

namespace {
/// What the inputs of `task`, which is no call, ask for.
void add_work(Task& task, std::vector<Work>& work) {
  const auto add_all = [&work](auto& many) {
    many.answers.resize(many.inputs.size());
    for (std::size_t i = 0; i < many.inputs.size(); ++i)
      work.push_back({.input = &many.inputs[i], .answer = &many.answers[i]});
  };
  if (auto* events = std::get_if<EventsTask>(&task)) return add_all(*events);
  if (auto* import = std::get_if<ImportTask>(&task)) return add_all(*import);
  auto& contact = std::get<ContactTask>(task);
  work.push_back({.input = &contact.input,
                  .answer = &contact.answer,
                  .create = contact.create,
                  .want_state = true});
}
}  // namespace

/// Commits the inputs of neighbouring tasks together, and the results with the first of them; then
/// each task is answered.
Status Cell::take_inputs(std::span<Task> tasks, std::vector<AttemptResult>& results) {
  std::vector<Work> work;
  for (Task& task : tasks) add_work(task, work);
  // A command may cancel what a result settles: then one after the other.
  const bool commands = std::ranges::any_of(
      work, [](const Work& item) { return std::holds_alternative<CommandInput>(*item.input); });
  InputWriter& writer = parts_.inputs;
  Status done;
  if (commands && !results.empty()) done = writer.write({}, std::exchange(results, {}));
  if (parts_.quarantine.is_single_stepping())
    for (const AttemptResult& result : std::exchange(results, {}))
      if (done) done = writer.write({}, {&result, 1});
  std::span<const Work> left{work};
  while (done && (!left.empty() || !results.empty())) {
    const std::size_t most = parts_.quarantine.at_once(context().options.batch_max);
    const auto part = left.first(std::min(most, left.size()));
    done = writer.write(part, std::exchange(results, {}));
    if (!done) break;
    left = left.subspan(part.size());
    done = parts_.outbox.refill();
  }
  // Also where no commit was tried: an answer that was not given says "accepted".
  if (!done) answer_all(left, done.error());
  std::move(tasks.begin(), tasks.end(), std::back_inserter(parts_.cell.effects.answered));
  return done;
}

void Cell::adopt_version(const VersionName& name, std::shared_ptr<const Scenario> scenario) {
  parts_.builder.adopt(name, std::move(scenario));
  parts_.outbox.retry_waiting();
}

std::optional<Instant> Cell::next_wake() const {
  const Instant now = context().now();
  if (read_only()) return parts_.writer.next_try();
  if (!parts_.backlog.empty() || bulk_left()) return now;
  std::optional<Instant> next = parts_.due.next();
  const auto at_latest = [&next](std::optional<Instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  at_latest(parts_.builder.next_transition());
  // Nothing of these fires while the time is not certain.
  if (const auto doubt = context().clock.uncertain_until(); next && doubt)
    next = std::max(*next, *doubt);
  at_latest(parts_.jobs.next_due(now));
  at_latest(parts_.outbox.next());
  return next;
}
}  // namespace onward
