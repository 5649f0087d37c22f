// What every store does: state of contacts, identities, runs, deliveries, timers, seen events.
#include <catch2/catch.hpp>

#include "tests/store/conformance.h"

namespace onward {
namespace {
using std::chrono::hours;

/// Runs the rest of the test case once in every way.
#define SUBJECT(subject)                                                    \
  const Way way = GENERATE(from_range(std::begin(kWays), std::end(kWays))); \
  INFO(name_of(way));                                                       \
  Subject subject { way }

IdentityMatch who(Subject& subject, std::string id, std::string email) {
  const IdentityQuery query{.id = std::move(id), .email = std::move(email)};
  return must(subject->identify({&query, 1})).at(0);
}
std::vector<std::uint64_t> holders(Subject& subject, std::string email) {
  std::vector<std::uint64_t> keys;
  for (const auto& holder : who(subject, {}, std::move(email)).by_email)
    keys.push_back(holder.contact.value);
  return keys;
}
std::optional<ContactState> load(Subject& subject, const LoadQuery& query) {
  return must(subject->load({&query, 1})).at(0);
}
std::optional<LoadedDelivery> load_delivery(Subject& subject, std::uint64_t key) {
  const DeliveryKey wanted{key};
  return must(subject->deliveries({&wanted, 1})).at(0);
}
std::vector<std::uint64_t> due(Subject& subject, std::int64_t until, std::size_t limit = 100) {
  std::vector<std::uint64_t> keys;
  for (const DueDelivery& row :
       must(subject->due(a_delivery(1, 1, 0).endpoint, kBeforeAllDue, at(until), limit)))
    keys.push_back(row.delivery.value);
  return keys;
}
std::optional<Hash128> seen(Subject& subject, Hash128 key, Instant now) {
  return must(subject->seen({&key, 1}, now)).at(0);
}
using Keys = std::vector<std::uint64_t>;
/// What a store without bound parameters would take for its own words.
constexpr const char* kSqlWords = "x'; DROP TABLE contacts; --%_\\\"*?[a]";
}  // namespace

TEST_CASE("an empty store knows nobody and has an epoch", "[store]") {
  SUBJECT(subject);
  const Snapshot snapshot = must(subject->snapshot());
  CHECK(snapshot.epochs.newest().size() == 12);
  CHECK(snapshot.last_seq == 0);
  CHECK(!load(subject, {.contact = {1}}));
  CHECK(!who(subject, "c1", "a@example.org").by_id);
  CHECK(holders(subject, "a@example.org").empty());
  CHECK(!load_delivery(subject, 1));
  CHECK(must(subject->timers_due(Instant::max(), 10)).empty());
  CHECK(!subject->next_timer());
  CHECK(must(subject->due_endpoints()).empty());
  CHECK(due(subject, 1'000'000).empty());
  must(subject->commit({}));
  CHECK(!subject->fold_pending());
}

TEST_CASE("a contact comes back as it was committed, the newest of several", "[store]") {
  SUBJECT(subject);
  Contact contact = a_contact(7, "c7", "ada@example.org");
  contact.fields.emplace_back(Field::BirthDate, Value{Date{std::chrono::days{-7000}}});
  contact.fields.emplace_back(Field::SubscribedAt, Value{at(3)});
  contact.custom.emplace_back("nested", Value{ValueMap{{"a", Value{ValueList{1, 2.5, true}}}}});
  Engagement engagement{.opened_last = at(8)};
  engagement.mailings.push_back({.mailing = "may", .received = at(1), .clicked_last = at(4)});
  subject.commit(
      {.last_seq = 3, .contacts = {a_contact(7), contact}, .engagements = {{{7}, engagement}}});
  auto state = load(subject, {.contact = {7}});
  REQUIRE(state);
  CHECK(state->contact == contact);
  CHECK(state->engagement == engagement);

  contact.groups = {"customer"};
  contact.id.reset();
  subject.commit({.last_seq = 4, .contacts = {contact}});
  state = load(subject, {.contact = {7}});
  CHECK(state->contact == contact);
  CHECK(state->engagement == engagement);
  const auto reader = subject.reader();
  const auto read = must(reader->contact({7}));
  REQUIRE(read);
  CHECK(read->first == contact);
  CHECK(read->second == engagement);
  CHECK(!must(reader->contact({8})));
}

TEST_CASE("words of SQL and wildcards are data, wherever they stand", "[store]") {
  SUBJECT(subject);
  Contact contact = a_contact(9, kSqlWords, kSqlWords);
  for (const Field field : {Field::FirstName, Field::Note, Field::ConsentProof})
    contact.set(field, kSqlWords);
  contact.set_custom(kSqlWords, kSqlWords);
  contact.groups = {kSqlWords};
  Engagement engagement;
  engagement.mailings.push_back({.mailing = kSqlWords, .subject = kSqlWords, .received = at(1)});
  subject.commit({.last_seq = 1,
                  .contacts = {a_contact(7, "c7", "ada@example.org"), contact},
                  .engagements = {{{9}, engagement}},
                  .identities = {id_change("c7", 7), email_change("ada@example.org", 7),
                                 id_change(kSqlWords, 9), email_change(kSqlWords, 9)}});
  const auto state = load(subject, {.contact = {9}});
  REQUIRE(state);
  CHECK(state->contact == contact);
  CHECK(state->engagement == engagement);
  const auto read = must(subject.reader()->contact({9}));
  REQUIRE(read);
  CHECK(read->first == contact);
  CHECK(read->second == engagement);

  CHECK(who(subject, kSqlWords, {}).by_id == ContactKey{9});
  CHECK(holders(subject, kSqlWords) == Keys{9});
  CHECK(who(subject, "c7", {}).by_id == ContactKey{7});
  CHECK(load(subject, {.contact = {7}})->contact == a_contact(7, "c7", "ada@example.org"));
  for (const char* wildcard : {"%", "_", "c_", "c%", "*", "c?", "[c]7", "' OR 1=1 --"}) {
    CAPTURE(wildcard);
    CHECK(!who(subject, wildcard, {}).by_id);
    CHECK(holders(subject, wildcard).empty());
    CHECK(!must(subject.reader()->identify({.id = wildcard, .email = wildcard})).by_id);
  }
}

TEST_CASE("statistics without a contact are none until it exists", "[store]") {
  SUBJECT(subject);
  const Engagement engagement{.opened_last = at(8)};
  subject.commit({.engagements = {{{7}, engagement}}});
  CHECK(!load(subject, {.contact = {7}}));
  CHECK(!must(subject.reader()->contact({7})));
  subject.commit({.contacts = {a_contact(7)}});
  CHECK(load(subject, {.contact = {7}})->engagement == engagement);
}

TEST_CASE("an id leads to its contact, also after it was added or moved", "[store]") {
  SUBJECT(subject);
  subject.commit({.contacts = {a_contact(1, "", "x@example.org")},
                  .identities = {email_change("x@example.org", 1)}});
  CHECK(!who(subject, "c1", {}).by_id);
  auto match = who(subject, {}, "x@example.org");
  REQUIRE(match.by_email.size() == 1);
  CHECK(!match.by_email[0].has_id);

  subject.commit(
      {.contacts = {a_contact(1, "c1", "x@example.org")}, .identities = {id_change("c1", 1)}});
  CHECK(who(subject, "c1", {}).by_id == ContactKey{1});
  CHECK(who(subject, {}, "x@example.org").by_email.at(0).has_id);

  // The id moves; the removal of the old one comes late and must not take it from the new one.
  subject.commit({.identities = {id_change("c1", 2), id_change("c1", 1, true)}});
  CHECK(who(subject, "c1", {}).by_id == ContactKey{2});
  subject.commit({.identities = {id_change("c1", 1, true)}});
  CHECK(who(subject, "c1", {}).by_id == ContactKey{2});
  subject.commit({.identities = {id_change("c1", 2, true)}});
  CHECK(!who(subject, "c1", {}).by_id);
  subject.commit({.identities = {id_change("c1", 3), id_change("c1", 3, true)}});
  CHECK(!who(subject, "c1", {}).by_id);
}

TEST_CASE("holders of an email come oldest first, at most sixteen", "[store]") {
  SUBJECT(subject);
  subject.commit({.identities = {email_change("x@example.org", 9), email_change("x@example.org", 4),
                                 email_change("y@example.org", 5)}});
  CHECK(holders(subject, "x@example.org") == Keys{4, 9});
  subject.commit(
      {.identities = {email_change("x@example.org", 4, true), email_change("y@example.org", 4),
                      email_change("x@example.org", 2)}});
  CHECK(holders(subject, "x@example.org") == Keys{2, 9});
  CHECK(holders(subject, "y@example.org") == Keys{4, 5});
  CHECK(holders(subject, "X@example.org").empty());

  Commit many;
  for (std::uint64_t key = 10; key < 40; ++key)
    many.identities.push_back(email_change("x@example.org", key));
  subject.commit(many);
  const Keys found = holders(subject, "x@example.org");
  CHECK(found.size() == 16);
  CHECK(found.front() == 2);
  CHECK(found.back() == 23);
  subject.commit({.identities = {email_change("x@example.org", 9, true),
                                 email_change("x@example.org", 11, true)}});
  CHECK(holders(subject, "x@example.org").back() == 25);
  CHECK(same(must(subject.reader()->identify({.email = "x@example.org"})),
             who(subject, {}, "x@example.org")));
}

TEST_CASE("a load brings the ledger rows that it names, live and test", "[store]") {
  SUBJECT(subject);
  VisitedNodes visited;
  visited.insert({1});
  visited.insert({130});
  const auto row = [&](std::uint32_t scenario, std::string key, bool test, std::uint32_t entries) {
    return LedgerEntry{{7},
                       {.scenario = {scenario},
                        .key = std::move(key),
                        .test = test,
                        .entries = entries,
                        .last_entry = at(entries),
                        .visited = visited}};
  };
  subject.commit({.contacts = {a_contact(7), a_contact(8)},
                  .ledger = {row(1, "", false, 1), row(1, "", true, 2), row(2, "", false, 3),
                             row(1, "o1", false, 4), row(1, "o2", false, 5)}});
  auto state = load(subject, {.contact = {7}, .ledger = {{1}}, .keyed = {{{1}, "o2"}}});
  REQUIRE(state);
  REQUIRE(state->ledger.size() == 3);
  CHECK(state->ledger[0] == row(1, "", false, 1).row);
  CHECK(state->ledger[1] == row(1, "", true, 2).row);
  CHECK(state->ledger[2] == row(1, "o2", false, 5).row);
  CHECK(load(subject, {.contact = {7}})->ledger.empty());
  CHECK(load(subject, {.contact = {8}, .ledger = {{1}, {2}}})->ledger.empty());

  subject.commit({.ledger = {row(1, "", true, 20)}});
  state = load(subject, {.contact = {7}, .ledger = {{1}, {1}, {3}}});
  REQUIRE(state->ledger.size() == 2);
  CHECK(state->ledger[0].entries == 1);
  CHECK(state->ledger[1].entries == 20);
}

TEST_CASE("live runs are loaded with their scenario's ledger; ended ones are only listed",
          "[store]") {
  SUBJECT(subject);
  Run waiting = a_run(256, 7);
  waiting.entry_key = "o1";
  waiting.wake_at = at(500);
  const Run parked = a_run(512, 7, RunState::Parked);
  const Run done = a_run(768, 7, RunState::Done);
  const LedgerEntry row{{7}, {.scenario = {1}, .entries = 3}};
  subject.commit({.contacts = {a_contact(7)}, .ledger = {row}, .runs = {parked, done, waiting}});
  auto state = load(subject, {.contact = {7}});
  REQUIRE(state);
  CHECK(same(state->live, {waiting, parked}));
  REQUIRE(state->ledger.size() == 1);
  CHECK(state->ledger[0] == row.row);

  waiting.state = RunState::Done;
  waiting.ended = at(600);
  waiting.wake_at.reset();
  waiting.path.back().port = "next";
  waiting.path.back().delivery = DeliveryKey{1000};
  subject.commit({.runs = {waiting}});
  CHECK(same(load(subject, {.contact = {7}})->live, {parked}));
  waiting.event = nullptr;  // An ended run no longer needs it.
  const auto list = must(subject.reader()->runs({7}, 10, ""));
  CHECK(same(list.runs, {done, parked, waiting}));
  CHECK(list.next.empty());
}

TEST_CASE("a delivery queues while it is pending, at its newest due", "[store]") {
  SUBJECT(subject);
  Delivery a = a_delivery(300, 7, 100);
  Delivery b = a_delivery(301, 7, 50);
  const auto request = std::make_shared<const Request>(a_request("{\"a\":1}"));
  subject.commit({.deliveries = {a, b}, .requests = {{{300}, request}, {{301}, request}}});
  CHECK(due(subject, 1000) == Keys{301, 300});
  CHECK(due(subject, 99) == Keys{301});
  CHECK(due(subject, 1000, 1) == Keys{301});
  CHECK(due(subject, 1000, 0).empty());
  auto endpoints = must(subject->due_endpoints());
  REQUIRE(endpoints.size() == 1);
  CHECK(endpoints[0].endpoint == a.endpoint);
  CHECK(endpoints[0].due == at(50));
  CHECK(must(subject->next_due(a.endpoint, at(50))) == at(100));
  CHECK(must(subject->next_due(a.endpoint, at(49))) == at(50));
  CHECK(!must(subject->next_due(a.endpoint, at(100))));

  // Refused: due moves.
  b.attempts = 1;
  b.due = at(700);
  b.last = Attempt{
      .number = 1, .started = at(51), .took = Duration{9}, .status = 503, .response = "busy"};
  subject.commit({.deliveries = {b}});
  CHECK(due(subject, 1000) == Keys{300, 301});
  CHECK(must(subject->next_due(a.endpoint, at(100))) == at(700));

  // Accepted: it leaves the queue.
  a.state = DeliveryState::Accepted;
  a.due.reset();
  a.settled = at(101);
  subject.commit({.deliveries = {a}});
  CHECK(due(subject, 1000) == Keys{301});
  CHECK(must(subject->due_endpoints()).at(0).due == at(700));

  // Parked: pending, but not in the queue.
  b.parked = true;
  subject.commit({.deliveries = {b}});
  CHECK(due(subject, 1000).empty());
  CHECK(must(subject->due_endpoints()).empty());
  CHECK(must(subject->pending_of({7})) == std::vector<DeliveryKey>{{301}});
  b.parked = false;
  subject.commit({.deliveries = {b}});
  CHECK(due(subject, 1000) == Keys{301});

  // Failed, then taken back by hand.
  b.state = DeliveryState::Failed;
  b.due.reset();
  b.reason = "deadline";
  subject.commit({.deliveries = {b}});
  CHECK(must(subject->pending_of({7})).empty());
  b.state = DeliveryState::Pending;
  b.series = 1;
  b.series_from = 1;
  b.due = at(60);
  subject.commit({.deliveries = {b}});
  CHECK(due(subject, 1000) == Keys{301});
  const auto loaded = load_delivery(subject, 301);
  REQUIRE(loaded);
  CHECK(loaded->delivery == b);
  CHECK(same(loaded->request, request));
}

TEST_CASE("queues of different endpoints are apart", "[store]") {
  SUBJECT(subject);
  Commit commit;
  for (std::uint32_t version = 1; version <= 3; ++version) {
    for (std::uint32_t node = 1; node <= 2; ++node) {
      Delivery delivery = a_delivery(version * 10 + node, 7, 100 * node - version);
      delivery.endpoint = {.scenario = {4}, .node = {node}, .version = version};
      commit.deliveries.push_back(delivery);
    }
  }
  subject.commit(commit);
  CHECK(must(subject->due_endpoints()).size() == 6);
  CHECK(due(subject, 1000).empty());
  const auto rows =
      must(subject->due({.scenario = {4}, .node = {2}, .version = 3}, kBeforeAllDue, at(1000), 10));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] == DueDelivery{.due = at(197), .delivery = {32}});

  Delivery settled = commit.deliveries[2];
  settled.state = DeliveryState::Cancelled;
  subject.commit({.deliveries = {settled}});
  CHECK(must(subject->due_endpoints()).size() == 5);
}

