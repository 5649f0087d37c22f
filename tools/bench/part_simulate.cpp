// `onward simulate` as an author runs it: files in, numbers out.
#include <fmt/format.h>

#include "tools/bench/command.h"
#include "tools/bench/parts.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
void measure_simulate(Round& round) {
  constexpr int kContacts = 20'000;
  constexpr int kEvents = 100'000;
  const std::string scenario = round.folder + "/journey.yaml";
  const std::string contacts = round.folder + "/contacts.ndjson";
  const std::string events = round.folder + "/events.ndjson";
  std::string text;
  for (int i = 0; i < kContacts; ++i) {
    text += fmt::format("{{\"id\":\"c{0}\",\"email\":\"person{0}{1}\"}}\n", i, kKnownDomain);
  }
  write_file(contacts, text);
  text.clear();
  for (int i = 0; i < kEvents; ++i) {
    append_event(text, "measured", static_cast<std::uint64_t>(i % kContacts),
                 static_cast<std::uint64_t>(i), 0);
    text += '\n';
  }
  write_file(events, text);
  write_file(scenario, journey_scenario());
  const Finished finished = run_command(
      round.plan.binary,
      {"simulate", scenario, "--contacts", contacts, "--events", events, "--summary", "--json"});
  const auto visits = number_after(finished.output, "\"visits\":").value_or(0);
  const auto accepted = number_after(finished.output, "\"accepted\":").value_or(0);
  if (finished.code != 0) round.report.fault(fmt::format("it ended with {}", finished.code));
  if (accepted != kEvents) {
    round.report.fault(fmt::format("{} of {} events were accepted", accepted, kEvents));
  }
  // Five nodes for every event, and a sixth for those whom the split sends by it.
  if (visits <= 5 * kEvents || visits >= 6 * kEvents) {
    round.report.fault(fmt::format("{} visits of {} events", visits, kEvents));
  }
  round.report.add({.name = "visits_per_s",
                    .text = fmt::format("visits of nodes, {} events, files and all", kEvents),
                    .value = static_cast<double>(visits) / finished.seconds,
                    .unit = "/s",
                    .goal = at_least(1'000'000)});
  round.report.add({.name = "events_per_s",
                    .text = "  events",
                    .value = kEvents / finished.seconds,
                    .unit = "/s"});
  round.report.add(
      {.name = "memory_mb", .text = "  memory at most", .value = finished.memory_mb, .unit = "MB"});
}
}  // namespace onward::bench
