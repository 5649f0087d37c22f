// A receiver that is gone, with ever more requests waiting for it: what they take of memory,
// whether a receiver that is there notices, and how soon the server starts with them.
#include <optional>
#include <string>

#include <fmt/format.h>

#include "tools/bench/parts.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr double kWellRate = 500;   // events per second
constexpr double kMemoryMore = 20;  // MB, for ten times as many

/// Until so many requests wait for the receiver that is gone; the server's memory then.
double fill(Stand& stand, Stream& dead, std::uint64_t waiting) {
  LoadPlan load = stand.ndjson(dead);
  load.seconds = 3'600;
  load.events_max = waiting - dead.accepted;
  stand.post(dead, load);
  stand.settle();
  stand.must_be("pending requests", dead.accepted, stand.count(dead.scenario, "tell", "pending"));
  return stand.server().figures().memory_mb;
}

void add_dead_memory(Round& round, const std::string& name, std::uint64_t waiting, double mb,
                     std::optional<Goal> goal = {}) {
  round.report.add({.name = name,
                    .text = fmt::format("memory while {} requests wait", waiting),
                    .value = mb,
                    .unit = "MB",
                    .goal = goal});
}

void add_steady(Round& round, const std::string& name, const std::string& when, const Steady& seen,
                std::optional<Goal> goal = {}) {
  round.report.add({.name = "well_" + name + "_p50_us",
                    .text = "the one that is there at 500/s, " + when + ", p50",
                    .value = seen.p50_us,
                    .unit = "us"});
  round.report.add({.name = "well_" + name + "_p99_us",
                    .text = "  p99",
                    .value = seen.p99_us,
                    .unit = "us",
                    .goal = goal});
}

void add_dead_start(Round& round, const std::string& name, const std::string& after,
                    double seconds) {
  round.report.add({.name = name,
                    .text = "start until ready, " + after,
                    .value = seconds,
                    .unit = "s",
                    .goal = at_most(5)});
}
}  // namespace

void measure_dead_receiver(Round& round) {
  Receiver receiver;
  const std::uint16_t gone = closed_port();
  Stream well{.scenario = "well", .event = "measured_well", .receiver = &receiver};
  Stream dead{.scenario = "dead", .event = "measured_dead"};
  Stand stand{round, {receiver.port(), gone}};
  stand.apply(well.scenario, webhook_scenario(well.scenario, well.event, receiver.port()));
  stand.apply(dead.scenario, webhook_scenario(dead.scenario, dead.event, gone));
  stand.load_contacts(round.plan.contacts);
  stand.settle();
  const Steady alone = steady_posts(stand, well, kWellRate);
  add_steady(round, "alone", "alone", alone);

  const auto all = static_cast<std::uint64_t>(round.plan.waiting);
  const double tenth = fill(stand, dead, all / 10);
  add_dead_memory(round, "memory_tenth_mb", dead.accepted, tenth);
  const double whole = fill(stand, dead, all);
  add_dead_memory(round, "memory_mb", dead.accepted, whole, at_most(tenth + kMemoryMore));
  const Goal twice = at_most(2 * alone.p99_us);
  add_steady(round, "beside", fmt::format("beside {} of the dead one", dead.accepted),
             steady_posts(stand, well, kWellRate), twice);

  if (const int code = stand.server().stop(); code != 0)
    round.report.fault(fmt::format("the server ended with {}", code));
  stand.server().start();
  add_dead_start(round, "start_s", "after it was ended", stand.server().seconds_to_ready());
  stand.server().kill();
  stand.server().start();
  add_dead_start(round, "start_after_kill_s", "after it was killed",
                 stand.server().seconds_to_ready());
  stand.settle();
  add_steady(round, "started", "after that", steady_posts(stand, well, kWellRate), twice);
  stand.must_be("pending requests, after a start", dead.accepted,
                stand.count(dead.scenario, "tell", "pending"));
  stand.check(well);
  stand.finish();
}
}  // namespace onward::bench