TEST_CASE("a null request purges the body and leaves the delivery", "[store]") {
  SUBJECT(subject);
  subject.commit({.deliveries = {a_delivery(300, 7, 1)},
                  .requests = {{{300}, std::make_shared<const Request>(a_request("x"))}}});
  REQUIRE(load_delivery(subject, 300)->request);
  subject.commit({.requests = {{{300}, nullptr}}});
  REQUIRE(load_delivery(subject, 300));
  CHECK(!load_delivery(subject, 300)->request);
}

TEST_CASE("timers fall due in order, until they are cleared", "[store]") {
  SUBJECT(subject);
  const auto timer = [](std::int64_t seconds, std::uint64_t contact, std::uint64_t run) {
    return Timer{.at = at(seconds), .contact = {contact}, .key = {TimerKind::Wait, run}};
  };
  subject.commit({.timers_set = {timer(50, 2, 1), timer(30, 9, 2), timer(30, 1, 3)}});
  CHECK(must(subject->timers_due(at(40), 10)) ==
        std::vector<Timer>{timer(30, 1, 3), timer(30, 9, 2)});
  CHECK(must(subject->timers_due(at(90), 1)) == std::vector<Timer>{timer(30, 1, 3)});
  CHECK(must(subject->timers_due(at(29), 10)).empty());
  CHECK(must(subject->timers_due(at(90), 0)).empty());
  CHECK(subject->next_timer() == at(30));

  subject.commit({.timers_cleared = {timer(30, 1, 3), timer(30, 9, 2), timer(77, 7, 7)}});
  CHECK(subject->next_timer() == at(50));
  subject.commit({.timers_set = {timer(20, 4, 4)}});
  CHECK(subject->next_timer() == at(20));
  subject.commit({.timers_cleared = {timer(20, 4, 4)}});
  CHECK(must(subject->timers_due(at(90), 10)) == std::vector<Timer>{timer(50, 2, 1)});

  // A timer that one commit clears and sets stands: one too many does no harm.
  subject.commit({.timers_set = {timer(50, 2, 1)}, .timers_cleared = {timer(50, 2, 1)}});
  CHECK(subject->next_timer() == at(50));
  subject.commit({.timers_cleared = {timer(50, 2, 1)}});
  CHECK(!subject->next_timer());
}

