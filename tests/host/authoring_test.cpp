// Texts of scenarios are read by the author thread: what the engine thread then decides, in which
// order, and against what.
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/authoring/yaml_reader.h"
#include "engine/cell/quarantine.h"
#include "engine/control/authored.h"
#include "engine/host/runtime.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/packed_text.h"
#include "engine/store/passing_store.h"
#include "nodes/nodes.h"
#include "tests/support/asked.h"
#include "tests/support/child.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/faulty_store.h"
#include "tests/support/noise.h"
#include "tests/support/relay.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
std::string relay(std::string_view path) {
  std::string text{kRelay};
  return text.replace(text.find("/in"), 3, path);
}

/// A runtime with its threads. Ends with the check that the engine thread has read nothing.
class Running {
 public:
  explicit Running(FakeHttpClient::Decide decide = {},
                   std::unique_ptr<Store> store = make_memory_store()) {
    auto opened =
        Runtime::open(std::move(store), node_kinds(),
                      std::make_unique<FakeHttpClient>(std::move(decide)), {}, system_clock(), {});
    REQUIRE(opened);
    runtime_ = std::move(*opened);
    runtime_->start();
  }
  ~Running() {
    CHECK(runtime_->stop(5s));
    CHECK(NoReading::broken() == before_);
  }
  Runtime& operator*() { return *runtime_; }
  Runtime* operator->() { return runtime_.get(); }

  Result<ApplyAnswer> apply(const std::string& id, const std::string& text,
                            const MigrationRequest& migration = {}) {
    return onward::apply(*runtime_, {.id = id, .text = text, .migration = migration});
  }
  Result<ScenarioInfo> activate(const std::string& id) { return onward::activate(*runtime_, id); }
  Result<ScenarioInfo> duplicate(const std::string& id, const std::string& new_id) {
    return asked<ScenarioInfo>([&](Reply<ScenarioInfo> reply) {
      runtime_->authoring().duplicate(std::move(reply), id, new_id, /*who=*/{});
    });
  }
  Result<ScenarioStats> stats(const std::string& id, Version version = 0) {
    return stats_of(*runtime_, id, version);
  }
  /// Asks until the webhook of "relay" has one of these.
  void wait_for(Counter counter) {
    for (int i = 0; i < 100'000; ++i)
      if (stats("relay")->live.nodes.back().counts[counter] > 0) return;
    FAIL("it never came");
  }

 private:
  const std::uint64_t before_ = NoReading::broken();
  std::unique_ptr<Runtime> runtime_;
};

void send(Running& running, std::string_view who) {
  EventInput event{.source = "test",
                   .id = std::string{who},
                   .who = {.id = ExternalId{std::string{who}}},
                   .event = {.type = "opened", .at = system_clock().now()}};
  REQUIRE(post(*running, {event}).value().at(0).code == "");
}

/// Counts what commits hold of the texts of scenarios.
class WeighsTexts final : public PassingStore {
 public:
  struct Weights {
    std::size_t heaviest = 0, parts = 0, removed = 0;
  };
  explicit WeighsTexts(Weights& weights) : PassingStore{make_memory_store()}, weights_{weights} {}
  Status commit(const Commit& commit) override {
    std::size_t weight = 0;
    for (const VersionRecord& version : commit.control.versions)
      if (!version.apart) weight += version.text.size();
    for (const TextPart& part : commit.control.text_parts) {
      weight += part.bytes.size();
      ++(part.removed ? weights_.removed : weights_.parts);
    }
    weights_.heaviest = std::max(weights_.heaviest, weight);
    return store_->commit(commit);
  }

 private:
  Weights& weights_;
};

/// Fails where a scenario goes on hold, and counts the rows of each commit.
class BreaksAtEnd final : public PassingStore {
 public:
  BreaksAtEnd() : PassingStore{make_memory_store()} {}
  Status commit(const Commit& commit) override {
    const bool ends = !commit.control.scenarios.empty() && commit.control.versions.empty() &&
                      commit.control.scenarios.front().state == ScenarioState::OnHold;
    if (ends) return fail(ErrorKind::Io, "broken", "the disk is gone");
    rows.push_back(commit.control.scenarios.size() + commit.control.versions.size() +
                   commit.control.admin.size() + commit.control.activity.size() +
                   commit.counters.size());
    return store_->commit(commit);
  }
  std::vector<std::size_t> rows;
};
}  // namespace

