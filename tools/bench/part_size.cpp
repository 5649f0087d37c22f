// What it takes of memory and disk, and how soon it starts with much in hand.
#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "tools/bench/parts.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
using namespace std::chrono_literals;

void measure_idle(Round& round) {
  Stand stand{round, {}};
  constexpr double kWatched = 3;  // seconds
  stand.settle();
  const double before = stand.server().figures().processor_s;
  std::this_thread::sleep_for(3s);
  const ProcessFigures after = stand.server().figures();
  round.report.add({.name = "idle_memory_mb",
                    .text = "memory, idle, with an empty data folder",
                    .value = after.memory_mb,
                    .unit = "MB",
                    .goal = at_most(25)});
  round.report.add({.name = "idle_processor",
                    .text = "processor meanwhile",
                    .value = 100 * (after.processor_s - before) / kWatched,
                    .unit = "%"});
  stand.finish();
}

/// Ends the server, so that the write-ahead log is worked in and gone, and starts it again.
double bytes_at_rest(Round& round, Stand& stand) {
  stand.settle();
  if (const int code = stand.server().stop(); code != 0) {
    round.report.fault(fmt::format("the server ended with {}", code));
  }
  const auto bytes = static_cast<double>(stand.server().bytes_on_disk());
  stand.server().start();
  return bytes;
}

/// What a finished run with its delivery leaves on the disk.
void measure_bytes(Round& round) {
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}, 0, "bytes"};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  const double empty = bytes_at_rest(round, stand);
  stand.load_contacts(round.plan.contacts);
  const double loaded = bytes_at_rest(round, stand);
  // Each contact once, then again: the pages of the first time are there by then.
  stand.post(stream, stand.one_each(stream, round.plan.contacts));
  stand.drain(stream);
  const double before = bytes_at_rest(round, stand);
  LoadPlan load = stand.ndjson(stream);
  load.seconds = 600;
  load.events_max = 2 * static_cast<std::uint64_t>(round.plan.contacts);
  const LoadResult result = stand.post(stream, load);
  stand.drain(stream);
  stand.check(stream);
  const double after = bytes_at_rest(round, stand);
  stand.finish();
  round.report.add({.name = "bytes_per_contact",
                    .text = "bytes on disk per contact",
                    .value = (loaded - empty) / round.plan.contacts,
                    .unit = "B"});
  round.report.add({.name = "bytes_per_run",
                    .text = fmt::format("bytes on disk per run with a delivery, {} B body",
                                        receiver.body_bytes()),
                    .value = (after - before) / static_cast<double>(result.accepted),
                    .unit = "B",
                    .goal = at_most(700)});
}

void add_memory(Round& round, const std::string& name, const std::string& when, double mb) {
  round.report.add(
      {.name = name, .text = "  memory " + when, .value = mb, .unit = "MB", .goal = at_most(200)});
}

void add_start(Round& round, const std::string& name, const std::string& after, double seconds) {
  round.report.add({.name = name,
                    .text = "  start until ready, " + after,
                    .value = seconds,
                    .unit = "s",
                    .goal = at_most(5)});
}

/// From the moment on at which the receiver is there, until all is delivered.
void measure_draining(Round& round, Stand& stand, Stream& dead, std::uint16_t port) {
  Receiver receiver{0, port};
  dead.receiver = &receiver;
  double most = 0;
  std::int64_t first_ns = 0;
  const std::int64_t start = now_ns();
  const std::int64_t until = start + 600'000'000'000;
  while (receiver.distinct() < dead.accepted && now_ns() < until) {
    if (first_ns == 0 && receiver.distinct() > 0) first_ns = now_ns();
    most = std::max(most, stand.server().figures().memory_mb);
    std::this_thread::sleep_for(50ms);
  }
  const double took = static_cast<double>(now_ns() - std::max(first_ns, start)) / 1e9;
  stand.drain(dead);
  stand.check(dead);
  add_memory(round, "memory_draining_mb", "at most, while the receiver takes them", most);
  round.report.add({.name = "drained_per_s",
                    .text = "  requests a second then",
                    .value = static_cast<double>(dead.accepted) / took,
                    .unit = "/s"});
  dead.receiver = nullptr;
}

/// A million contacts inside waits, and as many requests to a receiver that is not there.
void measure_crowd(Round& round) {
  const std::uint16_t port = closed_port();
  // One event starts both; what is posted is counted for the one that asks for requests.
  Stream dead{.scenario = "dead", .event = "crowd"};
  Stand stand{round, {port}, 0, "crowd"};
  stand.apply("waits", waiting_scenario("waits", dead.event));
  stand.apply(dead.scenario, webhook_scenario(dead.scenario, dead.event, port));
  stand.load_contacts(round.plan.waiting);
  stand.settle();
  const LoadResult result = stand.post(dead, stand.one_each(dead, round.plan.waiting));
  stand.settle();
  const auto all = static_cast<std::uint64_t>(round.plan.waiting);
  stand.must_be("contacts inside waits", all, stand.count("waits", "", "inside"));
  stand.must_be("pending requests", all, stand.count("dead", "tell", "pending"));
  round.report.add({.name = "crowd_per_s",
                    .text = fmt::format("{} contacts wait, {} requests pend: made", all, all),
                    .value = static_cast<double>(result.accepted) / result.seconds,
                    .unit = "/s"});
  add_memory(round, "memory_crowd_mb", "then", stand.server().figures().memory_mb);
  if (const int code = stand.server().stop(); code != 0) {
    round.report.fault(fmt::format("the server ended with {}", code));
  }
  stand.server().start();
  add_start(round, "start_s", "after it was ended", stand.server().seconds_to_ready());
  stand.settle();
  stand.server().kill();
  stand.server().start();
  add_start(round, "start_after_kill_s", "after it was killed", stand.server().seconds_to_ready());
  stand.settle();
  add_memory(round, "memory_started_mb", "after that", stand.server().figures().memory_mb);
  stand.must_be("contacts inside waits, after a start", all, stand.count("waits", "", "inside"));
  stand.must_be("pending requests, after a start", all, stand.count("dead", "tell", "pending"));
  measure_draining(round, stand, dead, port);
  stand.finish();
}
}  // namespace

void measure_size(Round& round) {
  measure_idle(round);
  measure_bytes(round);
  measure_crowd(round);
}
}  // namespace onward::bench