TEST_CASE("an event is remembered by its fingerprint for the window's days", "[store]") {
  SUBJECT(subject);
  const Hash128 a{1, 2};
  const Hash128 b{0xffffffffffffffffULL, 7};
  const Hash128 body{11, 12};
  subject.commit({.seen = {{a, body, at(0)}, {b, {13, 14}, at(0) + hours{24}}}});
  CHECK(seen(subject, a, at(0)) == body);
  CHECK(seen(subject, b, at(0)) == Hash128{13, 14});  // The clock may have been set back.
  CHECK(!seen(subject, {1, 3}, at(0)));
  CHECK(seen(subject, a, at(0) + hours{24 * 7}) == body);
  CHECK(!seen(subject, a, at(0) + hours{24 * 9}));
  CHECK(seen(subject, b, at(0) + hours{24 * 8}) == Hash128{13, 14});

  // Seen again long after: known under the new fingerprint.
  subject.commit({.seen = {{a, {15, 16}, at(0) + hours{24 * 9}}}});
  CHECK(seen(subject, a, at(0) + hours{24 * 10}) == Hash128{15, 16});
}

namespace {
void forget_seen(Subject& subject, Instant before) {
  while (must(subject->forget_seen(before))) {
  }
}
}  // namespace

TEST_CASE("forgotten days are dropped whole", "[store]") {
  SUBJECT(subject);
  const Hash128 body{11, 12};
  subject.commit({.seen = {{{1, 1}, body, at(0)},
                           {{1, 2}, body, at(0) + hours{24}},
                           {{1, 3}, body, at(0) + hours{48}}}});
  forget_seen(subject, at(0) + hours{24});
  CHECK(!seen(subject, {1, 1}, at(0)));
  CHECK(seen(subject, {1, 2}, at(0)) == body);
  CHECK(seen(subject, {1, 3}, at(1)) == body);
  // Should the clock be set back, that day begins anew.
  subject.commit({.seen = {{{1, 4}, body, at(1)}}});
  CHECK(seen(subject, {1, 4}, at(1)) == body);
  subject.reopen();
  CHECK(!seen(subject, {1, 1}, at(0)));
  CHECK(seen(subject, {1, 2}, at(0)) == body);
  forget_seen(subject, at(0) + hours{24 * 30});
  CHECK(!seen(subject, {1, 3}, at(1)));
}

