#include "engine/store/codec.h"

#include <catch2/catch.hpp>
#include <limits>
#include <random>

#include "engine/core/contact/contact_size.h"
#include "engine/store/sqlite/journal.h"
#include "engine/store/sqlite/overlay.h"
#include "tests/store/conformance.h"
#include "tests/store/world.h"

namespace onward {
namespace {
template <class Row>
std::string bytes_of(const Row& row) {
  std::string bytes;
  Encoder out{bytes};
  encode(out, row);
  return bytes;
}

/// All decoders; none may crash, whatever the bytes are.
void decode_everything(std::string_view bytes) {
  static_cast<void>(decode_contact({1}, bytes));
  static_cast<void>(decode_engagement(bytes));
  static_cast<void>(decode_ledger({1}, "k", true, bytes));
  static_cast<void>(decode_run({1}, {2}, bytes));
  static_cast<void>(decode_delivery({1}, bytes));
  static_cast<void>(decode_request(bytes));
  static_cast<void>(decode_attempt(bytes));
  static_cast<void>(decode_counters(bytes));
  static_cast<void>(decode_scenario({1}, bytes));
  static_cast<void>(decode_token("a", bytes));
  static_cast<void>(encoded_has_id(bytes));
  static_cast<void>(Overlay{}.apply(bytes));
}

/// Cuts `bytes` short, and changes bytes of it.
void damage(const std::string& bytes) {
  std::mt19937 random{static_cast<std::uint32_t>(bytes.size())};
  for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 16)
    decode_everything(std::string_view{bytes}.substr(0, size));
  for (int round = 0; round < 300; ++round) {
    std::string broken = bytes;
    for (int i = 0; i <= round % 3; ++i)
      broken[random() % broken.size()] = static_cast<char>(round % 2 == 0 ? random() : 0xff);
    decode_everything(broken);
  }
}
}  // namespace

TEST_CASE("the size of a contact is that of its rows", "[store][codec]") {
  std::mt19937_64 random{7};
  const auto number = [&] { return static_cast<std::int64_t>(random() >> random() % 64); };
  const auto text = [&] { return std::string(random() % 300, 'x'); };
  const auto value = [&](auto& self, int depth) -> Value {
    switch (random() % (depth < 3 ? 9 : 7)) {
      case 0:
        return Value{};
      case 1:
        return random() % 2 == 0;
      case 2:
        return random() % 2 == 0 ? number() : -number();
      case 3:
        return 1.5;
      case 4:
        return text();
      case 5:
        return Date{std::chrono::days{number() % 100'000 - 50'000}};
      case 6:
        return Instant{Duration{number() / 4}};
      case 7: {
        ValueList list;
        for (std::size_t i = random() % 200; i > 0; --i) list.push_back(self(self, depth + 1));
        return list;
      }
      default: {
        ValueMap map;
        for (std::size_t i = random() % 20; i > 0; --i)
          map.emplace_back(text(), self(self, depth + 1));
        return map;
      }
    }
  };
  CHECK(stored_bytes(Engagement{}) == 0);
  for (int round = 0; round < 100; ++round) {
    Contact contact;
    if (round % 3 != 0) contact.id = ExternalId{text(), round % 2 == 0};
    contact.created_at = Instant{Duration{number() / 4}};
    contact.updated_at = Instant{Duration{number() / 4}};
    for (const Field field : {Field::Email, Field::Note, Field::BirthDate})
      contact.fields.emplace_back(field, value(value, 0));
    for (std::size_t i = random() % 300; i > 0; --i)
      contact.custom.emplace_back(text(), value(value, 2));
    for (std::size_t i = random() % 300; i > 0; --i) contact.groups.push_back(text());
    CHECK(stored_bytes(contact) == bytes_of(contact).size());
    Engagement engagement;
    engagement.opened_last = Instant{Duration{number() / 4}};
    for (std::size_t i = random() % 300; i > 0; --i)
      engagement.mailings.push_back({.mailing = text(),
                                     .subject = text(),
                                     .received = Instant{Duration{number() / 4}},
                                     .opened_first = {},
                                     .opened_last = {},
                                     .clicked_first = Instant{Duration{number() / 4}},
                                     .clicked_last = {}});
    CHECK(stored_bytes(engagement) == bytes_of(engagement).size());
  }
}

