// Worlds of the restricted family: crashes at any place, downtime, late and lost answers; and yet
// each contact goes exactly the way that the model foretells.
#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "tests/chaos/house.h"
#include "tests/chaos/play.h"
#include "tests/chaos/route.h"
#include "tests/chaos/world.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

constexpr std::array<const char*, 3> kRoutes{"a-way", "b-way", "c-way"};

class RouteWorld {
 public:
  explicit RouteWorld(const WorldOptions& options);
  void begin();
  void step(int number);
  void end() {}
  WorldFigures figures() const;
  std::uint64_t trace_hash() const { return promises_.trace_hash(); }

 private:
  void post(Chance& chance);
  void pass(Duration length);
  void outage(Duration length);
  void publish(const std::string& id, std::uint64_t version);
  void set_active(const std::string& id, bool active);
  void compare() const;
  void compare_runs(const std::string& contact, const std::vector<RouteModel::Run>& runs) const;
  std::vector<const Run*> runs_of(const std::string& contact) const;
  void until_answered(const std::vector<RouteEvent>& events);
  EventInput input_of(const RouteEvent& event, std::uint64_t number) const;
  void note(std::string_view what) const {
    if (options_.trace) options_.trace(fmt::format("{} {}", format_instant(clock_.now()), what));
  }

  WorldOptions options_;
  Instant start_;
  WorldClock clock_;
  Receivers receivers_;
  Promises promises_;
  House house_;
  RouteModel model_;
  std::uint64_t events_ = 0;
};

House::Options lagging(const WorldOptions& options) {
  House::Options made{.plant = options.plant, .sqlite = options.on_sqlite()};
  if (options.seed % 3 == 0) made.runtime.batch_max = 2;
  return made;
}

RouteWorld::RouteWorld(const WorldOptions& options)
    : options_{options},
      start_{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}},
      clock_{start_},
      receivers_{options.seed, clock_},
      promises_{clock_, "CHAOSEPOCH00"},
      house_{lagging(options), clock_, receivers_, promises_} {}

void RouteWorld::publish(const std::string& id, std::uint64_t version) {
  const std::uint64_t seed = options_.seed * 10 + static_cast<std::uint64_t>(id.front() - 'a');
  RouteText text = make_route(id, seed, version);
  note(fmt::format("{} gets text {}", id, version));
  house_.disk().crash_at(0);
  house_.call([&](Cell& engine) -> Status {
    const auto answer = engine.scenarios().apply(id, text.yaml());
    if (!answer || answer->refused)
      throw std::logic_error("the harness wrote a wrong file:\n" + text.yaml());
    return {};
  });
  house_.flush();
  promises_.rule(id, text.reentry);
  model_.apply(std::move(text));
}

void RouteWorld::set_active(const std::string& id, bool active) {
  note(fmt::format("{} {}", active ? "activate" : "hold", id));
  house_.disk().crash_at(0);
  house_.call([&](Cell& engine) -> Status {
    if (active)
      (void)engine.scenarios().activate(id, std::nullopt);
    else
      (void)engine.scenarios().hold(id);
    return {};
  });
  house_.flush();
  model_.activate(id, active);
}