TEST_CASE("counters are absolute and the newest is in the snapshot", "[store]") {
  SUBJECT(subject);
  const CounterKey node{.scenario = {1}, .node = {2}, .version = 3, .test = true};
  const CounterKey whole{.scenario = {1}};
  CounterRow row;
  row.add(Counter::Visits, 3);
  row.add("yes", 2);
  CounterRow other;
  other.add(Counter::Entered, -1);
  subject.commit({.last_seq = 9, .last_contact = {5}, .counters = {{node, row}, {whole, other}}});
  row.add(Counter::Visits, 1);
  subject.commit({.last_seq = 10, .last_contact = {4}, .counters = {{node, row}}});
  subject.commit({.last_seq = 8});
  const Snapshot snapshot = must(subject->snapshot());
  CHECK(snapshot.counters == Counters{{node, row}, {whole, other}});
  CHECK(snapshot.last_seq == 10);
  CHECK(snapshot.last_contact == ContactKey{5});
}

TEST_CASE("scenarios, versions and tokens are in the snapshot", "[store]") {
  SUBJECT(subject);
  ScenarioRecord scenario{.key = {1},
                          .id = "welcome",
                          .state = ScenarioState::Active,
                          .newest = 2,
                          .test_emails = {"jane@example.org"},
                          .nodes = {{"a", {1}}, {"b", {2}}},
                          .kinds = {{"a", "trigger"}},
                          .created = at(1),
                          .activated = at(2),
                          .ever_ran = true};
  const VersionRecord one{
      .scenario = {1}, .version = 1, .text = "scenario: welcome\n", .format = kFirstFormat};
  const VersionRecord two{.scenario = {1}, .version = 2, .text = "# é\r\n", .created = at(4)};
  const TokenRecord token{.sha256 = "ab12", .name = "ci", .role = Role::Author, .created = at(3)};
  subject.commit({.control = {.scenarios = {scenario}, .versions = {two, one}, .tokens = {token}}});
  scenario.state = ScenarioState::Archived;
  scenario.archived = at(9);
  scenario.deleted = true;
  subject.commit({.control = {.scenarios = {scenario}}});
  const Snapshot snapshot = must(subject->snapshot());
  CHECK(snapshot.control.scenarios == std::vector{scenario});
  // Texts are read one by one, when they are needed.
  VersionRecord bare_one = one, bare_two = two;
  bare_one.text.clear();
  bare_two.text.clear();
  CHECK(snapshot.control.versions == std::vector{bare_one, bare_two});
  const auto reader = must(subject->open_reader());
  CHECK(must(reader->version_text({1}, 1)) == one.text);
  CHECK(must(reader->version_text({1}, 2)) == two.text);
  CHECK(must(reader->version_text({1}, 3)) == std::nullopt);
  CHECK(must(reader->version_text({2}, 1)) == std::nullopt);
  CHECK(snapshot.control.tokens == std::vector{token});
}

