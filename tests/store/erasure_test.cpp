// What was erased is in no file of the folder, and in no copy that is made afterwards.
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <random>

#include "engine/store/sqlite/page_scrub.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "engine/store/sqlite/store_view.h"
#include "tests/store/conformance.h"
#include "tests/store/world.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

/// In every value of the contact that is erased, and nowhere else.
constexpr const char* kMarker = "xMARKERx";

std::string marked(std::size_t bytes, int number) {
  std::string text;
  while (text.size() < bytes) text += kMarker + std::to_string(number);
  return text;
}

/// "onward.db (3 times)" for each file that holds the marker.
std::vector<std::string> holders(const fs::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator{folder}) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in{entry.path(), std::ios::binary};
    const std::string content{std::istreambuf_iterator<char>{in}, {}};
    std::size_t times = 0;
    for (auto at = content.find(kMarker); at != std::string::npos;
         at = content.find(kMarker, at + 1))
      ++times;
    if (times > 0)
      found.push_back(entry.path().filename().string() + " (" + std::to_string(times) + " times)");
  }
  return found;
}

std::vector<std::string> holders_in_copy(const fs::path& folder) {
  const TempFolder copy;
  auto view = must(StoreView::open(folder));
  must(view->copy_to(copy.path() / "onward.db", {}));
  return holders(copy.path());
}

/// Rows of one contact, all of them with the marker, `bytes` each.
Commit rows_of(std::uint64_t key, int turn, std::size_t bytes) {
  Commit commit{.at = at(turn), .last_seq = key * 100, .last_contact = {100}};
  const std::string text = marked(bytes, turn);
  Contact contact = a_contact(key, "id-" + marked(8, static_cast<int>(key)),
                              marked(8, static_cast<int>(key)) + "@example.com");
  contact.custom.emplace_back("note" + marked(8, turn), text);
  contact.groups.push_back(text.substr(0, 60));
  commit.contacts.push_back(contact);
  commit.identities.push_back(
      {.kind = IdentityChange::Kind::Id, .value = contact.id->text, .contact = {key}});
  commit.identities.push_back(
      {.kind = IdentityChange::Kind::Email, .value = contact.email(), .contact = {key}});
  commit.ledger.push_back({{key}, {.scenario = {1}, .entries = 1}});
  commit.ledger.push_back(
      {{key}, {.scenario = {1}, .key = "=" + text.substr(0, 100), .entries = 1}});
  Run run = a_run(key * 256, key);
  run.event = std::make_shared<const Event>(
      Event{.type = marked(8, turn), .at = at(1), .data = ValueMap{{"text", text}}});
  run.entry_key = "=" + text.substr(0, 100);
  run.path.push_back({.node = {1},
                      .at = at(1),
                      .delivery = DeliveryKey{key * 256 + 1},
                      .note = text.substr(0, 50)});
  commit.runs.push_back(run);
  Delivery delivery = a_delivery(key * 256 + 1, key, 5);
  delivery.attempts = 2;
  delivery.last = Attempt{.number = 2,
                          .status = 301,
                          .error = "answered 301, to " + text.substr(0, 90),
                          .response = text};
  commit.deliveries.push_back(delivery);
  commit.requests.push_back({{key * 256 + 1}, std::make_shared<const Request>(a_request(text))});
  commit.attempts.push_back(
      {.delivery = {key * 256 + 1},
       .attempt = {.number = 1, .error = text.substr(0, 90), .response = text}});
  return commit;
}

/// The same of others, without the marker, so that pages are shared, split and filled again.
Commit neighbour(std::uint64_t key, std::size_t bytes) {
  Commit commit = rows_of(key, 1, 8);
  const std::string text(bytes, 'n');
  for (Contact& contact : commit.contacts) {
    contact = a_contact(key, "n" + std::to_string(key), "n" + std::to_string(key) + "@example.com");
    contact.custom.emplace_back("note", text);
  }
  commit.identities = {id_change("n" + std::to_string(key), key)};
  commit.ledger.pop_back();
  commit.runs = {a_run(key * 256, key)};
  commit.deliveries = {a_delivery(key * 256 + 1, key, 5)};
  commit.requests = {{{key * 256 + 1}, std::make_shared<const Request>(a_request(text))}};
  commit.attempts.clear();
  return commit;
}

