// What becomes of the speed where there is much of everything: scenarios, nodes on a path, timers
// due at once, contacts.
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "tools/bench/parts.h"
#include "tools/bench/path.h"
#include "tools/bench/site.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
using namespace std::chrono_literals;

constexpr int kPathNodes = 200;

/// Makes `count` more scenarios active, which listen for the event that is posted and find that it
/// is not theirs, or for events of their own.
void add_others(Stand& stand, int count, bool same_event) {
  for (int i = 0; i < count; ++i) {
    const std::string id = fmt::format("other-{}", i);
    stand.apply(id, unmatched_scenario(id, same_event ? "measured" : fmt::format("other_{}", i)));
  }
}

void measure_scenarios(Round& round) {
  const Plan& plan = round.plan;
  Site one{round, "one", plan.contacts};
  Site many{round, "many", plan.contacts};
  Site shared{round, "shared", plan.contacts};
  add_others(many.stand(), plan.scenarios - 1, false);
  add_others(shared.stand(), plan.scenarios - 1, true);
  const std::array sites{&one, &many, &shared};
  measure_in_turn(sites, plan.connections, plan.seconds);
  for (Site* site : sites) site->finish();
  round.report.add({.name = "one_scenario_per_s",
                    .text = "webhooks received, one scenario active",
                    .value = one.rate(),
                    .unit = "/s"});
  round.report.add({.name = "scenarios_share",
                    .text = fmt::format("  of that with {} active, one matches", plan.scenarios),
                    .value = many.rate() / one.rate(),
                    .goal = at_least(0.9)});
  round.report.add({.name = "scenarios_processor",
                    .text = "  processor time per event, times that with one",
                    .value = many.processor_us() / one.processor_us()});
  round.report.add({.name = "scenarios_same_event_share",
                    .text = "  and if all of them listen for the same event",
                    .value = shared.rate() / one.rate()});
}

/// "2026-05-01T09:00:00Z"
std::string utc_text(time_t at) {
  tm parts{};
  ::gmtime_r(&at, &parts);
  char text[32];
  ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

double seconds_until(time_t at) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<double>(at) - std::chrono::duration<double>(now).count();
}

/// All waits end in the same second, while other events go on to be posted.
void measure_due_timers(Round& round) {
  constexpr double kBefore = 1, kAfter = 9;   // seconds of other events around the instant
  constexpr double kLoadedPerSecond = 4'000;  // a machine slower than that is told so
  Stream due{.scenario = "due", .event = "will_be_due"};
  Stream other{.scenario = "bench", .event = "measured"};
  Stand stand{round, {}, 0, "due"};
  stand.load_contacts(round.plan.due);
  stand.settle();
  const time_t at = ::time(nullptr) + 10 +
                    static_cast<time_t>(static_cast<double>(round.plan.due) / kLoadedPerSecond);
  stand.apply(due.scenario, due_scenario(due.scenario, due.event, utc_text(at)));
  stand.apply(other.scenario,
              webhook_scenario(other.scenario, other.event, closed_port(), "@nobody.example.org"));
  stand.post(due, stand.one_each(due, round.plan.due));
  stand.settle();
  if (seconds_until(at) < kBefore) {
    return round.report.fault("the timers were due before all of them were set; try fewer");
  }
  std::this_thread::sleep_for(std::chrono::duration<double>{seconds_until(at) - kBefore});
  std::atomic<bool> posting{true};
  std::optional<double> worked_off;
  std::thread watcher{[&] {
    while (posting && !worked_off) {
      std::this_thread::sleep_for(50ms);
      const double now = -seconds_until(at);
      if (now > 0 && stand.count(due.scenario, "", "inside") == 0) worked_off = now;
    }
  }};
  LoadPlan load = stand.single_posts(other);
  load.rate = round.plan.rate;
  load.seconds = kBefore + kAfter;
  LoadResult result = stand.post(other, load);
  posting = false;
  watcher.join();
  stand.must_be("due: done", static_cast<std::uint64_t>(round.plan.due),
                stand.count(due.scenario, "", "done"));
  stand.check(other);
  stand.finish();
  round.report.add({.name = "timers_done_s",
                    .text = fmt::format("{} timers due at once, worked off within", round.plan.due),
                    .value = worked_off.value_or(kAfter),
                    .unit = "s"});
  round.report.add(
      {.name = "timers_intake_p99_us",
       .text = fmt::format("  post to answer meanwhile at {:.0f}/s, p99", round.plan.rate),
       .value = percentile(result.answered_us, 0.99),
       .unit = "us"});
  round.report.add({.name = "timers_intake_most_us",
                    .text = "  and at most",
                    .value = percentile(result.answered_us, 1),
                    .unit = "us",
                    .goal = at_most(100'000)});
}
}  // namespace

void measure_growth(Round& round) {
  measure_scenarios(round);
  round.report.add({.name = "path_us",
                    .text = fmt::format("a contact goes down a path of {} nodes", kPathNodes),
                    .value = microseconds_of_path(kPathNodes),
                    .unit = "us",
                    .goal = at_most(50)});
  measure_due_timers(round);
}

void measure_many_contacts(Round& round) {
  constexpr double kBytesPerContact = 450;  // with the write-ahead log, rather more than it takes
  const double room = static_cast<double>(std::filesystem::space(round.folder).available);
  const double wanted = kBytesPerContact * round.plan.many;
  if (room < wanted) {
    return round.report.fault(
        fmt::format("{:.1f} GB of disk are wanted, {:.1f} are free", wanted / 1e9, room / 1e9));
  }
  const Plan& plan = round.plan;
  Site few{round, "few", plan.contacts};
  Site many{round, "many", plan.many};
  const std::array sites{&few, &many};
  measure_in_turn(sites, plan.connections, plan.seconds);
  const double few_mb = few.stand().server().figures().memory_peak_mb;
  const double many_mb = many.stand().server().figures().memory_peak_mb;
  for (Site* site : sites) site->finish();
  const auto add = [&](const char* name, int contacts, double rate, double mb) {
    round.report.add({.name = fmt::format("{}_per_s", name),
                      .text = fmt::format("webhooks received, {} contacts", contacts),
                      .value = rate,
                      .unit = "/s"});
    round.report.add({.name = fmt::format("{}_memory_mb", name),
                      .text = "  memory at most",
                      .value = mb,
                      .unit = "MB"});
  };
  add("few", plan.contacts, few.rate(), few_mb);
  add("many", plan.many, many.rate(), many_mb);
  round.report.add({.name = "many_processor",
                    .text = "processor time per event, times that with few",
                    .value = many.processor_us() / few.processor_us()});
  round.report.add({.name = "many_share",
                    .text = "what the growth leaves of the rate",
                    .value = many.rate() / few.rate(),
                    .goal = at_least(0.6)});
}
}  // namespace onward::bench
