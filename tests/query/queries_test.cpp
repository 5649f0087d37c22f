// What queries for people cost, counted in look-ups, and how they end.
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/query/queries.h"
#include "engine/store/unreadable.h"

using namespace onward;

namespace {
/// Answers with deliveries, counts what it is asked, and has nothing else.
class CountingReader final : public ReadModel {
 public:
  std::map<std::pair<ScenarioKey, NodeNumber>, std::set<DeliveryKey, std::greater<>>> keys;
  std::set<DeliveryKey> unreadable;
  std::string status = "500";
  std::size_t look_ups = 0, rows = 0;
  std::size_t rows_max = 1'000;  ///< Of one look-up.
  std::function<void()> on_look_up = [] {};

  Result<DeliveryList> deliveries(ScenarioKey scenario, NodeNumber node,
                                  std::optional<DeliveryState>, std::size_t limit,
                                  std::string_view cursor) override {
    ++look_ups;
    on_look_up();
    limit = std::min(limit, rows_max);
    DeliveryList list;
    const auto& all = keys[{scenario, node}];
    std::size_t found = 0;
    for (auto key = cursor.empty() ? all.begin() : all.upper_bound({*from_base32(cursor)});
         key != all.end(); ++key) {
      if (found++ == limit) {
        list.next = to_base32(std::prev(key)->value);
        break;
      }
      ++rows;
      if (!unreadable.contains(*key))
        list.deliveries.push_back({.key = *key,
                                   .endpoint = {.scenario = scenario, .node = node, .version = 1},
                                   .state = DeliveryState::Failed,
                                   .reason = status});
    }
    return list;
  }
  Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey) override {
    return std::nullopt;
  }
  Result<IdentityMatch> identify(const IdentityQuery&) override { return IdentityMatch{}; }
  Result<RunList> runs(ContactKey, std::size_t, std::string_view) override { return RunList{}; }
  Result<std::optional<DeliveryDetail>> delivery(DeliveryKey) override { return std::nullopt; }
  Result<ActivityList> activity(std::string_view, std::size_t, std::string_view) override {
    return ActivityList{};
  }
  Result<RunList> live_runs(const RunFilter&, std::size_t, std::string_view) override {
    return RunList{};
  }
  Result<std::optional<std::string>> version_text(ScenarioKey, Version) override {
    return std::nullopt;
  }
  Result<std::vector<LedgerRow>> ledger(ContactKey) override { return std::vector<LedgerRow>{}; }
  Result<ContactList> contacts(ContactKey, std::size_t) override { return ContactList{}; }
};

constexpr std::uint32_t kNodes = 50;
Directory directory_of(std::uint32_t scenarios) {
  Directory directory;
  std::vector<std::pair<std::string, NodeNumber>> nodes;
  for (std::uint32_t node = 1; node <= kNodes; ++node)
    nodes.emplace_back("n" + std::to_string(node), NodeNumber{node});
  for (std::uint32_t scenario = 1; scenario <= scenarios; ++scenario) {
    const std::string id = "s" + std::to_string(scenario);
    directory.scenarios[{scenario}] = {.id = id, .nodes = std::make_shared<NodeNames>(nodes)};
    directory.by_id[id] = {scenario};
  }
  return directory;
}

/// The keys of all pages, and that no page costs more than `look_ups_max`.
std::vector<std::uint64_t> all_pages(CountingReader& reader, const Directory& directory,
                                     const DeliveryQuery& which, std::size_t limit,
                                     std::size_t look_ups_max) {
  std::vector<std::uint64_t> keys;
  std::string cursor;
  for (int pages = 0; pages < 5'000; ++pages) {
    reader.look_ups = 0;
    const auto page = query_deliveries(reader, directory, which, limit, cursor);
    REQUIRE(page);
    CHECK(reader.look_ups <= look_ups_max);
    CHECK(page->deliveries.size() <= limit);
    for (const auto& one : page->deliveries) keys.push_back(one.delivery.key.value);
    if (page->next.empty()) return keys;
    if (!cursor.empty()) REQUIRE(page->next < cursor);
    cursor = page->next;
  }
  FAIL("the list does not end");
  return keys;
}
}  // namespace

