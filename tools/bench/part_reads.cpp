// What questions cost the events beside them: lists and journeys are asked for at a set rate while
// events come in at full rate, on this disk and on one whose fsyncs take longer.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
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

struct Found {
  double alone = 0, beside = 0;  ///< Events a second.
  double cost = 0;               ///< The part of the rate that the questions took.
  double list_p50 = 0;           ///< Milliseconds.
};

Found found_at(Round& round, double fsync_extra_ms, const std::string& name) {
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}, fsync_extra_ms, name};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  stand.load_contacts(round.plan.contacts);
  stand.settle();
  std::vector<double> alone, beside, costs, took;
  const auto rate = [&] { return stand.rates(stream, stand.single_posts(stream)).acknowledged; };
  rate();  // warms up
  const auto rate_beside = [&] {
    Asking asking{stand.server()};
    const double beside_it = rate();
    const std::vector<double> more = asking.end();
    took.insert(took.end(), more.begin(), more.end());
    return beside_it;
  };
  for (int pair = 0; pair < kReadPairs; ++pair) {
    // The rate falls while the store grows: each has the first turn as often as the other.
    const bool first = pair % 2 == 0;
    if (first) alone.push_back(rate());
    beside.push_back(rate_beside());
    if (!first) alone.push_back(rate());
    costs.push_back(1 - beside.back() / alone.back());
  }
  stand.check(stream);
  stand.finish();
  return {.alone = spread_of(alone).median,
          .beside = spread_of(beside).median,
          .cost = spread_of(costs).median,
          .list_p50 = spread_of(took).median};
}
}  // namespace

void measure_reads(Round& round) {
  const auto add = [&](const std::string& name, const std::string& where, const Found& found) {
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
