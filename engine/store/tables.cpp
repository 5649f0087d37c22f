#include "engine/store/tables.h"

#include "engine/store/codec.h"

namespace onward {
SharedTables::SharedTables(SQLite::Database& database)
    : id_{database, "SELECT contact FROM contact_ids WHERE id = ?"},
      email_{database,
             "SELECT contact FROM contact_emails WHERE email = ? ORDER BY contact LIMIT ?"},
      contact_{database, "SELECT body, engagement FROM contacts WHERE key = ?"},
      live_{database, "SELECT run, body FROM runs_live WHERE contact = ? ORDER BY run"},
      delivery_{database, "SELECT body FROM deliveries WHERE key = ?"},
      request_{database, "SELECT body FROM requests WHERE key = ?"},
      attempts_{database, "SELECT body FROM attempts WHERE delivery = ? ORDER BY number"} {}

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

bool SharedTables::has_id(ContactKey contact) {
  auto rows = contact_(contact);
  return rows.next() && encoded_has_id(rows.bytes(0));
}

std::optional<Contact> SharedTables::contact(ContactKey key, Engagement* engagement) {
  auto rows = contact_(key);
  if (!rows.next() || rows.bytes(0).empty()) return std::nullopt;
  if (engagement && !rows.bytes(1).empty()) *engagement = intact(decode_engagement(rows.bytes(1)));
  return intact(decode_contact(key, rows.bytes(0)));
}

std::vector<Run> SharedTables::live_runs(ContactKey contact) {
  std::vector<Run> runs;
  auto rows = live_(contact);
  while (rows.next()) runs.push_back(intact(decode_run({rows.number(0)}, contact, rows.bytes(1))));
  return runs;
}

std::optional<Delivery> SharedTables::delivery(DeliveryKey key) {
  auto rows = delivery_(key);
  if (!rows.next()) return std::nullopt;
  return intact(decode_delivery(key, rows.bytes(0)));
}

std::shared_ptr<const Request> SharedTables::request(DeliveryKey key) {
  auto rows = request_(key);
  if (!rows.next()) return nullptr;
  return std::make_shared<const Request>(intact(decode_request(rows.bytes(0))));
}

std::vector<Attempt> SharedTables::attempts(DeliveryKey delivery) {
  std::vector<Attempt> attempts;
  auto rows = attempts_(delivery);
  while (rows.next()) attempts.push_back(intact(decode_attempt(rows.bytes(0))));
  return attempts;
}

Tables::Tables(SQLite::Database& database)
    : SharedTables{database},
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
      due_{database,
           "SELECT due, key FROM deliveries INDEXED BY deliveries_due"
           " WHERE scenario = ? AND node = ? AND version = ? AND due >= ? ORDER BY due, key"},
      next_endpoint_{database,
                     "SELECT scenario, node, version FROM deliveries INDEXED BY deliveries_due"
                     " WHERE due IS NOT NULL AND (scenario, node, version) > (?, ?, ?)"
                     " ORDER BY scenario, node, version LIMIT 1"},
      meta_{database, "SELECT value FROM meta WHERE name = ?"},
      ended_after_{database,
                   "SELECT key, contact, body FROM runs WHERE key > ? ORDER BY key LIMIT ?"},
      live_after_{database,
                  "SELECT DISTINCT contact FROM runs_live WHERE contact > ?"
                  " ORDER BY contact LIMIT ?"},
      requests_after_{database, "SELECT key FROM requests WHERE key > ? ORDER BY key LIMIT ?"} {}

std::optional<Engagement> Tables::engagement(ContactKey contact) {
  auto rows = engagement_(contact);
  if (!rows.next() || rows.bytes(0).empty()) return std::nullopt;
  return intact(decode_engagement(rows.bytes(0)));
}

std::vector<LedgerRow> Tables::ledger(ContactKey contact, ScenarioKey scenario,
                                      const EntryKey& key) {
  std::vector<LedgerRow> ledger;
  auto rows = key.empty() ? ledger_(contact, scenario) : keyed_(contact, scenario, key);
  while (rows.next())
    ledger.push_back(intact(decode_ledger(scenario, key, rows.number(0) != 0, rows.bytes(1))));
  return ledger;
}

std::vector<LedgerKey> Tables::ledger_of(ContactKey contact) {
  std::vector<LedgerKey> keys;
  {
    auto rows = ledger_of_(contact);
    while (rows.next())
      keys.push_back({contact, {rows.small_number(0)}, {}, rows.small_number(1) != 0});
  }
  auto rows = keyed_of_(contact);
  while (rows.next())
    keys.push_back(
        {contact, {rows.small_number(0)}, std::string{rows.bytes(2)}, rows.small_number(1) != 0});
  return keys;
}

std::vector<Run> Tables::ended_runs(ContactKey contact) {
  std::vector<Run> runs;
  auto rows = ended_(contact);
  while (rows.next()) runs.push_back(intact(decode_run({rows.number(0)}, contact, rows.bytes(1))));
  return runs;
}

std::map<RunKey, Run> Tables::ended_runs_after(RunKey after, std::size_t limit) {
  std::map<RunKey, Run> runs;
  auto rows = ended_after_(after, limit);
  while (rows.next()) {
    const RunKey key{rows.number(0)};
    runs.emplace_hint(runs.end(), key, intact(decode_run(key, {rows.number(1)}, rows.bytes(2))));
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
  while (rows.next()) keys.push_back({rows.number(0)});
  return keys;
}

std::optional<EndpointKey> Tables::next_endpoint(const EndpointKey& endpoint) {
  auto rows = next_endpoint_(endpoint.scenario, endpoint.node, endpoint.version);
  if (!rows.next()) return std::nullopt;
  return EndpointKey{.scenario = {rows.small_number(0)},
                     .node = {rows.small_number(1)},
                     .version = rows.small_number(2)};
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
  if (auto rows = meta_(newest_name); rows.next()) newest = rows.bytes(0);
  std::vector<Epochs::Past> past;
  if (auto rows = meta_(past_name); rows.next()) past = intact(decode_past_epochs(rows.bytes(0)));
  return Epochs{std::move(newest), std::move(past)};
}

std::string Tables::text_apart(TextKey key) {
  std::string text;
  Query parts{database_, "SELECT body FROM version_texts WHERE id BETWEEN ? AND ? ORDER BY id"};
  for (auto rows = parts(text_row(key, 0), text_row(key, 0xffff)); rows.next();)
    text += rows.bytes(0);
  return text;
}

Snapshot Tables::snapshot() {
  Snapshot snapshot{.last_seq = meta("last_seq").value_or(0),
                    .last_contact = {meta("last_contact").value_or(0)}};
  snapshot.epochs = epochs();

  Query counters{database_, "SELECT scenario, node, version, test, body FROM counters"};
  for (auto rows = counters(); rows.next();) {
    const CounterKey key{.scenario = {rows.small_number(0)},
                         .node = {rows.small_number(1)},
                         .version = rows.small_number(2),
                         .test = rows.small_number(3) != 0};
    snapshot.counters.emplace(key, intact(decode_counters(rows.bytes(4))));
  }
  Query scenarios{database_, "SELECT key, body FROM scenarios ORDER BY key"};
  for (auto rows = scenarios(); rows.next();)
    snapshot.scenarios.push_back(intact(decode_scenario({rows.small_number(0)}, rows.bytes(1))));
  // A view from outside may read a folder that only older programs have opened.
  const int schema = database_.execAndGet("PRAGMA user_version").getInt();
  Query versions{database_, std::string{"SELECT scenario, version, created, text, "} +
                                (schema >= 3 ? "format, " : "1, ") + (schema >= 4 ? "apart" : "0") +
                                " FROM versions ORDER BY scenario, version"};
  for (auto rows = versions(); rows.next();)
    snapshot.versions.push_back({.scenario = {rows.small_number(0)},
                                 .version = rows.small_number(1),
                                 .text = std::string{rows.bytes(3)},
                                 .created = rows.instant(2),
                                 .format = rows.small_number(4),
                                 .apart = {rows.small_number(5)}});
  for (VersionRecord& version : snapshot.versions) {
    if (!version.apart) continue;
    snapshot.last_text = std::max(snapshot.last_text, version.apart);
    version.text = text_apart(version.apart);
  }
  Query tokens{database_, "SELECT sha256, body FROM tokens ORDER BY sha256"};
  for (auto rows = tokens(); rows.next();)
    snapshot.tokens.push_back(intact(decode_token(std::string{rows.bytes(0)}, rows.bytes(1))));
  if (schema < 2) return snapshot;
  Query admin{database_, "SELECT kind, name, content FROM admin ORDER BY kind, name"};
  for (auto rows = admin(); rows.next();)
    snapshot.admin.push_back({.kind = static_cast<AdminKind>(rows.small_number(0)),
                              .name = std::string{rows.bytes(1)},
                              .content = std::string{rows.bytes(2)}});
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
