#include "tests/chaos/world.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "tests/chaos/play.h"
#include "tests/chaos/stage_world.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

House::Options house_options(const WorldOptions& options, Chance& chance) {
  House::Options made{.plant = options.plant, .sqlite = options.on_sqlite()};
  made.downtime_max = chance.one_in(2) ? Duration{0} : Duration{30h};
  made.lag = !chance.one_in(4);
  made.master_key = true;
  if (chance.one_in(2)) made.runtime.dedupe_for = chance.one_in(2) ? 24h : 48h;
  if (chance.one_in(2)) {
    constexpr std::array<Duration, 2> kept{24h, 96h};
    made.runtime.keep_bodies = chance.pick(kept);
    if (chance.one_in(2)) made.runtime.keep_runs = *made.runtime.keep_bodies * (1 + chance.roll(2));
  }
  // Small bounds, so that they are met.
  if (chance.one_in(3)) {
    made.runtime.batch_max = 1 + chance.roll(3);
    made.runtime.endpoint_window = 2;
    made.runtime.window = 4;
  }
  return made;
}
}  // namespace

World::World(const WorldOptions& options)
    : options_{options},
      chance_{options.seed, 1'000'000},
      start_{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 1h * chance_.roll(24 * 300)},
      clock_{start_},
      receivers_{options.seed, clock_},
      promises_{clock_, "CHAOSEPOCH00"},
      house_{house_options(options, chance_), clock_, receivers_, promises_},
      dedupe_for_{house_.dedupe_for()},
      clients_{clock_, dedupe_for_} {
  promises_.also([this](const HttpRequest& request) { operators_.leaves(request); });
  house_.on_death([this] { clients_.lost(); });
}

void World::note(std::string_view what) {
  if (options_.trace) options_.trace(fmt::format("{} {}", format_instant(clock_.now()), what));
}

void World::apply(const std::string& id, const std::string& text, bool activate, bool migrate) {
  house_.call([this, id, text, activate, migrate](Cell& engine) -> Status {
    const auto answer = engine.scenarios().apply(id, text, MigrationRequest{.wanted = migrate});
    if (!answer) {
      if (answer.error().kind == ErrorKind::Io) return tl::make_unexpected(answer.error());
      return {};
    }
    if (answer->refused && !migrate && operators_.has_secret())
      throw std::logic_error(
          "the harness wrote a wrong file: " + answer->diagnostics.front().message + "\n" + text);
    if (activate) (void)engine.scenarios().activate(id, std::nullopt);
    return {};
  });
}

void World::begin() {
  house_.chance(chance_);
  house_.start();
  set_secret(operators_.new_value());
  house_.flush();
  apply(std::string{kAudit}, audit_text(), /*activate=*/true);
  promises_.rule(std::string{kAudit}, {.mode = ReentryMode::Parallel});
  const int scenarios = 1 + static_cast<int>(chance_.roll(4));
  for (int i = 0; i < scenarios; ++i) {
    plots_.push_back(make_plot(options_.seed, i));
    promises_.rule(plots_.back().id, plots_.back().reentry);
    apply(plots_.back().id, write_scenario(plots_.back(), 0, start_), /*activate=*/true);
  }
  house_.flush();
  if (options_.crash_at != 0) house_.disk().crash_at(house_.disk().places() + options_.crash_at);
}

