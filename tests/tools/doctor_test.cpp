// The doctor: a sound folder, and each fault that it is to find, planted.
#include "tools/onward/doctor.h"

#include <SQLiteCpp/Database.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <optional>

#include "engine/cell/sending.h"
#include "engine/control/secret_book.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/file_system.h"

using namespace std::chrono_literals;

namespace onward {
namespace {
namespace fs = std::filesystem;
const Instant kNow = std::chrono::sys_days{std::chrono::year{2026} / 5 / 1} + 9h;
constexpr DeliveryKey kDelivery{numbered(1, 1)};
constexpr RunKey kRun{numbered(1, 0)};
const Timer kTimer{kNow + 1h, {1}, {TimerKind::Wait, kRun.value}};

CounterRow counts(std::initializer_list<Counter> ones, bool left) {
  CounterRow row;
  for (const Counter one : ones) row.add(one, 1);
  if (left) row.add("next", 1);
  return row;
}

/// One contact that waits, with one pending request.
Commit sound_rows() {
  Commit rows{.at = kNow, .last_seq = 1, .last_contact = {1}};
  rows.control.scenarios.push_back({.key = {1},
                                    .id = "welcome",
                                    .state = ScenarioState::Active,
                                    .newest = 1,
                                    .nodes = {{"joined", {1}}, {"tell", {2}}, {"pause", {3}}}});
  rows.control.versions.push_back({.scenario = {1}, .version = 1, .text = R"(scenario: welcome
nodes:
  joined: { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: pause }
  pause: { kind: wait, for: 1d, next: end }
)"});
  rows.contacts.push_back({.key = {1}, .id = ExternalId{.text = "c1"}});
  rows.identities.push_back({.kind = IdentityChange::Kind::Id, .value = "c1", .contact = {1}});
  Run run{.key = kRun, .scenario = {1}, .version = 1, .contact = {1}, .started = kNow};
  run.wake_at = kTimer.at;
  run.path = {{.node = {1}, .at = kNow, .port = "next"},
              {.node = {2}, .at = kNow, .port = "next", .delivery = kDelivery},
              {.node = {3}, .at = kNow}};
  rows.runs.push_back(run);
  rows.timers_set.push_back(kTimer);
  rows.deliveries.push_back({.key = kDelivery,
                             .endpoint = {{1}, {2}, 1},
                             .contact = {1},
                             .run = kRun,
                             .created = kNow,
                             .deadline = kNow + 12h,
                             .due = kNow});
  rows.requests.push_back({kDelivery, std::make_shared<const Request>()});
  LedgerRow ledger{.scenario = {1}, .entries = 1, .last_entry = kNow};
  for (std::uint32_t node = 1; node <= 3; ++node) ledger.visited.insert({node});
  rows.ledger.push_back({{1}, ledger});
  const auto at = [](std::uint32_t node) { return CounterKey{{1}, {node}, 1}; };
  using enum Counter;
  rows.counters = {{at(0), counts({Entered, Inside}, false)},
                   {at(1), counts({Visits, UniqueContacts}, true)},
                   {at(2), counts({Visits, UniqueContacts, Requests, Pending}, true)},
                   {at(3), counts({Visits, UniqueContacts, Waiting}, false)}};
  return rows;
}

class Folder {
 public:
  Folder() {
    std::string pattern = fs::temp_directory_path() / "onward-doctor-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    commit(sound_rows());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  std::unique_ptr<Store> open() const {
    auto store = open_sqlite_store({.folder = path_});
    REQUIRE(store);
    return std::move(*store);
  }
  void commit(const Commit& rows) const {
    const auto store = open();
    REQUIRE(store->commit(rows));
    REQUIRE(store->sync());
  }
  void exec(const std::string& sql) const {
    SQLite::Database{(path_ / "onward.db").string(), SQLite::OPEN_READWRITE}.exec(sql);
  }
  void write(const std::string& name, const std::string& text, unsigned mode) const {
    std::ofstream{path_ / name} << text;
    ::chmod((path_ / name).c_str(), mode);
  }
  Findings examine(Instant now = kNow) const {
    pid_t owner = 0;
    Findings all = examine_store(path_, {}, now, owner);
    for (Finding& one : examine_machine(path_, owner)) all.push_back(std::move(one));
    return all;
  }

 private:
  fs::path path_;
};

/// What is not sound, as "check: found".
std::vector<std::string> complaints(const Findings& findings, Grade grade) {
  std::vector<std::string> found;
  for (const Finding& one : findings)
    // The machine that tests run on may have little room, and few descriptors.
    if (one.grade == grade && one.check != "disk" && one.check != "descriptors" &&
        one.check != "file_system")
      found.push_back(one.check + ": " + one.found);
  return found;
}

/// The one fault (or warning) that `findings` hold.
std::string only(const Findings& findings, Grade grade = Grade::Fault) {
  const auto found = complaints(findings, grade);
  for (const std::string& one : found) UNSCOPED_INFO(one);
  REQUIRE(found.size() == 1);
  for (const Finding& one : findings)
    if (one.grade == grade) CHECK_FALSE(one.advice.empty());
  return found.front();
}

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("a sound folder has neither faults nor warnings, unfolded and folded", "[doctor]") {
  const Folder folder;
  for (const bool folded : {false, true}) {
    if (folded) REQUIRE(folder.open()->fold());
    const Findings found = folder.examine();
    CHECK(complaints(found, Grade::Fault).empty());
    CHECK(complaints(found, Grade::Warning).empty());
  }
}

TEST_CASE("numbers that do not equal the rows are named by scenario and node", "[doctor]") {
  const Folder folder;
  Commit rows = sound_rows();
  rows.counters[2].second.add(Counter::Pending, 1);
  folder.commit({.last_seq = 2, .counters = {rows.counters[2]}});
  const std::string found = only(folder.examine());
  has(found, "numbers: ");
  has(found, "accepted + pending + failed + cancelled = requests");
  has(found, "scenario welcome, node tell, version 1: pending counted 2, rows 1");
}

TEST_CASE("unique contacts are held to the ledger, less whom it forgot", "[doctor]") {
  const Folder folder;
  Commit rows = sound_rows();
  rows.counters[2].second.add(Counter::UniqueContacts, -1);
  folder.commit({.last_seq = 2, .counters = {rows.counters[2]}});
  has(only(folder.examine()), "node tell: unique contacts counted 0, in the ledger 1");

  rows.counters[2].second.add(Counter::UniqueContacts, 2);
  rows.counters[2].second.add(Counter::Visits, 1);
  rows.counters[2].second.add(Counter::Requests, 1);
  rows.counters[2].second.add(Counter::Accepted, 1);
  Delivery other = rows.deliveries.front();
  other.key = {numbered(2, 0)};
  other.contact = {2};
  other.state = DeliveryState::Accepted;
  other.due.reset();
  // Contact 2 was, and is forgotten.
  folder.commit(
      {.last_seq = 2, .last_contact = {2}, .deliveries = {other}, .counters = {rows.counters[2]}});
  CHECK(complaints(folder.examine(), Grade::Fault).empty());
}

TEST_CASE("a folder without runs under way and requests has nothing to hold the clock against",
          "[doctor]") {
  const Folder folder;
  REQUIRE(folder.open()->fold());
  folder.exec("DELETE FROM deliveries");
  folder.exec("DELETE FROM runs_live");
  const Findings found = folder.examine();
  const auto clock = std::find_if(found.begin(), found.end(),
                                  [](const Finding& one) { return one.check == "clock"; });
  REQUIRE(clock != found.end());
  CHECK(clock->grade == Grade::Sound);
}

TEST_CASE("a pending request without its body is a fault", "[doctor]") {
  const Folder folder;
  folder.commit({.last_seq = 2, .requests = {{kDelivery, nullptr}}});
  has(only(folder.examine()), "requests: 1 pending one has nothing to send any more, evt_");
}

TEST_CASE("a run that waits for a lost timer is a fault, a timer without a run a warning",
          "[doctor]") {
  const Folder folder;
  folder.commit({.last_seq = 2, .timers_cleared = {kTimer}});
  has(only(folder.examine()), "timers: 1 run waits for a time that nothing will tell, run_");
  folder.commit(
      {.last_seq = 3, .timers_set = {kTimer, {kNow, {1}, {TimerKind::Wait, numbered(9, 9)}}}});
  CHECK(complaints(folder.examine(), Grade::Fault).empty());
  has(only(folder.examine(), Grade::Warning), "idle_timers: 1 timer stands");
}

TEST_CASE("an id that leads to somebody else is a fault", "[doctor]") {
  const Folder folder;
  Commit second{.at = kNow, .last_seq = 2, .last_contact = {2}};
  second.contacts.push_back({.key = {2}, .id = ExternalId{.text = "c2"}});
  second.contacts.back().set(Field::Email, Value{"c2@example.com"});
  second.identities = {
      {.kind = IdentityChange::Kind::Id, .value = "c2", .contact = {2}},
      {.kind = IdentityChange::Kind::Email, .value = "c2@example.com", .contact = {2}}};
  folder.commit(second);
  REQUIRE(folder.open()->fold());
  CHECK(complaints(folder.examine(), Grade::Fault).empty());
  folder.exec("UPDATE contact_ids SET contact = 1 WHERE id = 'c2'");
  has(only(folder.examine()),
      "rows: 2 rows cannot be read: contact_ids: contact 2; "
      "contact_ids: contact 1");
  folder.exec("UPDATE contact_ids SET contact = 2 WHERE id = 'c2'");
  folder.exec("UPDATE contact_emails SET contact = 1");
  has(only(folder.examine()),
      "rows: 2 rows cannot be read: contact_emails: contact 2; "
      "contact_emails: contact 1");
  folder.exec("DELETE FROM contact_emails");
  has(only(folder.examine()), "rows: 1 row cannot be read: contact_emails: contact 2");
}

TEST_CASE("an id or an address that is damaged is a fault", "[doctor]") {
  const Folder folder;
  Commit second{.at = kNow, .last_seq = 2, .last_contact = {2}};
  second.contacts.push_back({.key = {2}});
  second.contacts.back().set(Field::Email, Value{"c2@example.com"});
  second.identities = {
      {.kind = IdentityChange::Kind::Email, .value = "c2@example.com", .contact = {2}}};
  folder.commit(second);
  REQUIRE(folder.open()->fold());
  folder.exec("UPDATE contact_ids SET id = 'c3'");
  // Its own row is missing, and the one that is there does not fit: reported once.
  has(only(folder.examine()), "rows: 1 row cannot be read: contact_ids: contact 1");
  folder.exec("UPDATE contact_ids SET id = 'c1'; UPDATE contact_emails SET email = 'x'");
  has(only(folder.examine()), "rows: 1 row cannot be read: contact_emails: contact 2");
}

TEST_CASE("a number that no row can have is a fault", "[doctor]") {
  const std::vector<std::pair<std::string, std::string>> damages{
      {"UPDATE contacts SET key = 2305843009213693952", "contacts: contact 2305843009213693952"},
      {"UPDATE contacts SET key = 2", "contacts: contact 2"},
      {"UPDATE runs SET contact = 2305843009213693952", "runs: run "},
      {"UPDATE runs SET key = 4611686018427387904", "runs: run 4611686018427387904"},
      {"UPDATE runs SET key = -1", "runs: run -1"},
      {"UPDATE runs SET key = 0", "runs: run 0"},
      {"UPDATE runs_live SET run = 4611686018427387904", "runs_live: run 4611686018427387904"},
      {"UPDATE ledger SET contact = 4611686018427387904", "ledger: contact 4611686018427387904"},
      {"UPDATE ledger SET contact = -1", "ledger: contact -1"},
      {"UPDATE ledger SET contact = 2", "ledger: contact 2"},
      {"UPDATE timers SET contact = -1", "timers: contact -1"},
      {"UPDATE requests SET key = 4611686018427387904", "requests: delivery 4611686018427387904"},
      {"UPDATE activity SET id = 9223372036854775807", "activity: line 9223372036854775807"},
      {"UPDATE activity SET id = 9007199254740992", "activity: line 9007199254740992"},
      {"UPDATE activity SET id = 2", "activity: line 2"},
      {"UPDATE activity SET id = -1", "activity: line -1"}};
  for (const auto& [sql, row] : damages) {
    INFO(sql);
    const Folder folder;
    Commit more{
        .at = kNow, .last_seq = 1, .last_contact = {1}, .control = {.activity = {{.text = "one"}}}};
    more.runs.push_back({.key = {numbered(1, 2)},
                         .scenario = {1},
                         .version = 1,
                         .contact = {1},
                         .state = RunState::Done,
                         .started = kNow});
    folder.commit(more);
    REQUIRE(folder.open()->fold());
    REQUIRE(complaints(folder.examine(), Grade::Fault).empty());
    folder.exec(sql);
    const auto faults = complaints(folder.examine(), Grade::Fault);
    REQUIRE_FALSE(faults.empty());
    has(faults.front(), row);
  }
}

TEST_CASE("a contact or statistics without bytes are a fault", "[doctor]") {
  const Folder folder;
  REQUIRE(folder.open()->fold());
  folder.exec("DELETE FROM contact_ids; UPDATE contacts SET body = x''");
  has(only(folder.examine()), "rows: 1 row cannot be read: contacts: contact 1");
}

TEST_CASE("settings and an epoch that cannot be read are a fault", "[doctor]") {
  const Folder folder;
  folder.commit(
      {.last_seq = 2,
       .control = {
           .admin = {{.kind = AdminKind::Field, .name = "colour", .content = "{"},
                     {.kind = AdminKind::Switch, .name = "welcome/tell", .content = "pa"},
                     {.kind = AdminKind::Pass, .name = "migrate/welcome", .content = ""}}}});
  has(only(folder.examine()),
      "rows: 3 rows cannot be read: admin: field \"colour\"; admin: pause of the node "
      "\"welcome/tell\"; admin: progress of \"migrate/welcome\"");
  folder.exec("DELETE FROM admin");
  folder.exec("UPDATE meta SET value = 'AB' || char(10) WHERE name = 'epoch'");
  has(only(folder.examine()), "rows: 1 row cannot be read: meta: epoch");
}

TEST_CASE("a version that is not stored any more is a fault", "[doctor]") {
  const Folder folder;
  folder.exec("DELETE FROM versions");
  has(only(folder.examine()), "versions: 2 rows belong to a version");
}

TEST_CASE("a gap in the journal, damaged rows and a damaged file are faults", "[doctor]") {
  const Folder folder;
  {
    const auto store = folder.open();
    for (Sequence seq = 2; seq < 6; ++seq)
      REQUIRE(store->commit(
          {.last_seq = seq, .contacts = {{.key = {1}, .id = ExternalId{.text = "c1"}}}}));
    REQUIRE(store->sync());
  }
  folder.exec("DELETE FROM journal WHERE id = 3");
  has(only(folder.examine()), "journal: 1 row is missing");
  folder.exec("UPDATE journal SET body = x'0100' WHERE id = 4");
  has(only(folder.examine()), "store: the database is damaged: journal row 4");
  folder.exec("DELETE FROM journal WHERE id = 4");
  REQUIRE(folder.open()->fold());
  folder.exec("UPDATE deliveries SET body = x'ff'");
  const auto found = complaints(folder.examine(), Grade::Fault);
  CHECK(std::ranges::any_of(found, [](const auto& one) { return one.starts_with("rows: "); }));
}

TEST_CASE("what SQLite finds wrong is a fault", "[doctor]") {
  const Folder folder;
  REQUIRE(folder.open()->fold());
  // An index that says other than its table.
  folder.exec(
      "PRAGMA writable_schema = ON; CREATE TABLE t (a); CREATE INDEX i ON t (a);"
      "INSERT INTO t VALUES (1); UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (a, a)'"
      " WHERE name = 'i'");
  const auto found = complaints(folder.examine(), Grade::Fault);
  for (const std::string& one : found) UNSCOPED_INFO(one);
  CHECK(std::ranges::any_of(found, [](const auto& one) { return one.starts_with("database: "); }));
}

TEST_CASE("what is no data folder, or of a newer version, is said to be so", "[doctor]") {
  const Folder folder;
  pid_t owner = 0;
  const Findings none = examine_store(folder.path() / "no", {}, kNow, owner);
  has(only(none), "is no data folder");
  CHECK(doctor_exit_code(none) == kExitData);
  folder.exec("PRAGMA user_version = 99");
  has(only(folder.examine()), "newer version");
}

TEST_CASE("a folder whose write-ahead log was taken away is a fault, with what to do", "[doctor]") {
  const Folder folder;
  folder.write("onward.lock", "1\nopen\n", 0600);
  const Findings found = folder.examine();
  has(only(found), "onward.db-wal is missing");
  has(only(found), "Put it back, or restore a backup");
  CHECK(doctor_exit_code(found) == kExitData);
}

TEST_CASE("a file of the database that is not a regular file is a fault", "[doctor]") {
  for (const char* name : {"onward.db", "onward.db-wal", "onward.db-shm", "onward.db-journal"}) {
    INFO(name);
    const Folder folder;
    const fs::path file = folder.path() / name;
    fs::remove(file);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    const Findings found = folder.examine();
    has(complaints(found, Grade::Fault).at(0), "must be a regular file (found a FIFO)");
    CHECK(doctor_exit_code(found) == kExitData);
    const auto store = open_sqlite_store({.folder = folder.path()});
    REQUIRE_FALSE(store);
    CHECK(store.error().code == "damaged");
    has(store.error().message, "must be a regular file (found a FIFO)");
    fs::remove(file);
    fs::create_directory(file);
    has(complaints(folder.examine(), Grade::Fault).at(0), "(found a folder)");
    if (file.filename() == "onward.db") continue;
    fs::remove(file);
    fs::create_symlink("elsewhere", file);
    has(complaints(folder.examine(), Grade::Fault).at(0), "(found a symbolic link)");
    CHECK_FALSE(open_sqlite_store({.folder = folder.path()}));
  }
}

TEST_CASE("a key file that is a FIFO is a fault, and nothing waits for it", "[doctor]") {
  const Folder folder;
  const fs::path key = folder.path() / "key";
  REQUIRE(::mkfifo(key.c_str(), 0600) == 0);
  pid_t owner = 0;
  const Findings found = examine_store(folder.path(), key, kNow, owner);
  has(only(found), "secrets: The key file " + key.string() + " is not a regular file");
}

TEST_CASE("secrets whose key is gone or another are faults", "[doctor]") {
  const Folder folder;
  const fs::path key = folder.path() / "secret.key";
  {
    const auto store = folder.open();
    const ControlSnapshot control = store->control().value();
    SecretBook book{Vault::open({.path = key}).value(), control};
    auto set =
        book.set(SecretKind::Secret, "crm_key",
                 {.value = "shhhh", .hosts = SecretHosts{SecretHosts::Rule::Any}}, "test", kNow);
    REQUIRE(set);
    REQUIRE(store->commit({.last_seq = 2, .control = {.admin = set->change.rows}}));
  }
  CHECK(complaints(folder.examine(), Grade::Fault).empty());
  fs::rename(key, folder.path() / "elsewhere");
  has(only(folder.examine()), "secrets: 1 of 1 cannot be opened: the master key is missing");
  CHECK_FALSE(fs::exists(key));
  folder.write("secret.key", std::string(64, 'a') + "\n", 0600);
  has(only(folder.examine()), "another master key");
}

TEST_CASE("secrets that were stored before they had hosts are listed by name", "[doctor]") {
  const Folder folder;
  const auto add = [&](SecretKind kind, const char* name, SecretHosts hosts) {
    const auto store = folder.open();
    const ControlSnapshot control = store->control().value();
    SecretBook book{Vault::open({.path = folder.path() / "secret.key"}).value(), control};
    SecretChange change{.value = "shhhh", .hosts = std::move(hosts)};
    if (kind == SecretKind::Credential) change.scheme = AuthScheme::Bearer;
    auto set = book.set(kind, name, change, "test", kNow);
    REQUIRE(set);
    REQUIRE(store->commit({.last_seq = 2, .control = {.admin = set->change.rows}}));
  };
  add(SecretKind::Secret, "bound", {SecretHosts::Rule::Listed, {"crm.example.com"}});
  add(SecretKind::Secret, "anywhere", {SecretHosts::Rule::Any});
  CHECK(complaints(folder.examine(), Grade::Warning).empty());
  add(SecretKind::Secret, "old_key", {});
  add(SecretKind::Credential, "old_crm", {});
  has(only(folder.examine(), Grade::Warning),
      "2 secrets or credentials to any host: secret old_key, credential old_crm");
}

TEST_CASE("files that others may read are a fault, each of them", "[doctor]") {
  const Folder folder;
  folder.write("token", "onw_1234567890123456\n", 0644);
  has(only(folder.examine()), "mode 644");
  folder.write("secret.key", "k", 0640);
  folder.write("onward.db-wal", "w", 0602);
  ::chmod((folder.path() / "onward.db").c_str(), 0660);
  std::vector<std::string> names;
  for (const Finding& one : examine_machine(folder.path(), 0)) {
    if (one.check != "rights") continue;
    CHECK(one.grade == Grade::Fault);
    for (const char* name : {"secret.key (", "token (", "onward.db (", "onward.db-wal ("})
      if (one.found.find(name) != std::string::npos) names.emplace_back(name);
    CHECK(one.advice.starts_with("chmod 600 "));
  }
  CHECK(names ==
        std::vector<std::string>{"secret.key (", "token (", "onward.db (", "onward.db-wal ("});
}

TEST_CASE("a folder that cannot be written to is not sound", "[doctor]") {
  CHECK(judge_writing("/data", EROFS, true).grade == Grade::Fault);
  CHECK(judge_writing("/data", EROFS, false).grade == Grade::Fault);
  CHECK(judge_writing("/data", EACCES, true).grade == Grade::Sound);  // Its server is another's.
  const Folder folder;
  for (const char* name : {"onward.db", "onward.lock", ""}) {
    const fs::path path = folder.path() / name;
    ::chmod(path.c_str(), *name == '\0' ? 0555 : 0444);
    // Root may write everywhere: somebody else looks.
    const uid_t before = ::geteuid();
    if (before == 0) {
      ::chmod(folder.path().c_str(), 0555);
      REQUIRE(::seteuid(65'534) == 0);
    }
    const Findings found = examine_machine(folder.path(), 0);
    if (before == 0) REQUIRE(::seteuid(0) == 0);
    ::chmod(path.c_str(), *name == '\0' ? 0700 : 0600);
    has(only(found, Grade::Warning), "writing: this user may not write " + folder.path().string());
  }
}

TEST_CASE("files of another user than their folder's are told", "[doctor]") {
  CHECK(judge_owner("/data/onward.db", 1'000, 1'000).grade == Grade::Sound);
  CHECK(judge_owner("/data/onward.db", 1'000, 0).grade == Grade::Sound);
  const Finding found = judge_owner("/data/onward.db", 0, 1'000);
  CHECK(found.grade == Grade::Warning);
  CHECK(found.found.starts_with("/data/onward.db belongs to user 0, its folder to user 1000"));
  CHECK(found.advice == "Stop a server that works on it, then: chown -R 1000 /data");

  if (::geteuid() != 0) return;  // Nobody else can give files away.
  const Folder folder;
  REQUIRE(::chown(folder.path().c_str(), 1'000, 1'000) == 0);
  for (const char* name : {"onward.db", "onward.lock", "token"}) {
    if (*name == 't') folder.write(name, "t", 0600);
    const fs::path path = folder.path() / name;
    has(only(examine_machine(folder.path(), 0), Grade::Warning),
        "owners: " + path.string() + " belongs to user 0");
    REQUIRE(::chown(path.c_str(), 1'000, 1'000) == 0);
  }
  CHECK(complaints(examine_machine(folder.path(), 0), Grade::Warning).empty());
}

TEST_CASE("a restored copy that holds its sending is a warning", "[doctor]") {
  const Folder folder;
  folder.commit({.last_seq = 2, .control = {.admin = {sending_held(kNow)}}});
  const Findings found = folder.examine();
  has(only(found, Grade::Warning), "sending: restored at 2026-05-01T09:00:00");
  CHECK(complaints(found, Grade::Fault).empty());
}

TEST_CASE("requests overdue while a server works are a warning, at rest they are not", "[doctor]") {
  const Folder folder;
  CHECK(complaints(folder.examine(kNow + 10min), Grade::Warning).empty());
  const auto server = folder.open();
  const Findings found = folder.examine(kNow + 10min);
  has(only(found, Grade::Warning), "overdue: 1 request has been due");
  CHECK(std::ranges::any_of(found, [](const Finding& one) {
    return one.check == "owner" && one.found.find(std::to_string(::getpid())) != std::string::npos;
  }));
  REQUIRE(server->commit({.last_seq = 2, .control = {.admin = {sending_held(kNow)}}}));
  has(only(folder.examine(kNow + 10min), Grade::Warning), "sending: ");
}

TEST_CASE("a clock before what is stored is a warning", "[doctor]") {
  const Folder folder;
  has(only(folder.examine(kNow - 1h), Grade::Warning), "clock: it is 2026-05-01T08:00:00");
}

TEST_CASE("room, descriptors, a long log and network file systems are judged", "[doctor]") {
  CHECK(judge_room(std::uint64_t{10} << 20).grade == Grade::Fault);
  CHECK(judge_room(std::uint64_t{200} << 20).grade == Grade::Warning);
  CHECK(judge_room(std::uint64_t{20} << 30).grade == Grade::Sound);
  CHECK(judge_descriptors(1'024, true).grade == Grade::Warning);
  CHECK(judge_descriptors(524'288, false).grade == Grade::Sound);
  CHECK(network_kind(0x6969UL) == "NFS");
  CHECK(network_kind(0xEF53UL).empty());

  const Folder folder;
  std::ofstream{folder.path() / "onward.db-wal"} << "x";
  fs::resize_file(folder.path() / "onward.db-wal", std::uintmax_t{600} << 20);
  has(only(examine_machine(folder.path(), 0), Grade::Warning), "log: ");
}

TEST_CASE("a server that does not answer is a fault", "[doctor]") {
  has(only(examine_server("http://127.0.0.1:1")), "server: no answer from http://127.0.0.1:1");
}

TEST_CASE("the worst stands last, and the exit code follows it", "[doctor]") {
  const Findings found{{"b", Grade::Fault, "is broken", "mend it"},
                       {"a", Grade::Sound, "fine", ""},
                       {"c", Grade::Warning, "soon\x1b", "look"}};
  CHECK(doctor_text(found) ==
        "sound    a            fine\n"
        "warning  c            soon\\x1b\n"
        "                      look\n"
        "fault    b            is broken\n"
        "                      mend it\n"
        "3 looked at: 1 faults, 1 warnings\n");
  CHECK(doctor_exit_code(found) == kExitData);
  CHECK(doctor_exit_code({found[2]}) == 1);
  CHECK(doctor_exit_code({found[1]}) == kExitOk);
}
}  // namespace onward
