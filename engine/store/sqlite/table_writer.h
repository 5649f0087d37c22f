#pragma once
// Writes rows into the tables, each through a statement that is prepared once, inside the caller's
// transaction.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/core/base/ids.h"
#include "engine/core/journey/advance.h"
#include "engine/core/journey/stats.h"
#include "engine/store/sqlite/control_row_writer.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/seen_tables.h"

namespace onward {
/// The journal, and what else stood only in journal rows that are about to go.
class JournalWriter {
 public:
  explicit JournalWriter(SQLite::Database& database);

  void append(std::uint64_t id, std::string_view body);
  void erase(std::uint64_t id);
  void meta(const std::string& name, std::uint64_t value);
  void marks(const Overlay& overlay);

 private:
  Query append_, erase_, meta_;
};

/// Contacts, what they are called, and what they did.
class ContactWriter {
 public:
  explicit ContactWriter(SQLite::Database& database);

  void contact(ContactKey key, const Overlay::Bytes& row);
  void engagement(ContactKey key, const Overlay::Bytes& row);
  void ledger(const LedgerKey& key, const Overlay::Bytes& row);
  void id(const std::string& id, const Overlay::IdRow& row);
  void email(const std::string& email, const Overlay::EmailRow& row);

 private:
  Query contact_, contact_erase_, engagement_, engagement_erase_, ledger_, ledger_erase_, keyed_,
      keyed_erase_, id_, id_erase_, id_take_, email_, email_erase_;
};

/// Runs and deliveries, and what follows them.
class JourneyWriter {
 public:
  explicit JourneyWriter(SQLite::Database& database);

  void run(RunKey key, const Overlay::RunRow& row);
  void delivery(DeliveryKey key, const Overlay::DeliveryRow& row);
  void request(DeliveryKey key, const Overlay::Bytes& row);
  void attempt(const std::pair<DeliveryKey, std::uint32_t>& key, const Overlay::Bytes& row);
  void timer(const Timer& timer, const Overlay::TimerRow& row);
  void counter(const CounterKey& key, const Overlay::Bytes& row);

 private:
  Query run_live_, run_live_erase_, run_, run_erase_, delivery_, request_, request_erase_, attempt_,
      attempt_erase_, timer_, timer_erase_, counter_;
};

/// All tables.
struct TableWriter {
  explicit TableWriter(SQLite::Database& database)
      : journal{database},
        contacts{database},
        journeys{database},
        seen{database},
        control{database} {}

  JournalWriter journal;
  ContactWriter contacts;
  JourneyWriter journeys;
  SeenTables seen;
  ControlRowWriter control;
};
}  // namespace onward
