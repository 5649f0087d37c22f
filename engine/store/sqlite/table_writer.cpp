#include "engine/store/sqlite/table_writer.h"

namespace onward {
JournalWriter::JournalWriter(SQLite::Database& database)
    : append_{database, "INSERT INTO journal (id, body) VALUES (?, ?)"},
      erase_{database, "DELETE FROM journal WHERE id = ?"},
      meta_{database, "REPLACE INTO meta (name, value) VALUES (?, ?)"} {}

void JournalWriter::append(std::uint64_t id, std::string_view body) { append_.run(id, body); }

void JournalWriter::erase(std::uint64_t id) { erase_.run(id); }
void JournalWriter::meta(const std::string& name, std::uint64_t value) { meta_.run(name, value); }

void JournalWriter::marks(const Overlay& overlay) {
  meta("last_seq", overlay.last_seq);
  meta("last_contact", overlay.last_contact.value);
  meta("last_run", overlay.runs.last.value);
  meta("newest", static_cast<std::uint64_t>(overlay.newest.time_since_epoch().count()));
}

ContactWriter::ContactWriter(SQLite::Database& database)
    : contact_{database,
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
      id_{database, "REPLACE INTO contact_ids (id, contact) VALUES (?, ?)"},
      id_erase_{database, "DELETE FROM contact_ids WHERE id = ?"},
      id_take_{database, "DELETE FROM contact_ids WHERE id = ? AND contact = ?"},
      email_{database, "INSERT OR IGNORE INTO contact_emails (email, contact) VALUES (?, ?)"},
      email_erase_{database, "DELETE FROM contact_emails WHERE email = ? AND contact = ?"} {}

void ContactWriter::contact(ContactKey key, const Overlay::Bytes& row) {
  if (row.body.empty())
    contact_erase_.run(key);
  else
    contact_.run(key, row.body);
}

void ContactWriter::engagement(ContactKey key, const Overlay::Bytes& row) {
  if (row.body.empty())
    engagement_erase_.run(key);
  else
    engagement_.run(key, row.body);
}

void ContactWriter::ledger(const LedgerKey& key, const Overlay::Bytes& row) {
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

void ContactWriter::id(const std::string& id, const Overlay::IdRow& row) {
  if (row.decided && row.holder)
    id_.run(id, row.holder);
  else if (row.decided)
    id_erase_.run(id);
  for (const ContactKey contact : row.removed) id_take_.run(id, contact);
}

void ContactWriter::email(const std::string& email, const Overlay::EmailRow& row) {
  for (const auto& [contact, holds] : row.holders)
    (holds ? email_ : email_erase_).run(email, contact);
}

JourneyWriter::JourneyWriter(SQLite::Database& database)
    : run_live_{database, "REPLACE INTO runs_live (contact, run, body) VALUES (?, ?, ?)"},
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
      counter_{database,
               "REPLACE INTO counters (scenario, node, version, test, body)"
               " VALUES (?, ?, ?, ?, ?)"} {}

void JourneyWriter::run(RunKey key, const Overlay::RunRow& row) {
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

void JourneyWriter::delivery(DeliveryKey key, const Overlay::DeliveryRow& row) {
  const DeliveryColumns& c = row.columns;
  const EndpointKey& endpoint = c.endpoint;
  if (c.due)
    delivery_.run(key, endpoint.scenario, endpoint.node, endpoint.version, c.state, *c.due,
                  c.contact, row.body);
  else
    delivery_.run(key, endpoint.scenario, endpoint.node, endpoint.version, c.state, std::nullopt,
                  c.contact, row.body);
}

void JourneyWriter::request(DeliveryKey key, const Overlay::Bytes& row) {
  if (row.body.empty())
    request_erase_.run(key);
  else
    request_.run(key, row.body);
}

void JourneyWriter::attempt(const std::pair<DeliveryKey, std::uint32_t>& key,
                            const Overlay::Bytes& row) {
  if (row.body.empty())
    attempt_erase_.run(key.first, key.second);
  else
    attempt_.run(key.first, key.second, row.body);
}

void JourneyWriter::timer(const Timer& timer, const Overlay::TimerRow& row) {
  (row.set ? timer_ : timer_erase_).run(timer.at, timer.contact, timer.key.kind, timer.key.subject);
}

void JourneyWriter::counter(const CounterKey& key, const Overlay::Bytes& row) {
  counter_.run(key.scenario, key.node, key.version, key.test, row.body);
}
}  // namespace onward
