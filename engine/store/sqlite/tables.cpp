#include "engine/store/sqlite/tables.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/packed_text.h"
#include "engine/store/sqlite/fold.h"

namespace onward {
namespace {
/// A row that is numbered so far above the stored mark is damaged. The gap is not 0, because the
/// mark may be the one that is damaged, and then used numbers must not be used again.
constexpr std::uint64_t kContactGapMax = std::uint64_t{1} << 32;
constexpr std::uint64_t kSequenceGapMax = std::uint64_t{1} << 40;

std::string numbers(std::initializer_list<std::pair<const char*, std::int64_t>> parts) {
  std::string text;
  for (const auto& [name, number] : parts)
    text += (text.empty() ? "" : ", ") + std::string{name} + " " + std::to_string(number);
  return text;
}
std::int64_t signed_of(std::uint64_t number) { return static_cast<std::int64_t>(number); }
std::string name_of(const char* what, std::uint64_t number) {
  return numbers({{what, static_cast<std::int64_t>(number)}});
}
}  // namespace

SharedTables::SharedTables(SQLite::Database& database, UnreadableRows& unreadable)
    : unreadable_{unreadable},
      id_{database, "SELECT contact FROM contact_ids WHERE id = ?"},
      email_{database,
             "SELECT contact FROM contact_emails WHERE email = ? ORDER BY contact LIMIT ?"},
      holds_email_{database, "SELECT 1 FROM contact_emails WHERE email = ? AND contact = ?"},
      contact_{database, "SELECT body, engagement FROM contacts WHERE key = ?"},
      live_{database, "SELECT run, body FROM runs_live WHERE contact = ? ORDER BY run"},
      delivery_{database,
                "SELECT body, scenario, node, version, state, due, contact FROM deliveries"
                " WHERE key = ?"},
      request_{database, "SELECT body FROM requests WHERE key = ?"},
      attempts_{database, "SELECT body, number FROM attempts WHERE delivery = ? ORDER BY number"} {}

std::optional<ContactKey> SharedTables::holder_of_id(const std::string& id) {
  auto rows = id_(id);
  if (!rows.next()) return std::nullopt;
  return ContactKey{rows.number(0)};
}

std::vector<ContactKey> SharedTables::holders_of_email(const std::string& email,
                                                       std::size_t limit) {
  std::vector<ContactKey> holders;
  auto rows = email_(email, limit);
  while (rows.next()) holders.push_back({rows.number(0)});
  return holders;
}

bool SharedTables::holds_email(ContactKey contact, const std::string& email) {
  return holds_email_(email, contact).next();
}

bool SharedTables::has_id(ContactKey contact) {
  auto rows = contact_(contact);
  return rows.next() && encoded_has_id(rows.bytes(0));
}

std::optional<Contact> SharedTables::contact(ContactKey key, Engagement* engagement) {
  auto rows = contact_(key);
  // NULL: only statistics are stored. Empty bytes are never written: the row is damaged.
  if (!rows.next() || rows.is_null(0)) return std::nullopt;
  std::optional<Contact> contact;
  const auto read = [&] {
    if (key.value >= kContactMax) throw_unreadable("the number of a contact");
    if (engagement && !rows.is_null(1)) *engagement = intact(decode_engagement(rows.bytes(1)));
    contact = intact(decode_contact(key, rows.bytes(0)));
  };
  if (!read_row(read, [&] { unreadable_.add({"contacts", name_of("contact", key.value)}); }))
    throw_unreadable("a row of " + name_of("contact", key.value));
  return contact;
}

std::vector<Run> SharedTables::live_runs(ContactKey contact) {
  std::vector<Run> runs;
  auto rows = live_(contact);
  while (rows.next()) {
    const RunKey key{rows.number(0)};
    const auto read = [&] {
      Run run = intact(decode_run(key, contact, rows.bytes(1)));
      if (!run.live()) throw_unreadable("the state of a run");
      runs.push_back(std::move(run));
    };
    const auto report = [&] {
      unreadable_.add({"runs_live", numbers({{"contact", static_cast<std::int64_t>(contact.value)},
                                             {"run", static_cast<std::int64_t>(key.value)}})});
    };
    if (!read_row(read, report)) throw_unreadable("a run of " + name_of("contact", contact.value));
  }
  return runs;
}

std::optional<Delivery> SharedTables::delivery(DeliveryKey key) {
  auto rows = delivery_(key);
  if (!rows.next()) return std::nullopt;
  std::optional<Delivery> delivery;
  const auto read = [&] {
    Delivery found = intact(decode_delivery(key, rows.bytes(0)));
    // The queues go by the columns, everything else by the bytes.
    const DeliveryColumns columns = columns_of(found);
    const bool same = columns.endpoint.scenario.value == rows.small_number(1) &&
                      columns.endpoint.node.value == rows.small_number(2) &&
                      columns.endpoint.version == rows.small_number(3) &&
                      static_cast<std::uint64_t>(columns.state) == rows.number(4) &&
                      columns.due.has_value() == !rows.is_null(5) &&
                      (!columns.due || *columns.due == rows.instant(5)) &&
                      columns.contact.value == rows.number(6);
    if (!same) throw_unreadable("a column of a delivery");
    delivery = std::move(found);
  };
  read_row(read, [&] { unreadable_.add(key); });
  return delivery;
}

std::shared_ptr<const Request> SharedTables::request(DeliveryKey key) {
  auto rows = request_(key);
  if (!rows.next()) return nullptr;
  std::shared_ptr<const Request> request;
  read_row(
      [&] { request = std::make_shared<const Request>(intact(decode_request(rows.bytes(0)))); },
      [&] {
        unreadable_.add({"requests", name_of("delivery", key.value)});
      });
  return request;
}

std::vector<Attempt> SharedTables::attempts(DeliveryKey delivery,
                                            std::vector<std::uint32_t>* unread) {
  std::vector<Attempt> attempts;
  auto rows = attempts_(delivery);
  while (rows.next()) {
    const auto report = [&] {
      unreadable_.add(
          {"attempts", numbers({{"delivery", static_cast<std::int64_t>(delivery.value)},
                                {"number", static_cast<std::int64_t>(rows.number(1))}})});
      if (unread && rows.number(1) <= UINT32_MAX)
        unread->push_back(static_cast<std::uint32_t>(rows.number(1)));
    };
    read_row([&] { attempts.push_back(intact(decode_attempt(rows.bytes(0)))); }, report);
  }
  return attempts;
}

Tables::Tables(SQLite::Database& database, UnreadableRows& unreadable)
    : SharedTables{database, unreadable},
      database_{database},
      engagement_{database, "SELECT engagement FROM contacts WHERE key = ?"},
      ledger_{database,
              "SELECT test, body FROM ledger WHERE contact = ? AND scenario = ? ORDER BY test"},
      keyed_{database,
             "SELECT test, body FROM ledger_keyed"
             " WHERE contact = ? AND scenario = ? AND key = ? ORDER BY test"},
      ledger_of_{database, "SELECT scenario, test FROM ledger WHERE contact = ?"},
      keyed_of_{database, "SELECT scenario, test, key FROM ledger_keyed WHERE contact = ?"},
      ended_{database, "SELECT key, body FROM runs WHERE contact = ? ORDER BY key"},
      pending_{database,
               "SELECT key FROM deliveries INDEXED BY deliveries_pending"
               " WHERE contact = ? AND state = 0"},
      of_node_{database,
               "SELECT key FROM deliveries INDEXED BY deliveries_node"
               " WHERE scenario = ? AND node = ? AND state = ? AND key > ? ORDER BY key"},
      timers_{database,
              "SELECT at, contact, kind, subject FROM timers"
              " WHERE (at, contact, kind, subject) >= (?, ?, ?, ?)"
              " ORDER BY at, contact, kind, subject"},
      // Two, since of `(due, key) > (?, ?)` SQLite would search by `due` alone.
      due_then_{database,
                "SELECT due, key FROM deliveries INDEXED BY deliveries_due"
                " WHERE scenario = ? AND node = ? AND version = ? AND due = ? AND key > ?"
                " ORDER BY key"},
      due_later_{database,
                 "SELECT due, key FROM deliveries INDEXED BY deliveries_due"
                 " WHERE scenario = ? AND node = ? AND version = ? AND due > ? ORDER BY due, key"},
      next_endpoint_{database,
                     "SELECT scenario, node, version FROM deliveries INDEXED BY deliveries_due"
                     " WHERE due IS NOT NULL AND (scenario, node, version) > (?, ?, ?)"
                     " ORDER BY scenario, node, version LIMIT 1"},
      meta_{database, "SELECT value FROM meta WHERE name = ?"},
      last_delivery_{database,
                     "SELECT coalesce(max(key), 0) FROM deliveries WHERE key > 0 AND key < ?"},
      last_run_{database, "SELECT coalesce(max(key), 0) FROM runs WHERE key > 0 AND key < ?"},
      last_contact_{database,
                    "SELECT coalesce(max(key), 0) FROM contacts WHERE key > 0 AND key < ?"},
      ended_after_{database,
                   "SELECT key, contact, body FROM runs WHERE key > ? ORDER BY key LIMIT ?"},
      live_after_{database,
                  "SELECT DISTINCT contact FROM runs_live WHERE contact > ?"
                  " ORDER BY contact LIMIT ?"},
      requests_after_{database, "SELECT key FROM requests WHERE key > ? ORDER BY key LIMIT ?"} {}

std::optional<Engagement> Tables::engagement(ContactKey contact) {
  auto rows = engagement_(contact);
  if (!rows.next() || rows.is_null(0)) return std::nullopt;
  std::optional<Engagement> engagement;
  if (!read_row([&] { engagement = intact(decode_engagement(rows.bytes(0))); },
                [&] {
                  unreadable_.add({"contacts", name_of("contact", contact.value)});
                }))
    throw_unreadable("a row of " + name_of("contact", contact.value));
  return engagement;
}

std::vector<LedgerRow> Tables::ledger(ContactKey contact, ScenarioKey scenario,
                                      const EntryKey& key) {
  std::vector<LedgerRow> ledger;
  auto rows = key.empty() ? ledger_(contact, scenario) : keyed_(contact, scenario, key);
  while (rows.next()) {
    const auto report = [&] {
      unreadable_.add({key.empty() ? "ledger" : "ledger_keyed",
                       numbers({{"contact", static_cast<std::int64_t>(contact.value)},
                                {"scenario", scenario.value}})});
    };
    const auto read = [&] {
      ledger.push_back(intact(decode_ledger(scenario, key, rows.number(0) != 0, rows.bytes(1))));
    };
    if (!read_row(read, report))
      throw_unreadable("a ledger row of " + name_of("contact", contact.value));
  }
  return ledger;
}

std::vector<LedgerKey> Tables::ledger_of(ContactKey contact) {
  std::vector<LedgerKey> keys;
  {
    auto rows = ledger_of_(contact);
    while (rows.next())
      read_row(
          [&] {
            keys.push_back({contact, {rows.small_number(0)}, {}, rows.number(1) != 0});
          },
          [] {});
  }
  auto rows = keyed_of_(contact);
  while (rows.next())
    read_row(
        [&] {
          keys.push_back(
              {contact, {rows.small_number(0)}, std::string{rows.bytes(2)}, rows.number(1) != 0});
        },
        [] {});
  return keys;
}

std::vector<Run> Tables::ended_runs(ContactKey contact, std::vector<RunKey>* unread) {
  std::vector<Run> runs;
  auto rows = ended_(contact);
  while (rows.next()) {
    const RunKey key{rows.number(0)};
    const auto report = [&] {
      unreadable_.add({"runs", name_of("run", key.value)});
      if (unread) unread->push_back(key);
    };
    read_row([&] { runs.push_back(intact(decode_run(key, contact, rows.bytes(1)))); }, report);
  }
  return runs;
}

std::map<RunKey, Run> Tables::ended_runs_after(RunKey after, std::size_t limit) {
  std::map<RunKey, Run> runs;
  auto rows = ended_after_(after, limit);
  while (rows.next()) {
    const RunKey key{rows.number(0)};
    // One that cannot be read stands for its place: it is of no scenario.
    Run& run = runs.emplace_hint(runs.end(), key, Run{})->second;
    read_row([&] { run = intact(decode_run(key, {rows.number(1)}, rows.bytes(2))); },
             [&] {
               unreadable_.add({"runs", name_of("run", key.value)});
             });
  }
  return runs;
}

std::vector<DeliveryKey> Tables::requests_after(DeliveryKey after, std::size_t limit) {
  std::vector<DeliveryKey> keys;
  auto rows = requests_after_(after, limit);
  while (rows.next()) keys.push_back({rows.number(0)});
  return keys;
}

std::vector<ContactKey> Tables::contacts_with_live_runs(ContactKey after, std::size_t limit) {
  std::vector<ContactKey> contacts;
  auto rows = live_after_(after, limit);
  while (rows.next()) contacts.push_back({rows.number(0)});
  return contacts;
}

std::vector<DeliveryKey> Tables::pending_of(ContactKey contact) {
  std::vector<DeliveryKey> keys;
  auto rows = pending_(contact);
  while (rows.next())
    if (!unreadable_.contains(DeliveryKey{rows.number(0)})) keys.push_back({rows.number(0)});
  return keys;
}

std::optional<EndpointKey> Tables::next_endpoint(const EndpointKey& endpoint) {
  // As they stand in the columns: they ascend whatever they are, so the walk ends.
  std::array<std::int64_t, 3> at{endpoint.scenario.value, endpoint.node.value, endpoint.version};
  while (true) {
    auto rows = next_endpoint_(at[0], at[1], at[2]);
    if (!rows.next()) return std::nullopt;
    EndpointKey found;
    for (int i = 0; i < 3; ++i)
      at[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(rows.number(i));
    const auto read = [&] {
      found = {.scenario = {rows.small_number(0)},
               .node = {rows.small_number(1)},
               .version = rows.small_number(2)};
    };
    const auto report = [&] {
      unreadable_.add(
          {"deliveries", numbers({{"scenario", at[0]}, {"node", at[1]}, {"version", at[2]}})});
    };
    if (read_row(read, report)) return found;
  }
}

std::optional<Hash128> Tables::seen(Date day, std::string_view key) {
  auto query = seen_.find(day);
  if (query == seen_.end())
    query = seen_
                .try_emplace(day, database_,
                             "SELECT fingerprint FROM " + seen_table(day) + " WHERE key = ?")
                .first;
  auto rows = query->second(key);
  if (!rows.next() || rows.bytes(0).size() != 16) return std::nullopt;
  return hash_of(rows.bytes(0));
}

std::vector<Date> Tables::seen_days() {
  Query tables{database_, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"};
  std::vector<Date> days;
  auto rows = tables();
  while (rows.next())
    if (const auto day = seen_day(rows.bytes(0))) days.push_back(*day);
  return days;
}

std::optional<std::uint64_t> Tables::meta(const std::string& name) {
  auto rows = meta_(name);
  if (!rows.next()) return std::nullopt;
  return rows.number(0);
}

Epochs Tables::epochs() {
  const std::string newest_name = "epoch", past_name = "past_epochs";
  std::string newest;
  // Epochs go out in headers.
  const auto mend = [&](std::string& epoch, const std::string& name) {
    std::string kept = readable_epoch(epoch);
    if (kept == epoch) return;
    unreadable_.add({"meta", name});
    epoch = std::move(kept);
  };
  if (auto rows = meta_(newest_name); rows.next()) {
    newest = rows.bytes(0);
    mend(newest, newest_name);
  }
  std::vector<Epochs::Past> past;
  if (auto rows = meta_(past_name); rows.next())
    read_row([&] { past = intact(decode_past_epochs(rows.bytes(0))); },
             [&] {
               unreadable_.add({"meta", past_name});
             });
  for (Epochs::Past& one : past) mend(one.epoch, past_name);
  return Epochs{std::move(newest), std::move(past)};
}

namespace {
std::string read_apart(SQLite::Database& database, TextKey key) {
  std::string packed;
  Query parts{database, "SELECT body FROM version_texts WHERE id BETWEEN ? AND ? ORDER BY id"};
  for (auto rows = parts(text_row(key, 0), text_row(key, 0xffff)); rows.next();)
    packed += rows.bytes(0);
  return intact(unpack_text(packed));
}
}  // namespace

std::optional<std::string> version_text_of(SQLite::Database& database, ScenarioKey scenario,
                                           Version version) {
  Query text{database, "SELECT text, apart FROM versions WHERE scenario = ? AND version = ?"};
  auto rows = text(scenario, version);
  if (!rows.next()) return std::nullopt;
  const TextKey apart{rows.small_number(1)};
  return apart ? read_apart(database, apart) : std::string{rows.bytes(0)};
}

namespace {
std::uint64_t greatest(Query& of, std::uint64_t below) {
  auto rows = of(below);
  return rows.next() ? rows.number(0) : 0;
}
}  // namespace

Sequence Tables::last_seq() {
  const auto noted = meta("last_seq");
  const bool possible = !noted || *noted < kSequenceMax;
  if (!possible) unreadable_.add({"meta", "last_seq"});
  const std::uint64_t mark = possible ? noted.value_or(0) : 0;
  const Sequence end = mark == 0 ? kSequenceMax : std::min(kSequenceMax, mark + kSequenceGapMax);
  const std::uint64_t below = numbered(end, 0);
  return std::max(
      {mark, greatest(last_delivery_, below) / kOrdinals, greatest(last_run_, below) / kOrdinals});
}

ContactKey Tables::last_contact() {
  const auto noted = meta("last_contact");
  const bool possible = !noted || *noted < kContactMax;
  if (!possible) unreadable_.add({"meta", "last_contact"});
  const std::uint64_t mark = possible ? noted.value_or(0) : 0;
  const std::uint64_t end = mark == 0 ? kContactMax : std::min(kContactMax, mark + kContactGapMax);
  return {std::max(mark, greatest(last_contact_, end))};
}

std::uint64_t last_activity(SQLite::Database& database) {
  std::uint64_t mark = 0;
  {
    Query sequence{database, "SELECT seq FROM sqlite_sequence WHERE name = 'activity'"};
    if (auto rows = sequence(); rows.next() && rows.number(0) < kActivityEnd) mark = rows.number(0);
  }
  Query above{database, "SELECT id FROM activity WHERE id > ? AND id < ? ORDER BY id DESC LIMIT 2"};
  auto rows = above(mark, kActivityEnd);
  if (!rows.next()) return mark;
  const std::uint64_t greatest = rows.number(0);
  // One row above the mark is damaged; where there are more, the mark is.
  return mark == 0 || rows.next() ? greatest : mark;
}

Snapshot Tables::snapshot() {
  Snapshot snapshot{.last_seq = last_seq(), .last_contact = last_contact()};
  snapshot.epochs = epochs();

  Query counters{database_, "SELECT scenario, node, version, test, body FROM counters"};
  for (auto rows = counters(); rows.next();) {
    const auto read = [&] {
      const CounterKey key{.scenario = {rows.small_number(0)},
                           .node = {rows.small_number(1)},
                           .version = rows.small_number(2),
                           .test = rows.small_number(3) != 0};
      snapshot.counters.emplace(key, intact(decode_counters(rows.bytes(4))));
    };
    const auto report = [&] {
      unreadable_.add({"counters", numbers({{"scenario", signed_of(rows.number(0))},
                                            {"node", signed_of(rows.number(1))},
                                            {"version", signed_of(rows.number(2))}})});
    };
    read_row(read, report);
  }
  Query scenarios{database_, "SELECT key, body FROM scenarios ORDER BY key"};
  for (auto rows = scenarios(); rows.next();) {
    const auto read = [&] {
      const ScenarioKey key{rows.small_number(0)};
      ScenarioRecord record = intact(decode_scenario(key, rows.bytes(1)));
      const bool known = std::ranges::any_of(
          snapshot.scenarios, [&](const ScenarioRecord& one) { return one.id == record.id; });
      if (record.id.empty() || known) throw_unreadable("the id of a scenario");
      snapshot.scenarios.push_back(std::move(record));
    };
    read_row(read, [&] {
      unreadable_.add({"scenarios", numbers({{"scenario", signed_of(rows.number(0))}})});
      // Its number stays taken, since rows of it may be left.
      if (rows.number(0) > 0 && rows.number(0) < UINT32_MAX)
        snapshot.scenarios.push_back({.key = {static_cast<std::uint32_t>(rows.number(0))},
                                      .id = "unreadable-" + std::to_string(rows.number(0)),
                                      .state = ScenarioState::Archived,
                                      .deleted = true});
    });
  }
  // A view from outside may read a folder that only older programs have opened.
  const int schema = database_.execAndGet("PRAGMA user_version").getInt();
  Query versions{database_, std::string{"SELECT scenario, version, created, "} +
                                (schema >= 3 ? "format, " : "1, ") + (schema >= 4 ? "apart" : "0") +
                                " FROM versions ORDER BY scenario, version"};
  for (auto rows = versions(); rows.next();) {
    const auto read = [&] {
      const ScenarioKey key{rows.small_number(0)};
      VersionRecord record{.scenario = key,
                           .version = rows.small_number(1),
                           .created = rows.instant(2),
                           .format = rows.small_number(3),
                           .apart = {rows.small_number(4)}};
      if (record.version == 0 || record.format == 0) throw_unreadable("a number of a version");
      snapshot.last_text = std::max(snapshot.last_text, record.apart);
      snapshot.versions.push_back(std::move(record));
    };
    read_row(read, [&] {
      unreadable_.add({"versions", numbers({{"scenario", signed_of(rows.number(0))},
                                            {"version", signed_of(rows.number(1))}})});
    });
  }
  Query tokens{database_, "SELECT sha256, body FROM tokens ORDER BY sha256"};
  for (auto rows = tokens(); rows.next();) {
    const std::string hash{rows.bytes(0)};
    read_row([&] { snapshot.tokens.push_back(intact(decode_token(hash, rows.bytes(1)))); },
             [&] {
               unreadable_.add({"tokens", "SHA-256 " + hash.substr(0, 12) + "…"});
             });
  }
  if (schema < 2) return snapshot;
  Query admin{database_, "SELECT kind, name, content FROM admin ORDER BY kind, name"};
  for (auto rows = admin(); rows.next();) {
    if (rows.number(0) > static_cast<std::uint64_t>(AdminKind::Setting)) {
      unreadable_.add({"admin", numbers({{"kind", signed_of(rows.number(0))}})});
      continue;
    }
    snapshot.admin.push_back({.kind = static_cast<AdminKind>(rows.number(0)),
                              .name = std::string{rows.bytes(1)},
                              .content = std::string{rows.bytes(2)}});
  }
  return snapshot;
}

std::string to_bytes(const Hash128& hash) {
  std::string bytes;
  for (const std::uint64_t half : {hash.high, hash.low})
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(half >> shift));
  return bytes;
}

Hash128 hash_of(std::string_view bytes) {
  Hash128 hash;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::uint64_t& half = i < 8 ? hash.high : hash.low;
    half = half << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  return hash;
}
}  // namespace onward
