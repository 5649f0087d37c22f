#include "tests/chaos/promises.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

bool of_batch(const Delivery& delivery) { return delivery.batch.has_value(); }
/// Carried by another member of its batch.
bool carried(const Delivery& delivery) { return delivery.batch && !delivery.due; }

std::string text_of(const Run& run) {
  return fmt::format("run {} of contact {} in scenario {}", run.key.value, run.contact.value,
                     run.scenario.value);
}
std::string text_of(const Delivery& delivery) {
  return fmt::format("delivery {} ({}, attempts {})", delivery.key.value, to_string(delivery.state),
                     delivery.attempts);
}

constexpr std::array kOnlyGrow{Counter::Entered,        Counter::Done,    Counter::Exited,
                               Counter::Stopped,        Counter::Goal,    Counter::Visits,
                               Counter::UniqueContacts, Counter::Unknown, Counter::Requests,
                               Counter::Accepted,       Counter::MovedIn, Counter::MovedOut};
}  // namespace

void broken(std::string_view promise, std::string detail) {
  throw Broken{std::string{promise}, std::move(detail)};
}

std::string Promises::letter_of(DeliveryKey delivery) const {
  const auto known = shadow_.deliveries.find(delivery);
  return format_delivery(epoch_, known == shadow_.deliveries.end()
                                     ? delivery
                                     : known->second.row.batch.value_or(delivery));
}

// ---- commits ----

void Promises::trace(std::string_view text) { trace_ = hash128(text, trace_).low; }

void Promises::trace(const Commit& commit) {
  trace(
      fmt::format("{} {} {}", format_instant(commit.at), commit.last_seq, commit.counters.size()));
  for (const Run& run : commit.runs)
    trace(fmt::format("{} {} {}", run.key.value, to_string(run.state), run.path.size()));
  for (const Delivery& row : commit.deliveries)
    trace(fmt::format("{} {} {} {}", row.key.value, to_string(row.state), row.attempts,
                      row.due ? format_instant(*row.due) : ""));
}

void Promises::committed(const Commit& commit) {
  ++checks_;
  trace(commit);
  check_runs(commit);
  check_deliveries(commit);
  check_counters_of(commit);
  check_purged(commit);
  check_moves(commit);
  check_secret(commit);
  for (const AdminRecord& row : commit.control.admin)
    if (row.kind == AdminKind::Switch) quiet_nodes_.clear();
  shadow_.apply(commit);
  check_visits(commit);
  check_reentry(commit);
  if (std::string wrong = compare_numbers(shadow_, &commit); !wrong.empty())
    broken(promise::kNumbers, std::move(wrong));
}

void Promises::check_runs(const Commit& commit) {
  for (const Run& run : commit.runs) {
    std::set<NodeNumber> nodes;
    for (const PathStep& step : run.path)
      if (!nodes.insert(step.node).second)
        broken(promise::kPath, text_of(run) + " meets a node twice");
    const auto known = shadow_.runs.find(run.key);
    if (known == shadow_.runs.end()) {
      check_entry(run);
      continue;
    }
    const Run& before = known->second.row;
    if (!before.live() && run.state != before.state)
      broken(promise::kFinal, text_of(run) + " had ended");
    if (run.path.size() < before.path.size() && before.state != RunState::Parked)
      broken(promise::kFinal, text_of(run) + " lost a part of its path");
    check_waits(before, run, commit.at);
  }
}

void Promises::check_entry(const Run& run) {
  const ScenarioRecord* record = shadow_.scenario(run.scenario);
  if (record == nullptr || record->state != ScenarioState::Active)
    broken(promise::kLife, text_of(run) + " began although the scenario is not active");
  if (run.test != !record->test_emails.empty())
    broken(promise::kTestApart, text_of(run) + " is on the wrong side");
}