TEST_CASE("numbers of every size come back", "[store][codec]") {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  std::string bytes;
  Encoder out{bytes};
  for (const std::int64_t n : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63},
                               std::int64_t{-64}, std::int64_t{64}, kMin, kMax})
    out.signed_number(n);
  out.number(std::numeric_limits<std::uint64_t>::max());
  CHECK(bytes.size() == 1 + 1 + 1 + 1 + 2 + 10 + 10 + 10);
  Decoder in{bytes};
  for (const std::int64_t n : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63},
                               std::int64_t{-64}, std::int64_t{64}, kMin, kMax})
    CHECK(in.signed_number() == n);
  CHECK(in.number() == std::numeric_limits<std::uint64_t>::max());
  CHECK(in.ok());
  CHECK(in.at_end());
  CHECK(in.byte() == 0);
  CHECK(!in.ok());
}

TEST_CASE("values of every type come back", "[store][codec]") {
  const Value value{
      ValueMap{{"none", {}},
               {"flags", ValueList{true, false}},
               {"numbers", ValueList{std::numeric_limits<std::int64_t>::min(), -0.5, 1e300}},
               {"text", Value{std::string("a\0\xc3\xa9", 4)}},
               {"day", Value{Date{std::chrono::days{-1}}}},
               {"instant", Value{Instant{Duration{-1}}}},
               {"", Value{ValueMap{}}}}};
  std::string bytes;
  Encoder{bytes}.value(value);
  Decoder in{bytes};
  CHECK(in.value() == value);
  CHECK(in.ok());
  CHECK(in.at_end());
}

TEST_CASE("a value nested beyond all sense is a fault, no crash", "[store][codec]") {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += "\x08\x01";
  Decoder in{bytes};
  in.value();
  CHECK(!in.ok());
}

TEST_CASE("roles keep the numbers under which they are stored", "[store][codec]") {
  // A program that does not know a role yet must not take it for another one.
  const std::pair<Role, char> kNumbers[] = {
      {Role::Read, 0}, {Role::Ingest, 1}, {Role::Author, 2}, {Role::Admin, 3}, {Role::Metrics, 4}};
  for (const auto& [role, number] : kNumbers) {
    const TokenRecord token{.sha256 = "a", .name = "", .role = role, .created = at(1)};
    std::string bytes = bytes_of(token);
    CHECK(must(decode_token("a", bytes)) == token);
    REQUIRE(bytes.size() > 2);
    CHECK(bytes[2] == number);  // after the format and the empty name
    bytes[2] = 5;
    CHECK_FALSE(decode_token("a", bytes));
  }
}

TEST_CASE("what rows learnt later comes back as well", "[store][codec]") {
  const LedgerRow ledger{.scenario = {7},
                         .key = "=a",
                         .test = true,
                         .entries = 3,
                         .last_entry = at(9),
                         .refusals = {{"inside", 2, at(3)}, {"too_soon", 1, at(4)}}};
  CHECK(must(decode_ledger({7}, "=a", true, bytes_of(ledger))) == ledger);

  Run run = a_run(256, 2);
  run.goal = at(5);
  run.recheck_at = at(90);
  const Run run_back = must(decode_run({256}, {2}, bytes_of(run)));
  CHECK(run_back.goal == run.goal);
  CHECK(run_back.recheck_at == run.recheck_at);

  Delivery delivery = a_delivery(300, 1, 5);
  delivery.parked = true;
  delivery.parked_since = at(6);
  delivery.batch = DeliveryKey{256};
  CHECK(must(decode_delivery({300}, bytes_of(delivery))) == delivery);
  delivery.batch = delivery.key;
  delivery.members = {{300}, {301}, {512}};
  CHECK(must(decode_delivery({300}, bytes_of(delivery))) == delivery);

  const ScenarioRecord purged{.key = {1}, .id = "s", .archived = at(2), .purged = at(3)};
  CHECK(must(decode_scenario({1}, bytes_of(purged))) == purged);
  const Activity activity{at(1), "node.paused", "s", "n", "ci", "by hand"};
  CHECK(must(decode_activity(bytes_of(activity))) == activity);
}

