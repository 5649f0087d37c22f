// Background jobs of a whole engine: a crash in the middle repeats and loses nothing.
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/support/relay.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr int kMany = 1'100;  // more than four steps

void make_failed(LastingStage& stage) {
  std::vector<EventInput> inputs;
  for (int i = 0; i < kMany; ++i) inputs.push_back(stage->input("ada", "opened"));
  stage->send(std::move(inputs));
  while (stage->counts("tell")[Counter::Pending] > 0) stage->reply(410);
}

/// A round of the engine in which nothing else happens.
void one_round(LastingStage& stage) { REQUIRE(drive(stage->engine())); }

std::vector<std::string> entries(LastingStage& stage, std::string_view what) {
  const auto list = stage->reader()->activity("relay", 1'000, {});
  REQUIRE(list);
  std::vector<std::string> found;
  for (const auto& [number, line] : list->rows)
    if (line.what == what) found.push_back(line.who + ": " + line.text);
  return found;
}
}  // namespace

TEST_CASE("a bulk retry or cancel goes on after a restart, and is logged once", "[cell][jobs]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kRelay, sqlite, {.endpoint_window = 10}};
  make_failed(stage);
  std::optional<Result<ByHandAnswer>> answer;
  stage->engine().deliveries().by_hand(
      ByHand::Retry, {.scenario = "relay", .code = "410"}, /*dry_run=*/false, "jane",
      [&](Result<ByHandAnswer> given) { answer = std::move(given); });
  one_round(stage);
  one_round(stage);
  const auto before = stage->counts("tell")[Counter::Pending];
  CHECK(before > 0);
  CHECK(before < kMany);
  CHECK_FALSE(answer);
  stage.restart();
  one_round(stage);
  CHECK(stage->counts("tell")[Counter::Pending] > before);  // it does not begin with the first
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::Pending] == kMany);
  CHECK(stage->counts("tell")[Counter::Failed] == 0);
  CHECK(entries(stage, "deliveries.retried") ==
        std::vector<std::string>{"jane: 1100 deliveries (code 410)"});

  stage->engine().deliveries().by_hand(ByHand::Cancel, {.scenario = "relay", .node = "tell"},
                                       /*dry_run=*/false, "joe", [](const auto&) {});
  // It is on the disk before its first step.
  stage.restart();
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::Cancelled] == kMany);
  CHECK(entries(stage, "deliveries.cancelled") == std::vector<std::string>{"joe: 1100 deliveries"});
  stage.restart();
  CHECK_FALSE(stage->engine().next_wake());  // nothing is left of either
  CHECK(stage->broken().empty());
}

TEST_CASE("whoever waits for a bulk retry learns that the rest follows after the next start",
          "[cell][jobs]") {
  LastingStage stage{kRelay, /*sqlite=*/false, {.endpoint_window = 10}};
  make_failed(stage);
  std::optional<Result<ByHandAnswer>> answer, dry;
  const auto retry = [&](bool dry_run, auto& into) {
    stage->engine().deliveries().by_hand(
        ByHand::Retry, {.scenario = "relay"}, dry_run, "jane",
        [&](Result<ByHandAnswer> given) { into = std::move(given); });
  };
  retry(/*dry_run=*/false, answer);
  retry(/*dry_run=*/true, dry);
  one_round(stage);
  stage->engine().abandon({ErrorKind::Unavailable, "stopping", "the server stops"});
  REQUIRE(answer);
  REQUIRE(dry);
  CHECK(answer->error().code == "engine_stopped");
  CHECK(answer->error().message.ends_with(
      "250 of the deliveries are retried, and the others follow after the next start"));
  CHECK(dry->error().message.ends_with("the server stops"));
  stage.restart();
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::Pending] == kMany);
}

TEST_CASE("pending requests of an archived scenario are cancelled across a restart",
          "[cell][jobs]") {
  const bool sqlite = GENERATE(false, true);
  LastingStage stage{kRelay, sqlite, {.endpoint_window = 10}};
  std::vector<EventInput> inputs;
  for (int i = 0; i < kMany; ++i) inputs.push_back(stage->input("ada", "opened"));
  stage->send(std::move(inputs));
  REQUIRE(stage->engine().scenarios().archive("relay", /*cancel_pending=*/true, "jane"));
  CHECK(stage->counts("tell")[Counter::Cancelled] == 250);
  CHECK(stage->engine().views().info("relay")->progress->what == "cancel");
  CHECK(stage->engine().views().info("relay")->progress->done == 250);
  stage.restart();
  CHECK(stage->engine().views().info("relay")->progress->done > 250);  // a start takes a step
  CHECK(stage->engine().views().info("relay")->progress->done < kMany);
  CHECK(stage->sink().tasks.empty());
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::Cancelled] == kMany);
  CHECK_FALSE(stage->engine().views().info("relay")->progress);
  CHECK(stage->broken().empty());
}

