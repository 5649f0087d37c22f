// onward_bench: how fast Onward is on this machine, beside what the machine can do at most.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <curl/curl.h>
#include <fmt/format.h>

#include "tools/bench/product.h"
#include "tools/bench/wire.h"

namespace {
using namespace onward::bench;

constexpr std::string_view kUsage =
    R"(Usage: tools/bench/run [options]
  --seconds N       of each measurement (5)
  --connections N   of the load generator (32)
  --contacts N      known before it starts (100000)
  --batch N         events in an NDJSON post (500)
  --slow            also a receiver that takes 200 ms to answer
  --fsync-extra-ms N  added to each fsync of the server, as if its disk were slower (0)
  --limits-only     only what the machine can do
  --binary FILE     the server (build/onward)
  --folder DIR      where data is put, on the disk to be measured (a fresh one, removed afterwards)
  --json FILE       also write the figures as JSON
)";

struct Arguments {
  Plan plan;
  std::string json;
  std::string parent = ".";
  bool limits_only = false;
};

Arguments parse(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const auto value = [&]() -> std::string {
      if (i + 1 < count) return words[++i];
      fmt::print(stderr, "{} wants a value\n{}", word, kUsage);
      std::exit(64);
    };
    if (word == "--seconds") {
      arguments.plan.seconds = std::atof(value().c_str());
    } else if (word == "--connections") {
      arguments.plan.connections = std::atoi(value().c_str());
    } else if (word == "--contacts") {
      arguments.plan.contacts = std::atoi(value().c_str());
    } else if (word == "--batch") {
      arguments.plan.events_per_post = std::atoi(value().c_str());
    } else if (word == "--slow") {
      arguments.plan.slow = true;
    } else if (word == "--fsync-extra-ms") {
      arguments.plan.fsync_extra_ms = std::atof(value().c_str());
    } else if (word == "--limits-only") {
      arguments.limits_only = true;
    } else if (word == "--binary") {
      arguments.plan.binary = value();
    } else if (word == "--folder") {
      arguments.parent = value();
    } else if (word == "--json") {
      arguments.json = value();
    } else {
      fmt::print(word == "--help" ? stdout : stderr, "{}", kUsage);
      std::exit(word == "--help" ? 0 : 64);
    }
  }
  const Plan& plan = arguments.plan;
  if (plan.seconds <= 0 || plan.connections < 1 || plan.contacts < 1 || plan.events_per_post < 2) {
    fmt::print(stderr, "a number is out of range\n{}", kUsage);
    std::exit(64);
  }
  return arguments;
}
}  // namespace

int main(int count, char** words) {
  Arguments arguments = parse(count, words);
  ::signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  std::string folder = arguments.parent + "/onward-bench.XXXXXX";
  if (!::mkdtemp(folder.data())) give_up("cannot make a folder in " + arguments.parent);
  arguments.plan.folder = folder;
  arguments.plan.slow_fsync =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libonward_slow_fsync.so")
          .string();

  Report report;
  const Limits limits = measure_limits(arguments.plan, report);
  if (!arguments.limits_only) measure_product(arguments.plan, limits, report);

  fmt::print("{}", to_table(report));
  if (!arguments.json.empty()) std::ofstream{arguments.json} << to_json_text(report);
  std::filesystem::remove_all(folder);
  return report.faults.empty() ? 0 : 1;
}
