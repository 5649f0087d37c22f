#include "engine/store/sqlite/control_tables.h"

#include <algorithm>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/packed_text.h"
#include "engine/store/sqlite/row_key.h"

namespace onward {
namespace {
void read_scenarios(SQLite::Database& database, UnreadableRows& unreadable,
                    ControlSnapshot& snapshot) {
  Query scenarios{database, "SELECT key, body FROM scenarios ORDER BY key"};
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
      unreadable.add({"scenarios", row_key({{"scenario", signed_of(rows.number(0))}})});
      // Its number stays taken, since rows of it may be left.
      if (rows.number(0) > 0 && rows.number(0) < UINT32_MAX)
        snapshot.scenarios.push_back({.key = {static_cast<std::uint32_t>(rows.number(0))},
                                      .id = "unreadable-" + std::to_string(rows.number(0)),
                                      .state = ScenarioState::Archived,
                                      .deleted = true});
    });
  }
}

void read_versions(SQLite::Database& database, UnreadableRows& unreadable,
                   ControlSnapshot& snapshot, int schema) {
  Query versions{database, std::string{"SELECT scenario, version, created, "} +
                               (schema >= 3 ? "format, " : "1, ") +
                               (schema >= kSchemaOfTextsApart ? "apart" : "0") +
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
      unreadable.add({"versions", row_key({{"scenario", signed_of(rows.number(0))},
                                           {"version", signed_of(rows.number(1))}})});
    });
  }
}

void read_tokens(SQLite::Database& database, UnreadableRows& unreadable,
                 ControlSnapshot& snapshot) {
  Query tokens{database, "SELECT sha256, body FROM tokens ORDER BY sha256"};
  for (auto rows = tokens(); rows.next();) {
    const std::string hash{rows.bytes(0)};
    read_row([&] { snapshot.tokens.push_back(intact(decode_token(hash, rows.bytes(1)))); },
             [&] {
               unreadable.add({"tokens", "SHA-256 " + hash.substr(0, 12) + "…"});
             });
  }
}

void read_admin(SQLite::Database& database, UnreadableRows& unreadable, ControlSnapshot& snapshot) {
  Query admin{database, "SELECT kind, name, content FROM admin ORDER BY kind, name"};
  for (auto rows = admin(); rows.next();) {
    if (rows.number(0) > static_cast<std::uint64_t>(AdminKind::Setting)) {
      unreadable.add({"admin", row_key({{"kind", signed_of(rows.number(0))}})});
      continue;
    }
    snapshot.admin.push_back({.kind = static_cast<AdminKind>(rows.number(0)),
                              .name = std::string{rows.bytes(1)},
                              .content = std::string{rows.bytes(2)}});
  }
}
}  // namespace

ControlSnapshot read_control(SQLite::Database& database, UnreadableRows& unreadable) {
  ControlSnapshot snapshot;
  read_scenarios(database, unreadable, snapshot);
  // A view from outside may read a folder that only older programs have opened.
  const int schema = database.execAndGet("PRAGMA user_version").getInt();
  read_versions(database, unreadable, snapshot, schema);
  read_tokens(database, unreadable, snapshot);
  if (schema >= 2) read_admin(database, unreadable, snapshot);
  return snapshot;
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
}  // namespace onward
