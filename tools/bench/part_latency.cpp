// How long it takes from an event's post to its webhook.
#include <algorithm>

#include <fmt/format.h>

#include "tools/bench/parts.h"
#include "tools/bench/texts.h"

namespace onward::bench {
namespace {
struct Latency {
  double p50_us = 0, p99_us = 0;
};

Latency at_rate(Stand& stand, Stream& stream, double rate) {
  stand.settle();
  stream.receiver->take();
  LoadPlan load = stand.single_posts(stream);
  load.rate = rate;
  stand.post(stream, load);
  stand.drain(stream);
  Arrivals arrivals = stream.receiver->take();
  return {.p50_us = percentile(arrivals.latencies_us, 0.50),
          .p99_us = percentile(arrivals.latencies_us, 0.99)};
}
}  // namespace

void measure_latency(Round& round) {
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  stand.load_contacts(round.plan.contacts);
  stand.settle();
  const SyncLimit sync = round.limits.fsync();
  const Latency calm = at_rate(stand, stream, round.plan.rate);
  const Rates most = stand.rates(stream, stand.single_posts(stream));
  const double half = most.received / 2;
  const Latency busy = at_rate(stand, stream, half);
  stand.check(stream);
  stand.finish();

  const std::string calm_text = fmt::format("post to webhook at {:.0f}/s", round.plan.rate);
  round.report.add({.name = "p50_us",
                    .text = calm_text + ", p50",
                    .value = calm.p50_us,
                    .unit = "us",
                    .limit = sync.p50_us,
                    .limit_text = "a small fsync, p50",
                    .goal = at_most(sync.p50_us + 500)});
  round.report.add({.name = "p99_us",
                    .text = calm_text + ", p99",
                    .value = calm.p99_us,
                    .unit = "us",
                    .limit = sync.p99_us,
                    .limit_text = "a small fsync, p99",
                    .goal = at_most(std::max(2'500.0, sync.p99_us + 1'500))});
  round.report.add({.name = "most_per_s",
                    .text = "the most webhooks received a second",
                    .value = most.received,
                    .unit = "/s"});
  round.report.add({.name = "half_p50_us",
                    .text = "post to webhook at half of that, p50",
                    .value = busy.p50_us,
                    .unit = "us"});
  round.report.add({.name = "half_p99_us",
                    .text = "post to webhook at half of that, p99",
                    .value = busy.p99_us,
                    .unit = "us",
                    .goal = at_most(20'000)});
}
}  // namespace onward::bench
