#include "engine/simulation/simulation.h"

#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

constexpr std::string_view kReminder = R"(
scenario: reminder
reentry: after_exit
nodes:
  asked: { kind: trigger, event: asked, next: pause }
  pause: { kind: wait, for: 3d, next: remind }
  remind: { kind: send_webhook, url: "https://crm.example.com/in", accept: [202], next: end }
)";
constexpr std::string_view kHook = R"(
scenario: hook
reentry: parallel
nodes:
  any: { kind: trigger, event: opened, next: tell }
  tell:
    kind: send_webhook
    url: "https://crm.example.com/in"
    headers: { X-Key: "{{ secret.crm }}" }
    next: end
)";

const Instant kStart = std::chrono::sys_days{std::chrono::year{2026} / 5 / 1} + 9h;

/// A simulation of some scenarios, active.
struct World {
  explicit World(std::vector<std::string> texts, std::vector<ReceiverRule> rules = {}) {
    auto memory = make_memory_store();
    store = memory.get();
    const auto ids = store_drafts(*memory, texts, node_kinds(), kStart).value();
    simulation =
        Simulation::open(std::move(memory), node_kinds(), clock, receiver, {.any_secret = true})
            .value();
    receiver.set_rules(std::move(rules), simulation->engine().control().scenarios);
    for (const std::string& id : ids)
      REQUIRE(simulation->engine().scenarios().activate(id, std::nullopt).has_value());
  }

  EventAnswer event(const std::string& who, const std::string& type) {
    EventInput input{.who = {.id = ExternalId{.text = who}},
                     .event = {.type = type, .at = clock.now()}};
    std::vector<EventInput> inputs;
    inputs.push_back(std::move(input));
    return simulation->send(std::move(inputs)).value().at(0);
  }
  CounterRow counts(const std::string& scenario, const std::string& node) {
    const ScenarioStats stats = simulation->engine().views().stats(scenario, 0).value();
    for (const NodeStats& one : stats.live.nodes)
      if (one.id == node) return one.counts;
    return stats.live.scenario;
  }
  std::vector<Delivery> deliveries(const std::string& scenario, const std::string& node) {
    const ScenarioRecord* record = simulation->engine().control().scenarios.find(scenario);
    NodeNumber number;
    for (const auto& [id, of] : record->nodes)
      if (id == node) number = of;
    return store->open_reader()
        .value()
        ->deliveries(record->key, number, std::nullopt, 100, "")
        .value()
        .deliveries;
  }

  VirtualClock clock{kStart};
  ScriptedReceiver receiver;
  Store* store = nullptr;
  std::unique_ptr<Simulation> simulation;
};

TEST_CASE("the clock jumps from one due time to the next and stays at the last", "[simulation]") {
  World world{{std::string{kReminder}}};
  world.event("ada", "asked");
  REQUIRE(world.simulation->run_until(kStart + 1h).has_value());
  world.event("ben", "asked");
  CHECK(world.clock.now() == kStart + 1h);
  CHECK(world.counts("reminder", "pause")[Counter::Waiting] == 2);

  CHECK(world.simulation->run_out(kStart + 365 * 24h).value());
  CHECK(world.clock.now() == kStart + 72h + 1h);
  CHECK(world.counts("reminder", "remind")[Counter::Accepted] == 2);
  const auto deliveries = world.deliveries("reminder", "remind");
  REQUIRE(deliveries.size() == 2);
  CHECK(deliveries.back().created == kStart + 72h);
  // The first status that the node accepts, since 200 would be a refusal here.
  CHECK(deliveries.back().last->status == 202);
}

TEST_CASE("a bound ends what would go on, and nothing after it happens", "[simulation]") {
  World world{{std::string{kReminder}}};
  world.event("ada", "asked");
  CHECK_FALSE(world.simulation->run_out(kStart + 71h).value());
  CHECK(world.counts("reminder", "remind")[Counter::Visits] == 0);
  REQUIRE(world.simulation->run_until(kStart + 24h).has_value());
  CHECK(world.clock.now() == kStart + 24h);
  REQUIRE(world.simulation->run_until(kStart).has_value());
  CHECK(world.clock.now() == kStart + 24h);
}

