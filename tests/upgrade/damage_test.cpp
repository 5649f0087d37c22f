// One damaged row of a rich folder, for each table and each kind of damage: the folder opens, the
// doctor's count reports what cannot be read, and the engine works for everybody else.
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "engine/store/recount.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "engine/store/sqlite/store_view.h"
#include "tests/support/child.h"
#include "tests/upgrade/finish.h"
#include "tests/upgrade/folder.h"
#include "tests/upgrade/world.h"

namespace onward {
namespace {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

const fs::path kTexts = "tests/upgrade/86782e9";
/// Of each table, spread over it.
constexpr int kRowsTried = 3;

struct Damage {
  std::string table, sql;
  bool certain = false;  ///< Certainly found: bytes are missing, or a number is impossible.
};

std::vector<std::string> texts_of(SQLite::Database& database, const std::string& sql) {
  std::vector<std::string> texts;
  SQLite::Statement query{database, sql};
  while (query.executeStep()) texts.push_back(query.getColumn(0).getString());
  return texts;
}

/// Conditions that name some rows of `table` by their primary keys.
std::vector<std::string> rows_of(SQLite::Database& database, const std::string& table) {
  std::string condition;
  for (const std::string& column :
       texts_of(database, "SELECT name FROM pragma_table_info('" + table + "') WHERE pk > 0"))
    condition +=
        (condition.empty() ? "'" : " || ' AND ") + column + " = ' || quote(" + column + ")";
  const auto all = texts_of(database, "SELECT " + condition + " FROM " + table);
  std::vector<std::string> some;
  for (int i = 0; i < kRowsTried && !all.empty(); ++i) {
    const std::string& row = all[all.size() * static_cast<std::size_t>(i) / kRowsTried];
    if (some.empty() || some.back() != row) some.push_back(row);
  }
  return some;
}

std::vector<Damage> damages_of(const fs::path& file) {
  static const std::set<std::string> kDecoded{"contacts",     "runs_live", "runs",   "deliveries",
                                              "requests",     "attempts",  "ledger", "counters",
                                              "ledger_keyed", "scenarios", "tokens", "activity"};
  static const std::set<std::string> kNumbered{"contact", "key", "run", "delivery", "id"};
  std::vector<Damage> damages;
  SQLite::Database database{file.string(), SQLite::OPEN_READONLY};
  for (const std::string& table :
       texts_of(database,
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                "'sqlite_%'")) {
    for (const std::string& row : rows_of(database, table)) {
      const auto add = [&](const std::string& column, const std::string& value,
                           bool certain = false) {
        damages.push_back(
            {table,
             "UPDATE OR IGNORE " + table + " SET " + column + " = " + value + " WHERE " + row,
             certain});
      };
      for (const std::string& column :
           texts_of(database, "SELECT name FROM pragma_table_info('" + table + "')")) {
        const std::string type =
            texts_of(database, "SELECT typeof(" + column + ") FROM " + table + " WHERE " + row)
                .front();
        if (type == "integer")
          for (const char* value : {"4611686018427387904", "-1", "9223372036854775807",
                                    "-9223372036854775807 - 1", "0"})
            add(column, value,
                kNumbered.contains(column) && table != "scenarios" && table != "version_texts");
        if (type == "blob") {
          const bool body = column == "body" && kDecoded.contains(table);
          add(column, "substr(" + column + ", 1, length(" + column + ") / 2)", body);
          add(column, "x'ff'", body);
          add(column, "x''", body || column == "engagement");
          add(column, "CAST(" + column + " || x'00' AS BLOB)", body);
          add(column, "CAST(substr(" + column + ", 1, 3) || x'ffffffffff' || substr(" + column +
                          ", 9) AS BLOB)");
        }
        if (type == "text") add(column, "substr(" + column + ", 1, 1)");
      }
    }
  }
  return damages;
}

void exec(const fs::path& folder, const std::string& sql) {
  SQLite::Database{(folder / "onward.db").string(), SQLite::OPEN_READWRITE}.exec(sql);
}
}  // namespace

TEST_CASE("one damaged row stops nobody else", "[upgrade][damage]") {
  const TemporaryFolder temporary;
  const fs::path whole = temporary.path() / "whole";
  make_data_folder(kTexts, whole);
  { World world{whole, left_at()}; }  // Migrated.
  REQUIRE((*open_sqlite_store({.folder = whole}))->fold());
  std::set<std::string> tables;
  for (const Damage& damage : damages_of(whole / "onward.db")) {
    if (damage.table == "journal") continue;
    tables.insert(damage.table);
    INFO(damage.sql);
    const fs::path folder = temporary.path() / "damaged";
    fs::remove_all(folder);
    fs::copy(whole, folder, fs::copy_options::recursive);
    exec(folder, damage.sql);
    {
      auto view = StoreView::open(folder);
      REQUIRE(view);
      const auto snapshot = (*view)->snapshot();
      REQUIRE(snapshot);
      const auto rows = (*view)->recount(left_at());
      REQUIRE(rows);
      if (damage.certain) {
        REQUIRE(rows->unreadable_count > 0);
        CHECK(rows->unreadable.front().starts_with(damage.table));
      }
    }
    try {
      World world{folder, left_at()};
      CHECK(world.post(R"({"type": "subscription", "id": "new-1", "source": "shop",
                           "contact": {"id": "somebody-new", "email": "new@example.net"}})") ==
            "accepted");
      world.pass(24h);
      CHECK(world.post(R"({"type": "subscription", "id": "new-2", "source": "shop",
                           "contact": {"id": "somebody-new"}})") == "accepted");
    } catch (const std::exception& error) {
      FAIL(error.what());
    }
    // What was written meanwhile can be read at the next start.
    const auto again = StoreView::open(folder);
    REQUIRE(again);
    REQUIRE((*again)->snapshot());
  }
  CHECK(tables.size() >= 15);
}