/// A wait lets nobody go before its time.
void Promises::check_waits(const Run& before, const Run& after, Instant at) {
  if (before.state != RunState::Waiting || !before.wake_at || before.version != after.version)
    return;
  const bool went_on = after.path.size() > before.path.size();
  if (!went_on && after.state != RunState::Done) return;
  const PathStep& step = after.path.at(before.path.size() - 1);
  const std::string kind = shadow_.kind_of(before.scenario, before.place());
  const bool by_time = kind == "wait" || (kind == "wait_until" && step.port == "on_timeout");
  const Instant left = went_on ? after.path[before.path.size()].at : after.ended.value_or(at);
  if (by_time && left < *before.wake_at)
    broken(promise::kEarly, fmt::format("{} left \"{}\" at {}, its time is {}", text_of(after),
                                        shadow_.name_of(before.scenario, before.place()),
                                        format_instant(left), format_instant(*before.wake_at)));
}

void Promises::check_deliveries(const Commit& commit) {
  for (const Delivery& row : commit.deliveries) {
    if (row.pending() && !row.parked && !row.batch && !row.due)
      broken(promise::kOverdue, text_of(row) + " is pending and never due");
    if (row.pending() && row.due && *row.due > std::max(row.deadline, commit.at) + 10min)
      broken(promise::kWindow, text_of(row) + " is due after its window");
    const auto known = shadow_.deliveries.find(row.key);
    if (known == shadow_.deliveries.end()) continue;
    const Delivery& before = known->second.row;
    if (!before.pending() && row.state != before.state &&
        (before.state == DeliveryState::Accepted || !row.pending() ||
         row.series != before.series + 1))
      broken(promise::kFinal,
             text_of(row) + " had ended as " + std::string{to_string(before.state)});
    if (row.attempts < before.attempts && !of_batch(row))
      broken(promise::kNeverFall, text_of(row) + " lost an attempt");
    const bool ours =
        row.last && (row.last->code == "request_missing" || row.last->code == "version_missing");
    if (!of_batch(row) && !ours && row.attempts > reported_[row.key])
      broken(promise::kAnswers, text_of(row) + " shows an attempt that nobody made");
    if (before.pending() && row.state == DeliveryState::Failed && row.reason == "deadline" &&
        !of_batch(row) && (!row.last || row.last->started < before.deadline))
      broken(promise::kWindow, text_of(row) + " failed without an attempt at its window's end");
  }
  for (const RequestRow& row : commit.requests) {
    const auto known = shadow_.deliveries.find(row.delivery);
    if (row.request != nullptr && known != shadow_.deliveries.end() &&
        known->second.body != hash128(row.request->body))
      broken(promise::kOneBody, fmt::format("the request of {} changed", row.delivery.value));
  }
}

/// Each new visit of a node that sends names a delivery of this commit, and each new delivery is
/// named by a visit.
void Promises::check_visits(const Commit& commit) {
  std::map<DeliveryKey, int> named;
  for (const Run& run : commit.runs)
    for (const PathStep& step : run.path) {
      if (step.delivery) ++named[*step.delivery];
      const bool left = !step.port.empty() && step.port != "moved";
      if (left && !step.delivery && shadow_.kind_of(run.scenario, step.node) == "send_webhook")
        broken(promise::kOneDelivery, text_of(run) + " visited a webhook and asked for nothing");
    }
  for (const auto& [key, times] : named) {
    const auto known = shadow_.deliveries.find(key);
    if (times != 1 || known == shadow_.deliveries.end())
      broken(promise::kOneDelivery, fmt::format("delivery {} is asked for by {} visits, rows: {}",
                                                key.value, times, shadow_.deliveries.count(key)));
  }
  for (const Delivery& row : commit.deliveries) {
    const ShadowDelivery& known = shadow_.deliveries.at(row.key);
    if (known.created_in != shadow_.commits) continue;
    if (named[row.key] != 1) broken(promise::kOneDelivery, text_of(row) + " is named by no visit");
    const auto run = shadow_.runs.find(row.run);
    if (run == shadow_.runs.end() || run->second.row.test != row.test)
      broken(promise::kTestApart, text_of(row) + " is on another side than its run");
  }
}