TEST_CASE("a receiver refuses by attempt and by time, one node and no other", "[simulation]") {
  World world{{std::string{kReminder}, std::string{kHook}},
              {{.node = "tell", .replies = {{.status = 503}, {.code = "timeout"}, {.status = 200}}},
               {.scenario = "hook", .node = "remind", .replies = {{.status = 500}}},
               {.node = "remind", .replies = {{.status = 500}}, .until = kStart + 73h}}};
  world.event("ada", "opened");
  world.event("ada", "asked");
  CHECK(world.counts("hook", "tell")[Counter::Pending] == 1);
  REQUIRE(world.simulation->run_until(kStart + 1h).has_value());
  const auto told = world.deliveries("hook", "tell");
  REQUIRE(told.size() == 1);
  CHECK(told[0].state == DeliveryState::Accepted);
  CHECK(told[0].attempts == 3);
  CHECK(told[0].last->status == 200);

  CHECK(world.simulation->run_out(kStart + 365 * 24h).value());
  const auto reminded = world.deliveries("reminder", "remind");
  REQUIRE(reminded.size() == 1);
  CHECK(reminded[0].state == DeliveryState::Accepted);
  CHECK(*reminded[0].settled >= kStart + 73h);
}

TEST_CASE("a receiver that never accepts gets its last attempt at the window's end",
          "[simulation]") {
  World world{{std::string{kHook}}, {{.node = "tell", .replies = {{.code = "connect_refused"}}}}};
  world.event("ada", "opened");
  CHECK(world.simulation->run_out(kStart + 365 * 24h).value());
  const auto told = world.deliveries("hook", "tell");
  REQUIRE(told.size() == 1);
  CHECK(told[0].state == DeliveryState::Failed);
  CHECK(told[0].last->started == kStart + 12h);
  CHECK(check_counters(world.simulation->engine().context().counters).empty());
}

TEST_CASE("numbers and clock are the same where answers are taken together", "[simulation]") {
  const auto run = [](std::size_t together) {
    World world{{std::string{kReminder}, std::string{kHook}},
                {{.node = "tell", .replies = {{.status = 503}}, .until = kStart + 2h}}};
    world.receiver.answer_together(together);
    for (int i = 0; i < 9; ++i) {
      REQUIRE(world.simulation->run_until(kStart + i * 1h).has_value());
      world.event("c" + std::to_string(i % 4), "opened");
      world.event("c" + std::to_string(i), "asked");
    }
    CHECK(world.simulation->run_out(kStart + 365 * 24h).value());
    CHECK(world.counts("reminder", "remind")[Counter::Accepted] == 9);
    return std::pair{world.simulation->engine().context().counters, world.clock.now()};
  };
  const auto alone = run(0);
  CHECK(run(3) == alone);
  CHECK(run(1'000) == alone);
}

TEST_CASE("the same inputs come to the same end, ids and jitter included", "[simulation]") {
  const auto run = [] {
    World world{{std::string{kHook}}, {{.node = "tell", .replies = {{.status = 503}}}}};
    for (const char* who : {"ada", "ben", "cleo"}) world.event(who, "opened");
    (void)world.simulation->run_out(kStart + 365 * 24h);
    return world.deliveries("hook", "tell");
  };
  CHECK(run() == run());
}

TEST_CASE("drafts that are wrong, or share an id, are refused", "[simulation]") {
  const auto store = make_memory_store();
  const std::vector<std::string> twice{std::string{kHook}, std::string{kHook}};
  CHECK(store_drafts(*store, twice, node_kinds(), kStart).error().code == "duplicate_id");
  const std::vector<std::string> wrong{"scenario: x\nnodes: {}\n"};
  CHECK(store_drafts(*store, wrong, node_kinds(), kStart).error().code == "bad_scenario");
}

TEST_CASE("a contact is changed between events", "[simulation]") {
  World world{{std::string{kReminder}}};
  ContactPatch patch;
  patch.groups_add = {"vip"};
  const auto answer = world.simulation->take(
      PatchInput{.who = {.id = ExternalId{.text = "ada"}}, .patch = patch}, /*create=*/true);
  REQUIRE(answer);
  CHECK(answer->created);
  CHECK(
      world.simulation->engine().contacts().contact({.id = "ada"}).value().contact.in_group("vip"));
}
}  // namespace
}  // namespace onward