TEST_CASE("what people set up is read apart from the contacts, with the same rows", "[store]") {
  SUBJECT(subject);
  CHECK(must(subject->control()) == ControlSnapshot{});
  const VersionRecord version{
      .scenario = {1}, .version = 1, .text = "scenario: welcome\n", .created = at(4)};
  const Commit change{
      .last_seq = 1,
      .last_contact = {1},
      .contacts = {a_contact(1, "c1")},
      .control = {.scenarios = {{.key = {1}, .id = "welcome", .newest = 1, .created = at(4)}},
                  .versions = {version},
                  .tokens = {{.sha256 = "ab12", .name = "ci", .created = at(3)}},
                  .admin = {{.kind = AdminKind::Field, .name = "plan", .content = "{}"}},
                  .activity = {{.at = at(4), .what = "scenario.applied", .scenario = "welcome"}}}};
  subject.commit(change);
  const ControlSnapshot control = must(subject->control());
  CHECK(control == must(subject->snapshot()).control);
  CHECK(control.scenarios == change.control.scenarios);
  CHECK(control.tokens == change.control.tokens);
  CHECK(control.admin == change.control.admin);
  REQUIRE(control.versions.size() == 1);
  CHECK(control.versions.front().text.empty());
  const auto reader = must(subject->open_control_reader());
  CHECK(must(reader->version_text({1}, 1)) == version.text);
  const auto activity = must(reader->activity("welcome", 10, ""));
  REQUIRE(activity.rows.size() == 1);
  CHECK(activity.rows.front().second == change.control.activity.front());
}