TEST_CASE("a pause that was carried through is not carried through again at each start",
          "[cell][jobs]") {
  LastingStage stage{kRelay, GENERATE(false, true), {.endpoint_window = 10}};
  std::vector<EventInput> inputs;
  for (int i = 0; i < kMany; ++i) inputs.push_back(stage->input("ada", "opened"));
  stage->send(std::move(inputs));
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", /*pause=*/true));
  one_round(stage);
  CHECK(stage->counts("tell")[Counter::PendingParked] == 250);
  stage.restart();
  one_round(stage);
  CHECK(stage->counts("tell")[Counter::PendingParked] == 500);  // behind the cursor
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::PendingParked] == kMany);
  stage.restart();
  CHECK_FALSE(stage->engine().next_wake());
  stage->event("bob", "opened");
  CHECK(stage->counts("tell")[Counter::PendingParked] == kMany + 1);
  CHECK(stage->sink().tasks.empty());

  // Paused and resumed at one time: the newer one counts, across restarts as well.
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", /*pause=*/false));
  one_round(stage);
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", /*pause=*/true));
  stage.restart();
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::PendingParked] == kMany + 1);
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", /*pause=*/false));
  stage.restart();
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::PendingParked] == 0);
  stage.restart();
  for (int i = 0; i < 400 && stage->counts("tell")[Counter::Pending] > 0; ++i) stage->reply(200);
  CHECK(stage->counts("tell")[Counter::Accepted] == kMany + 1);
  CHECK(stage->broken().empty());
}

TEST_CASE("jobs of several kinds take turns", "[cell][jobs]") {
  LastingStage stage{kRelay, /*sqlite=*/false, {.endpoint_window = 10}};
  make_failed(stage);
  std::string second{kRelay};
  second.replace(second.find("scenario: relay"), 15, "scenario: other");
  stage->apply(second);
  std::vector<EventInput> inputs;
  for (int i = 0; i < kMany; ++i) inputs.push_back(stage->input("bob", "opened"));
  stage->send(std::move(inputs));
  stage->engine().deliveries().by_hand(ByHand::Retry, {.scenario = "relay", .code = "410"}, false,
                                       "jane", [](const auto&) {});
  REQUIRE(stage->engine().deliveries().switch_node("other", "tell", /*pause=*/true));
  one_round(stage);
  one_round(stage);
  const auto sum = [&](const std::string& scenario, Counter counter) {
    std::int64_t found = 0;
    const auto stats = stage->engine().views().stats(scenario, 0);
    for (const NodeStats& node : stats->live.nodes) found += node.counts[counter];
    return found;
  };
  CHECK(sum("relay", Counter::Failed) == kMany - 250);
  CHECK(sum("other", Counter::PendingParked) == 250);
}

TEST_CASE("rows of jobs that nobody can read are left alone", "[cell][jobs]") {
  LastingStage stage{kRelay, /*sqlite=*/false, {}};
  stage->event("ada", "opened");
  REQUIRE(stage->reply(410) == 1);
  Commit commit{.at = stage->clock().now()};
  for (const char* name : {"bulk/7", "bulk/x", "pause/relay/tell", "pause/none/none", "bulk/"})
    commit.control.admin.push_back({.kind = AdminKind::Pass, .name = name, .content = "{]"});
  REQUIRE(stage->engine().store().commit(commit));
  stage.restart();
  CHECK_FALSE(stage->engine().next_wake());
  std::optional<Result<ByHandAnswer>> answer;
  stage->engine().deliveries().by_hand(
      ByHand::Retry, {.scenario = "relay"}, false, "jane",
      [&](Result<ByHandAnswer> given) { answer = std::move(given); });
  stage->pass(0s);
  CHECK((*answer)->changed == 1);
}
