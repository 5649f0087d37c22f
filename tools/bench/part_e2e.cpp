// End to end: how many webhooks a second arrive, as a share of bare libcurl, and what a slower disk
// takes of that.
#include <array>

#include <fmt/format.h>

#include "tools/bench/parts.h"
#include "tools/bench/site.h"
#include "tools/bench/texts.h"

namespace onward::bench {
namespace {
constexpr int kManyConnections = 256;

/// Where the processor time of the events went, by thread.
void add_processor_time(Round& round, const ProcessFigures& before, const ProcessFigures& after,
                        std::uint64_t events) {
  round.report.add({.name = "processor_us_per_event",
                    .text = "processor time per event",
                    .value = per_event_us(after.processor_s - before.processor_s, events),
                    .unit = "us"});
  for (const auto& [name, seconds] : after.threads_s) {
    const auto was = before.threads_s.find(name);
    const double spent = seconds - (was == before.threads_s.end() ? 0 : was->second);
    if (spent < 0.02) continue;
    round.report.add({.name = "processor_us_per_event." + name,
                      .text = "  of it thread " + name,
                      .value = per_event_us(spent, events),
                      .unit = "us"});
  }
}

/// What a disk that flushes more slowly takes of the rate, with 256 connections.
void measure_slower_disk(Round& round, double curl) {
  const Plan& plan = round.plan;
  Site own{round, "own-disk", plan.contacts};
  Site slower{round, "slower-disk", plan.contacts, plan.fsync_extra_ms};
  measure_in_turn(std::array{&own, &slower}, kManyConnections, plan.seconds);
  own.finish();
  slower.finish();
  round.report.add({.name = "many_connections_per_s",
                    .text = fmt::format("webhooks received, {} connections", kManyConnections),
                    .value = own.rate(),
                    .unit = "/s",
                    .limit = curl,
                    .limit_text = "bare libcurl"});
  round.report.add({.name = "slower_disk_per_s",
                    .text = fmt::format("  the same, each fsync {} ms longer", plan.fsync_extra_ms),
                    .value = slower.rate(),
                    .unit = "/s"});
  round.report.add({.name = "slower_disk_share",
                    .text = "  what the slower disk leaves of it",
                    .value = slower.rate() / own.rate(),
                    .goal = at_least(0.8)});
}
}  // namespace

void measure_end_to_end(Round& round) {
  const double curl = round.limits.curl();
  const double generator = round.limits.load_generator();
  round.limits.fsync();
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  stand.load_contacts(round.plan.contacts);
  stand.settle();
  const ProcessFigures before = stand.server().figures();
  const Rates rates = stand.rates(stream, stand.single_posts(stream));
  const ProcessFigures after = stand.server().figures();
  stand.check(stream);
  stand.finish();

  round.report.add(
      {.name = "webhooks_per_s",
       .text = fmt::format("webhooks received, {} connections", round.plan.connections),
       .value = rates.received,
       .unit = "/s",
       .limit = curl,
       .limit_text = "bare libcurl"});
  round.report.add({.name = "share_of_libcurl",
                    .text = "  their share of bare libcurl",
                    .value = rates.received / curl,
                    .goal = at_least(0.55)});
  round.report.add({.name = "acknowledged_per_s",
                    .text = "events acknowledged meanwhile",
                    .value = rates.acknowledged,
                    .unit = "/s",
                    .limit = generator,
                    .limit_text = "the load generator alone"});
  add_processor_time(round, before, after, stream.accepted);
  round.report.add({.name = "memory_mb",
                    .text = "memory at work, at most",
                    .value = after.memory_peak_mb,
                    .unit = "MB"});

  measure_slower_disk(round, curl);
}
}  // namespace onward::bench