TEST_CASE("events of a contact that cannot be read are kept for later", "[upgrade][damage]") {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "data";
  make_data_folder(kTexts, folder);
  constexpr const char* kEvent =
      R"({"type": "subscription", "id": "for-jan", "source": "shop", "contact": {"id": "jan"}})";
  { World world{folder, left_at()}; }
  exec(folder,
       "CREATE TABLE kept AS SELECT key, body FROM contacts;"
       "UPDATE contacts SET body = substr(body, 1, 5) WHERE key ="
       " (SELECT contact FROM contact_ids WHERE id = 'jan')");
  {
    World world{folder, left_at()};
    CHECK(world.post(kEvent) == "unavailable");
    CHECK(world.post(kEvent) == "unavailable");
    CHECK(world.post(R"({"type": "subscription", "id": "o", "source": "shop",
                         "contact": {"id": "other"}})") == "accepted");
    world.pass(48h);  // Its timers fall due.
  }
  exec(folder,
       "UPDATE contacts SET body = (SELECT kept.body FROM kept WHERE kept.key = "
       "contacts.key) WHERE key = (SELECT contact FROM contact_ids WHERE id = 'jan');"
       "DROP TABLE kept");
  World world{folder, left_at() + 48h};
  CHECK(world.post(kEvent) == "accepted");
  CHECK(world.post(kEvent) == "duplicate");
}

TEST_CASE("an id or an address that leads to somebody else changes nobody", "[upgrade][damage]") {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "data";
  {
    World world{folder, left_at()};
    world.put("jan", R"({"email": "jan@example.com"})");
    world.put("eva", R"({"email": "eva@example.com", "note": "hers"})");
  }
  REQUIRE((*open_sqlite_store({.folder = folder}))->fold());
  exec(folder,
       "CREATE TABLE eva AS SELECT contact FROM contact_ids WHERE id = 'eva';"
       "UPDATE contact_ids SET contact = (SELECT contact FROM eva) WHERE id = 'jan';"
       "UPDATE contact_emails SET contact = (SELECT contact FROM eva)"
       " WHERE email = 'jan@example.com'; DROP TABLE eva");
  World world{folder, left_at()};
  const auto name = [](const char* id, const char* email) { return ContactName{id, email}; };
  CHECK(world.post(R"({"type": "subscription", "id": "1", "source": "shop",
                       "contact": {"id": "jan", "note": "his"}})") == "unavailable");
  CHECK(world.post(R"({"type": "subscription", "id": "2", "source": "shop",
                       "contact": {"email": "jan@example.com", "note": "his"}})") == "unavailable");
  for (const ContactName& who : {name("jan", ""), name("", "jan@example.com")}) {
    REQUIRE_FALSE(world.engine().contacts().find_contact(who));
    CHECK(world.engine().contacts().find_contact(who).error().code == "unreadable_row");
    CHECK(world.reader()->identify({.id = who.id, .email = who.email}));
  }
  std::vector<WorkAnswer> rehearsed;
  world.engine().contacts().rehearse({PatchInput{.who = {.id = ExternalId{.text = "jan"}}},
                                      PatchInput{.who = {.id = ExternalId{.text = "new"}}}},
                                     [&](Result<std::vector<WorkAnswer>> answers) {
                                       REQUIRE(answers);
                                       rehearsed = std::move(*answers);
                                     });
  world.work();
  world.work();
  REQUIRE(rehearsed.size() == 2);
  CHECK(rehearsed[0].event.code == "unreadable_row");
  CHECK(rehearsed[1].created);
  const auto eva = world.engine().contacts().contact(name("eva", ""));
  REQUIRE(eva);
  CHECK(*eva->contact.get(Field::Note) == Value{"hers"});
}