void Promises::check_counters_of(const Commit& commit) {
  for (const auto& [key, row] : commit.counters) {
    const auto known = shadow_.counters.find(key);
    if (known == shadow_.counters.end()) continue;
    for (const Counter counter : kOnlyGrow)
      if (row[counter] < known->second[counter])
        broken(promise::kNeverFall,
               fmt::format("counter {} of scenario {} node {} fell from {} to {}",
                           static_cast<int>(counter), key.scenario.value, key.node.value,
                           known->second[counter], row[counter]));
  }
}

void Promises::check_reentry(const Commit& commit) const {
  for (const Run& run : commit.runs) {
    const ScenarioRecord* record = shadow_.scenario(run.scenario);
    const auto rule = record == nullptr ? rules_.end() : rules_.find(record->id);
    if (run.test || rule == rules_.end()) continue;
    const auto known = shadow_.entries.find({run.contact, run.scenario, run.entry_key});
    if (known == shadow_.entries.end()) continue;
    const Entries& entries = known->second;
    const ReentryMode mode = rule->second.mode;
    const std::size_t inside = mode == ReentryMode::Parallel ? kParallelRuns : 1;
    if (mode == ReentryMode::Never && entries.at.size() > 1)
      broken(promise::kReentry, text_of(run) + " is not the first one");
    if (entries.live.size() > inside)
      broken(promise::kReentry,
             fmt::format("{}: {} runs at once", text_of(run), entries.live.size()));
    const std::size_t last = entries.at.size() - 1;
    if (rule->second.min_gap && last > 0 &&
        entries.at[last] - entries.at[last - 1] < *rule->second.min_gap)
      broken(promise::kReentry, text_of(run) + " came too soon after the one before");
  }
}

// ---- crashes ----

void Promises::died() {
  shadow_ = {};
  quiet_nodes_.clear();
  for (const Commit& commit : disk_->log()) shadow_.apply(commit);
  for (auto& [id, letter] : letters_) {
    letter.in_flight = false;
    letter.disturbed = true;
    letter.not_before = {};  // The answer may be lost.
  }
}

/// What the engine found is what was durable.
void Promises::started(Cell& engine) {
  ++checks_;
  if (engine.context().counters != shadow_.counters)
    broken(promise::kDurable, "after a start the numbers are others than those written");
  Store& rows = engine.store();
  const auto live = rows.live_runs({}, 1'000'000);
  if (!live) broken(promise::kSurvives, live.error().message);
  std::size_t found = 0;
  for (const Run& run : live->runs) {
    const auto known = shadow_.runs.find(run.key);
    if (known == shadow_.runs.end() || known->second.row.state != run.state ||
        known->second.row.path.size() != run.path.size())
      broken(promise::kDurable, text_of(run) + " is not as it was written");
    ++found;
  }
  if (found != shadow_.live.size())
    broken(promise::kDurable,
           fmt::format("{} runs under way were written, {} are found", shadow_.live.size(), found));
  for (const auto& [key, contact] : shadow_.contacts) {
    const LoadQuery query{.contact = key};
    const auto loaded = rows.load({&query, 1});
    if (!loaded || !loaded->front() || loaded->front()->contact != contact)
      broken(promise::kDurable, fmt::format("contact {} is not as it was written", key.value));
  }
  const std::vector<DeliveryKey> keys{shadow_.pending.begin(), shadow_.pending.end()};
  const auto pending = rows.deliveries(keys);
  if (!pending) broken(promise::kSurvives, pending.error().message);
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (!pending->at(i) || !pending->at(i)->delivery.pending())
      broken(promise::kDurable, fmt::format("delivery {} was pending", keys[i].value));
  std::vector<DeliveryKey> settled;
  for (const auto& [key, known] : shadow_.deliveries)
    if (!known.row.pending()) settled.push_back(key);
  const auto ended = rows.deliveries(settled);
  if (!ended) broken(promise::kSurvives, ended.error().message);
  for (std::size_t i = 0; i < settled.size(); ++i)
    if (!ended->at(i) ||
        ended->at(i)->delivery.state != shadow_.deliveries.at(settled[i]).row.state)
      broken(promise::kDurable, fmt::format("delivery {} had ended", settled[i].value));
  check_stored(rows);
}