TEST_CASE("runs and deliveries of the first format are read as they were", "[store][codec]") {
  using namespace std::literals;
  const Instant begin{Duration{1'777'000'010'000}};
  const auto run =
      must(decode_run({7 * 256}, {5},
                      "\x01\x02\x01\x02\x01\xa0\xc4\xa2\xd7\xb7\x67\xa0\x9c\x01\x03\x00"
                      "\x01\x00\x04next\x02\x02\x00\x03yes\x0c"
                      "email is set\x01\x03\xa0\x9c\x01\x05later\x80\x08"sv));
  CHECK(run.state == RunState::Done);
  CHECK(run.ended == begin + 10s);
  const std::vector<PathStep> path{
      {.node = {1}, .at = begin, .port = "next"},
      {.node = {2}, .at = begin, .port = "yes", .note = "email is set"},
      {.node = {3}, .at = begin + 10s, .port = "later", .delivery = DeliveryKey{9 * 256}}};
  CHECK(run.path == path);
  const std::string newer = bytes_of(run);
  CHECK(newer.size() < 56);
  CHECK(must(decode_run(run.key, run.contact, newer)).path == path);

  const auto delivery = must(
      decode_delivery({9 * 256},
                      "\x01\x18\x01\x01\x03\x02\x05\xff\x07\xa0\xc4\xa2\xd7\xb7\x67\x80\xb8\x99\x29"
                      "\x01\xd0\x0f\x01\xa6\xc4\xa2\xd7\xb7\x67\x18\x90\x03\x00\x00\x00"sv));
  CHECK(delivery.state == DeliveryState::Accepted);
  CHECK(delivery.deadline == begin + 12h);
  REQUIRE(delivery.last);
  CHECK(delivery.last->started == begin + 3ms);
  CHECK(delivery.last->status == 200);
  CHECK(must(decode_delivery(delivery.key, bytes_of(delivery))) == delivery);
  CHECK(bytes_of(delivery).size() < 35);
}

TEST_CASE("a delivery comes back whatever its last attempt was", "[store][codec]") {
  Delivery delivery = a_delivery(300, 1, 5);
  delivery.deadline = at(70);
  delivery.attempts = 4;
  delivery.last = Attempt{.number = 3, .started = at(30), .code = "timeout", .error = "no answer"};
  CHECK(must(decode_delivery({300}, bytes_of(delivery))) == delivery);
  delivery.last = Attempt{.number = 4, .started = at(5), .status = 503, .response = "busy"};
  CHECK(must(decode_delivery({300}, bytes_of(delivery))) == delivery);
}

TEST_CASE("an ended run is kept without its event", "[store][codec]") {
  Run run = a_run(1, 2, RunState::Done);
  run.event = std::make_shared<const Event>(Event{.type = "order"});
  const auto back = decode_run({1}, {2}, bytes_of(run));
  REQUIRE(back);
  CHECK(!back->event);
}

TEST_CASE("a run that was parked before it arrived is read as such", "[store][codec]") {
  const auto read = [](RunState state, std::string reason) {
    Run run = a_run(1, 2, state);
    run.reason = std::move(reason);
    return must(decode_run({1}, {2}, bytes_of(run)));
  };
  CHECK(read(RunState::Parked, "cascade").pending_arrival);
  CHECK_FALSE(read(RunState::Parked, "version_missing").pending_arrival);
  CHECK_FALSE(read(RunState::Exited, "cascade").pending_arrival);
}

TEST_CASE("damaged bytes are an error that says so, never a crash", "[store][codec]") {
  const auto error = decode_contact({1}, "\x07garbage");
  REQUIRE(!error);
  CHECK(error.error().kind == ErrorKind::Internal);
  CHECK(error.error().code == "unreadable_row");
  CHECK(!decode_contact({1}, bytes_of(a_contact(1)) + "x"));

  damage(bytes_of(a_contact(1, "c1", "ada@example.org")));
  damage(bytes_of(Engagement{.mailings = {{.mailing = "m", .received = at(1)}}}));
  damage(bytes_of(LedgerRow{.entries = 1, .refusals = {{"inside", 2, at(3)}}}));
  damage(bytes_of(Activity{.what = "secret.set", .who = "ci"}));
  damage(bytes_of(a_run(256, 1)));
  damage(bytes_of(a_delivery(256, 1, 5)));
  damage(bytes_of(a_request("body")));
  damage(bytes_of(CounterRow{.named = {{"yes", 3}}}));
  damage(bytes_of(ScenarioRecord{.id = "s", .nodes = {{"a", {1}}}, .kinds = {{"a", "wait"}}}));
  World world;
  for (std::uint32_t seed = 0; seed < 20; ++seed) damage(encode_journal(world.next(seed), {}));
}
}  // namespace onward
