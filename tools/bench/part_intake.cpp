// How many events a second are taken where nothing is to be sent, and how many webhooks a second
// arrive while as many events as possible come in.
#include <fmt/format.h>

#include <utility>

#include "tools/bench/parts.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
/// Single posts, then NDJSON.
struct BothRates {
  Rates single, lines;
};
BothRates both_rates(Stand& stand, Stream& stream) {
  stand.settle();
  BothRates rates{.single = stand.rates(stream, stand.single_posts(stream)), .lines = {}};
  stand.settle();
  rates.lines = stand.rates(stream, stand.ndjson(stream));
  stand.check(stream);
  stand.finish();
  return rates;
}

/// Webhooks a second that arrive while events are posted, one by one and as NDJSON.
std::pair<double, double> received_meanwhile(Round& round) {
  Receiver receiver;
  Stream stream{.scenario = "sends", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}, /*fsync_extra_ms=*/0, "sends"};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  stand.load_contacts(round.plan.contacts);
  const auto [single, lines] = both_rates(stand, stream);
  return {single.received, lines.received};
}
}  // namespace

void measure_intake(Round& round) {
  const double generator = round.limits.load_generator();
  const double sqlite = round.limits.sqlite();
  Stream stream{.scenario = "bench", .event = "measured"};
  Stand stand{round, {}};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, closed_port(),
                                                "@nobody.example.org"));
  const double loaded = stand.load_contacts(round.plan.contacts);
  const auto [single, lines] = both_rates(stand, stream);

  round.report.add({.name = "single_per_s",
                    .text = fmt::format("single posts, {} connections", round.plan.connections),
                    .value = single.acknowledged,
                    .unit = "/s",
                    .limit = generator,
                    .limit_text = "the load generator alone",
                    .goal = at_least(20'000)});
  round.report.add({.name = "ndjson_per_s",
                    .text = fmt::format("events as NDJSON of {}", round.plan.events_per_post),
                    .value = lines.acknowledged,
                    .unit = "/s",
                    .limit = sqlite,
                    .limit_text = "bare SQLite",
                    .goal = at_least(40'000)});
  round.report.add({.name = "history_per_s",
                    .text = "contacts made by events of ?mode=history",
                    .value = loaded,
                    .unit = "/s",
                    .limit = sqlite,
                    .limit_text = "bare SQLite"});

  const auto [by_single, by_lines] = received_meanwhile(round);
  round.report.add({.name = "received_single_per_s",
                    .text = "webhooks received during single posts",
                    .value = by_single,
                    .unit = "/s"});
  round.report.add({.name = "received_ndjson_per_s",
                    .text = "webhooks received during NDJSON at full rate",
                    .value = by_lines,
                    .unit = "/s",
                    .limit = by_single,
                    .limit_text = "those during single posts",
                    .goal = at_least(by_single)});
}
}  // namespace onward::bench