TEST_CASE("a token is in the snapshot, with its end, until it is removed", "[store]") {
  SUBJECT(subject);
  TokenRecord ci{.sha256 = "ab12", .name = "ci", .role = Role::Author, .created = at(3)};
  const TokenRecord guest{
      .sha256 = "cd34", .name = "guest", .role = Role::Read, .created = at(4), .expires = at(90)};
  const TokenRecord scraper{
      .sha256 = "ef56", .name = "scraper", .role = Role::Metrics, .created = at(5)};
  subject.commit({.control = {.tokens = {ci, guest, scraper}}});
  CHECK(must(subject->snapshot()).control.tokens == std::vector{ci, guest, scraper});
  ci.removed = true;
  subject.commit({.control = {.tokens = {ci}}});
  CHECK(must(subject->snapshot()).control.tokens == std::vector{guest, scraper});
}

TEST_CASE("administrative records are in the snapshot until they are removed", "[store]") {
  SUBJECT(subject);
  AdminRecord secret{
      .kind = AdminKind::Secret, .name = "crm_key", .content = std::string("a\0b", 3)};
  const AdminRecord field{.kind = AdminKind::Field, .name = "crm_key", .content = "{}"};
  subject.commit({.control = {.admin = {field, secret}}});
  CHECK(must(subject->snapshot()).control.admin == std::vector{secret, field});
  secret.content = "c";
  subject.commit({.control = {.admin = {secret}}});
  subject.reopen();
  CHECK(must(subject->snapshot()).control.admin == std::vector{secret, field});
  subject.commit(
      {.control = {.admin = {{.kind = AdminKind::Secret, .name = "crm_key", .removed = true}}}});
  CHECK(must(subject->snapshot()).control.admin == std::vector{field});
}

