// How long an author waits for `onward validate`. What building takes is told by
// tools/bench/build_times.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "tools/bench/command.h"
#include "tools/bench/parts.h"
#include "tools/bench/texts.h"

namespace onward::bench {
namespace {
/// Milliseconds that checking the text takes, with the start of the program: the middle of several.
double validate_ms(Round& round, const std::string& name, const std::string& text) {
  constexpr int kTimes = 5;
  const std::string file = round.folder + "/" + name;
  write_file(file, text);
  std::vector<double> took_ms;
  for (int i = 0; i < kTimes; ++i) {
    const Finished finished = run_command(round.plan.binary, {"validate", file});
    if (finished.code != 0) round.report.fault(name + " is not valid: " + finished.output);
    took_ms.push_back(finished.seconds * 1e3);
  }
  return spread_of(took_ms).median;
}
}  // namespace

void measure_authoring(Round& round) {
  constexpr int kNodes = 5'000;
  const std::string large = large_scenario(kNodes);
  round.report.add(
      {.name = "validate_large_ms",
       .text = fmt::format("validate a file of {} nodes ({} KB)", kNodes, large.size() / 1000),
       .value = validate_ms(round, "large.yaml", large),
       .unit = "ms",
       .goal = at_most(150)});
  round.report.add(
      {.name = "validate_small_ms",
       .text = "validate a file of three nodes",
       .value = validate_ms(round, "small.yaml", webhook_scenario("bench", "measured", 80)),
       .unit = "ms"});
}
}  // namespace onward::bench