void RouteWorld::begin() {
  house_.chance(Chance{options_.seed, 900'000});
  house_.start();
  for (const char* id : kRoutes) {
    publish(id, 0);
    set_active(id, true);
  }
}

EventInput RouteWorld::input_of(const RouteEvent& event, std::uint64_t number) const {
  ContactInput contact = *parse_contact(*parse_json(
      event.spent
          ? fmt::format(R"({{"id": "{}", "custom": {{"spent": {}}}}})", event.contact, *event.spent)
          : fmt::format(R"({{"id": "{}"}})", event.contact)));
  EventInput input{.id = fmt::format("e{}", number),
                   .who = std::move(contact.who),
                   .patch = std::move(contact.patch),
                   .event = {.type = event.type,
                             .at = clock_.now(),
                             .data = *parse_json(fmt::format(R"({{"x": {}}})", event.x))}};
  input.fingerprint = hash128(fmt::format("{}", number));
  return input;
}

/// Sends the same post until somebody has answered it, at one instant.
void RouteWorld::until_answered(const std::vector<RouteEvent>& events) {
  std::vector<EventInput> inputs;
  for (const RouteEvent& event : events) inputs.push_back(input_of(event, ++events_));
  for (bool answered = false; !answered;) {
    house_.pass(Duration{0});
    if (!house_.up()) continue;
    EventsTask job;
    for (const EventInput& input : inputs) job.inputs.emplace_back(input);
    const auto told = std::make_shared<bool>(false);
    job.done = [told](const std::vector<EventAnswer>& answers) {
      *told = true;
      for (const EventAnswer& answer : answers)
        if (answer.kind != EventAnswer::Kind::Accepted &&
            answer.kind != EventAnswer::Kind::Duplicate)
          broken(promise::kAnswers, "an event was refused: " + answer.message);
    };
    std::vector<Task> jobs;
    jobs.emplace_back(std::move(job));
    house_.work(std::move(jobs));
    house_.flush();
    answered = *told;
  }
}

void RouteWorld::post(Chance& chance) {
  constexpr std::array<const char*, 5> types{"go", "go", "go", "step", "stop"};
  std::vector<RouteEvent> events;
  for (std::uint32_t left = 1 + chance.roll(6); left > 0; --left) {
    RouteEvent& event = events.emplace_back();
    event.contact = fmt::format("c{}", chance.roll(4));
    event.type = chance.pick(types);
    event.x = chance.roll(5);
    if (chance.one_in(4)) event.spent = chance.roll(5);
  }
  note(fmt::format("post {} events", events.size()));
  until_answered(events);
  model_.wake(clock_.now());
  for (const RouteEvent& event : events) model_.take(event, clock_.now());
}

void RouteWorld::pass(Duration length) {
  note("time passes: " + format_duration(length));
  const Instant target = clock_.steady() + length;
  while (clock_.steady() < target || !house_.up()) house_.pass(target - clock_.steady());
  model_.wake(target);
}

/// Nobody is there for a while; what falls due meanwhile is late.
void RouteWorld::outage(Duration length) {
  note("out of service for " + format_duration(length));
  house_.disk().crash_at(0);
  house_.flush();
  house_.die();
  clock_.go_to(clock_.steady() + length);
  house_.pass(Duration{0});
  model_.wake(clock_.now(), clock_.now());
}

std::vector<const Run*> RouteWorld::runs_of(const std::string& contact) const {
  const Shadow& shadow = promises_.shadow();
  std::vector<const Run*> runs;
  for (const auto& [key, known] : shadow.runs)
    if (const auto name = shadow.ids.find(known.row.contact);
        name != shadow.ids.end() && name->second == contact)
      runs.push_back(&known.row);
  std::ranges::sort(runs, {}, &Run::key);
  return runs;
}

void RouteWorld::compare_runs(const std::string& contact,
                              const std::vector<RouteModel::Run>& runs) const {
  const Shadow& shadow = promises_.shadow();
  const std::vector<const Run*> found = runs_of(contact);
  if (found.size() != runs.size())
    broken(promise::kPath, fmt::format("{} entered {} times, foreseen were {}", contact,
                                       found.size(), runs.size()));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto text = [](const std::string& state, const auto& steps) {
      std::string line = state;
      for (const auto& [node, at] : steps) line += fmt::format(" {}@{}", node, format_instant(at));
      return line;
    };
    std::vector<std::pair<std::string, Instant>> steps;
    for (const PathStep& step : found[i]->path)
      steps.emplace_back(shadow.name_of(found[i]->scenario, step.node), step.at);
    const std::string is = text(std::string{to_string(found[i]->state)}, steps);
    const std::string wanted = text(runs[i].state, runs[i].path);
    if (is != wanted)
      broken(promise::kPath, fmt::format("{} in {} went\n    {}\n  and not\n    {}", contact,
                                         runs[i].text->id, is, wanted));
  }
}

void RouteWorld::compare() const {
  for (const auto& [contact, runs] : model_.runs()) compare_runs(contact, runs);
  const Shadow& shadow = promises_.shadow();
  for (const auto& [key, record] : shadow.scenarios) {
    const auto sums = sum_counters(shadow.counters, key, /*test=*/false);
    const auto whole = sums.find(NodeNumber{});
    for (const char* reason : {"already_entered", "inside", "too_soon", "too_many"}) {
      std::int64_t counted = 0;
      if (whole != sums.end())
        for (const auto& [name, count] : whole->second.named)
          if (name == reason) counted = count;
      if (counted != model_.refused(record.id, reason))
        broken(promise::kPath,
               fmt::format("{} refused {} entries as {}, foreseen were {}", record.id, counted,
                           reason, model_.refused(record.id, reason)));
    }
  }
}

void RouteWorld::step(int number) {
  Chance chance{options_.seed, static_cast<std::uint64_t>(number)};
  house_.chance(Chance{options_.seed, 500'000 + static_cast<std::uint64_t>(number)});
  note(fmt::format("-- step {}", number));
  if (chance.one_in(3)) house_.disk().crash_at(house_.disk().places() + 1 + chance.roll(20));
  const std::string id = chance.pick(kRoutes);
  switch (chance.roll(10)) {
    case 0:
      publish(id, chance.roll(8));
      break;
    case 1:
      set_active(id, !chance.one_in(3));
      break;
    case 2:
      outage(1min * chance.roll(60 * 30));
      break;
    case 3:
      receivers_.set("crm", static_cast<Mood>(chance.roll(kMoods - 1)));
      break;
    default:
      post(chance);
  }
  constexpr std::array<Duration, 6> lengths{0s, 1s, 40min, 6h, 30h, 24h * 8};
  pass(chance.pick(lengths) + Duration{chance.roll(2'000)});
  house_.disk().crash_at(0);
  house_.flush();
  house_.check();
  compare();
}

WorldFigures RouteWorld::figures() const {
  return {.worlds = 1,
          .crashes = house_.figures.crashes,
          .events = events_,
          .attempts = promises_.attempts(),
          .runs = promises_.shadow().runs.size(),
          .deliveries = promises_.shadow().deliveries.size(),
          .commits = promises_.shadow().commits,
          .checks = promises_.checks(),
          .on_sqlite = options_.on_sqlite() ? 1u : 0u,
          .virtual_time = clock_.steady() - start_};
}
}  // namespace

WorldEnd run_route_world(const WorldOptions& options) {
  RouteWorld world{options};
  return play(world, options);
}
}  // namespace onward::chaos
