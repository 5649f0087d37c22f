#include "engine/store/sqlite/tables.h"

#include <array>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/sqlite/row_key.h"

namespace onward {
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
  if (!read_row(read, [&] { unreadable_.add({"contacts", row_key("contact", key.value)}); }))
    throw_unreadable("a row of " + row_key("contact", key.value));
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
      unreadable_.add({"runs_live", row_key({{"contact", static_cast<std::int64_t>(contact.value)},
                                             {"run", static_cast<std::int64_t>(key.value)}})});
    };
    if (!read_row(read, report)) throw_unreadable("a run of " + row_key("contact", contact.value));
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
        unreadable_.add({"requests", row_key("delivery", key.value)});
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
          {"attempts", row_key({{"delivery", static_cast<std::int64_t>(delivery.value)},
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
                  unreadable_.add({"contacts", row_key("contact", contact.value)});
                }))
    throw_unreadable("a row of " + row_key("contact", contact.value));
  return engagement;
}

std::vector<LedgerRow> Tables::ledger(ContactKey contact, ScenarioKey scenario,
                                      const EntryKey& key) {
  std::vector<LedgerRow> ledger;
  auto rows = key.empty() ? ledger_(contact, scenario) : keyed_(contact, scenario, key);
  while (rows.next()) {
    const auto report = [&] {
      unreadable_.add({key.empty() ? "ledger" : "ledger_keyed",
                       row_key({{"contact", static_cast<std::int64_t>(contact.value)},
                                {"scenario", scenario.value}})});
    };
    const auto read = [&] {
      ledger.push_back(intact(decode_ledger(scenario, key, rows.number(0) != 0, rows.bytes(1))));
    };
    if (!read_row(read, report))
      throw_unreadable("a ledger row of " + row_key("contact", contact.value));
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
      unreadable_.add({"runs", row_key("run", key.value)});
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
               unreadable_.add({"runs", row_key("run", key.value)});
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
          {"deliveries", row_key({{"scenario", at[0]}, {"node", at[1]}, {"version", at[2]}})});
    };
    if (read_row(read, report)) return found;
  }
}

}  // namespace onward
