// Files that somebody cut, changed or took away while nobody was there: a store opens to a
// beginning of its commits, or says what to do; never to nothing.
#include <sqlite3.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "engine/store/sqlite/sqlite_store.h"
#include "tests/store/conformance.h"
#include "tests/store/history.h"
#include "tests/support/faulty_vfs.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}
void write(const fs::path& file, const std::string& content) {
  std::ofstream{file, std::ios::binary | std::ios::trunc} << content;
}

/// All files of `from`, over those that are there.
void copy_all(const fs::path& from, const fs::path& to) {
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

/// What a killed server leaves after all of `history`: so much in the database, the rest in its
/// WAL.
void kill_after(const fs::path& folder, const History& history, std::size_t checkpointed) {
  const TempFolder living;
  SqliteOptions options = restless(living.path());
  options.checkpoint_pages = 1'000'000;
  options.erase_pause = options.purge_pause = std::chrono::hours{1};  // It would empty the log.
  if (checkpointed > 0) {
    const auto store = must(open_sqlite_store(options));
    for (std::size_t i = 0; i < checkpointed; ++i) must(store->commit(history.commit(i)));
  }
  const auto store = must(open_sqlite_store(options));
  for (std::size_t i = checkpointed; i < history.size(); ++i)
    must(store->commit(history.commit(i)));
  must(store->sync());
  for (const char* name : {"onward.db", "onward.db-wal", "onward.lock"})
    fs::copy_file(living.path() / name, folder / name, fs::copy_options::overwrite_existing);
}

Error error_of(const SqliteOptions& options) {
  const auto store = open_sqlite_store(options);
  REQUIRE(!store);
  return store.error();
}

/// Whether a refusal says what to do.
bool advises(const Error& error) {
  return error.message.find("backup") != std::string::npos ||
         error.message.find("use that version") != std::string::npos;
}

/// "" where `folder` is refused with advice, or opens to at least `least` commits and no others;
/// how many these were is added to `helds`.
std::string wrong_with(const fs::path& folder, const History& history, std::size_t least,
                       std::vector<std::size_t>* helds = nullptr) {
  const auto opened = open_sqlite_store({.folder = folder, .durable = false});
  if (!opened) return advises(opened.error()) ? "" : "no advice: " + opened.error().message;
  try {
    const std::size_t held = History::held_by(**opened);
    if (helds != nullptr) helds->push_back(held);
    if (held < least || held > history.size()) return "holds " + std::to_string(held);
    return history.difference(**opened, held);
  } catch (const std::exception&) {
    return {};  // an answer that says it cannot be read
  }
}

/// The later a log is damaged, the more of it is read: from what the database has to all of it.
void check_read_as_far_as_whole(const std::vector<std::size_t>& helds, const History& history) {
  CHECK(std::is_sorted(helds.begin(), helds.end()));
  CHECK(std::set<std::size_t>{helds.begin(), helds.end()}.size() >= 3);
  REQUIRE_FALSE(helds.empty());
  CHECK(helds.back() >= history.size() - 1);
}
}  // namespace

