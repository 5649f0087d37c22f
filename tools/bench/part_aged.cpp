// What an event costs where the server remembers the ids of a week, beside a fresh folder: by
// single posts end to end, and as NDJSON whose condition says no. The folders take the load in
// turns.
#include <array>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "tools/bench/aged_folder.h"
#include "tools/bench/parts.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr int kTurns = 6;  // even: each folder has the first turn as often as another
constexpr double kTurnSecondsMin = 1;
constexpr double kCostMost = 1.05;  // on the aged folder, of that on the fresh one
constexpr std::string_view kScanThread = "onward-ids";  // exists while the filter is being made
constexpr int kScanLooks = 1'200;                       // a tenth of a second each

/// What one turn of load found.
struct Turn {
  double per_s = 0;         ///< Webhooks received, or events acknowledged.
  double processor_us = 0;  ///< Of the server, per event, until all is in the tables.
};

/// A server with a scenario that answers to single posts, and one that answers to NDJSON.
class AgedSite {
 public:
  AgedSite(Round& round, const std::string& name, std::vector<std::string> options = {})
      : round_{round},
        seconds_{std::max(kTurnSecondsMin, round.plan.seconds / kTurns)},
        posts_{.scenario = "sends", .event = "posted", .receiver = &receiver_},
        lines_{.scenario = "silent", .event = "listed"},
        stand_{round, {receiver_.port()}, /*fsync_extra_ms=*/0, name, std::move(options)} {
    stand_.apply(posts_.scenario,
                 webhook_scenario(posts_.scenario, posts_.event, receiver_.port()));
    stand_.apply(lines_.scenario, webhook_scenario(lines_.scenario, lines_.event, closed_port(),
                                                   "@nobody.example.org"));
    stand_.load_contacts(round.plan.contacts);
    await_filter();
    stand_.settle();
  }

  Turn turn_of_posts() { return turn(posts_, stand_.single_posts(posts_)); }
  Turn turn_of_lines() { return turn(lines_, stand_.ndjson(lines_)); }
  double memory_mb() { return stand_.server().figures().memory_mb; }

  void finish() {
    stand_.check(posts_);
    stand_.check(lines_);
    stand_.finish();
  }

 private:
  /// Until then the tables are asked.
  void await_filter() {
    for (int i = 0; i < kScanLooks; ++i) {
      if (!stand_.server().figures().threads_s.contains(std::string{kScanThread})) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    round_.report.fault("the filter of seen ids was not made within two minutes");
  }

  Turn turn(Stream& stream, LoadPlan load) {
    load.seconds = seconds_;
    const double spent = stand_.server().figures().processor_s;
    const std::uint64_t arrived = receiver_.distinct();
    const LoadResult result = stand_.post(stream, load);
    const std::uint64_t received = receiver_.distinct() - arrived;
    stand_.drain(stream);
    stand_.settle();
    const std::uint64_t events = stream.receiver ? received : result.accepted;
    return {.per_s = static_cast<double>(events) / result.seconds,
            .processor_us =
                per_event_us(stand_.server().figures().processor_s - spent, result.accepted)};
  }

  Round& round_;
  const double seconds_;
  Receiver receiver_;
  Stream posts_, lines_;
  Stand stand_;
};

/// Of one site by one kind of load, turn by turn.
struct Found {
  std::vector<double> per_s, processor_us;
};

std::vector<double> ratios(const std::vector<double>& of, const std::vector<double>& to) {
  std::vector<double> each;
  for (std::size_t i = 0; i < of.size(); ++i) each.push_back(of[i] / to[i]);
  return each;
}

/// Fresh; with today's ids alone; aged; aged, and without a filter.
constexpr std::size_t kSites = 4;
using Sites = std::array<AgedSite*, kSites>;
using Kind = Turn (AgedSite::*)();

std::array<Found, kSites> found_in_turn(const Sites& sites, Kind kind) {
  for (AgedSite* site : sites) (site->*kind)();  // warms up
  std::array<Found, kSites> found;
  for (int turn = 0; turn < kTurns; ++turn) {
    // There and back, so that none always comes after the same one.
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const std::size_t at = turn % 2 == 0 ? i : sites.size() - 1 - i;
      const Turn one = (sites[at]->*kind)();
      found[at].per_s.push_back(one.per_s);
      found[at].processor_us.push_back(one.processor_us);
    }
  }
  return found;
}

