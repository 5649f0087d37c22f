#include "engine/store/sqlite/replay.h"

#include <utility>

namespace onward {
void replay_row(std::uint64_t id, std::string_view bytes, Overlay& overlay,
                std::deque<JournalRow>& journal) {
  JournalRow row{.id = id, .bytes = std::make_unique<const std::string>(bytes)};
  if (!overlay.apply(*row.bytes))
    throw Fault{{ErrorKind::Io, "damaged",
                 "the database is damaged: journal row " + std::to_string(id) +
                     " cannot be read; restore it from a backup"}};
  journal.push_back(std::move(row));
}

std::deque<JournalRow> replay(SQLite::Database& database, Marks& marks, Overlay& overlay) {
  std::deque<JournalRow> journal;
  overlay.last_seq = marks.last_seq();
  overlay.last_contact = marks.last_contact();
  overlay.runs.last.value = marks.value("last_run").value_or(0);
  overlay.newest = Instant{Duration{static_cast<std::int64_t>(marks.value("newest").value_or(0))}};
  overlay.context.replaying = true;
  Query rows_of_journal{database, "SELECT id, body FROM journal ORDER BY id"};
  auto rows = rows_of_journal();
  while (rows.next()) replay_row(rows.number(0), rows.bytes(1), overlay, journal);
  overlay.context.replaying = false;
  return journal;
}
}  // namespace onward