TEST_CASE("a log that is cut off anywhere is read as far as it is whole", "[store][damage]") {
  const History history{6};
  const std::size_t checkpointed = GENERATE(0, 3);
  const TempFolder killed;
  kill_after(killed.path(), history, checkpointed);
  const std::string wal = read(killed.path() / "onward.db-wal");
  REQUIRE(wal.size() > 20'000);
  std::vector<std::size_t> helds;
  for (std::size_t size = 0; size < wal.size(); size += size < 64 ? 8 : 1'001) {
    const TempFolder folder;
    copy_all(killed.path(), folder.path());
    write(folder.path() / "onward.db-wal", wal.substr(0, size));
    INFO("cut to " << size << " of " << wal.size());
    REQUIRE(wrong_with(folder.path(), history, checkpointed, &helds) == "");
  }
  check_read_as_far_as_whole(helds, history);
  REQUIRE(wrong_with(killed.path(), history, history.size()) == "");  // Uncut, it has all.
}

TEST_CASE("a log in which a bit has turned is read up to there", "[store][damage]") {
  const History history{6};
  const std::size_t checkpointed = GENERATE(0, 3);
  const TempFolder killed;
  kill_after(killed.path(), history, checkpointed);
  const std::string wal = read(killed.path() / "onward.db-wal");
  std::vector<std::size_t> helds;
  for (std::size_t at = 0; at < wal.size(); at += at < 64 ? 1 : 503) {
    const TempFolder folder;
    copy_all(killed.path(), folder.path());
    std::string turned = wal;
    turned[at] = static_cast<char>(turned[at] ^ 0x10);
    write(folder.path() / "onward.db-wal", turned);
    INFO("byte " << at);
    REQUIRE(wrong_with(folder.path(), history, checkpointed, &helds) == "");
  }
  check_read_as_far_as_whole(helds, history);
}

TEST_CASE("a log that was taken away is missed", "[store][damage]") {
  const History history{6};
  const TempFolder folder;
  kill_after(folder.path(), history, GENERATE(0, 3));
  const std::string wal = read(folder.path() / "onward.db-wal");
  fs::remove(folder.path() / "onward.db-wal");
  const Error error = error_of({.folder = folder.path()});
  CHECK(error.code == "damaged");
  CHECK(error.message.find("onward.db-wal is missing") != std::string::npos);
  CHECK(error.message.find("restore a backup") != std::string::npos);
  CHECK(error_of({.folder = folder.path()}).code == "damaged");  // and is not forgotten
  write(folder.path() / "onward.db-wal", wal);
  CHECK(wrong_after(folder.path(), history, {history.size(), history.size()}) == "");
}

TEST_CASE("a log that is emptied when all stands in it leaves no new database", "[store][damage]") {
  const History history{3};
  const TempFolder folder;
  kill_after(folder.path(), history, 0);
  write(folder.path() / "onward.db-wal", "");
  const Error error = error_of({.folder = folder.path()});
  CHECK(error.code == "damaged");
  CHECK(error.message.find("holds nothing, and did") != std::string::npos);
}

TEST_CASE("a database that is emptied or taken away is no new one", "[store][damage]") {
  const History history{4};
  const TempFolder folder;
  kill_after(folder.path(), history, 2);
  const bool closed = GENERATE(false, true);
  if (closed) must(open_sqlite_store({.folder = folder.path()}));
  CHECK(fs::exists(folder.path() / "onward.db-wal") != closed);
  write(folder.path() / "onward.db", "");
  CHECK(error_of({.folder = folder.path()}).message.find("is empty") != std::string::npos);
  fs::remove(folder.path() / "onward.db");
  CHECK(error_of({.folder = folder.path()}).message.find("is missing") != std::string::npos);
  CHECK(!fs::exists(folder.path() / "onward.db"));
}

TEST_CASE("the shared memory is made anew where it is missing", "[store][damage]") {
  const History history{6};
  const TempFolder folder;
  kill_after(folder.path(), history, 3);  // copies none
  CHECK(wrong_after(folder.path(), history, {history.size(), history.size()}) == "");
}

TEST_CASE("a header with a turned byte is refused, or changes nothing", "[store][damage]") {
  const History history{4};
  const TempFolder closed;
  {
    const auto store = must(open_sqlite_store(restless(closed.path())));
    for (std::size_t i = 0; i < history.size(); ++i) must(store->commit(history.commit(i)));
  }
  const std::string database = read(closed.path() / "onward.db");
  std::size_t refused = 0;
  for (std::size_t at = 0; at < 100; ++at)
    for (const char turn : {'\x01', '\xff'}) {
      const TempFolder folder;
      copy_all(closed.path(), folder.path());
      std::string turned = database;
      turned[at] = static_cast<char>(turned[at] ^ turn);
      write(folder.path() / "onward.db", turned);
      INFO("byte " << at << " turned by " << static_cast<int>(turn));
      CHECK(wrong_with(folder.path(), history, history.size()) == "");
      refused += open_sqlite_store({.folder = folder.path(), .durable = false}) ? 0 : 1;
    }
  CHECK(refused > 40);
}

TEST_CASE("a path that cannot be a data folder is refused with the path and the reason",
          "[store][damage]") {
  const TempFolder folder;
  write(folder.path() / "file", "x");
  const fs::path below = folder.path() / "file" / "data";
  const Error error = error_of({.folder = below});
  CHECK(error.code == "no_access");
  CHECK(error.message.find(below.string()) != std::string::npos);
  CHECK(error.message.find("Not a directory") != std::string::npos);

  if (geteuid() == 0 && seteuid(65534) != 0) return;
  fs::path closed = "/proc/sys";  // nobody may make anything there
  const Error kept_out = error_of({.folder = closed});
  if (getuid() == 0) CHECK(seteuid(0) == 0);
  CHECK(kept_out.code == "no_access");
  CHECK(kept_out.message.find("/proc/sys/onward.db") != std::string::npos);
}

TEST_CASE("another program that writes is waited for a while, and then refused",
          "[store][damage]") {
  const TempFolder folder;
  FaultyDisk disk;  // on which waiting takes no time
  const auto store = must(open_sqlite_store({.folder = folder.path()}));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open((folder.path() / "onward.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  const Commit commit{.last_seq = 1, .last_contact = {1}, .contacts = {a_contact(1, "c1")}};
  const std::chrono::microseconds before = disk.slept();
  const Status refused = store->commit(commit);
  REQUIRE(!refused);
  const std::chrono::microseconds waited = disk.slept() - before;
  CHECK(waited > std::chrono::seconds{1});
  CHECK(waited <= std::chrono::seconds{6});
  CHECK(refused.error().kind == ErrorKind::Unavailable);
  CHECK(refused.error().code == "store_busy");
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  must(store->commit(commit));
  must(store->sync());
}

TEST_CASE("a log that a reader holds shows in its size, and is used again when the reader ends",
          "[store][damage]") {
  const TempFolder folder;
  SqliteOptions options = restless(folder.path());
  options.durable = false;
  const auto store = must(open_sqlite_store(options));
  std::uint64_t seq = 0;
  const auto commit_some = [&] {
    for (int i = 0; i < 60; ++i) {
      ++seq;
      must(store->commit(
          {.last_seq = seq, .last_contact = {seq}, .contacts = {a_contact(seq, "c")}}));
    }
  };
  commit_some();
  const std::uint64_t usual = store->log_bytes();
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open((folder.path() / "onward.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN; SELECT * FROM journal", nullptr, nullptr, nullptr) ==
          SQLITE_OK);
  for (int i = 0; i < 4; ++i) commit_some();
  CHECK(store->log_bytes() > 4 * usual);
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  commit_some();
  CHECK(store->log_bytes() < 2 * usual);
}

TEST_CASE("a data folder on a network file system is warned of at the start", "[store][damage]") {
  CHECK(network_file_system(0x6969) == "NFS");
  CHECK(network_file_system(0xff534d42) == "CIFS");
  CHECK(!network_file_system(0xef53));      // ext4
  CHECK(!network_file_system(0x9123683e));  // btrfs
  CHECK(file_system_type("/proc") == 0x9fa0);
  const TempFolder folder;
  std::vector<std::string> lines;
  SqliteOptions options{.folder = folder.path()};
  options.log = [&](const LogRecord& record) { lines.push_back(to_line(record, {})); };
  must(open_sqlite_store(options));
  CHECK(lines.empty());
  options.file_system = [](const fs::path&) { return std::uint64_t{0x6969}; };
  must(open_sqlite_store(options));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("store.network_file_system level=warning type=NFS") != std::string::npos);
  CHECK(lines[0].find(folder.path().string()) != std::string::npos);
}
}  // namespace onward