void add_kind(Report& report, const std::string& name, const std::string& text,
              const std::array<Found, kSites>& found) {
  const auto& [fresh, today, aged, unfiltered] = found;
  const auto add = [&](const std::string& figure, const std::string& words,
                       const std::vector<double>& values, const std::string& unit,
                       std::optional<Goal> goal = {}) {
    report.add({.name = name + "_" + figure,
                .text = words,
                .value = spread_of(values).median,
                .unit = unit,
                .goal = goal});
  };
  add("fresh_per_s", text + ", fresh folder", fresh.per_s, "/s");
  add("aged_per_s", "  aged folder", aged.per_s, "/s");
  add("rate_ratio", fmt::format("  aged / fresh, median of {} turns", kTurns),
      ratios(aged.per_s, fresh.per_s), "", at_least(1 / kCostMost));
  add("fresh_processor_us", "  processor time per event, fresh folder", fresh.processor_us, "us");
  add("aged_processor_us", "  aged folder", aged.processor_us, "us");
  add("processor_ratio", fmt::format("  aged / fresh, median of {} turns", kTurns),
      ratios(aged.processor_us, fresh.processor_us), "", at_most(kCostMost));
  add("today_processor_us", "  folder with today's ids alone", today.processor_us, "us");
  add("today_processor_ratio", "  aged / that one", ratios(aged.processor_us, today.processor_us),
      "");
  add("unfiltered_processor_us", "  aged folder, until the filter is made", unfiltered.processor_us,
      "us");
  add("unfiltered_processor_ratio", "  its ratio to the fresh folder",
      ratios(unfiltered.processor_us, fresh.processor_us), "");
}
}  // namespace

void measure_aged(Round& round) {
  const auto ids = static_cast<std::uint64_t>(round.plan.aged_ids);
  const std::string made = round.folder + "/aged";
  const double took = make_aged_folder(made, ids, kAgedDays);
  std::filesystem::copy(made, round.folder + "/unfiltered");
  // What a day costs of itself: the more ids a table has, the more pages new ones go into.
  make_aged_folder(round.folder + "/today", ids, /*days=*/1);
  fmt::print(stderr,
             "onward_bench: made a folder of {} days with {} ids each, by the store's own code, in "
             "{:.0f} s\n",
             kAgedDays, round.plan.aged_ids, took);
  AgedSite fresh{round, "fresh"}, today{round, "today"}, aged{round, "aged"};
  // Without memory for a filter the tables are asked, as they are while it is being made.
  AgedSite unfiltered{round, "unfiltered", {"--dedupe-memory", "0"}};
  const Sites sites{&fresh, &today, &aged, &unfiltered};
  const auto posts = found_in_turn(sites, &AgedSite::turn_of_posts);
  const auto lines = found_in_turn(sites, &AgedSite::turn_of_lines);
  const double more_mb = aged.memory_mb() - fresh.memory_mb();
  for (AgedSite* site : sites) site->finish();

  round.report.add(
      {.name = "ids_per_day",
       .text = fmt::format("ids on each of {} days, written by the store's own code", kAgedDays),
       .value = static_cast<double>(round.plan.aged_ids),
       .unit = ""});
  add_kind(round.report, "posts", "webhooks received, single posts", posts);
  add_kind(round.report, "ndjson",
           fmt::format("events as NDJSON of {}", round.plan.events_per_post), lines);
  round.report.add({.name = "memory_more_mb",
                    .text = "memory at the end, more than on the fresh folder",
                    .value = more_mb,
                    .unit = "MB"});
}
}  // namespace onward::bench
