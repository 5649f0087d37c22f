#pragma once
// From the overlay into the tables: coalesced, sorted by key, a few rows at a time.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/store.h"

namespace onward {
/// The row of a part of a text.
constexpr std::int64_t text_row(TextKey text, std::uint16_t number) {
  return (static_cast<std::int64_t>(text.value) << 16) | number;
}

/// Writes rows, each through a statement that is prepared once, inside the caller's transaction.
class TableWriter {
 public:
  /// `days` are the day tables that exist.
  TableWriter(SQLite::Database& database, const std::vector<Date>& days);

  void append_journal(std::uint64_t id, std::string_view body);
  void erase_journal(std::uint64_t id);
  /// What else stood only in journal rows that are about to go.
  void meta(const std::string& name, std::uint64_t value);
  void marks(const Overlay& overlay);

  void contact(ContactKey key, const Overlay::Bytes& row);
  void engagement(ContactKey key, const Overlay::Bytes& row);
  void ledger(const LedgerKey& key, const Overlay::Bytes& row);
  void run(RunKey key, const Overlay::RunRow& row);
  void delivery(DeliveryKey key, const Overlay::DeliveryRow& row);
  void request(DeliveryKey key, const Overlay::Bytes& row);
  void attempt(const std::pair<DeliveryKey, std::uint32_t>& key, const Overlay::Bytes& row);
  void timer(const Timer& timer, const Overlay::TimerRow& row);
  void seen(const Hash128& key, const Overlay::SeenRow& row);
  void id(const std::string& id, const Overlay::IdRow& row);
  void email(const std::string& email, const Overlay::EmailRow& row);
  void counter(const CounterKey& key, const Overlay::Bytes& row);

  // Not journaled: rare rows that are written at once.
  void scenario(const ScenarioRecord& record);
  void text_part(const TextPart& part);
  void version(const VersionRecord& record);
  void token(const TokenRecord& record);
  void admin(const AdminRecord& record);
  void activity(const Activity& activity);

  /// Days that have a table, oldest first.
  const std::set<Date>& days() const { return days_; }
  /// Erases `most` rows of a day's table, the first ones. False: there were none.
  bool erase_seen(Date day, std::size_t most);
  void drop_day(Date day);

  /// The transaction's end, for what is remembered of its day tables.
  void committed();
  void rolled_back();

 private:
  SQLite::Database& database_;
  Query journal_, journal_erase_, meta_, contact_, contact_erase_, engagement_, engagement_erase_,
      ledger_, ledger_erase_, keyed_, keyed_erase_, run_live_, run_live_erase_, run_, run_erase_,
      delivery_, request_, request_erase_, attempt_, attempt_erase_, timer_, timer_erase_, id_,
      id_erase_, id_take_, email_, email_erase_, counter_, scenario_, text_part_, text_part_erase_,
      version_, token_, token_erase_, admin_, admin_erase_, activity_, activity_erase_;
  std::map<Date, Query> seen_;
  std::set<Date> days_;
  std::vector<Date> made_;       ///< Day tables made in this transaction.
  std::optional<Date> dropped_;  ///< The day dropped in it.
  std::string scratch_;
};

/// One pass over everything that stood in the overlay when its generation was frozen. Any crash in
/// between is harmless: the journal rows go last, and what they hold is whole rows.
class Fold {
 public:
  /// Freezes the overlay's generation. `journal`: the rows it came in, oldest first. All but
  /// `journal` must outlive this object.
  Fold(Overlay& overlay, TableWriter& writer, std::vector<std::uint64_t> journal);
  ~Fold();

  /// Writes the next row, or erases the next journal row. False: nothing is left.
  bool step();
  /// What was stepped is durable: the overlay lets go of it.
  void confirm();
  /// The transaction was rolled back: the same steps come again.
  void rollback();
  std::uint64_t last_journal() const { return last_journal_; }

  class Phase;

 private:
  std::vector<std::unique_ptr<Phase>> phases_;
  std::size_t phase_ = 0;      ///< The one that steps.
  std::size_t confirmed_ = 0;  ///< Phases before it are done with.
  std::uint64_t last_journal_ = 0;
};
}  // namespace onward
