// onward_bench: how fast Onward is on this machine, beside what the machine can do at most.
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <curl/curl.h>
#include <fmt/format.h>

#include "tools/bench/command.h"
#include "tools/bench/cores.h"
#include "tools/bench/parts.h"
#include "tools/bench/wire.h"

namespace {
using namespace onward::bench;

constexpr std::string_view kUsage =
    R"(Usage: tools/bench/run [options]
  --only PART,…     these parts alone (all but those marked)
  --runs N          of each part; figures are medians (5)
  --seconds N       of each measurement (10); what the project promises is meant for 60
  --connections N   of the load generator, for single posts (32)
  --contacts N      known before a measurement begins (100000)
  --batch N         events in an NDJSON post (500)
  --fsync-extra-ms N  of the slower disk of e2e (2)
  --waiting N       contacts inside waits, and requests pending, of size and dead (1000000)
  --due N           timers due at once, of growth (100000)
  --scenarios N     active ones, of growth (1000)
  --many N          contacts of many (10000000: 4 GB of disk, minutes)
  --aged-ids N      remembered of each day, of aged (200000)
  --cores N         that all of it shares; 0: all there are (2)
  --json FILE       also write the figures as JSON, after each run
  --markdown FILE   and as the tables of docs/performance.md
  --binary FILE     the server (build/onward)
  --folder DIR      where data is put, on the disk to be measured
Parts:
)";

struct Arguments {
  Plan plan;
  std::vector<std::string> only;
  std::string json, markdown;
  int cores = 2;
};

[[noreturn]] void show_usage(int code, const std::string& complaint = {}) {
  std::string text = complaint.empty() ? std::string{} : complaint + "\n";
  text += kUsage;
  for (const Part& part : parts()) {
    text += fmt::format("  {:<16}  {}{}\n", part.name, part.title,
                        part.by_name_only ? " (only where named)" : "");
  }
  fmt::print(code == 0 ? stdout : stderr, "{}", text);
  std::exit(code);
}

std::vector<std::string> names_in(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    const auto known = std::find_if(parts().begin(), parts().end(),
                                    [&](const Part& part) { return part.name == name; });
    if (known == parts().end()) show_usage(64, fmt::format("there is no part \"{}\"", name));
    names.emplace_back(name);
  }
  return names;
}

Arguments parse(int count, char** words) {
  Arguments arguments;
  Plan& plan = arguments.plan;
  struct Number {
    std::string_view word;
    int* value;
    int least;
  };
  const Number numbers[] = {
      {"--runs", &plan.runs, 1},           {"--connections", &plan.connections, 1},
      {"--contacts", &plan.contacts, 1},   {"--batch", &plan.events_per_post, 2},
      {"--waiting", &plan.waiting, 1'000}, {"--due", &plan.due, 1},
      {"--scenarios", &plan.scenarios, 2}, {"--many", &plan.many, 1},
      {"--aged-ids", &plan.aged_ids, 1},   {"--cores", &arguments.cores, 0},
  };
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--help" || word == "-h") show_usage(0);
    if (i + 1 == count) show_usage(64, fmt::format("{}: unknown, or wants a value", word));
    const std::string value = words[++i];
    const Number* number = std::find_if(std::begin(numbers), std::end(numbers),
                                        [&](const Number& one) { return one.word == word; });
    if (number != std::end(numbers)) {
      *number->value = std::atoi(value.c_str());
      if (*number->value < number->least) show_usage(64, fmt::format("{} is too small", word));
    } else if (word == "--seconds") {
      plan.seconds = std::atof(value.c_str());
    } else if (word == "--fsync-extra-ms") {
      plan.fsync_extra_ms = std::atof(value.c_str());
    } else if (word == "--only") {
      arguments.only = names_in(value);
    } else if (word == "--binary") {
      plan.binary = value;
    } else if (word == "--folder") {
      plan.folder = value;
    } else if (word == "--json") {
      arguments.json = value;
    } else if (word == "--markdown") {
      arguments.markdown = value;
    } else {
      show_usage(64, fmt::format("unknown option {}", word));
    }
  }
  if (plan.seconds <= 0 || plan.fsync_extra_ms <= 0) show_usage(64, "a number is out of range");
  if (plan.folder.empty()) show_usage(64, "--folder is missing");
  return arguments;
}

bool wanted(const Arguments& arguments, const Part& part) {
  if (arguments.only.empty()) return !part.by_name_only;
  return std::find(arguments.only.begin(), arguments.only.end(), part.name) != arguments.only.end();
}
}  // namespace

int main(int count, char** words) {
  Arguments arguments = parse(count, words);
  Plan& plan = arguments.plan;
  ::signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  stay_on(arguments.cores);
  plan.slow_fsync =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libonward_slow_fsync.so")
          .string();
  const Machine machine = this_machine(first_line_of(plan.binary, {"version"}));

  Report report;
  for (const Part& part : parts()) {
    if (!wanted(arguments, part)) continue;
    report.begin(std::string{part.name}, std::string{part.title});
    for (int run = 1; run <= plan.runs; ++run) {
      fmt::print(stderr, "onward_bench: {}, run {} of {}\n", part.name, run, plan.runs);
      Limits limits{plan, report};
      Round round{plan, report, limits, fmt::format("{}/{}-{}", plan.folder, part.name, run)};
      std::filesystem::create_directories(round.folder);
      part.measure(round);
      std::filesystem::remove_all(round.folder);
      if (!arguments.json.empty()) write_file(arguments.json, to_json_text(report, machine));
      if (!arguments.markdown.empty()) write_file(arguments.markdown, to_markdown(report, machine));
    }
  }
  fmt::print("{}", to_table(report, machine));
  return report.has_faults() ? 1 : 0;
}