// ---- rest ----

void Promises::at_rest(Cell& engine, const Courier& courier, const Receivers& receivers,
                       Duration calm) {
  ++checks_;
  if (std::string wrong = onward::check_counters(engine.context().counters); !wrong.empty())
    broken(promise::kNumbers, std::move(wrong));
  if (std::string wrong = compare_numbers(shadow_, nullptr); !wrong.empty())
    broken(promise::kNumbers, std::move(wrong));
  if (engine.context().counters != shadow_.counters)
    broken(promise::kNumbers, "the engine tells other numbers than it wrote");
  check_timers(engine, calm > 2s);
  check_kept(calm);
  if (calm > 2s) check_paused();
  if (calm > 2s) check_pending(courier, /*window=*/calm > 10min && !receivers.stranded());
}

void Promises::check_timers(Cell& engine, bool calm) const {
  std::set<Timer> wanted;
  for (const RunKey key : shadow_.live) {
    const Run& run = shadow_.runs.at(key).row;
    if (run.state != RunState::Waiting && (run.wake_at || run.recheck_at))
      broken(promise::kTimers, text_of(run) + " is parked and has a time");
    if (run.wake_at) wanted.insert({*run.wake_at, run.contact, {TimerKind::Wait, key.value}});
    if (run.recheck_at)
      wanted.insert({*run.recheck_at, run.contact, {TimerKind::RunRecheck, key.value}});
  }
  const auto rows = engine.store().timers_due(Instant::max(), 1'000'000);
  if (!rows) broken(promise::kSurvives, rows.error().message);
  std::set<Timer> stand;
  for (const Timer& timer : *rows) {
    if (calm && timer.at + 1s < clock_.now())
      broken(promise::kOverdue, fmt::format("a timer of kind {} of contact {} is overdue since {}",
                                            static_cast<int>(timer.key.kind), timer.contact.value,
                                            format_instant(timer.at)));
    if (timer.key.kind == TimerKind::Wait || timer.key.kind == TimerKind::RunRecheck)
      stand.insert(timer);
  }
  if (stand == wanted) return;
  for (const Timer& timer : wanted)
    if (!stand.contains(timer))
      broken(promise::kTimers, fmt::format("run {} has lost its timer", timer.key.subject));
  for (const Timer& timer : stand)
    if (!wanted.contains(timer))
      broken(promise::kTimers, fmt::format("run {} has a timer too many", timer.key.subject));
}

void Promises::check_pending(const Courier& courier, bool window) const {
  const Instant now = clock_.now();
  // Behind a full endpoint they wait for room.
  std::set<EndpointKey> busy;
  for (const DeliveryKey key : shadow_.pending)
    if (courier.holds(key)) busy.insert(shadow_.deliveries.at(key).row.endpoint);
  for (const DeliveryKey key : shadow_.pending) {
    const Delivery& row = shadow_.deliveries.at(key).row;
    if (row.parked || carried(row) || !row.due) continue;
    const bool out = courier.holds(key) || busy.contains(row.endpoint);
    if (!out && *row.due + 2s < now)
      broken(promise::kOverdue, fmt::format("{} was due at {} and nobody makes its attempt",
                                            text_of(row), format_instant(*row.due)));
    if (window && out && row.deadline + 10min < now)
      broken(promise::kWindow, fmt::format("{} has not ended with its window, at {}", text_of(row),
                                           format_instant(row.deadline)));
  }
}

