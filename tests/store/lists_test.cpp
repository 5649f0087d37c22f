// What every store's reader does: lists for people, page by page.
#include <SQLiteCpp/Database.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/store/conformance.h"

namespace onward {
namespace {
std::vector<std::uint64_t> keys_of(const std::vector<Run>& runs) {
  std::vector<std::uint64_t> keys;
  for (const Run& run : runs) keys.push_back(run.key.value);
  return keys;
}
std::vector<std::uint64_t> keys_of(const std::vector<Delivery>& deliveries) {
  std::vector<std::uint64_t> keys;
  for (const Delivery& delivery : deliveries) keys.push_back(delivery.key.value);
  return keys;
}
using Keys = std::vector<std::uint64_t>;

/// The store of `folder` after `rows` were flushed and then damaged by `sql`.
std::unique_ptr<Store> damaged_store(const TempFolder& folder, const Commit& rows,
                                     const std::string& sql) {
  {
    const auto store = must(open_sqlite_store({.folder = folder.path()}));
    must(store->commit(rows));
    must(store->fold());
  }
  SQLite::Database{(folder.path() / "onward.db").string(), SQLite::OPEN_READWRITE}.exec(sql);
  return must(open_sqlite_store({.folder = folder.path()}));
}

Keys keys_of(const ReadModel::ContactList& list) {
  Keys keys;
  for (const auto& [contact, engagement] : list.contacts) keys.push_back(contact.key.value);
  return keys;
}
}  // namespace

TEST_CASE("runs are listed newest first, live and ended together, page by page", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  Commit commit;
  for (std::uint64_t key = 1; key <= 7; ++key)
    commit.runs.push_back(a_run(key * 256, 7, key % 3 == 0 ? RunState::Waiting : RunState::Done));
  commit.runs.push_back(a_run(900, 8, RunState::Done));
  subject.commit(commit);
  auto reader = subject.reader();
  const auto first = must(reader->runs({7}, 3, ""));
  CHECK(keys_of(first.runs) == Keys{1792, 1536, 1280});
  REQUIRE(!first.next.empty());

  // What comes meanwhile is newer than the cursor, so nothing is shown twice or left out.
  subject.commit({.runs = {a_run(2048, 7), a_run(1536, 7, RunState::Done)}});
  reader = subject.reader();
  const auto second = must(reader->runs({7}, 3, first.next));
  CHECK(keys_of(second.runs) == Keys{1024, 768, 512});
  const auto third = must(reader->runs({7}, 3, second.next));
  CHECK(keys_of(third.runs) == Keys{256});
  CHECK(third.next.empty());
  CHECK(must(reader->runs({9}, 3, "")).runs.empty());
  CHECK(must(reader->runs({7}, 0, "")).runs.empty());
  CHECK(must(reader->runs({7}, 8, "")).next.empty());
}

TEST_CASE("deliveries are listed newest first, of all states or one, page by page", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  Commit commit;
  for (std::uint64_t key = 1; key <= 9; ++key) {
    Delivery delivery = a_delivery(key, 7, 10);
    delivery.state = static_cast<DeliveryState>(key % 4);
    if (!delivery.pending()) delivery.due.reset();
    delivery.endpoint.version = static_cast<Version>(1 + key % 2);
    commit.deliveries.push_back(delivery);
  }
  Delivery elsewhere = a_delivery(10, 7, 10);
  elsewhere.endpoint.node = {4};
  commit.deliveries.push_back(elsewhere);
  subject.commit(commit);

  const auto reader = subject.reader();
  const auto page = must(reader->deliveries({1}, {3}, std::nullopt, 5, ""));
  CHECK(keys_of(page.deliveries) == Keys{9, 8, 7, 6, 5});
  const auto rest = must(reader->deliveries({1}, {3}, std::nullopt, 5, page.next));
  CHECK(keys_of(rest.deliveries) == Keys{4, 3, 2, 1});
  CHECK(rest.next.empty());
  const auto accepted = must(reader->deliveries({1}, {3}, DeliveryState::Accepted, 2, ""));
  CHECK(keys_of(accepted.deliveries) == Keys{9, 5});
  CHECK(keys_of(must(reader->deliveries({1}, {3}, DeliveryState::Accepted, 2, accepted.next))
                    .deliveries) == Keys{1});
  CHECK(must(reader->deliveries({1}, {5}, std::nullopt, 5, "")).deliveries.empty());
  CHECK(page.deliveries.at(1) == commit.deliveries.at(7));
}

TEST_CASE("a delivery's state move moves it between the lists", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  Delivery delivery = a_delivery(5, 7, 10);
  subject.commit({.deliveries = {delivery}});
  CHECK(must(subject.reader()->deliveries({1}, {3}, DeliveryState::Pending, 5, ""))
            .deliveries.size() == 1);
  delivery.state = DeliveryState::Failed;
  delivery.due.reset();
  subject.commit({.deliveries = {delivery}});
  const auto reader = subject.reader();
  CHECK(must(reader->deliveries({1}, {3}, DeliveryState::Pending, 5, "")).deliveries.empty());
  CHECK(must(reader->deliveries({1}, {3}, DeliveryState::Failed, 5, "")).deliveries.size() == 1);
  CHECK(must(reader->deliveries({1}, {3}, std::nullopt, 5, "")).deliveries.size() == 1);
}

TEST_CASE("a delivery shows its request and all its attempts by number", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  const auto attempt = [](std::uint32_t number) {
    return Attempt{.number = number,
                   .started = at(number),
                   .took = Duration{30},
                   .status = 0,
                   .code = "timeout",
                   .error = "no answer",
                   .response = std::string("\0\xff", 2)};
  };
  Delivery delivery = a_delivery(5, 7, 10);
  const auto request = std::make_shared<const Request>(a_request(std::string(5000, 'x')));
  subject.commit({.deliveries = {delivery}, .requests = {{{5}, request}}});
  CHECK(must(subject.reader()->delivery({5}))->attempts.empty());
  delivery.last = attempt(3);
  subject.commit({.deliveries = {delivery}, .attempts = {{{5}, attempt(2)}, {{5}, attempt(1)}}});
  const auto detail = must(subject.reader()->delivery({5}));
  REQUIRE(detail);
  CHECK(detail->delivery == delivery);
  CHECK(same(detail->request, request));
  CHECK(detail->attempts == std::vector{attempt(1), attempt(2), attempt(3)});
  CHECK(!must(subject.reader()->delivery({6})));
}

TEST_CASE("contacts are listed by key with their statistics, page by page", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  CHECK(must(subject.reader()->contacts({}, 5)).contacts.empty());
  CHECK_FALSE(must(subject.reader()->contacts({}, 5)).more);
  Commit commit;
  for (std::uint64_t key = 1; key <= 5; ++key)
    commit.contacts.push_back(a_contact(key, "c" + std::to_string(key)));
  Engagement engagement;
  engagement.opened_last = at(7);
  commit.engagements.push_back({.contact = {3}, .engagement = engagement});
  subject.commit(commit);

  auto reader = subject.reader();
  const auto first = must(reader->contacts({}, 3));
  REQUIRE(first.contacts.size() == 3);
  CHECK(first.more);
  CHECK(first.contacts[0].first == commit.contacts[0]);
  CHECK(first.contacts[2].first == commit.contacts[2]);
  CHECK(first.contacts[0].second.empty());
  CHECK(first.contacts[2].second == engagement);

  // One changes, one goes, one comes: what was not shown yet is shown as it is now, once.
  Contact changed = commit.contacts[3];
  changed.set(Field::FirstName, "Jane");
  subject.commit({.contacts = {changed, a_contact(6, "c6")}, .forgotten = {{5}}});
  reader = subject.reader();
  const auto second = must(reader->contacts(first.contacts[2].first.key, 3));
  REQUIRE(second.contacts.size() == 2);
  CHECK_FALSE(second.more);
  CHECK(second.contacts[0].first == changed);
  CHECK(second.contacts[1].first.key == ContactKey{6});
  CHECK_FALSE(must(reader->contacts({}, 5)).more);
  CHECK(must(reader->contacts({6}, 3)).contacts.empty());
}

TEST_CASE("a page of large contacts is short and says that there are more", "[store]") {
  Subject subject{Way::SqliteFolded};
  Commit commit;
  for (std::uint64_t key = 1; key <= 3; ++key) {
    commit.contacts.push_back(a_contact(key, "c" + std::to_string(key)));
    for (int i = 0; i < 50; ++i)
      commit.contacts.back().set_custom("x" + std::to_string(i), std::string(60'000, 'x'));
  }
  subject.commit(commit);
  const auto reader = subject.reader();
  const auto page = must(reader->contacts({}, 3));
  CHECK(page.contacts.size() == 1);
  CHECK(page.more);
  CHECK(must(reader->contacts({2}, 3)).contacts.size() == 1);
}

TEST_CASE("a contact with an impossible number does not stop the list of contacts",
          "[store][damage]") {
  const auto numbers_after = [](const std::string& damaged, bool forget) {
    INFO(damaged);
    Commit rows{.last_contact = {4}};
    for (std::uint64_t key = 1; key <= 4; ++key)
      rows.contacts.push_back(a_contact(key, "c" + std::to_string(key)));
    const TempFolder folder;
    const auto store =
        damaged_store(folder, rows, "UPDATE contacts SET key = " + damaged + " WHERE key = 2");
    // What is not flushed yet lies on both sides of the damaged row.
    Commit later{.contacts = {rows.contacts[2], a_contact(5, "c5")}};
    if (forget) later.forgotten = {{4}};
    must(store->commit(later));
    const auto reader = must(store->open_reader());
    const auto list = must(reader->contacts({}, 10));
    CHECK_FALSE(list.more);
    Keys one_by_one;
    for (ContactKey after;;) {
      const auto page = must(reader->contacts(after, 1));
      if (page.contacts.empty()) break;
      after = page.contacts.front().first.key;
      one_by_one.push_back(after.value);
      if (!page.more) break;
    }
    CHECK(one_by_one == keys_of(list));
    return keys_of(list);
  };
  for (const char* impossible :
       {"2305843009213693952", "9223372036854775807", "-9223372036854775808", "-1", "0"})
    CHECK(numbers_after(impossible, false) == Keys{1, 3, 4, 5});
  constexpr std::uint64_t kFar = std::uint64_t{1} << 50;
  CHECK(numbers_after(std::to_string(kFar), false) == Keys{1, 3, 4, 5, kFar});
  CHECK(numbers_after("2305843009213693952", true) == Keys{1, 3, 5});
}

TEST_CASE("a damaged number does not become the last one that was used", "[store][damage]") {
  const auto snapshot_after = [](const std::string& sql) {
    Commit rows{.last_seq = 9, .last_contact = {2}};
    rows.contacts = {a_contact(1, "c1"), a_contact(2, "c2")};
    rows.runs = {a_run(numbered(9, 1), 2, RunState::Done)};
    const TempFolder folder;
    return must(damaged_store(folder, rows, sql)->snapshot());
  };
  for (const char* number : {"2305843009213693952", "1125899906842624", "-1"})
    for (const std::string table : {"contacts", "runs"}) {
      INFO(table << " " << number);
      const Snapshot snapshot =
          snapshot_after("UPDATE " + table + " SET key = " + number + " WHERE key > 1");
      CHECK(snapshot.last_contact == ContactKey{2});
      CHECK(snapshot.last_seq == 9);
    }
  // Where the mark is the damaged one, no number is used twice.
  const Snapshot lost = snapshot_after("UPDATE meta SET value = 0 WHERE name LIKE 'last_%'");
  CHECK(lost.last_contact == ContactKey{2});
  CHECK(lost.last_seq == 9);
}

TEST_CASE("runs with an impossible number do not stop a list of runs", "[store][damage]") {
  Commit rows;
  for (std::uint64_t key = 1; key <= 5; ++key)
    rows.runs.push_back(a_run(key * 256, 7, key > 3 ? RunState::Waiting : RunState::Done));
  const TempFolder folder;
  const auto store = damaged_store(folder, rows,
                                   "UPDATE runs SET key = -1 WHERE key = 256;"
                                   "UPDATE runs SET key = 1 - 9223372036854775807 WHERE key = 512;"
                                   "UPDATE runs_live SET run = -5 WHERE run = 1024");
  const auto reader = must(store->open_reader());
  Keys keys;
  std::string cursor;
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = must(reader->runs({7}, 1, cursor));
    for (const Run& run : page.runs) keys.push_back(run.key.value);
    cursor = page.next;
    if (cursor.empty()) break;
  }
  CHECK(cursor.empty());
  CHECK(keys == Keys{1280, 768});
}

TEST_CASE("an activity row with an impossible number stops neither the list nor new rows",
          "[store][damage]") {
  const auto rows_of = [](ReadModel& reader) {
    std::vector<std::pair<std::uint64_t, std::string>> found;
    std::string cursor;
    for (int pages = 0; pages < 20; ++pages) {
      const auto page = must(reader.activity("", 1, cursor));
      for (const auto& [number, row] : page.rows) found.emplace_back(number, row.text);
      cursor = page.next;
      if (cursor.empty()) break;
    }
    CHECK(cursor.empty());
    return found;
  };
  using Rows = std::vector<std::pair<std::uint64_t, std::string>>;
  const auto line = [](const char* text) {
    return Commit{.control = {.activity = {{.text = text}}}};
  };
  Commit rows;
  for (const char* text : {"one", "two", "three"}) rows.control.activity.push_back({.text = text});
  for (const char* sql :
       {"UPDATE activity SET id = 9223372036854775807 WHERE id = 2",
        "UPDATE activity SET id = 9007199254740992 WHERE id = 2",
        "UPDATE activity SET id = 1000000000 WHERE id = 2",
        "UPDATE activity SET id = -7 WHERE id = 2", "UPDATE activity SET id = 0 WHERE id = 2",
        "DELETE FROM activity WHERE id = 2; "
        "UPDATE sqlite_sequence SET seq = 9223372036854775807"}) {
    INFO(sql);
    const TempFolder folder;
    auto store = damaged_store(folder, rows, sql);
    must(store->commit(line("four")));
    must(store->commit(line("five")));
    Rows found = rows_of(*must(store->open_reader()));
    std::erase_if(found, [](const auto& row) { return row.second == "two"; });
    CHECK(found == Rows{{5, "five"}, {4, "four"}, {3, "three"}, {1, "one"}});
  }
  for (const char* sql : {"UPDATE sqlite_sequence SET seq = 0", "DELETE FROM sqlite_sequence"}) {
    INFO(sql);
    const TempFolder folder;
    auto store = damaged_store(folder, rows, sql);
    must(store->commit(line("four")));
    CHECK(rows_of(*must(store->open_reader())) ==
          Rows{{4, "four"}, {3, "three"}, {2, "two"}, {1, "one"}});
  }
}

TEST_CASE("a cursor that no list gave out is refused", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  const auto reader = subject.reader();
  const auto runs = reader->runs({1}, 5, "nonsense");
  REQUIRE(!runs);
  CHECK(runs.error().kind == ErrorKind::Invalid);
  CHECK(runs.error().code == "bad_cursor");
  CHECK(!reader->deliveries({1}, {1}, std::nullopt, 5, "0000000000000000"));
}

TEST_CASE("a node's deliveries in one state come oldest first, in chunks", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  Commit commit;
  for (std::uint64_t key = 1; key <= 6; ++key) {
    Delivery delivery = a_delivery(key, 7, 10);
    delivery.parked = key == 3;
    if (key == 5) {
      delivery.state = DeliveryState::Failed;
      delivery.due.reset();
    }
    commit.deliveries.push_back(delivery);
  }
  subject.commit(commit);
  const auto of = [&](DeliveryState state, std::uint64_t after, std::size_t limit) {
    std::vector<std::uint64_t> keys;
    for (const DeliveryKey key : must(subject->deliveries_of({1}, {3}, state, {after}, limit)))
      keys.push_back(key.value);
    return keys;
  };
  CHECK(of(DeliveryState::Pending, 0, 3) == Keys{1, 2, 3});
  CHECK(of(DeliveryState::Pending, 3, 3) == Keys{4, 6});
  CHECK(of(DeliveryState::Failed, 0, 3) == Keys{5});
  CHECK(of(DeliveryState::Pending, 0, 0).empty());
  Delivery settled = a_delivery(2, 7, 10);
  settled.state = DeliveryState::Failed;
  settled.due.reset();
  subject.commit({.deliveries = {settled}});
  CHECK(of(DeliveryState::Failed, 0, 3) == Keys{2, 5});
  CHECK(of(DeliveryState::Pending, 1, 3) == Keys{3, 4, 6});
  CHECK(must(subject->deliveries_of({1}, {4}, DeliveryState::Pending, {}, 9)).empty());
}

TEST_CASE("live runs are listed by scenario, state, place and reason", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  Commit commit;
  for (std::uint64_t key = 1; key <= 6; ++key) {
    Run run = a_run(key * 256, 1 + key % 2, key == 6 ? RunState::Done : RunState::Waiting);
    if (key == 4) run.scenario = {2};
    if (key == 5) {
      run.state = RunState::Parked;
      run.reason = "cascade";
    }
    commit.runs.push_back(run);
  }
  subject.commit(commit);
  const auto reader = subject.reader();
  const auto list = [&](const ReadModel::RunFilter& filter, std::string_view cursor = {}) {
    return must(reader->live_runs(filter, 2, cursor));
  };
  const auto first = list({});
  CHECK(keys_of(first.runs) == Keys{512, 1024});
  const auto second = list({}, first.next);
  CHECK(keys_of(second.runs) == Keys{256, 768});
  const auto third = list({}, second.next);
  CHECK(keys_of(third.runs) == Keys{1280});
  CHECK(third.next.empty());
  CHECK(keys_of(list({.scenario = {2}}).runs) == Keys{1024});
  CHECK(keys_of(list({.state = RunState::Parked}).runs) == Keys{1280});
  CHECK(keys_of(list({.state = RunState::Parked, .reason = "cascade"}).runs) == Keys{1280});
  CHECK(list({.state = RunState::Parked, .reason = "other"}).runs.empty());
  CHECK(list({.node = {99}}).runs.empty());
  const auto wrong = reader->live_runs({}, 2, "nonsense");
  REQUIRE(!wrong);
  CHECK(wrong.error().code == "bad_cursor");
}

TEST_CASE("a contact's ledger is read with its refusals", "[store]") {
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays)));
  INFO(name_of(way));
  Subject subject{way};
  const LedgerRow refused{.scenario = {2},
                          .entries = 1,
                          .last_entry = at(3),
                          .refusals = {{.reason = "inside", .count = 2, .last = at(9)}}};
  subject.commit({.ledger = {{{7}, refused},
                             {{7}, {.scenario = {1}, .key = "=k", .entries = 1}},
                             {{7}, {.scenario = {1}, .test = true, .entries = 4}},
                             {{8}, {.scenario = {1}, .entries = 1}}}});
  const auto ledger = must(subject.reader()->ledger({7}));
  REQUIRE(ledger.size() == 2);
  CHECK(ledger[0].test);
  CHECK(ledger[1] == refused);
}
}  // namespace onward