TEST_CASE("no call reads a scenario's text on the engine thread", "[host][author]") {
  Running running;
  CHECK(running.apply("relay", relay("/in"))->changed);
  REQUIRE(running.activate("relay"));
  send(running, "ada");
  CHECK_FALSE(running.apply("relay", relay("/in"))->changed);
  CHECK(running.apply("relay", "scenario: relay\nnodes: {}\n")->refused);
  CHECK(running.apply("relay", relay("/on"), {.wanted = true})->scenario.version == 2);
  const auto plan = asked<ScenarioPlan>([&](Reply<ScenarioPlan> reply) {
    running->authoring().plan(std::move(reply), {.id = "relay", .text = relay("/up")});
  });
  CHECK(plan->to == 3);
  CHECK(plan->diff.nodes.size() == 1);
  CHECK(running.apply("relay", relay("/up"))->scenario.version == 3);
  CHECK(running.stats("relay", 1)->live.nodes.size() == 2);
  const auto versions = asked<ScenarioVersions>([&](Reply<ScenarioVersions> reply) {
    running->authoring().versions(std::move(reply), "relay");
  });
  REQUIRE(versions->versions.size() == 3);
  for (const VersionInfo& version : versions->versions) CHECK(version.nodes == 2);
  const auto copy = running.duplicate("relay", "copy");
  CHECK(copy->version == 1);
  const auto again = running.duplicate("relay", "copy");
  CHECK(again.error().code == "id_used");
  const std::map<std::string, std::size_t> faults{{"relay", 0}, {"", 0}, {"other", 1}};
  for (const auto& fault : faults) {
    const auto found = asked<std::vector<Diagnostic>>([&](Reply<std::vector<Diagnostic>> reply) {
      running->authoring().validate(std::move(reply), fault.first, relay("/up"));
    });
    CHECK(found->size() == fault.second);
  }
}

TEST_CASE("no commit holds more than a part of a long text", "[host][author]") {
  WeighsTexts::Weights weights;
  {
    Running running{{}, std::make_unique<WeighsTexts>(weights)};
    std::string text = relay("/in");
    while (text.size() < 10 * kTextPart) text += "# " + noise(72) + "\n";
    const std::size_t parts = (pack_text(text).size() + kTextPart - 1) / kTextPart;
    REQUIRE(parts > 5);
    CHECK(running.apply("relay", text)->changed);
    CHECK(weights.parts == parts);
    CHECK_FALSE(running.apply("relay", text)->changed);
    CHECK(weights.parts == parts);
    const auto copy = running.duplicate("relay", "copy");
    CHECK(copy->version == 1);
    CHECK(weights.parts == 2 * parts);
    CHECK(running.apply("relay", relay("/on"))->changed);
    CHECK(weights.parts == 2 * parts);
  }
  CHECK(weights.heaviest <= kTextPart);
  CHECK(weights.removed == 0);
}

TEST_CASE("parts of a text that no version came to name are dropped", "[host][author]") {
  WeighsTexts::Weights weights;
  Stage stage{{}, std::make_unique<WeighsTexts>(weights)};
  Cell& engine = stage.engine();
  Authored made;
  made.packed = std::string(2 * kTextPart + 1, '#');
  REQUIRE(ScenarioCommands::is_long(made));
  const TextKey text = engine.scenarios().next_text();
  for (std::uint16_t number = 0; number < 3; ++number)
    CHECK(engine.scenarios().store_text_part(made, text, number).value() == (number < 2));
  CHECK(weights.parts == 3);
  engine.scenarios().drop_text(text, made.packed.size());
  for (std::size_t gone = 1; gone <= 3; ++gone) {
    REQUIRE(drive(engine));
    CHECK(weights.removed == gone);
  }
  const auto wake = engine.next_wake();
  CHECK((!wake || *wake > stage.clock().now()));
}

TEST_CASE("a long text is refused at once while the disk is full", "[host][author]") {
  auto faults = std::make_shared<Faults>();
  Stage stage{{}, make_faulty_store(make_memory_store(), faults)};
  Cell& engine = stage.engine();
  Authored made;
  made.packed = std::string(2 * kTextPart, '#');
  const TextKey text = engine.scenarios().next_text();
  CHECK(engine.scenarios().store_text_part(made, text, 0).value());
  faults->full = true;
  CHECK(engine.scenarios().store_text_part(made, text, 1).error().code == "disk_full");
  CHECK(engine.scenarios().store_text_part(made, engine.scenarios().next_text(), 0).error().code ==
        "disk_full");
}

