// What questions cost the events beside them: lists and journeys are asked for at a set rate while
// events come in at full rate, on this disk and on one whose fsyncs take longer.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "tools/bench/parts.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr int kReadPairs = 6;
constexpr double kListsPerSecond = 100;

/// Asks for one list after the other, at the rate, until it ends.
class Asking {
 public:
  explicit Asking(const ServerProcess& server)
      : thread_{[this, &server] {
          const std::int64_t begun = now_ns();
          while (!stop_) {
            const auto due = begun + static_cast<std::int64_t>(static_cast<double>(asked_) * 1e9 /
                                                               kListsPerSecond);
            if (const std::int64_t left = due - now_ns(); left > 0)
              std::this_thread::sleep_for(std::chrono::nanoseconds{left});
            ask(server);
          }
        }} {}
  /// How long the answers took, in milliseconds.
  std::vector<double> end() {
    stop_ = true;
    thread_.join();
    return std::move(took_ms_);
  }

 private:
  void ask(const ServerProcess& server) {
    const std::array<std::string, 4> paths{
        "/v1/deliveries?limit=50", "/v1/contacts?limit=50", "/v1/runs?limit=50",
        fmt::format("/v1/contacts/c{}/runs", random_below(1'000))};
    const std::int64_t from = now_ns();
    const Answer answer = server.request("GET", paths[asked_++ % paths.size()], "");
    if (answer.status != 200) give_up("a list was refused: " + answer.body);
    took_ms_.push_back(static_cast<double>(now_ns() - from) / 1e6);
  }

  std::atomic<bool> stop_{false};
  std::size_t asked_ = 0;
  std::vector<double> took_ms_;
  std::thread thread_;
};

struct ReadsFound {
  double alone = 0, beside = 0;  ///< Events a second.
  double cost = 0;               ///< The part of the rate that the questions took.
  /// Processor time of an event on the threads that serve events, beside the questions, as a
  /// multiple of that alone.
  double event_ratio = 0;
  double event_us = 0;  ///< Microseconds, alone.
  double list_p50 = 0;  ///< Milliseconds.
};

/// Of all threads of the server but those that answer questions: the reader, and the one that reads
/// and writes sockets, which also serves events.
double event_seconds(const ServerProcess& server) {
  double seconds = 0;
  for (const auto& [thread, spent] : server.figures().threads_s)
    if (thread != "onward-reader" && thread != "onward-io") seconds += spent;
  return seconds;
}

struct ReadsTurn {
  double rate = 0;      ///< Events acknowledged a second.
  double event_us = 0;  ///< Processor time per event on the threads of `event_seconds`.
};

ReadsFound found_at(Round& round, double fsync_extra_ms, const std::string& name) {
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}, fsync_extra_ms, name};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  stand.load_contacts(round.plan.contacts);
  stand.settle();
  std::vector<double> alone, beside, costs, alone_us, ratios, took;
  const auto turn = [&]() -> ReadsTurn {
    const double spent = event_seconds(stand.server());
    const std::uint64_t accepted = stream.accepted;
    const double rate = stand.rates(stream, stand.single_posts(stream)).acknowledged;
    return {.rate = rate,
            .event_us =
                per_event_us(event_seconds(stand.server()) - spent, stream.accepted - accepted)};
  };
  turn();  // warms up
  const auto turn_beside = [&] {
    Asking asking{stand.server()};
    const ReadsTurn beside_it = turn();
    const std::vector<double> more = asking.end();
    took.insert(took.end(), more.begin(), more.end());
    return beside_it;
  };
  for (int pair = 0; pair < kReadPairs; ++pair) {
    // The rate falls while the store grows: each has the first turn as often as the other.
    const bool first = pair % 2 == 0;
    std::optional<ReadsTurn> by_itself;
    if (first) by_itself = turn();
    const ReadsTurn beside_it = turn_beside();
    if (!first) by_itself = turn();
    alone.push_back(by_itself->rate);
    beside.push_back(beside_it.rate);
    costs.push_back(1 - beside_it.rate / by_itself->rate);
    alone_us.push_back(by_itself->event_us);
    ratios.push_back(beside_it.event_us / by_itself->event_us);
  }
  stand.check(stream);
  stand.finish();
  return {.alone = spread_of(alone).median,
          .beside = spread_of(beside).median,
          .cost = spread_of(costs).median,
          .event_ratio = spread_of(ratios).median,
          .event_us = spread_of(alone_us).median,
          .list_p50 = spread_of(took).median};
}
}  // namespace

void measure_reads(Round& round) {
  const auto add = [&](const std::string& name, const std::string& where, const ReadsFound& found) {
    round.report.add({.name = name + "alone_per_s",
                      .text = "single posts" + where,
                      .value = found.alone,
                      .unit = "/s"});
    round.report.add({.name = name + "beside_per_s",
                      .text = fmt::format("  beside {:.0f} lists a second", kListsPerSecond),
                      .value = found.beside,
                      .unit = "/s"});
    round.report.add({.name = name + "cost_percent",
                      .text = fmt::format("  cost of the lists, median of {} pairs", kReadPairs),
                      .value = found.cost * 100,
                      .unit = "%",
                      .goal = at_most(5)});
    round.report.add({.name = name + "event_us",
                      .text = "  processor time of an event on the threads of events",
                      .value = found.event_us,
                      .unit = "us"});
    round.report.add({.name = name + "event_ratio",
                      .text = "  the same beside the lists, as a multiple",
                      .value = found.event_ratio,
                      .unit = "",
                      .goal = at_most(1.05)});
    round.report.add({.name = name + "list_p50_ms",
                      .text = "  a list is answered within (p50)",
                      .value = found.list_p50,
                      .unit = "ms"});
  };
  add("", "", found_at(round, 0, "reads"));
  add("slow_disk_", fmt::format(", each fsync {} ms longer", round.plan.fsync_extra_ms),
      found_at(round, round.plan.fsync_extra_ms, "reads-slower"));
}
}  // namespace onward::bench
