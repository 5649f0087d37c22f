// onward_crash: kills the server again and again, and judges what is left.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "tests/crash/harness.h"

int main(int argc, char** argv) {
  onward::crash::HarnessOptions options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const long value = i + 1 < argc ? std::strtol(argv[i + 1], nullptr, 10) : 0;
    if (name == "--kills" && value > 0) {
      options.kills = static_cast<int>(value);
    } else if (name == "--seed" && value > 0) {
      options.seed = static_cast<std::uint64_t>(value);
    } else if (name == "--allowed-ms" && value > 0) {
      options.allowed.known_for = value * 1'000'000;
    } else if (name == "--allowed-repeats" && value > 0) {
      options.allowed.repeats = static_cast<std::size_t>(value);
    } else {
      std::fputs(
          "Usage: onward_crash [--kills N] [--seed N] [--allowed-ms N] [--allowed-repeats N]\n",
          stderr);
      return 64;
    }
  }
  try {
    const onward::crash::Summary summary = onward::crash::run(options);
    std::fputs(to_text(summary).c_str(), stdout);
    return summary.verdict.findings.empty() ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "onward_crash: %s\n", fault.what());
    return 1;
  }
}
