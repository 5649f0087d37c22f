// What a server's policy refuses: told to authors, and attempted once it is allowed.
#include <catch2/catch.hpp>

#include "tests/support/relay.h"
#include "tests/support/stores.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
/// A policy that refuses one origin while `closed` says so.
RuntimeOptions refusing_options(const std::shared_ptr<bool>& closed) {
  RuntimeOptions options{.endpoint_window = 10};
  options.refuses_origin = [closed](std::string_view origin) {
    return *closed && origin == "https://crm.example.com:443" ? std::string{"it is closed"}
                                                              : std::string{};
  };
  return options;
}

void refuse_all(LastingStage& stage) {
  std::vector<AttemptResult> results;
  for (const DeliveryTask& task : std::exchange(stage->sink().tasks, {}))
    results.push_back({.delivery = task.delivery,
                       .number = task.number,
                       .started = stage->clock().now(),
                       .code = "blocked_policy",
                       .error = "it is closed"});
  REQUIRE(drive(stage->engine(), {}, std::move(results)));
}
}  // namespace

TEST_CASE("authors learn at apply, plan and activate which URLs are never called",
          "[cell][policy]") {
  const auto closed = std::make_shared<bool>(true);
  LastingStage stage{{}, /*sqlite=*/false, refusing_options(closed)};
  const std::string text{kRelay};
  const auto found = [](const std::vector<Diagnostic>& diagnostics) {
    REQUIRE(diagnostics.size() == 1);
    CHECK(diagnostics[0].severity == Severity::Warning);
    CHECK(diagnostics[0].code == "blocked_policy");
    CHECK(diagnostics[0].at.line == 6);
    CHECK(diagnostics[0].message.find("it is closed") != std::string::npos);
  };
  found(stage->engine().views().plan("relay", text, {})->diagnostics);
  const auto applied = stage->engine().scenarios().apply("relay", text);
  REQUIRE(applied);
  CHECK_FALSE(applied->refused);
  found(applied->diagnostics);
  found(stage->engine().scenarios().apply("relay", text)->diagnostics);  // unchanged
  const auto activated = stage->engine().scenarios().activate("relay", std::nullopt);
  REQUIRE(activated);
  CHECK(activated->warnings ==
        std::vector<std::string>{"node \"tell\": this server will not call its URL: it is closed. "
                                 "Until that is allowed its requests stay pending"});
  *closed = false;
  CHECK(stage->engine().scenarios().apply("relay", text)->diagnostics.empty());
  REQUIRE(stage->engine().scenarios().hold("relay"));
  CHECK(stage->engine().scenarios().activate("relay", std::nullopt)->warnings.empty());
}

TEST_CASE("what the policy had refused is attempted at once when it is allowed", "[cell][policy]") {
  const auto closed = std::make_shared<bool>(true);
  LastingStage stage{kRelay, GENERATE(false, true), refusing_options(closed)};
  std::vector<EventInput> inputs;
  for (int i = 0; i < 700; ++i) inputs.push_back(stage->input("ada", "opened"));
  stage->send(std::move(inputs));
  for (int i = 0; i < 100 && !stage->sink().tasks.empty(); ++i) refuse_all(stage);
  CHECK(stage->counts("tell")[Counter::Pending] == 700);
  // Not while it is refused as before.
  stage->engine().deliveries().recheck_blocked();
  stage->pass(0s);
  CHECK(stage->sink().tasks.empty());
  *closed = false;
  stage->engine().deliveries().recheck_blocked();
  stage->pass(0s);
  for (int i = 0; i < 100 && stage->reply(200) > 0; ++i) continue;
  CHECK(stage->counts("tell")[Counter::Accepted] == 700);
  CHECK(stage->broken().empty());
}

TEST_CASE("a recheck leaves alone what fails for other reasons, and what is parked",
          "[cell][policy]") {
  const auto closed = std::make_shared<bool>(false);
  LastingStage stage{kRelay, /*sqlite=*/false, refusing_options(closed)};
  stage->event("ada", "opened");
  stage->reply(503);
  stage->event("bob", "opened");
  refuse_all(stage);
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", /*pause=*/true));
  stage->pass(0s);
  stage->engine().deliveries().recheck_blocked();
  stage->pass(0s);
  CHECK(stage->counts("tell")[Counter::PendingParked] == 2);
  CHECK(stage->sink().tasks.empty());
  const auto before = stage->deliveries();
  REQUIRE(stage->engine().deliveries().switch_node("relay", "tell", /*pause=*/false));
  stage->pass(0s);
  stage->engine().deliveries().recheck_blocked();
  stage->pass(0s);
  REQUIRE(stage->sink().tasks.size() == 1);
  CHECK(stage->sink().tasks[0].delivery == before.at(1).key);
}