TEST_CASE("calls of one scenario keep their order, though their texts take time to be read",
          "[host][author]") {
  Running running;
  std::mutex mutex;
  std::vector<std::string> order;
  std::promise<void> all;
  const auto say = [&](const std::string& what) {
    const std::lock_guard lock{mutex};
    order.push_back(what);
    if (order.size() == 5) all.set_value();
  };
  const auto apply = [&](const std::string& text) {
    running->authoring().apply(
        [&](const Result<ApplyAnswer>& answer) {
          say(answer ? fmt::format("version {}", answer->scenario.version) : answer.error().code);
        },
        {.id = "relay", .text = text});
  };
  const auto change = [&](const std::string& what, auto act) {
    running->calls().post_after(
        "relay", Reply<ScenarioInfo>{[&, what](const Result<ScenarioInfo>& answer) {
          say(answer ? fmt::format("{} {}", what, answer->version) : answer.error().code);
        }},
        act);
  };
  std::string large = relay("/in");
  while (large.size() < 1'000'000) large += "# a comment that takes a moment to be read\n";
  apply(large);
  apply(relay("/on"));
  change("active", [](Cell& cell) { return cell.scenarios().activate("relay", std::nullopt); });
  apply(relay("/up"));
  change("held", [](Cell& cell) { return cell.scenarios().hold("relay"); });
  all.get_future().wait();
  CHECK(order ==
        std::vector<std::string>{"version 1", "version 2", "active 2", "version 3", "held 3"});
}

TEST_CASE("a delivery of a version that is not in memory waits until it has been read",
          "[host][author]") {
  auto status = std::make_shared<std::atomic<int>>(410);
  Running running{
      [status](const HttpRequest&) { return FakeHttpClient::Answer{.status = *status}; }};
  REQUIRE(running.apply("relay", relay("/in")));
  REQUIRE(running.activate("relay"));
  send(running, "ada");
  running.wait_for(Counter::Failed);
  REQUIRE(running.apply("relay", relay("/on")));
  *status = 200;
  const auto retried = asked_of_cell<ByHandAnswer>(
      *running, [](Cell& cell, const Done<Result<ByHandAnswer>>& done) -> Status {
        cell.deliveries().by_hand(ByHand::Retry, {.scenario = "relay"}, /*dry_run=*/false,
                                  /*who=*/{}, done, cell.take_admission());
        return {};
      });
  CHECK(retried->changed == 1);
  running.wait_for(Counter::Accepted);
}

TEST_CASE("what was read against rules or versions that have changed is not taken",
          "[host][author]") {
  Stage stage{kRelay};
  Cell& engine = stage.engine();
  const ScenarioBook copy = engine.control().scenarios;
  Authored made = author_text(copy, "relay", relay("/on")).value();
  SECTION("nothing has changed") {
    REQUIRE(engine.scenarios().hold("relay"));  // its life is no matter of the text
    CHECK(engine.scenarios().apply(made, nullptr, "")->value().scenario.version == 2);
    CHECK(engine.views().info("relay")->state == ScenarioState::OnHold);
    return;
  }
  SECTION("another version") { stage.apply(relay("/up")); }
  SECTION("a declared field") {
    REQUIRE(engine.access().declare_field({.name = "plan", .type = FieldType::Text}));
  }
  SECTION("a secret") {
    REQUIRE(engine.secrets().set(
        SecretKind::Secret, "key",
        {.value = "a value that is long", .hosts = SecretHosts{SecretHosts::Rule::Any}}, ""));
  }
  CHECK_FALSE(engine.scenarios().apply(made, nullptr, "")->has_value());
  CHECK_FALSE(made.text.empty());
  Authored again = author_text(engine.control().scenarios, "relay", made.text).value();
  CHECK(engine.scenarios().apply(again, nullptr, "")->value().changed);
}

TEST_CASE("a new value of a secret makes no text be read again", "[host][author]") {
  Stage stage{kRelay};
  Cell& engine = stage.engine();
  REQUIRE(engine.secrets().set(
      SecretKind::Secret, "key",
      {.value = "a value that is long", .hosts = SecretHosts{SecretHosts::Rule::Any}}, ""));
  Authored made = author_text(engine.control().scenarios, "relay", relay("/on")).value();
  REQUIRE(engine.secrets().set(SecretKind::Secret, "key", {.value = "another one, also long"}, ""));
  CHECK(engine.scenarios().apply(made, nullptr, "")->has_value());
}

