// A receiver that takes 200 ms for each answer: how many requests it gets, and whether another one,
// which answers at once, notices.
#include <algorithm>
#include <chrono>
#include <thread>

#include "tools/bench/parts.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr int kReplyMs = 200;
constexpr double kMost = 512 / (kReplyMs / 1'000.0);  // what 512 connections to one origin carry
constexpr double kAdapting = 6;                       // seconds
constexpr double kFastRate = 500;                     // events per second
}  // namespace

void measure_slow_receiver(Round& round) {
  Receiver fast_receiver;
  Receiver slow_receiver{kReplyMs};
  Stream fast{.scenario = "fast", .event = "measured_fast", .receiver = &fast_receiver};
  Stream slow{.scenario = "slow", .event = "measured_slow", .receiver = &slow_receiver};
  Stand stand{round, {fast_receiver.port(), slow_receiver.port()}};
  stand.apply(fast.scenario, webhook_scenario(fast.scenario, fast.event, fast_receiver.port()));
  stand.apply(slow.scenario, webhook_scenario(slow.scenario, slow.event, slow_receiver.port()));
  stand.load_contacts(round.plan.contacts);
  stand.settle();
  const Steady alone = steady_posts(stand, fast, kFastRate);

  // As much in hand as the slow one can get through while it is watched, and a little more.
  LoadPlan backlog = stand.ndjson(slow);
  backlog.seconds = 600;
  backlog.events_max = static_cast<std::uint64_t>(kMost * (kAdapting + round.plan.seconds + 3));
  stand.post(slow, backlog);
  std::this_thread::sleep_for(std::chrono::duration<double>{kAdapting});
  const std::uint64_t before = slow_receiver.requests();
  const std::int64_t start = now_ns();
  const Steady beside = steady_posts(stand, fast, kFastRate);
  const double slow_rate = static_cast<double>(slow_receiver.requests() - before) /
                           (static_cast<double>(now_ns() - start) / 1e9);
  stand.drain(slow);
  stand.check(fast);
  stand.check(slow);
  stand.finish();

  round.report.add({.name = "slow_per_s",
                    .text = "requests to the one that takes 200 ms",
                    .value = slow_rate,
                    .unit = "/s",
                    .limit = kMost,
                    .limit_text = "512 connections",
                    .goal = at_least(2'000)});
  round.report.add({.name = "fast_alone_p50_us",
                    .text = "the fast one alone at 500/s, p50",
                    .value = alone.p50_us,
                    .unit = "us"});
  round.report.add({.name = "fast_beside_p50_us",
                    .text = "  beside the slow one, p50",
                    .value = beside.p50_us,
                    .unit = "us",
                    .goal = at_most(alone.p50_us + 500)});
  round.report.add({.name = "fast_alone_p99_us",
                    .text = "the fast one alone at 500/s, p99",
                    .value = alone.p99_us,
                    .unit = "us"});
  round.report.add({.name = "fast_beside_p99_us",
                    .text = "  beside the slow one, p99",
                    .value = beside.p99_us,
                    .unit = "us",
                    .goal = at_most(std::max(2 * alone.p99_us, alone.p99_us + 2'500))});
  round.report.add({.name = "fast_beside_share",
                    .text = "its rate beside the slow one, of that alone",
                    .value = beside.rate / alone.rate,
                    .goal = at_least(0.98)});
}
}  // namespace onward::bench