TEST_CASE("a search for deliveries costs as much whatever the caller's limit is", "[query]") {
  constexpr std::uint32_t kScenarios = 20;
  const Directory directory = directory_of(kScenarios);
  CountingReader reader;
  for (std::uint64_t key = 1; key <= 20'000; ++key)
    reader
        .keys[{ScenarioKey{static_cast<std::uint32_t>(key * 7 % kScenarios) + 1},
               NodeNumber{static_cast<std::uint32_t>(key * 13 % kNodes) + 1}}]
        .insert({key});
  const auto page = query_deliveries(reader, directory, {.code = "410"}, 1, "");
  REQUIRE(page);
  CHECK(page->deliveries.empty());
  CHECK(reader.look_ups <= kScenarios * kNodes + 1'000);
  CHECK(reader.rows <= 60'000);
  // A list without a search reads little more than it shows.
  reader.rows = reader.look_ups = 0;
  const auto newest = query_deliveries(reader, directory, {}, 3, "");
  REQUIRE(newest);
  REQUIRE(newest->deliveries.size() == 3);
  CHECK(newest->deliveries[0].delivery.key == DeliveryKey{20'000});
  CHECK(newest->deliveries[2].delivery.key == DeliveryKey{19'998});
  CHECK(reader.look_ups <= kScenarios * kNodes + 3);
  CHECK(reader.rows <= 4 * kScenarios * kNodes + 24);
}

TEST_CASE("pages of deliveries together hold each delivery once, newest first", "[query]") {
  const std::size_t limit = GENERATE(1u, 2u, 7u, 5'000u);
  const bool unreadable = GENERATE(false, true);
  const Directory directory = directory_of(2);
  CountingReader reader;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t key = 3'000; key > 0; --key) {
    // Most are of one node; of another one none can be read.
    const NodeNumber node{key % 10 != 0 ? 1 : static_cast<std::uint32_t>(key / 10 % kNodes) + 1};
    reader.keys[{ScenarioKey{1 + static_cast<std::uint32_t>(key % 2)}, node}].insert({key});
    if (unreadable && (node.value == 1 ? key % 3 == 0 : node.value == 11))
      reader.unreadable.insert({key});
    else
      expected.push_back(key);
  }
  CHECK(all_pages(reader, directory, {}, limit, 2 * kNodes + 1'000) == expected);
  const auto none = all_pages(reader, directory, {.code = "410"}, limit, 2 * kNodes + 1'000);
  CHECK(none.empty());
}

TEST_CASE("a search that may not look up more gives a cursor with which it continues", "[query]") {
  const Directory directory = directory_of(1);
  CountingReader reader;
  reader.rows_max = 2;
  for (std::uint64_t key = 1; key <= 2'500; ++key) {
    reader.keys[{ScenarioKey{1}, NodeNumber{1}}].insert({key});
    if (key > 5) reader.unreadable.insert({key});
  }
  const auto page = query_deliveries(reader, directory, {}, 10, "");
  REQUIRE(page);
  CHECK(page->deliveries.empty());
  CHECK(reader.look_ups == kNodes + 1'000);
  CHECK_FALSE(page->next.empty());
  CHECK(all_pages(reader, directory, {}, 10, kNodes + 1'000) ==
        std::vector<std::uint64_t>{5, 4, 3, 2, 1});
}

TEST_CASE("a query that is asked after the reader thread has stopped is destroyed", "[query]") {
  ReaderThread thread{std::make_unique<CountingReader>()};
  thread.join();
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> alive = held;
  bool called = false;
  thread.ask([held = std::move(held), &called](ReadModel&) { called = true; });
  CHECK(alive.expired());
  CHECK_FALSE(called);
}

TEST_CASE("a search that runs ends when the reader thread stops, and is answered", "[query]") {
  const Directory directory = directory_of(1);
  auto owned = std::make_unique<CountingReader>();
  CountingReader& reader = *owned;
  for (std::uint64_t key = 1; key <= 100; ++key)
    reader.keys[{ScenarioKey{1}, NodeNumber{1}}].insert({key});
  std::promise<void> running, stopping;
  reader.on_look_up = [&] {
    if (reader.look_ups != 1) return;
    running.set_value();
    stopping.get_future().wait();
  };
  std::promise<std::string> first, second;
  auto thread = std::make_unique<ReaderThread>(std::move(owned));
  const auto asking = [&](std::promise<std::string>& answer) {
    return [&directory, &answer](ReadModel& from) {
      const auto page = query_deliveries(from, directory, {.code = "410"}, 1, "");
      answer.set_value(page ? "a page" : page.error().code);
    };
  };
  thread->ask(asking(first));
  running.get_future().wait();
  thread->ask(asking(second));
  thread->stop();
  stopping.set_value();
  thread.reset();
  CHECK(first.get_future().get() == "stopping");
  CHECK(second.get_future().get() == "stopping");
}