TEST_CASE("the activity log is listed newest first, whole or of one scenario", "[store]") {
  SUBJECT(subject);
  const Activity one{.at = at(1), .what = "scenario.applied", .scenario = "a", .who = "ci"};
  const Activity two{.at = at(2), .what = "secret.set", .who = "root", .text = "crm_key"};
  const Activity three{.at = at(3), .what = "node.paused", .scenario = "a", .node = "n"};
  subject.commit({.control = {.activity = {one, two}}});
  subject.commit({.control = {.activity = {three}}});
  subject.reopen();
  auto reader = must(subject->open_reader());
  const auto texts = [](const ReadModel::ActivityList& list) {
    std::vector<Activity> rows;
    for (const auto& [number, row] : list.rows) rows.push_back(row);
    return rows;
  };
  const auto first = must(reader->activity("", 2, ""));
  CHECK(texts(first) == std::vector{three, two});
  CHECK(texts(must(reader->activity("", 2, first.next))) == std::vector{one});
  CHECK(texts(must(reader->activity("a", 9, ""))) == std::vector{three, one});
  CHECK(must(reader->activity("b", 9, "")).rows.empty());
  CHECK(!reader->activity("", 2, "!"));
}

TEST_CASE("the epoch stays the store's", "[store]") {
  SUBJECT(subject);
  const std::string epoch = must(subject->snapshot()).epochs.newest();
  subject.commit({.last_seq = 1, .contacts = {a_contact(1)}});
  subject.reopen();
  CHECK(must(subject->snapshot()).epochs.newest() == epoch);
}

