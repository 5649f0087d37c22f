// What becomes of the speed where there is much of everything: scenarios, nodes on a path, timers
// due at once, contacts.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "tools/bench/parts.h"
#include "tools/bench/path.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
using namespace std::chrono_literals;

constexpr int kPathNodes = 200;

/// Webhooks a second of one scenario that matches, where `others` more are active; they listen for
/// the same event and find that it is not theirs, or for events of their own.
double rate_beside(Round& round, int others, bool same_event, const std::string& name) {
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}, 0, name};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  for (int i = 0; i < others; ++i) {
    const std::string id = fmt::format("other-{}", i);
    stand.apply(id, unmatched_scenario(id, same_event ? "measured" : fmt::format("other_{}", i)));
  }
  stand.load_contacts(round.plan.contacts);
  stand.settle();
  const Rates rates = stand.rates(stream, stand.single_posts(stream));
  stand.check(stream);
  stand.finish();
  return rates.received;
}

void measure_scenarios(Round& round) {
  const int others = round.plan.scenarios - 1;
  const double one = rate_beside(round, 0, false, "one");
  const double many = rate_beside(round, others, false, "many");
  const double shared = rate_beside(round, others, true, "shared");
  round.report.add({.name = "one_scenario_per_s",
                    .text = "webhooks received, one scenario active",
                    .value = one,
                    .unit = "/s"});
  round.report.add({.name = "scenarios_share",
                    .text = fmt::format("  of that with {} active, one matches", others + 1),
                    .value = many / one,
                    .goal = at_least(0.9)});
  round.report.add({.name = "scenarios_same_event_share",
                    .text = "  and if all of them listen for the same event",
                    .value = shared / one});
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

/// Webhooks a second with so many contacts known.
double rate_with_contacts(Round& round, int contacts, const std::string& name) {
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}, 0, name};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  stand.load_contacts(contacts);
  stand.settle();
  const Rates rates = stand.rates(stream, stand.single_posts(stream));
  stand.check(stream);
  round.report.add({.name = "memory_mb_" + name,
                    .text = fmt::format("memory at most, {} contacts", contacts),
                    .value = stand.server().figures().memory_peak_mb,
                    .unit = "MB"});
  stand.finish();
  std::filesystem::remove_all(round.folder + "/" + name);
  return rates.received;
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
  const double few = rate_with_contacts(round, round.plan.contacts, "few");
  const double many = rate_with_contacts(round, round.plan.many, "many");
  round.report.add({.name = "few_per_s",
                    .text = fmt::format("webhooks received, {} contacts", round.plan.contacts),
                    .value = few,
                    .unit = "/s"});
  round.report.add({.name = "many_per_s",
                    .text = fmt::format("webhooks received, {} contacts", round.plan.many),
                    .value = many,
                    .unit = "/s"});
  round.report.add({.name = "many_share",
                    .text = "  what the growth leaves",
                    .value = many / few,
                    .goal = at_least(0.6)});
}
}  // namespace onward::bench
