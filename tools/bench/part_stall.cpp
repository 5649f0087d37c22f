// Whether posts of events wait while a large scenario file is applied, planned and validated.
#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "tools/bench/command.h"
#include "tools/bench/parts.h"
#include "tools/bench/texts.h"

namespace onward::bench {
namespace {
constexpr int kPairs = 5;
constexpr std::size_t kFileBytes = (std::size_t{4} << 20) - 1'024;
constexpr std::string_view kLarge = "/v1/scenarios/large";

/// An author whose file is always being worked on: applied, planned and validated in turn.
class BusyAuthor {
 public:
  explicit BusyAuthor(Round& round, Stand& stand)
      : round_{round}, stand_{stand}, file_{round.folder + "/large.yaml"} {
    write_file(file_, padded_scenario(kFileBytes, 0));
  }
  /// Works until `end`, which waits for what is under way.
  void begin() {
    stop_ = false;
    thread_ = std::thread{[this] {
      while (!stop_) work_once();
    }};
  }
  void end() {
    stop_ = true;
    thread_.join();
  }
  int files() const { return files_; }

 private:
  void work_once() {
    const std::string text = padded_scenario(kFileBytes, ++files_);
    ask("PUT", std::string{kLarge}, text);
    if (!stop_) ask("POST", std::string{kLarge} + "/plan", padded_scenario(kFileBytes, -files_));
    if (stop_) return;
    const Finished finished = run_command(round_.plan.binary, {"validate", file_});
    if (finished.code != 0) give_up("the large file is not valid: " + finished.output);
  }
  void ask(const std::string& method, const std::string& path, const std::string& text) {
    const Answer answer = stand_.server().request(method, path, text, "application/yaml");
    if (answer.status / 100 != 2) give_up("the large file was refused: " + answer.body);
  }

  Round& round_;
  Stand& stand_;
  const std::string file_;
  std::atomic<bool> stop_{false};
  std::atomic<int> files_{0};
  std::thread thread_;
};

/// The longest that a post waited for its answer, in milliseconds.
double worst_answer_ms(Stand& stand, Stream& stream, double rate, double seconds) {
  LoadPlan load = stand.single_posts(stream);
  load.rate = rate;
  load.seconds = seconds;
  const LoadResult result = stand.post(stream, load);
  const auto worst = std::ranges::max_element(result.answered_us);
  return worst == result.answered_us.end() ? 0 : static_cast<double>(*worst) / 1'000;
}
}  // namespace

void measure_stall(Round& round) {
  Receiver receiver;
  Stream stream{.scenario = "bench", .event = "measured", .receiver = &receiver};
  Stand stand{round, {receiver.port()}};
  stand.apply(stream.scenario, webhook_scenario(stream.scenario, stream.event, receiver.port()));
  stand.load_contacts(round.plan.contacts);
  BusyAuthor author{round, stand};
  stand.settle();
  worst_answer_ms(stand, stream, round.plan.rate, 1);  // warms up

  std::vector<double> calm, busy, differences;
  for (int pair = 0; pair < kPairs; ++pair) {
    calm.push_back(worst_answer_ms(stand, stream, round.plan.rate, round.plan.seconds));
    author.begin();
    busy.push_back(worst_answer_ms(stand, stream, round.plan.rate, round.plan.seconds));
    author.end();
    differences.push_back(busy.back() - calm.back());
    stand.settle();
  }
  stand.drain(stream);
  stand.check(stream);
  if (author.files() < kPairs) round.report.fault("the author did not apply a file in each turn");
  stand.finish();

  round.report.add({.name = "calm_worst_ms",
                    .text = fmt::format("longest answer to a post at {:.0f}/s", round.plan.rate),
                    .value = spread_of(calm).median,
                    .unit = "ms"});
  round.report.add({.name = "busy_worst_ms",
                    .text = "  while a file of 4 MiB is applied, planned and validated",
                    .value = spread_of(busy).median,
                    .unit = "ms"});
  round.report.add({.name = "difference_ms",
                    .text = fmt::format("  difference, median of {} pairs of turns", kPairs),
                    .value = spread_of(differences).median,
                    .unit = "ms",
                    .goal = at_most(5)});
}
}  // namespace onward::bench