TEST_CASE("a forgotten contact leaves numbers and lists, no word of itself", "[store]") {
  SUBJECT(subject);
  Run live = a_run(256, 7);
  live.entry_key = "order-1";
  Run ended = a_run(512, 7, RunState::Done);
  ended.path.back().delivery = DeliveryKey{700};
  Delivery pending = a_delivery(600, 7, 100);
  Delivery accepted = a_delivery(700, 7, 100);
  accepted.state = DeliveryState::Accepted;
  accepted.attempts = 2;
  accepted.last = Attempt{.number = 2, .started = at(30), .status = 200, .response = "hello Ada"};
  const Attempt first{.number = 1, .started = at(20), .status = 500, .response = "sorry Ada"};
  const auto request = std::make_shared<const Request>(a_request("Ada"));
  subject.commit({.contacts = {a_contact(7, "c7", "ada@example.org"), a_contact(8, "c8")},
                  .engagements = {{{7}, {.opened_last = at(1)}}},
                  .ledger = {{{7}, {.scenario = {1}}},
                             {{7}, {.scenario = {1}, .key = "order-1"}},
                             {{8}, {.scenario = {1}}}},
                  .runs = {live, ended},
                  .deliveries = {pending, accepted},
                  .requests = {{{600}, request}, {{700}, request}},
                  .attempts = {{{700}, first}},
                  .identities = {id_change("c7", 7), email_change("ada@example.org", 7),
                                 email_change("ada@example.org", 8), id_change("c8", 8)}});
  CHECK(must(subject->pending_of({7})) == std::vector<DeliveryKey>{{600}});

  live.state = RunState::Stopped;
  live.reason = "forgotten";
  live.ended = at(99);
  pending.state = DeliveryState::Cancelled;
  pending.due.reset();
  subject.commit({.runs = {live}, .deliveries = {pending}, .forgotten = {{7}}});

  CHECK(!load(subject, {.contact = {7}}));
  CHECK(!who(subject, "c7", {}).by_id);
  CHECK(who(subject, "c8", {}).by_id == ContactKey{8});
  CHECK(holders(subject, "ada@example.org") == Keys{8});
  CHECK(load(subject, {.contact = {8}, .ledger = {{1}}})->ledger.size() == 1);
  CHECK(!load_delivery(subject, 600)->request);
  CHECK(!load_delivery(subject, 700)->request);
  CHECK(load_delivery(subject, 700)->delivery.state == DeliveryState::Accepted);
  CHECK(due(subject, 1000).empty());

  const auto reader = subject.reader();
  CHECK(!must(reader->contact({7})));
  const auto runs = must(reader->runs({7}, 10, "")).runs;
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].state == RunState::Done);
  CHECK(runs[1].state == RunState::Stopped);
  for (const Run& run : runs) {
    CHECK(run.path.empty());
    CHECK(!run.event);
    CHECK(run.entry_key.empty());
  }
  const auto detail = must(reader->delivery({700}));
  REQUIRE(detail);
  CHECK(!detail->request);
  REQUIRE(detail->attempts.size() == 2);
  CHECK(detail->attempts[0].status == 500);
  CHECK(detail->attempts[0].response.empty());
  CHECK(detail->attempts[1].response.empty());

  // Should the key ever come back, nothing old comes with it.
  subject.commit({.contacts = {a_contact(7)}});
  const auto again = load(subject, {.contact = {7}, .ledger = {{1}}, .keyed = {{{1}, "order-1"}}});
  CHECK(again->engagement.empty());
  CHECK(again->ledger.empty());
  CHECK(again->live.empty());
}

TEST_CASE("a contact made and forgotten in one commit leaves nothing", "[store]") {
  SUBJECT(subject);
  Run run = a_run(256, 7, RunState::Done);
  run.path.back().delivery = DeliveryKey{300};
  subject.commit({.contacts = {a_contact(7, "c7", "ada@example.org")},
                  .engagements = {{{7}, {.opened_last = at(1)}}},
                  .ledger = {{{7}, {.scenario = {1}}}},
                  .runs = {run},
                  .deliveries = {a_delivery(300, 7, 1)},
                  .requests = {{{300}, std::make_shared<const Request>(a_request("Ada"))}},
                  .identities = {id_change("c7", 7), email_change("ada@example.org", 7)},
                  .forgotten = {{7}}});
  CHECK(!load(subject, {.contact = {7}}));
  CHECK(!who(subject, "c7", {}).by_id);
  CHECK(holders(subject, "ada@example.org").empty());
  CHECK(!load_delivery(subject, 300)->request);
  CHECK(must(subject.reader()->runs({7}, 10, "")).runs.at(0).path.empty());
}

TEST_CASE("a commit that comes twice changes nothing", "[store]") {
  SUBJECT(subject);
  Commit commit{.last_seq = 5,
                .contacts = {a_contact(7, "c7")},
                .ledger = {{{7}, {.scenario = {1}, .entries = 1}}},
                .runs = {a_run(256, 7)},
                .deliveries = {a_delivery(300, 7, 50)},
                .timers_set = {{.at = at(9), .contact = {7}, .key = {TimerKind::Date, 4}}},
                .seen = {{{1, 1}, {2, 2}, at(0)}},
                .identities = {id_change("c7", 7), email_change("ada@example.org", 7)}};
  subject.commit(commit);
  subject.commit(commit);
  const auto state = load(subject, {.contact = {7}});
  CHECK(state->live.size() == 1);
  CHECK(state->ledger.size() == 1);
  CHECK(due(subject, 1000) == Keys{300});
  CHECK(must(subject->timers_due(at(90), 10)).size() == 1);
  CHECK(holders(subject, "ada@example.org") == Keys{7});
}
}  // namespace onward
