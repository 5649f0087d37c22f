// onward_compare: the same load on Onward and on what else a user would pick for the same work.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <curl/curl.h>
#include <fmt/format.h>

#include "tools/bench/command.h"
#include "tools/bench/cores.h"
#include "tools/bench/limits.h"
#include "tools/bench/load.h"
#include "tools/bench/others.h"
#include "tools/bench/receiver.h"
#include "tools/bench/report.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace {
using namespace onward::bench;
using namespace std::chrono_literals;

constexpr std::string_view kCompareUsage =
    R"(Usage: tools/bench/compare [options]
  --runs N          of each; figures are medians (3)
  --seconds N       of each measurement (10)
  --connections N   of the load generator (32)
  --rate N          events per second where latency is measured (100)
  --cores N         that all of it shares; 0: all there are (2)
  --json FILE       also write the figures as JSON
)";
constexpr int kContacts = 10'000;
constexpr std::int64_t kDrainPatience = 15'000'000'000;  // without an arrival

struct CompareArguments {
  Programs programs;
  std::string folder, json;
  int runs = 3, connections = 32, cores = 2;
  double seconds = 10, rate = 100;
};

CompareArguments parse_compare(int count, char** words) {
  CompareArguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--help" || word == "-h" || i + 1 == count) {
      fmt::print("{}", kCompareUsage);
      std::exit(word == "--help" || word == "-h" ? 0 : 64);
    }
    const std::string value = words[++i];
    if (word == "--runs")
      arguments.runs = std::max(1, std::atoi(value.c_str()));
    else if (word == "--seconds")
      arguments.seconds = std::max(0.5, std::atof(value.c_str()));
    else if (word == "--connections")
      arguments.connections = std::max(1, std::atoi(value.c_str()));
    else if (word == "--rate")
      arguments.rate = std::max(1.0, std::atof(value.c_str()));
    else if (word == "--cores")
      arguments.cores = std::atoi(value.c_str());
    else if (word == "--json")
      arguments.json = value;
    else if (word == "--folder")
      arguments.folder = value;
    else if (word == "--binary")
      arguments.programs.onward = value;
    else if (word == "--others")
      arguments.programs.others = value;
    else {
      fmt::print(stderr, "unknown option {}\n{}", word, kCompareUsage);
      std::exit(64);
    }
  }
  if (arguments.folder.empty() || arguments.programs.others.empty()) {
    fmt::print(stderr, "{}", kCompareUsage);
    std::exit(64);
  }
  return arguments;
}

/// One run of one of them.
class Trial {
 public:
  Trial(const CompareArguments& arguments, const ContenderKind& kind, const std::string& folder,
        Report& report)
      : arguments_{arguments},
        report_{report},
        contender_{kind.start(arguments.programs, folder, receiver_.port())} {}

  void run() {
    std::this_thread::sleep_for(3s);
    const double idle_mb = contender_->memory_mb();
    post(/*rate=*/arguments_.rate, /*seconds=*/2);  // warms up
    drain();
    receiver_.take();
    post(arguments_.rate, arguments_.seconds);
    drain();
    Arrivals calm = receiver_.take();
    const double p50_ms = percentile(calm.latencies_us, 0.50) / 1'000;
    const double p99_ms = percentile(calm.latencies_us, 0.99) / 1'000;

    double most_mb = 0;
    std::atomic<bool> working{true};
    std::thread watcher{[&] {
      while (working) {
        most_mb = std::max(most_mb, contender_->memory_mb());
        std::this_thread::sleep_for(100ms);
      }
    }};
    const std::uint64_t before = receiver_.distinct();
    const std::int64_t start = now_ns();
    post(/*rate=*/0, arguments_.seconds);
    drain();
    working = false;
    watcher.join();
    const Arrivals arrivals = receiver_.take();
    // Until the last one came: some take events faster than they send, and that is no speed.
    const double took = static_cast<double>(arrivals.last_ns - start) / 1e9;
    add("webhooks_per_s", "webhooks received, until the last", "/s",
        static_cast<double>(receiver_.distinct() - before) / took);
    add("p50_ms", fmt::format("post to webhook at {:.0f}/s, p50", arguments_.rate), "ms", p50_ms);
    add("p99_ms", fmt::format("post to webhook at {:.0f}/s, p99", arguments_.rate), "ms", p99_ms);
    add("memory_idle_mb", "memory, idle", "MB", idle_mb);
    add("memory_work_mb", "memory at work, at most", "MB", most_mb);
    const double lost = static_cast<double>(accepted_ - receiver_.distinct());
    add("never_came", "acknowledged, and never came", "", lost);
    add("came_twice", "came twice", "",
        static_cast<double>(receiver_.requests() - receiver_.distinct()));
  }