Duration World::length(Chance& chance) const {
  switch (chance.roll(12)) {
    case 0:
    case 1:
    case 2:
      return Duration{0};
    case 3:
    case 4:
      return Duration{chance.roll(5'000)};
    case 5:
    case 6:
      return 1s * chance.roll(1'200);
    case 7:
    case 8:
      return 1s * chance.roll(6 * 3'600);
    case 9:
      return 1min * chance.roll(24 * 60);
    case 10:
      return 1h * chance.roll(24 * 5);
    default:
      return chance.one_in(4) ? Duration{24h * chance.roll(40)} : 1h * chance.roll(48);
  }
}

/// Faults of the disk, and want of descriptors, are over soon: each costs a round a second.
void World::heal() {
  DiskFaults& faults = house_.disk().faults;
  if (faults != DiskFaults{}) house_.disturb();
  faults = {};
  for (const std::string_view host : kHosts) {
    const Mood mood = receivers_.mood_of(fmt::format("https://{}.", host));
    if (mood == Mood::Stranded) receivers_.set(host, Mood::Good);
  }
}

void World::rest() {
  house_.flush();
  if (!house_.up()) return;
  house_.check();
  operators_.check(house_.engine(), promises_.shadow());
  clients_.check(promises_.shadow());
}

void World::step(int number) {
  Chance chance{options_.seed, static_cast<std::uint64_t>(number)};
  house_.chance(Chance{options_.seed, 500'000 + static_cast<std::uint64_t>(number)});
  note(fmt::format("-- step {}", number));
  act(chance);
  if (chance.one_in(3)) house_.pass(Duration{chance.roll(3'000)});
  rest();
  heal();
  const Duration pass = length(chance);
  if (pass > Duration::zero()) note("time passes: " + format_duration(pass));
  house_.pass(pass);
  rest();
}

/// Everything is well for longer than any window, so that everything must have ended.
void World::end() {
  heal();
  receivers_.all(Mood::Good);
  house_.disk().crash_at(0);
  house_.pass(31h);  // No process is dead for longer.
  clock_.jump(std::max(clock_.latest() - clock_.now(), Duration{0}));
  house_.disturb();
  if (!operators_.has_secret()) set_secret(operators_.new_value());
  for (const auto& [scenario, node] : paused_)
    house_.call([scenario = scenario, node = node](Cell& engine) -> Status {
      (void)engine.deliveries().switch_node(scenario, node, false, "jane");
      return {};
    });
  for (const ScenarioInfo& info : house_.engine().views().list())
    for (const char* node : {"also", "tell", "bulk", "form"})
      (void)house_.engine().deliveries().switch_node(info.id, node, false, "jane");
  Chance none{0};
  ask_again(none);
  for (int hour = 0; hour < 25; hour += 5) {
    house_.pass(5h);
    rest();
  }
  promises_.at_end(house_.engine());
}

WorldFigures World::figures() const {
  World& self = const_cast<World&>(*this);
  return {.worlds = 1,
          .crashes = house_.figures.crashes,
          .events = clients_.figures.events,
          .attempts = promises_.attempts(),
          .runs = promises_.shadow().runs.size(),
          .deliveries = promises_.shadow().deliveries.size(),
          .commits = self.house_.disk().figures.commits,
          .store_failures = self.house_.disk().figures.refused,
          .checks = promises_.checks(),
          .places = self.house_.disk().places(),
          .on_sqlite = self.house_.disk().on_sqlite() ? 1u : 0u,
          .cut_commits = self.house_.disk().figures.cut_commits,
          .cut_folds = self.house_.disk().figures.cut_folds,
          .virtual_time = clock_.steady() - start_};
}

void WorldFigures::add(const WorldFigures& other) {
  worlds += other.worlds;
  steps += other.steps;
  crashes += other.crashes;
  events += other.events;
  attempts += other.attempts;
  runs += other.runs;
  deliveries += other.deliveries;
  commits += other.commits;
  store_failures += other.store_failures;
  checks += other.checks;
  places += other.places;
  unfinished += other.unfinished;
  on_sqlite += other.on_sqlite;
  cut_commits += other.cut_commits;
  cut_folds += other.cut_folds;
  virtual_time += other.virtual_time;
}

WorldEnd run_world(const WorldOptions& options) {
  if (options.routes) return run_route_world(options);
  World world{options};
  return play(world, options);
}

std::set<int> shrink(const WorldOptions& options, const Finding& finding) {
  WorldOptions smaller = options;
  smaller.steps = std::min(options.steps, finding.step);
  smaller.trace = {};
  std::set<int> kept;
  for (int step = 1; step <= smaller.steps; ++step)
    if (!options.only || options.only->contains(step)) kept.insert(step);
  const auto still = [&](const std::set<int>& steps) {
    smaller.only = steps;
    const WorldEnd end = run_world(smaller);
    return end.finding && end.finding->broken.promise == finding.broken.promise;
  };
  for (std::size_t chunk = std::max<std::size_t>(kept.size() / 2, 1);; chunk /= 2) {
    for (auto at = kept.begin(); at != kept.end();) {
      std::set<int> fewer = kept;
      auto first = fewer.find(*at);
      int after = *at;
      for (std::size_t i = 0; i < chunk && first != fewer.end(); ++i) {
        after = *first;
        first = fewer.erase(first);
      }
      if (still(fewer)) kept = std::move(fewer);
      at = kept.upper_bound(after);
    }
    if (chunk <= 1) return kept;
  }
}
}  // namespace onward::chaos
