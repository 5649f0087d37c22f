// onward_chaos: lets worlds run, as many as asked, and tells what was found.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tests/chaos/report.h"

namespace onward::chaos {
namespace {
constexpr std::string_view kUsage =
    "onward_chaos [--seeds A..B | --minutes N | --seed N] [--steps M] [--only 1,2,…]\n"
    "             [--every-place] [--routes] [--sqlite | --memory] [--trace] [--json]\n"
    "  --seeds A..B    worlds with these seeds (1..100)\n"
    "  --minutes N     worlds from --seed on until the time is up\n"
    "  --steps M       steps of each world (60)\n"
    "  --only 1,5      of one seed: these steps alone\n"
    "  --every-place   of each seed: dies once at each place at which a process can die\n"
    "  --routes        worlds whose contacts go a way that a model foretells\n"
    "  --sqlite        all worlds on SQLite and the fault disk; --memory: none (one in twenty)\n"
    "  --trace         tells each step\n";

int usage(std::string_view what) {
  fmt::print(stderr, "onward_chaos: {}\n{}", what, kUsage);
  return 64;
}

bool number(std::string_view text, std::uint64_t& into) {
  if (text.empty() || text.size() > 18) return false;
  into = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    into = into * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

int run(int count, char** given) {
  Campaign campaign;
  bool json = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = given[i];
    const auto value = [&]() -> std::string_view { return i + 1 < count ? given[++i] : ""; };
    std::uint64_t read = 0;
    if (name == "--json") {
      json = true;
    } else if (name == "--trace") {
      campaign.trace = true;
    } else if (name == "--routes") {
      campaign.routes = true;
    } else if (name == "--sqlite" || name == "--memory") {
      campaign.sqlite = name == "--sqlite";
    } else if (name == "--every-place") {
      campaign.every_place = true;
    } else if (name == "--steps") {
      if (!number(value(), read) || read == 0) return usage("--steps wants a number");
      campaign.steps = static_cast<int>(read);
    } else if (name == "--minutes") {
      if (!number(value(), read) || read == 0) return usage("--minutes wants a number");
      campaign.minutes = read;
    } else if (name == "--seed") {
      if (!number(value(), read)) return usage("--seed wants a number");
      campaign.first = campaign.last = read;
    } else if (name == "--seeds") {
      const std::string_view range = value();
      const std::size_t dots = range.find("..");
      if (dots == std::string_view::npos || !number(range.substr(0, dots), campaign.first) ||
          !number(range.substr(dots + 2), campaign.last) || campaign.last < campaign.first)
        return usage("--seeds wants a range such as 1..100");
    } else if (name == "--only") {
      std::string_view list = value();
      campaign.only.emplace();
      while (!list.empty()) {
        const std::size_t comma = list.find(',');
        if (!number(list.substr(0, comma), read)) return usage("--only wants numbers of steps");
        campaign.only->insert(static_cast<int>(read));
        list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
      }
    } else {
      return usage(fmt::format("what is \"{}\"?", name));
    }
  }
  const Report report = run_campaign(campaign);
  fmt::print("{}", json ? as_json(report) : as_table(report));
  return report.findings.empty() ? 0 : 1;
}
}  // namespace
}  // namespace onward::chaos

int main(int count, char** given) { return onward::chaos::run(count, given); }