TEST_CASE("a scenario that was archived or deleted meanwhile gets no version", "[host][author]") {
  Stage stage{kRelay};
  Cell& engine = stage.engine();
  Authored made = author_text(engine.control().scenarios, "relay", relay("/on")).value();
  REQUIRE(engine.scenarios().archive("relay", false));
  CHECK(engine.scenarios().apply(made, nullptr, "").error().code == "archived");

  stage.apply("scenario: draft\nnodes:\n  any: { kind: trigger, event: opened, next: end }\n",
              /*activate=*/false);
  Authored copy = author_duplicate(engine.control().scenarios, "draft", "copy").value();
  REQUIRE(engine.scenarios().remove_draft("draft"));
  CHECK(engine.scenarios().duplicate(copy, "").error().code == "unknown_scenario");
}

TEST_CASE("a version that cannot be read any more is tried once, and its deliveries are put off",
          "[host][author]") {
  Stage stage{kRelay};
  Cell& engine = stage.engine();
  stage.event("ada", "opened");
  stage.reply(410);
  stage.apply(relay("/on"));
  engine.versions().read_elsewhere();
  const DeliveryKey key = stage.deliveries().at(0).key;
  REQUIRE(engine.deliveries().by_hand(ByHand::Retry, key));
  stage.pass(0s);
  CHECK(stage.sink().tasks.empty());
  const std::vector<VersionName> wanted = engine.versions().take_wanted();
  REQUIRE(wanted == std::vector<VersionName>{{"relay", 1}});
  SECTION("it is read") {
    engine.adopt_version(wanted[0], engine.control().scenarios.load(wanted[0]));
    CHECK(stage.sink().tasks.size() == 1);
    CHECK(stage.reply(200) == 1);
  }
  SECTION("it is cancelled meanwhile") {
    REQUIRE(engine.deliveries().by_hand(ByHand::Cancel, key));
    engine.adopt_version(wanted[0], engine.control().scenarios.load(wanted[0]));
    CHECK(stage.sink().tasks.empty());
  }
  SECTION("it cannot be read") {
    engine.adopt_version(wanted[0], nullptr);
    stage.pass(0s);
    CHECK(stage.sink().tasks.empty());
    const Delivery delivery = stage.deliveries().at(0);
    CHECK(delivery.pending());
    CHECK(delivery.due > stage.clock().now());
    CHECK(engine.scenarios().hold("relay"));
    CHECK(engine.versions().take_wanted().empty());
  }
  CHECK(stage.broken().empty());
}

TEST_CASE("a text on which the process died three times is not read by the author thread either",
          "[host][author]") {
  const TemporaryFolder folder;
  const WorkItem item = work_item_of_text(relay("/on"));
  for (int i = 0; i < 3; ++i)
    (*WorkingFile::open(folder.path() / "working", "1"))->begin_text(item, "relay");
  RuntimeOptions options;
  options.working = std::move(*WorkingFile::open(folder.path() / "working", "1"));
  // The inputs beside it are not to blame.
  CHECK_FALSE(options.working->died_at_work());
  Stage stage{kRelay, nullptr, options};
  CHECK(author_text(stage.engine().control().scenarios, "relay", relay("/on")).error().code ==
        "poison");
  CHECK(stage.engine().views().plan("relay", relay("/on"), {}).error().code == "poison");
  CHECK(stage.engine().scenarios().apply("relay", relay("/up")));
}

TEST_CASE("a version that was committed is answered, though the store fails right after it",
          "[host][author]") {
  Stage stage{kRelay, std::make_unique<BreaksAtEnd>()};
  const std::string ended = relay("/on") + "end_at: 2020-01-01T09:00\n";
  const auto answer = stage.engine().scenarios().apply("relay", ended);
  REQUIRE(answer);
  CHECK(answer->changed);
  CHECK(answer->scenario.version == 2);
  // The fault is the store's, and ends the engine.
  const Status worked = drive(stage.engine());
  REQUIRE_FALSE(worked);
  CHECK(worked.error().code == "broken");
}

TEST_CASE("a version with as many nodes as may be is a commit of a few rows", "[host][author]") {
  auto store = std::make_unique<BreaksAtEnd>();
  const std::vector<std::size_t>& rows = store->rows;
  Stage stage{{}, std::move(store)};
  std::string text = "scenario: large\nnodes:\n  any: { kind: trigger, event: opened, next: n1 }\n";
  for (int i = 1; i < 10'000; ++i)
    text += fmt::format("  n{}: {{ kind: wait, for: 1h, next: {} }}\n", i,
                        i < 9'999 ? fmt::format("n{}", i + 1) : "end");
  stage.apply(text);
  stage.apply(text + "title: Again\n");
  CHECK(stage.engine().control().scenarios.names("large")->all().size() == 10'000);
  for (const std::size_t size : rows) CHECK(size <= 10);
}