 private:
  void add(std::string name, std::string text, std::string unit, double value) {
    report_.add({.name = std::move(name),
                 .text = std::move(text),
                 .value = value,
                 .unit = std::move(unit)});
  }

  void post(double rate, double seconds) {
    LoadPlan load;
    load.port = contender_->port();
    load.token = contender_->token();
    load.connections = arguments_.connections;
    load.rate = rate;
    load.seconds = seconds;
    load.first_number = next_number_;
    load.write_event = [](std::string& out, std::uint64_t number, std::int64_t sent_ns) {
      append_event_with_email(out, "measured", random_below(kContacts), number, sent_ns);
    };
    const LoadResult result = run_load(load);
    next_number_ = result.next_number;
    accepted_ += result.accepted;
    if (result.refused > 0) report_.fault("posts were refused: " + result.first_refusal);
  }

  void drain() {
    std::uint64_t seen = receiver_.distinct();
    std::int64_t moved_ns = now_ns();
    while (seen < accepted_ && now_ns() - moved_ns < kDrainPatience) {
      std::this_thread::sleep_for(5ms);
      const std::uint64_t now = receiver_.distinct();
      if (now != seen) moved_ns = now_ns();
      seen = now;
    }
  }

  const CompareArguments& arguments_;
  Report& report_;
  Receiver receiver_;
  std::unique_ptr<Contender> contender_;
  std::uint64_t next_number_ = 0;
  std::uint64_t accepted_ = 0;
};

double median_of(const Section& section, std::string_view name) {
  for (const Figure& figure : section.figures) {
    if (figure.first.name == name) return spread_of(figure.values).median;
  }
  return 0;
}

/// One line each, for a quick look and for the documentation.
std::string summary(const Report& report) {
  std::string out =
      "| | webhooks/s | of Onward's | p50 | p99 | memory idle, at work | never came |\n"
      "|---|---|---|---|---|---|---|\n";
  const double ours = median_of(report.sections().front(), "webhooks_per_s");
  for (const Section& section : report.sections()) {
    const auto value = [&](std::string_view name) { return median_of(section, name); };
    out += fmt::format(
        "| {} | {:.0f} | {:.2f} | {:.2f} ms | {:.1f} ms | {:.0f}, {:.0f} MB | {:.0f} |\n",
        section.title, value("webhooks_per_s"), value("webhooks_per_s") / ours, value("p50_ms"),
        value("p99_ms"), value("memory_idle_mb"), value("memory_work_mb"), value("never_came"));
  }
  return out;
}
}  // namespace

int main(int count, char** words) {
  const CompareArguments arguments = parse_compare(count, words);
  ::signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  stay_on(arguments.cores);
  const Machine machine = this_machine(first_line_of(arguments.programs.onward, {"version"}));
  Report report;
  for (int run = 1; run <= arguments.runs; ++run) {
    // In turn, so that a busy minute of the machine meets all of them.
    for (const ContenderKind& kind : contenders()) {
      fmt::print(stderr, "onward_compare: {}, run {} of {}\n", kind.name, run, arguments.runs);
      report.begin(std::string{kind.name}, std::string{kind.text});
      const std::string folder = fmt::format("{}/{}-{}", arguments.folder, kind.name, run);
      std::filesystem::create_directories(folder);
      report.add({.name = "limit_fsync_p50_us",
                  .text = "the machine: a small fsync, p50",
                  .value = measure_fsync(folder, 500).p50_us,
                  .unit = "us"});
      Trial{arguments, kind, folder, report}.run();
      std::filesystem::remove_all(folder);
    }
  }
  fmt::print("{}\n{}", to_table(report, machine), summary(report));
  if (!arguments.json.empty()) std::ofstream{arguments.json} << to_json_text(report, machine);
  return report.has_faults() ? 1 : 0;
}
