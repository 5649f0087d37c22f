#include "tools/bench/path.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/authoring/load.h"
#include "engine/core/journey/advance.h"
#include "engine/core/scenario/catalog.h"
#include "nodes/nodes.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr ScenarioKey kScenario{1};
constexpr int kTimes = 2'000;

Catalog catalog_of(const std::string& text) {
  Loaded loaded = load_scenario(text, node_kinds());
  if (!loaded.scenario) give_up("the long path has mistakes");
  auto entry = std::make_shared<CatalogScenario>();
  entry->key = kScenario;
  entry->id = loaded.scenario->id;
  entry->state = ScenarioState::Active;
  entry->newest = 1;
  entry->versions.emplace(1, std::shared_ptr<const Scenario>{std::move(loaded.scenario)});
  return {{std::move(entry)}, "000000000000", 1};
}
}  // namespace

double microseconds_of_path(int nodes) {
  const Catalog catalog = catalog_of(path_scenario("path", "measured", nodes));
  ContactState fresh;
  fresh.contact.key = ContactKey{7};
  fresh.contact.set(Field::Email, "person7" + std::string{kKnownDomain});
  EventInput event;
  event.event.type = "measured";
  const Input input = event;
  Now now{.at = Instant{std::chrono::hours{24 * 365 * 55}}};
  std::vector<double> took_us;
  for (int i = 0; i < kTimes; ++i) {
    ContactState state = fresh;
    ++now.seq;
    const std::int64_t start = now_ns();
    const Changes changes = advance(catalog, state, input, now);
    took_us.push_back(static_cast<double>(now_ns() - start) / 1e3);
    if (changes.deliveries.size() != 1) give_up("the long path was not gone to its end");
  }
  std::nth_element(took_us.begin(), took_us.begin() + kTimes / 2, took_us.end());
  return took_us[kTimes / 2];
}
}  // namespace onward::bench
