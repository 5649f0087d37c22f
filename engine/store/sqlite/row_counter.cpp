#include "engine/store/sqlite/row_counter.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/sqlite/control_tables.h"
#include "engine/store/sqlite/snapshot.h"

namespace onward {
namespace {
constexpr Duration kOverdue = std::chrono::minutes{1};
}  // namespace

RowCounter::RowCounter(StoredState& state, int schema)
    : state_{state},
      schema_{schema},
      contact_exists_{state.database, "SELECT 1 FROM contacts WHERE key = ? AND body IS NOT NULL"} {
}

Recount RowCounter::count(Instant now) {
  Recount count;
  read_marks();
  const Snapshot snapshot =
      snapshot_of(state_.database, state_.marks, state_.overlay, state_.unreadable);
  for (const VersionRecord& version : snapshot.control.versions)
    versions_.emplace(version.scenario, version.version);
  count_contacts(count);
  count_ledger(count);
  count_runs(count);
  count_deliveries(count, now);
  count_names();
  count_texts();
  return count;
}

void RowCounter::read_marks() {
  const auto seq = state_.marks.value("last_seq"), contact = state_.marks.value("last_contact");
  last_seq_ = seq && *seq < kSequenceMax ? *seq : state_.marks.last_seq();
  last_contact_ =
      contact && *contact < kContactMax ? ContactKey{*contact} : state_.marks.last_contact();
  for (const JournalRow& row : state_.journal) {
    Decoder in{*row.bytes};
    (void)in.byte();  // The format, checked before.
    last_seq_ = std::max(last_seq_, in.number());
    last_contact_ = std::max(last_contact_, ContactKey{in.number()});
  }
}

bool RowCounter::exists(ContactKey contact) {
  if (const auto* row = state_.overlay.contacts.find(contact)) return !row->body.empty();
  return contact_exists_(contact).next();
}

/// A contact must be found by what it is called.
void RowCounter::check_names(const Contact& contact) {
  if (contact.id && state_.newest.identify({.id = contact.id->text}).by_id != contact.key)
    report("contact_ids", "contact", contact.key.value);
  const std::string email = contact.email();
  if (!email.empty() && !state_.newest.holds_email(contact.key, email))
    report("contact_emails", "contact", contact.key.value);
}

void RowCounter::count_contacts(Recount& count) {
  Query all{state_.database, "SELECT key, body, engagement FROM contacts WHERE body IS NOT NULL"};
  for (auto rows = all(); rows.next();) {
    const ContactKey key{rows.number(0)};
    if (state_.overlay.contacts.find(key) != nullptr) continue;
    ++count.contacts;
    const auto read = [&] {
      if (!is_used(key)) throw_unreadable("the number of a contact");
      check_names(intact(decode_contact(key, rows.bytes(1))));
      if (!rows.is_null(2)) (void)intact(decode_engagement(rows.bytes(2)));
    };
    read_row(read, [&] { report("contacts", "contact", key.value); });
  }
  for (const auto& [key, entry] : state_.overlay.contacts.map) {
    if (entry.row.body.empty()) continue;
    ++count.contacts;
    const ContactKey contact = key;
    const std::string_view body = entry.row.body;
    read_row([&] { check_names(intact(decode_contact(contact, body))); },
             [&] { report("contacts", "contact", contact.value); });
  }
}

void RowCounter::count_ledger(Recount& count) {
  const auto take = [&](ScenarioKey scenario, bool test, std::string_view body) {
    const LedgerRow row = intact(decode_ledger(scenario, {}, test, body));
    const auto& words = row.visited.words();
    for (std::uint32_t node = 0; node < words.size() * 64; ++node)
      if ((words[node / 64] >> (node % 64) & 1) != 0)
        ++count.unique[{.scenario = scenario, .node = {node}, .test = test}];
  };
  Query all{state_.database, "SELECT contact, scenario, test, body FROM ledger"};
  for (auto rows = all(); rows.next();) {
    const auto read = [&] {
      const LedgerKey key{.contact = {rows.number(0)},
                          .scenario = {rows.small_number(1)},
                          .key = {},
                          .test = rows.number(2) != 0};
      if (state_.overlay.ledger.find(key) != nullptr) return;
      if (!exists(key.contact)) throw_unreadable("the contact of a ledger row");
      take(key.scenario, key.test, rows.bytes(3));
    };
    read_row(read, [&] { report("ledger", "contact", rows.number(0)); });
  }
  for (const auto& [key, entry] : state_.overlay.ledger.map) {
    if (!key.key.empty() || entry.row.body.empty()) continue;
    const LedgerKey& of = key;
    const std::string_view body = entry.row.body;
    read_row([&] { take(of.scenario, of.test, body); },
             [&] { report("ledger", "contact", of.contact.value); });
  }
  Query keyed{state_.database, "SELECT contact, scenario, key, test, body FROM ledger_keyed"};
  for (auto rows = keyed(); rows.next();)
    read_row(
        [&] {
          const LedgerKey key{.contact = {rows.number(0)},
                              .scenario = {rows.small_number(1)},
                              .key = std::string{rows.bytes(2)},
                              .test = rows.number(3) != 0};
          if (state_.overlay.ledger.find(key) != nullptr) return;
          if (!exists(key.contact)) throw_unreadable("the contact of a ledger row");
          (void)intact(decode_ledger(key.scenario, key.key, key.test, rows.bytes(4)));
        },
        [&] { report("ledger_keyed", "contact", rows.number(0)); });
}

void RowCounter::count_runs(Recount& count) {
  struct ByTimer {
    std::size_t operator()(const Timer& timer) const { return OverlayHash{}(timer); }
  };
  std::unordered_set<Timer, ByTimer> timers;
  for (const Timer& timer : state_.newest.timers(Instant::max(), SIZE_MAX)) {
    ++count.timers;
    if (!is_used(timer.contact)) report("timers", "contact", timer.contact.value);
    if (timer.key.kind == TimerKind::Wait || timer.key.kind == TimerKind::RunRecheck)
      timers.insert(timer);
  }
  const auto told = [&](const Run& run, TimerKind kind, std::optional<Instant> at) {
    return !at || timers.erase({*at, run.contact, {kind, run.key.value}}) > 0;
  };
  const auto take = [&](const Run& run) {
    ++count.live_runs;
    count.newest = std::max(count.newest, std::optional{run.started});
    const CounterKey key{.scenario = run.scenario, .version = run.version, .test = run.test};
    ++count.inside[key];
    if (!versions_.contains({run.scenario, run.version}))
      count.without_version.add(format_run(run.key));
    const bool woken = told(run, TimerKind::Wait, run.wake_at);
    if (!told(run, TimerKind::RunRecheck, run.recheck_at) || !woken)
      count.without_timer.add(format_run(run.key));
    if (run.state == RunState::Parked) {
      ++count.parked[key];
      return;
    }
    CounterKey at = key;
    at.node = run.place();
    ++count.waiting[at];
  };
  Query all{state_.database, "SELECT contact, run, body FROM runs_live"};
  for (auto rows = all(); rows.next();) {
    const RunKey key{rows.number(1)};
    if (state_.overlay.runs.find(key) != nullptr) continue;
    const auto read = [&] {
      if (!is_used(key.value)) throw_unreadable("the number of a run");
      if (!exists({rows.number(0)})) throw_unreadable("the contact of a run");
      const Run run = intact(decode_run(key, {rows.number(0)}, rows.bytes(2)));
      if (!run.live()) throw_unreadable("the state of a run");
      take(run);
    };
    read_row(read, [&] { report("runs_live", "run", key.value); });
  }
  for (const auto& [key, entry] : state_.overlay.runs.map) {
    if (!entry.row.live) continue;
    const RunKey of = key;
    const Overlay::RunRow& row = entry.row;
    read_row([&] { take(intact(decode_run(of, row.contact, row.body))); },
             [&] { report("runs_live", "run", of.value); });
  }
  Query ended{state_.database, "SELECT key, contact, body FROM runs"};
  for (auto rows = ended(); rows.next();)
    read_row(
        [&] {
          // Its contact may be forgotten.
          if (!is_used(rows.number(0)) || !is_used(ContactKey{rows.number(1)}))
            throw_unreadable("a number of a run");
          (void)intact(decode_run({rows.number(0)}, {rows.number(1)}, rows.bytes(2)));
        },
        [&] { report("runs", "run", rows.number(0)); });
  for (const Timer& left : timers) count.without_run.add(format_run({left.key.subject}));
}

void RowCounter::count_deliveries(Recount& count, Instant now) {
  const Epochs epochs = state_.marks.epochs();
  const auto take = [&](const Delivery& delivery) {
    const EndpointKey& of = delivery.endpoint;
    const CounterKey key{
        .scenario = of.scenario, .node = of.node, .version = of.version, .test = delivery.test};
    ++count.deliveries[key][static_cast<std::size_t>(delivery.state)];
    count.newest = std::max(count.newest, std::optional{delivery.created});
    if (!delivery.pending()) return;
    ++count.pending;
    if (delivery.parked) ++count.parked_deliveries[key];
    const std::string name = format_delivery(epochs, delivery.key);
    if (!versions_.contains({of.scenario, of.version})) count.without_version.add(name);
    const auto loaded = state_.newest.delivery(delivery.key);
    if (!loaded || loaded->request == nullptr) count.without_request.add(name);
    if (delivery.parked || !delivery.due || *delivery.due + kOverdue >= now) return;
    count.overdue.add(name);
    count.overdue_since = std::min(count.overdue_since, *delivery.due);
  };
  Query all{state_.database, "SELECT key FROM deliveries"};
  for (auto rows = all(); rows.next();) {
    const DeliveryKey key{rows.number(0)};
    if (state_.overlay.deliveries.find(key) != nullptr) continue;
    const auto delivery = state_.tables.delivery(key);
    if (!delivery) continue;
    if (!is_used(key.value) || delivery->contact > last_contact_)
      state_.unreadable.add(key);
    else
      take(*delivery);
  }
  for (const auto& [key, entry] : state_.overlay.deliveries.map) {
    const DeliveryKey of = key;
    const std::string_view body = entry.row.body;
    read_row([&] { take(intact(decode_delivery(of, body))); }, [&] { state_.unreadable.add(of); });
  }
  // Requests of deliveries that are over, and what each attempt came to.
  Query requests{state_.database, "SELECT key FROM requests"};
  for (auto rows = requests(); rows.next();)
    if (!is_used(rows.number(0)))
      report("requests", "delivery", rows.number(0));
    else if (state_.overlay.requests.find({rows.number(0)}) == nullptr)
      (void)state_.tables.request({rows.number(0)});
  Query attempts{state_.database, "SELECT DISTINCT delivery FROM attempts"};
  for (auto rows = attempts(); rows.next();)
    if (!is_used(rows.number(0)))
      report("attempts", "delivery", rows.number(0));
    else
      (void)state_.tables.attempts({rows.number(0)});
}

/// Rows by which something is found: what they name must be there, and be called so.
void RowCounter::count_names() {
  // A contact that cannot be read is reported where contacts are.
  const auto misleads = [&](ContactKey key, std::string_view id, std::string_view email) {
    bool wrong = true;
    read_row(
        [&] {
          const auto* row = state_.overlay.contacts.find(key);
          const auto contact = row != nullptr && !row->body.empty()
                                   ? std::optional{intact(decode_contact(key, row->body))}
                               : row != nullptr ? std::nullopt
                                                : state_.tables.contact(key, nullptr);
          wrong = !contact || !goes_by(*contact, id, email);
        },
        [&] { wrong = false; });
    return wrong;
  };
  Query ids{state_.database, "SELECT id, contact FROM contact_ids"};
  for (auto rows = ids(); rows.next();)
    if (state_.overlay.ids.find(std::string{rows.bytes(0)}) == nullptr &&
        misleads({rows.number(1)}, rows.bytes(0), {}))
      report("contact_ids", "contact", rows.number(1));
  Query emails{state_.database, "SELECT email, contact FROM contact_emails"};
  for (auto rows = emails(); rows.next();)
    if (state_.overlay.emails.find(std::string{rows.bytes(0)}) == nullptr &&
        misleads({rows.number(1)}, {}, rows.bytes(0)))
      report("contact_emails", "contact", rows.number(1));
  if (schema_ < 2) return;
  const std::uint64_t newest = last_activity(state_.database);
  Query activity{state_.database, "SELECT id, body FROM activity"};
  for (auto rows = activity(); rows.next();)
    read_row(
        [&] {
          if (rows.number(0) == 0 || rows.number(0) > newest)
            throw_unreadable("the number of an activity row");
          (void)intact(decode_activity(rows.bytes(1)));
        },
        [&] { report("activity", "line", rows.number(0)); });
}

void RowCounter::count_texts() {
  if (schema_ < kSchemaOfTextsApart) return;
  for (const auto& [scenario, version] : versions_) {
    const ScenarioKey key = scenario;
    const Version number = version;
    read_row([&] { (void)version_text_of(state_.database, key, number); },
             [&] {
               state_.unreadable.add({"version_texts", "scenario " + std::to_string(key.value) +
                                                           ", version " + std::to_string(number)});
             });
  }
}
}  // namespace onward
