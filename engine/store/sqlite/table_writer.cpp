#include "engine/store/codec.h"
#include "engine/store/sqlite/fold.h"
#include "engine/store/sqlite/tables.h"

namespace onward {
TableWriter::TableWriter(SQLite::Database& database, const std::vector<Date>& days)
    : database_{database},
      journal_{database, "INSERT INTO journal (id, body) VALUES (?, ?)"},
      journal_erase_{database, "DELETE FROM journal WHERE id = ?"},
      meta_{database, "REPLACE INTO meta (name, value) VALUES (?, ?)"},
      contact_{database,
               "INSERT INTO contacts (key, body) VALUES (?, ?)"
               " ON CONFLICT (key) DO UPDATE SET body = excluded.body"},
      contact_erase_{database, "DELETE FROM contacts WHERE key = ?"},
      engagement_{database,
                  "INSERT INTO contacts (key, engagement) VALUES (?, ?)"
                  " ON CONFLICT (key) DO UPDATE SET engagement = excluded.engagement"},
      engagement_erase_{database, "UPDATE contacts SET engagement = NULL WHERE key = ?"},
      ledger_{database, "REPLACE INTO ledger (contact, scenario, test, body) VALUES (?, ?, ?, ?)"},
      ledger_erase_{database, "DELETE FROM ledger WHERE contact = ? AND scenario = ? AND test = ?"},
      keyed_{database,
             "REPLACE INTO ledger_keyed (contact, scenario, test, key, body)"
             " VALUES (?, ?, ?, ?, ?)"},
      keyed_erase_{database,
                   "DELETE FROM ledger_keyed"
                   " WHERE contact = ? AND scenario = ? AND test = ? AND key = ?"},
      run_live_{database, "REPLACE INTO runs_live (contact, run, body) VALUES (?, ?, ?)"},
      run_live_erase_{database, "DELETE FROM runs_live WHERE contact = ? AND run = ?"},
      run_{database,
           "INSERT INTO runs (key, contact, body) VALUES (?, ?, ?)"
           " ON CONFLICT (key) DO UPDATE SET body = excluded.body"},
      run_erase_{database, "DELETE FROM runs WHERE key = ?"},
      delivery_{database,
                "INSERT INTO deliveries (key, scenario, node, version, state, due, contact, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " state = excluded.state, due = excluded.due, body = excluded.body"},
      request_{database,
               "INSERT INTO requests (key, body) VALUES (?, ?)"
               " ON CONFLICT (key) DO UPDATE SET body = excluded.body"},
      request_erase_{database, "DELETE FROM requests WHERE key = ?"},
      attempt_{database, "REPLACE INTO attempts (delivery, number, body) VALUES (?, ?, ?)"},
      attempt_erase_{database, "DELETE FROM attempts WHERE delivery = ? AND number = ?"},
      timer_{database,
             "INSERT OR IGNORE INTO timers (at, contact, kind, subject) VALUES (?, ?, ?, ?)"},
      timer_erase_{database,
                   "DELETE FROM timers"
                   " WHERE at = ? AND contact = ? AND kind = ? AND subject = ?"},
      id_{database, "REPLACE INTO contact_ids (id, contact) VALUES (?, ?)"},
      id_erase_{database, "DELETE FROM contact_ids WHERE id = ?"},
      id_take_{database, "DELETE FROM contact_ids WHERE id = ? AND contact = ?"},
      email_{database, "INSERT OR IGNORE INTO contact_emails (email, contact) VALUES (?, ?)"},
      email_erase_{database, "DELETE FROM contact_emails WHERE email = ? AND contact = ?"},
      counter_{database,
               "REPLACE INTO counters (scenario, node, version, test, body)"
               " VALUES (?, ?, ?, ?, ?)"},
      scenario_{database, "REPLACE INTO scenarios (key, body) VALUES (?, ?)"},
      text_part_{database, "REPLACE INTO version_texts (id, body) VALUES (?, ?)"},
      text_part_erase_{database, "DELETE FROM version_texts WHERE id = ?"},
      version_{database,
               "REPLACE INTO versions (scenario, version, created, text, format, apart)"
               " VALUES (?, ?, ?, ?, ?, ?)"},
      token_{database, "REPLACE INTO tokens (sha256, body) VALUES (?, ?)"},
      token_erase_{database, "DELETE FROM tokens WHERE sha256 = ?"},
      admin_{database, "REPLACE INTO admin (kind, name, content) VALUES (?, ?, ?)"},
      admin_erase_{database, "DELETE FROM admin WHERE kind = ? AND name = ?"},
      activity_{database, "REPLACE INTO activity (id, scenario, body) VALUES (?, ?, ?)"},
      activity_erase_{database, "DELETE FROM activity WHERE id <= ?"},
      days_{days.begin(), days.end()} {}

void TableWriter::append_journal(std::uint64_t id, std::string_view body) {
  journal_.run(id, body);
}
void TableWriter::erase_journal(std::uint64_t id) { journal_erase_.run(id); }
void TableWriter::meta(const std::string& name, std::uint64_t value) { meta_.run(name, value); }

void TableWriter::marks(const Overlay& overlay) {
  meta("last_seq", overlay.last_seq);
  meta("last_contact", overlay.last_contact.value);
  meta("last_run", overlay.last_run.value);
  meta("newest", static_cast<std::uint64_t>(overlay.newest.time_since_epoch().count()));
}

void TableWriter::contact(ContactKey key, const Overlay::Bytes& row) {
  if (row.body.empty())
    contact_erase_.run(key);
  else
    contact_.run(key, row.body);
}

void TableWriter::engagement(ContactKey key, const Overlay::Bytes& row) {
  if (row.body.empty())
    engagement_erase_.run(key);
  else
    engagement_.run(key, row.body);
}

void TableWriter::ledger(const LedgerKey& key, const Overlay::Bytes& row) {
  const bool erased = row.body.empty();
  if (key.key.empty()) {
    if (erased)
      ledger_erase_.run(key.contact, key.scenario, key.test);
    else
      ledger_.run(key.contact, key.scenario, key.test, row.body);
  } else {
    if (erased)
      keyed_erase_.run(key.contact, key.scenario, key.test, key.key);
    else
      keyed_.run(key.contact, key.scenario, key.test, key.key, row.body);
  }
}

void TableWriter::run(RunKey key, const Overlay::RunRow& row) {
  if (row.live) {
    run_live_.run(row.contact, key, row.body);
    return;
  }
  // Most runs end before they are ever folded: those need no look at the live ones.
  if (row.stored) run_live_erase_.run(row.contact, key);
  if (row.body.empty()) {
    run_erase_.run(key);
    return;
  }
  run_.run(key, row.contact, row.body);
}

void TableWriter::delivery(DeliveryKey key, const Overlay::DeliveryRow& row) {
  const DeliveryColumns& c = row.columns;
  const EndpointKey& endpoint = c.endpoint;
  if (c.due)
    delivery_.run(key, endpoint.scenario, endpoint.node, endpoint.version, c.state, *c.due,
                  c.contact, row.body);
  else
    delivery_.run(key, endpoint.scenario, endpoint.node, endpoint.version, c.state, std::nullopt,
                  c.contact, row.body);
}

void TableWriter::request(DeliveryKey key, const Overlay::Bytes& row) {
  if (row.body.empty())
    request_erase_.run(key);
  else
    request_.run(key, row.body);
}

void TableWriter::attempt(const std::pair<DeliveryKey, std::uint32_t>& key,
                          const Overlay::Bytes& row) {
  if (row.body.empty())
    attempt_erase_.run(key.first, key.second);
  else
    attempt_.run(key.first, key.second, row.body);
}

void TableWriter::timer(const Timer& timer, const Overlay::TimerRow& row) {
  (row.set ? timer_ : timer_erase_).run(timer.at, timer.contact, timer.key.kind, timer.key.subject);
}

void TableWriter::seen(const Hash128& key, const Overlay::SeenRow& row) {
  const std::string table = seen_table(row.day);
  if (days_.insert(row.day).second) {
    made_.push_back(row.day);
    database_.exec("CREATE TABLE IF NOT EXISTS " + table + std::string{kSeenColumns});
  }
  auto query = seen_.find(row.day);
  if (query == seen_.end())
    query = seen_
                .try_emplace(row.day, database_,
                             "REPLACE INTO " + table + " (key, fingerprint) VALUES (?, ?)")
                .first;
  const std::string key_bytes = to_bytes(key);
  const std::string fingerprint = to_bytes(row.fingerprint);
  query->second.run(std::string_view{key_bytes}, std::string_view{fingerprint});
}

bool TableWriter::erase_seen(Date day, std::size_t most) {
  const std::string table = seen_table(day);
  return database_.exec("DELETE FROM " + table + " WHERE key IN (SELECT key FROM " + table +
                        " ORDER BY key LIMIT " + std::to_string(most) + ")") > 0;
}

void TableWriter::drop_day(Date day) {
  dropped_ = day;
  seen_.erase(day);
  database_.exec("DROP TABLE " + seen_table(day));
}

void TableWriter::committed() {
  made_.clear();
  if (!dropped_) return;
  days_.erase(*dropped_);
  dropped_.reset();
}

void TableWriter::rolled_back() {
  for (const Date day : made_) {
    days_.erase(day);
    seen_.erase(day);
  }
  made_.clear();
  dropped_.reset();
}

void TableWriter::id(const std::string& id, const Overlay::IdRow& row) {
  if (row.decided && row.holder)
    id_.run(id, row.holder);
  else if (row.decided)
    id_erase_.run(id);
  for (const ContactKey contact : row.removed) id_take_.run(id, contact);
}

void TableWriter::email(const std::string& email, const Overlay::EmailRow& row) {
  for (const auto& [contact, holds] : row.holders)
    (holds ? email_ : email_erase_).run(email, contact);
}

void TableWriter::counter(const CounterKey& key, const Overlay::Bytes& row) {
  counter_.run(key.scenario, key.node, key.version, key.test, row.body);
}

void TableWriter::scenario(const ScenarioRecord& record) {
  scratch_.clear();
  Encoder out{scratch_};
  encode(out, record);
  scenario_.run(record.key, std::string_view{scratch_});
}

void TableWriter::text_part(const TextPart& part) {
  const std::int64_t id = text_row(part.text, part.number);
  if (part.removed)
    text_part_erase_.run(id);
  else
    text_part_.run(id, std::string_view{part.bytes});
}

void TableWriter::version(const VersionRecord& record) {
  version_.run(record.scenario, record.version, record.created,
               record.apart ? std::string{} : record.text, record.format, record.apart);
}

void TableWriter::token(const TokenRecord& record) {
  if (record.removed) return token_erase_.run(record.sha256);
  scratch_.clear();
  Encoder out{scratch_};
  encode(out, record);
  token_.run(record.sha256, std::string_view{scratch_});
}

void TableWriter::admin(const AdminRecord& record) {
  if (record.removed)
    admin_erase_.run(record.kind, record.name);
  else
    admin_.run(record.kind, record.name, std::string_view{record.content});
}

void TableWriter::activity(const Activity& activity) {
  scratch_.clear();
  Encoder out{scratch_};
  encode(out, activity);
  // Not left to AUTOINCREMENT, which answers SQLITE_FULL for ever if one damaged row has the
  // greatest number. A damaged row that already has this number is replaced.
  const std::uint64_t newest = last_activity(database_) + 1;
  activity_.run(newest, activity.scenario, std::string_view{scratch_});
  if (newest > kActivityMax) activity_erase_.run(newest - kActivityMax);
}
}  // namespace onward