void Promises::at_end(Cell& engine) const {
  check_stored(engine.store());
  for (const auto& [key, known] : shadow_.deliveries) {
    const Delivery& row = known.row;
    if (row.pending() && row.created + 24h < clock_.now())
      broken(promise::kWindow,
             fmt::format("{} of node \"{}\", made at {}, never ended: {}due {}", text_of(row),
                         shadow_.name_of(row.endpoint.scenario, row.endpoint.node),
                         format_instant(row.created), row.parked ? "it is parked, " : "",
                         row.due ? format_instant(*row.due) : "never"));
    if (row.state == DeliveryState::Accepted && !was_seen(key))
      broken(promise::kAnswers, text_of(row) + " was accepted by nobody");
  }
}

// ---- attempts ----

std::uint64_t Promises::leaves(const HttpRequest& request) {
  ++attempts_;
  const std::string id{webhook_id_of(request)};
  trace(format_instant(clock_.now()) + id);
  const auto key = parse_delivery(id);
  const auto known = key ? shadow_.deliveries.find(*key) : shadow_.deliveries.end();
  if (known == shadow_.deliveries.end())
    broken(promise::kWrittenDown, id + " leaves and stands nowhere");
  const ShadowDelivery& first = known->second;
  if (first.created_in > disk_->durable())
    broken(promise::kWrittenDown, id + " leaves before its delivery is durable");
  if (disk_->told_full())
    broken(promise::kWrittenDown, id + " leaves although nothing of it can be written");
  const bool changed_since = first.changed_in > disk_->durable();
  const bool alone = !first.row.batch;
  if (also_) also_(request);
  const auto& [scenario, node, version] = first.row.endpoint;
  if ((first.row.parked && !changed_since) || quiet_nodes_.contains({scenario, node}))
    broken(promise::kPaused, text_of(first.row) + " is sent although its node is paused");
  if (!alone) check_batch(first.row);
  if (alone && !first.row.pending() && !changed_since)
    broken(promise::kRepeat, text_of(first.row) + " is sent although it has ended");
  if (alone && !changed_since && first.row.due && clock_.latest() < *first.row.due)
    broken(promise::kEarly, text_of(first.row) + " is sent before it is due");
  Letter& letter = letters_[id];
  if (alone && letter.series == first.row.series && clock_.latest() < letter.not_before)
    broken(promise::kEarly, id + " is sent before its receiver wants it");
  const Hash128 body = hash128(request.request->body);
  if (letter.left == 0) {
    letter.body = body;
    letter.delivery = *key;
  }
  if (alone && body != first.body) broken(promise::kOneBody, id + " is sent with another body");
  if (letter.body != body && (alone || shadow_.forgotten.empty()))
    broken(promise::kOneBody, id + " is sent with another body than before");
  letter.body = body;
  if (letter.in_flight && !letter.disturbed)
    broken(promise::kRepeat, id + " is sent twice at once");
  letter.in_flight = true;
  letter.disturbed = false;
  return letter.left++;
}

void Promises::decided(const HttpRequest& request, const Verdicted& verdict) {
  Letter& letter = letters_[std::string{webhook_id_of(request)}];
  if (verdict.seen) ++letter.seen;
  if (verdict.accepted && verdict.reply.status == 0) ++accepted_unheard_;
}

void Promises::reported(const AttemptResult& result) {
  auto& greatest = reported_[result.delivery];
  greatest = std::max(greatest, result.number);
  Letter& letter = letters_[letter_of(result.delivery)];
  letter.in_flight = false;
  const auto known = shadow_.deliveries.find(result.delivery);
  if (!result.retry_after || known == shadow_.deliveries.end()) return;
  letter.not_before = std::min(clock_.now() + *result.retry_after, known->second.row.deadline);
  letter.series = known->second.row.series;
}

void Promises::withdrawn(DeliveryKey delivery) { letters_[letter_of(delivery)].disturbed = true; }

bool Promises::was_seen(DeliveryKey delivery) const {
  const auto found = letters_.find(letter_of(delivery));
  return found != letters_.end() && found->second.seen > 0;
}
}  // namespace onward::chaos
