#include "engine/cell/input_writer.h"

#include <string>
#include <utility>
#include <variant>

#include "engine/guard/guarded.h"
#include "engine/store/unreadable.h"

namespace onward {
namespace {
/// Until a timer of a contact that cannot be read is tried again.
constexpr Duration kDamagedPause = std::chrono::hours{1};
/// Deliveries that a commit makes before it takes no further input.
constexpr std::size_t kCommitDeliveries = 4'000;
/// Steps of conditions, likewise: some 20 ms.
constexpr std::uint64_t kCommitSteps = 4'000'000;

/// Whether a batch that failed so is to be taken once more, piece by piece.
bool is_of_one_piece(const Error& error) {
  return error.kind == ErrorKind::Conflict || error.kind == ErrorKind::Internal;
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
}  // namespace

void answer_all(std::span<const Work> work, const Error& error) {
  for (const Work& item : work)
    if (item.answer != nullptr) *item.answer = {.event = answer_of(error)};
}

InputWriter::InputWriter(const Parts& parts)
    : cell_{parts.cell},
      writer_{parts.writer},
      outbox_{parts.outbox},
      backlog_{parts.backlog},
      quarantine_{parts.quarantine} {}

Status InputWriter::write(std::span<const Work> work, std::span<const AttemptResult> results,
                          std::span<const AdminRecord> rows) {
  std::size_t most = work.size();
  while (true) {
    const auto part = work.first(std::min(most, work.size()));
    const bool last = part.size() == work.size();
    Taken taken;
    Status done = write_some(part, results, last ? rows : std::span<const AdminRecord>{}, taken);
    if (!done) {
      answer_all(work, done.error());
      return done;
    }
    work = work.subspan(taken.work);
    results = results.subspan(taken.results);
    if (work.empty() && results.empty()) return {};
    if (taken.refused || writer_.read_only()) {
      // The rest is refused as well: a pass must not go on past what it could not commit.
      answer_all(work, taken.refused ? *taken.refused : *writer_.read_only());
      backlog_.keep(results);
      return {};
    }
    // What a commit does not take has been read for nothing, so the next one reads less.
    most = std::max<std::size_t>(2 * taken.work, 1);
  }
}

/// One commit; where a row of it is refused, or a piece of it throws, its inputs one by one, so
/// that they share no fate.
Status InputWriter::write_some(std::span<const Work> work, std::span<const AttemptResult> results,
                               std::span<const AdminRecord> rows, Taken& taken) {
  Status done = commit_once(work, results, rows, taken);
  if (done) return done;
  if (done.error().kind == ErrorKind::Unavailable) {
    taken = {.work = work.size(), .results = results.size(), .refused = done.error()};
    answer_all(work, done.error());
    backlog_.keep(results);
    return {};
  }
  if (!is_of_one_piece(done.error())) return done;
  if (work.size() == 1 && results.empty() && rows.empty()) return leave_out(work, {}, done.error());
  const bool all = taken.work == work.size() && taken.results == results.size();
  // What a full disk did not take is to be taken again, so the pass must not go on either.
  done = commit_one_by_one(work.first(taken.work), results.first(taken.results));
  if (!done || rows.empty() || !all || writer_.read_only()) return done;
  Taken nothing;
  return ignore_transient(commit_once({}, {}, rows, nothing));
}

Status InputWriter::commit_one_by_one(std::span<const Work> work,
                                      std::span<const AttemptResult> results) {
  for (std::size_t i = 0; i < work.size(); ++i)
    if (Status done = commit_one(work.subspan(i, 1), {}); !done)
      if (done = leave_out(work.subspan(i, 1), {}, done.error()); !done) return done;
  for (AttemptResult result : results) {
    // What the receiver said is all that can be too much in a result.
    if (Status done = commit_one({}, {&result, 1}); !done && is_of_one_piece(done.error()))
      result.response = result.error = {};
    else if (done)
      continue;
    if (Status done = commit_one({}, {&result, 1}); !done)
      if (done = leave_out({}, {&result, 1}, done.error()); !done) return done;
  }
  return {};
}

/// One input, or one result, that was not committed even alone: it is answered so.
Status InputWriter::leave_out(std::span<const Work> work, std::span<const AttemptResult> results,
                              const Error& error) {
  if (error.kind == ErrorKind::Io) return tl::make_unexpected(error);
  if (error.kind == ErrorKind::Internal)
    return work.empty() ? give_up(results.front(), error) : give_up(work.front(), error);
  if (error.kind == ErrorKind::Unavailable) backlog_.keep(results);
  cell_.log(
      {"input.refused", {{"code", error.code}, {"message", error.message}}, LogLevel::Warning});
  answer_all(work, error);
  return {};
}

/// An input that threw has no effect. A timer would come again at once, so it goes:
/// its run is parked for people to resume, its trigger waits for the next time.
Status InputWriter::give_up(const Work& work, const Error& error) {
  if (work.answer != nullptr) *work.answer = {.event = answer_of(error)};
  const auto* timer = std::get_if<TimerInput>(work.input);
  if (timer == nullptr) return {};
  if (error.code == kUnreadableRow) {  // It stays: the contact may be readable again.
    Commit later = cell_.new_commit();
    later.timers_cleared.push_back({timer->due, timer->contact, timer->timer});
    later.timers_set.push_back({later.at + kDamagedPause, timer->contact, timer->timer});
    return ignore_transient(writer_.commit(later));
  }
  const std::optional<Input> again = next_of(*timer);
  for (const auto parks : {Batch::Parks::Run, Batch::Parks::Nothing}) {
    Batch batch = cell_.new_batch();
    const auto commit =
        onward::guarded("engine.set_aside", cell_.options.log, [&]() -> Result<Commit> {
          Status done = batch.take_aside(*work.input, kInternalError, parks);
          if (done && again && parks == Batch::Parks::Run) done = batch.take({.input = &*again});
          if (!done) return tl::make_unexpected(done.error());
          return batch.finish();
        });
    if (commit) return ignore_transient(this->commit(batch, *commit));
    if (commit.error().kind != ErrorKind::Internal)
      return ignore_transient(tl::make_unexpected(commit.error()));
  }
  return {};  // It stays due, and is tried again after a pause (see `take_due`).
}

/// The outcome of an attempt that cannot be settled fails its delivery, for people to retry.
Status InputWriter::give_up(const AttemptResult& result, const Error& error) {
  const AttemptResult failed{.delivery = result.delivery,
                             .number = result.number,
                             .started = result.started,
                             .code = std::string{kInternalError},
                             .error = error.message,
                             .permanent = true};
  Status done = commit_one({}, {&failed, 1});
  if (!done && done.error().kind == ErrorKind::Unavailable) backlog_.add(failed);
  return ignore_transient(std::move(done));
}

Status InputWriter::commit_once(std::span<const Work> work, std::span<const AttemptResult> results,
                                std::span<const AdminRecord> rows, Taken& taken) {
  taken = {.work = work.size(), .results = results.size()};
  quarantine_.count(work.size());
  const std::size_t pieces = work.size() + results.size();
  WorkWatch watch{quarantine_.file(), pieces};
  std::vector<WorkItem> rejected;
  Batch batch = cell_.new_batch();
  // Nothing outside of the batch is touched before its commit, so that it can be thrown away whole.
  // Which of several pieces threw shows when they are taken one by one; only that is logged.
  const LogSink silent;
  const auto commit = onward::guarded(
      "engine.input", pieces > 1 ? silent : cell_.options.log, [&]() -> Result<Commit> {
        if (auto filled = fill(batch, watch, work, results, taken, rejected); !filled)
          return tl::make_unexpected(std::move(filled.error()));
        if (taken.work == work.size() && taken.results == results.size())
          batch.rows().control.admin.assign(rows.begin(), rows.end());
        return batch.finish();
      });
  if (!commit) return tl::make_unexpected(commit.error());
  if (Status done = this->commit(batch, *commit); !done) return done;
  quarantine_.release(rejected);
  count(work.first(taken.work));
  return {};
}

Status InputWriter::fill(Batch& batch, WorkWatch& watch, std::span<const Work> work,
                         std::span<const AttemptResult> results, Taken& taken,
                         std::vector<WorkItem>& rejected) {
  const auto full = [&] {
    return batch.bytes() >= cell_.options.commit_bytes_max || batch.steps() >= kCommitSteps ||
           batch.deliveries().made().size() >= kCommitDeliveries;
  };
  const bool sound = work.size() != 1 || watch.begin(*work.front().input);
  if (Status done = batch.prefetch(work); !done) return done;
  for (std::size_t i = 0; i < taken.work; ++i) {
    const Work& item = work[i];
    if (!sound || (work.size() > 1 && !watch.begin(*item.input))) {
      rejected.push_back(work_item(*item.input));
      if (Status done = quarantine_.reject(batch, item); !done) return done;
      continue;
    }
    if (Status done = batch.take(item); !done) return done;
    watch.end();
    if (full()) taken.work = i + 1;
  }
  if (taken.work < work.size()) taken.results = 0;
  for (std::size_t i = 0; i < taken.results; ++i) {
    if (full() && i + taken.work > 0) {
      taken.results = i;
      break;
    }
    if (Status done = fill(batch, watch, results[i], rejected); !done) return done;
  }
  return {};
}

Status InputWriter::fill(Batch& batch, WorkWatch& watch, const AttemptResult& result,
                         std::vector<WorkItem>& rejected) {
  // A quarantined delivery is settled as well: this is what ends it.
  if (!watch.begin(result.delivery)) rejected.push_back(work_item(result.delivery));
  const Delivery* delivery = outbox_.find(result.delivery);
  std::optional<LoadedDelivery> stored;
  if (delivery == nullptr) {
    // It was parked while the attempt was under way; the answer counts all the same.
    auto loaded = cell_.store->deliveries({&result.delivery, 1});
    if (!loaded) return tl::make_unexpected(loaded.error());
    stored = std::move(loaded->front());
    if (stored) delivery = &stored->delivery;
  }
  if (delivery == nullptr || !delivery->pending()) return {};
  Status done = batch.deliveries().settle_attempt(*delivery, result, cell_.policy_of(*delivery));
  if (!done) return done;
  watch.end();
  return {};
}

/// Not to be given up half-way, and nothing may be caught above either: the mark of what is worked
/// on stays in place for the crash guard, since an exception ends the process here.
Status InputWriter::commit(Batch& batch, const Commit& commit) {
  return unbroken([&]() -> Status {
    if (!commit.empty())
      if (Status done = writer_.commit(commit); !done) return done;
    cell_.numbers.sequence = batch.numbers().sequence;
    cell_.numbers.contact = batch.numbers().contact;
    for (const auto& [key, row] : commit.counters) {
      CounterRow& known = cell_.counters[key];
      cell_.figures.pending += row[Counter::Pending] - known[Counter::Pending];
      known = row;
    }
    outbox_.follow(batch.deliveries());
    return {};
  });
}

void InputWriter::count(std::span<const Work> work) {
  for (const Work& item : work) {
    ++cell_.figures.inputs;
    if (item.answer != nullptr && item.answer->event.code == kContactFull)
      ++cell_.figures.contacts_full;
    if (!std::holds_alternative<EventInput>(*item.input) || item.answer == nullptr) continue;
    switch (item.answer->event.kind) {
      case EventAnswer::Kind::Accepted:
        ++cell_.figures.events_accepted;
        break;
      case EventAnswer::Kind::Duplicate:
        ++cell_.figures.events_duplicate;
        break;
      case EventAnswer::Kind::Conflict:
      case EventAnswer::Kind::Rejected:
      case EventAnswer::Kind::Unavailable:
        ++cell_.figures.events_rejected;
        break;
    }
  }
}
}  // namespace onward