Commit forgetting(std::uint64_t key) {
  Commit commit{.at = at(100), .last_seq = 20'000, .last_contact = {100}};
  commit.forgotten.push_back({key});
  Run run = a_run(key * 256, key, RunState::Exited);
  run.path.push_back({.node = {1}, .at = at(1), .delivery = DeliveryKey{key * 256 + 1}});
  commit.runs.push_back(run);
  return commit;
}

/// Rows that grow, shrink and move, folded now and then.
void live(Store& store, std::uint64_t key) {
  std::mt19937 random{7};
  for (int turn = 0; turn < 40; ++turn) {
    const std::size_t bytes = std::uniform_int_distribution<std::size_t>{10, 9'000}(random);
    must(store.commit(rows_of(key, turn, bytes)));
    must(store.commit(
        neighbour(1 + static_cast<std::uint64_t>(turn) % 90 + (turn % 90 + 1 >= 50), bytes / 2)));
    if (turn % 3 == 0) must(store.fold());
  }
}
}  // namespace

TEST_CASE("an erased contact is in no file of the folder", "[store][erasure]") {
  const TempFolder folder;
  {
    const auto store = must(open_sqlite_store({.folder = folder.path()}));
    live(*store, 50);
    REQUIRE_FALSE(holders(folder.path()).empty());
    must(store->commit(forgetting(50)));
    must(store->fold());
    CHECK(holders(folder.path()).empty());
    CHECK(holders_in_copy(folder.path()).empty());
    // Pages that held it are used further, and go into the log again.
    for (std::uint64_t key = 51; key < 90; ++key) must(store->commit(neighbour(key, 3'000)));
    must(store->sync());
    CHECK(holders(folder.path()).empty());
  }
  CHECK(holders(folder.path()).empty());
}

TEST_CASE("a copy made right after an erasure does not hold what was erased", "[store][erasure]") {
  const TempFolder folder;
  SqliteOptions options{.folder = folder.path()};
  options.fold_age = std::chrono::hours{1};
  const auto store = must(open_sqlite_store(options));
  live(*store, 50);
  must(store->commit(forgetting(50)));
  must(store->sync());
  REQUIRE_FALSE(holders(folder.path()).empty());  // The journal is not folded yet.
  CHECK(holders_in_copy(folder.path()).empty());
  const TempFolder copy;
  must(must(StoreView::open(folder.path()))->copy_to(copy.path() / "onward.db", {}));
  CHECK(must(must(StoreView::open(copy.path()))->integrity()).empty());
}

TEST_CASE("an erasure leaves the log when the last reader that needs it ends", "[store][erasure]") {
  const TempFolder folder;
  SqliteOptions options{.folder = folder.path()};
  options.erase_pause = Duration{0};
  const auto store = must(open_sqlite_store(options));
  live(*store, 50);
  auto view = must(StoreView::open(folder.path()));
  must(store->commit(forgetting(50)));
  must(store->fold());
  CHECK_FALSE(holders(folder.path()).empty());
  view.reset();
  must(store->fold());
  CHECK(holders(folder.path()).empty());
}

TEST_CASE("an erasure that a crash cut off is ended by the next process", "[store][erasure]") {
  // With its rows in the journal alone, or in the tables and only the log left to be emptied.
  const bool folded = GENERATE(false, true);
  const TempFolder folder, next;
  {
    const auto store = must(open_sqlite_store({.folder = folder.path(), .durable = false}));
    live(*store, 50);
    const auto reader = must(StoreView::open(folder.path()));  // keeps the log
    must(store->commit(forgetting(50)));
    if (folded) must(store->fold());
    for (const char* name : {"onward.db", "onward.db-wal"})
      fs::copy_file(folder.path() / name, next.path() / name);
  }
  REQUIRE_FALSE(holders(next.path()).empty());
  {
    const auto store = must(open_sqlite_store({.folder = next.path(), .durable = false}));
    while (store->fold_pending()) must(store->fold_slice());
    CHECK(holders(next.path()).empty());
    must(store->commit(neighbour(60, 10)));
    must(store->fold());
  }
  SQLite::Database database{(next.path() / "onward.db").string()};
  CHECK(database.execAndGet("SELECT count(*) FROM meta WHERE name = 'erased'").getInt() == 0);
}

TEST_CASE("what earlier versions left of deleted rows goes with the first start",
          "[store][erasure]") {
  const TempFolder folder;
  const fs::path file = folder.path() / "onward.db";
  {
    const auto store = must(open_sqlite_store({.folder = folder.path()}));
    for (std::uint64_t key = 1; key < 90; ++key) must(store->commit(neighbour(key, 700)));
    must(store->fold());
  }
  {
    SQLite::Database database{file.string(), SQLite::OPEN_READWRITE};
    database.exec("PRAGMA secure_delete = OFF; DELETE FROM meta WHERE name = 'scrubbed'");
    SQLite::Statement put{database,
                          "REPLACE INTO contacts (key, body) VALUES (?, CAST(? AS BLOB))"};
    for (int key = 1'000; key < 1'200; ++key) {
      put.bind(1, key);
      put.bind(2, marked(static_cast<std::size_t>(key * 37 % 9'000) + 20, key));
      put.exec();
      put.reset();
    }
    database.exec("DELETE FROM contacts WHERE key >= 1000");
    // A long row in pages that were free: its last page is not filled.
    database.exec("INSERT INTO requests VALUES (1, zeroblob(5000)), (2, zeroblob(9001))");
  }
  REQUIRE_FALSE(holders(folder.path()).empty());
  { const auto store = must(open_sqlite_store({.folder = folder.path()})); }
  CHECK(holders(folder.path()).empty());
  auto view = must(StoreView::open(folder.path()));
  CHECK(must(view->integrity()).empty());
  CHECK(must(view->snapshot()).last_seq > 0);
}

TEST_CASE("overwriting what is unused changes no row", "[store][erasure]") {
  const TempFolder folder;
  const fs::path file = folder.path() / "any.db";
  std::mt19937 random{11};
  const auto up_to = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  const auto digest = [&] {
    SQLite::Database database{file.string(), SQLite::OPEN_READONLY};
    std::string all = database.execAndGet("PRAGMA integrity_check").getString();
    for (const char* sql : {"SELECT a, b FROM rows ORDER BY a", "SELECT a, b FROM keyed ORDER BY a",
                            "SELECT b, a FROM rows INDEXED BY rows_b ORDER BY b, a"}) {
      SQLite::Statement query{database, sql};
      while (query.executeStep())
        all += query.getColumn(0).getString() + query.getColumn(1).getString();
    }
    return all;
  };
  {
    SQLite::Database database{file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
    database.exec(
        "PRAGMA page_size = 4096; PRAGMA secure_delete = OFF; PRAGMA synchronous = OFF;"
        "CREATE TABLE rows (a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX rows_b ON rows (b);"
        "CREATE TABLE keyed (a TEXT PRIMARY KEY, b TEXT) WITHOUT ROWID");
  }
  std::string dead;
  for (int round = 0; round < 20; ++round) {
    {
      SQLite::Database database{file.string(), SQLite::OPEN_READWRITE};
      database.exec("PRAGMA secure_delete = OFF; PRAGMA synchronous = OFF; BEGIN");
      for (int i = 0; i < 200; ++i) {
        const int key = up_to(300);
        const std::string text(static_cast<std::size_t>(up_to(i % 10 == 0 ? 20'000 : 900)),
                               static_cast<char>('a' + up_to(25)));
        SQLite::Statement put{database, "REPLACE INTO rows VALUES (?, ?)"};
        put.bind(1, key);
        put.bind(2, std::to_string(up_to(1'000)) + text);
        put.exec();
        SQLite::Statement keyed{database, "REPLACE INTO keyed VALUES (?, ?)"};
        keyed.bind(1, std::to_string(key) + text.substr(0, text.size() % 1'500));
        keyed.bind(2, text);
        keyed.exec();
        if (i % 3 == 0) database.exec("DELETE FROM rows WHERE a = " + std::to_string(up_to(300)));
        if (i % 7 == 0)
          database.exec("DELETE FROM keyed WHERE a >= '" + std::to_string(up_to(300)) +
                        "' AND a < '" + std::to_string(up_to(300)) + "'");
      }
      database.exec("COMMIT");
    }
    const std::string before = digest();
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    const auto changed = scrub_file(descriptor);
    const auto again = scrub_file(descriptor);
    ::close(descriptor);
    REQUIRE(must(changed) > 0);
    REQUIRE(must(again) == 0);
    REQUIRE(digest() == before);
    REQUIRE(before.starts_with("ok"));
  }
}

TEST_CASE("a page that is no whole page of a tree stays as it is", "[store][erasure]") {
  std::mt19937 random{13};
  std::uniform_int_distribution<int> byte{0, 255};
  for (int i = 0; i < 2'000; ++i) {
    std::vector<unsigned char> page(4'096);
    for (unsigned char& one : page) one = static_cast<unsigned char>(byte(random));
    if (i % 2 == 0) page[0] = 13;
    if (i % 4 == 0) page[3] = 0;
    scrub_page(page.data(), i % 3 == 0);  // It reads and writes inside the page.
  }
  std::vector<unsigned char> overflow(4'096, 0x41);
  std::fill_n(overflow.begin(), 4, static_cast<unsigned char>(0));
  CHECK_FALSE(scrub_page(overflow.data(), false));
}
}  // namespace onward