TEST_CASE("a node whose pause cannot be read is paused", "[upgrade][damage]") {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "data";
  make_data_folder(kTexts, folder);
  { World world{folder, left_at()}; }
  REQUIRE((*open_sqlite_store({.folder = folder}))->fold());
  {
    SQLite::Database database{(folder / "onward.db").string(), SQLite::OPEN_READWRITE};
    REQUIRE(database.exec("UPDATE admin SET content = x'7265' WHERE kind = 3") > 0);
  }
  World world{folder, left_at()};
  std::size_t paused = 0;
  for (const ScenarioRecord* record : world.engine().control().scenarios.records())
    if (const auto stats = world.engine().views().stats(record->id, 0))
      for (const auto& node : stats->live.nodes) paused += node.paused ? 1 : 0;
  CHECK(paused > 0);
}

TEST_CASE("a contact of which a row is damaged is not forgotten by halves", "[upgrade][damage]") {
  const TemporaryFolder temporary;
  const fs::path whole = temporary.path() / "whole";
  make_data_folder(kTexts, whole);
  { World world{whole, left_at()}; }
  REQUIRE((*open_sqlite_store({.folder = whole}))->fold());
  const std::string key = "(SELECT contact FROM contact_ids WHERE id = 'jan')";
  const std::vector<std::string> damages{
      "UPDATE contact_ids SET contact = 77777 WHERE id = 'jan'",
      "UPDATE contact_emails SET contact = 77777 WHERE contact = " + key,
      "UPDATE contact_ids SET contact = (SELECT max(key) FROM contacts) WHERE id = 'jan'",
      "UPDATE contact_emails SET contact = (SELECT max(key) FROM contacts) WHERE contact = " + key,
      "UPDATE contacts SET body = x'' WHERE key = " + key,
      "UPDATE runs SET body = x'ff' WHERE contact = " + key,
      "UPDATE runs_live SET body = x'ff' WHERE contact = " + key,
      "UPDATE contacts SET body = x'ff' WHERE key = " + key};
  std::size_t tried = 0;
  for (const std::string& damage : damages) {
    const fs::path folder = temporary.path() / "damaged";
    fs::remove_all(folder);
    fs::copy(whole, folder, fs::copy_options::recursive);
    {
      SQLite::Database database{(folder / "onward.db").string(), SQLite::OPEN_READWRITE};
      if (database.exec(damage) == 0) continue;
    }
    INFO(damage);
    ++tried;
    World world{folder, left_at()};
    const auto contact = world.engine().contacts().find_contact({.id = "jan"});
    if (contact) {
      REQUIRE(*contact);
      bool all_taken = true;
      std::vector<Task> jobs;
      jobs.emplace_back(
          ContactTask{.input = CommandInput{.contact = **contact, .command = Forget{}},
                      .done = [](const Result<WorkAnswer>&) {}});
      REQUIRE(world.engine().take_now(std::move(jobs), &all_taken));
      CHECK_FALSE(all_taken);
    } else {
      CHECK(contact.error().code == "unreadable_row");
    }
    CHECK(world.post(R"({"type": "subscription", "id": "o", "source": "shop",
                         "contact": {"id": "other"}})") == "accepted");
  }
  CHECK(tried >= 4);
}
}  // namespace onward
