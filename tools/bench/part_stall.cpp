// Whether posts of events wait while a large scenario file is applied, planned and validated. The
// same author works on another server of this machine in the turns that it is compared with, since
// where processors are few a program beside the server costs time as well.
#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "engine/guard/thread_priority.h"
#include "tools/bench/command.h"
#include "tools/bench/parts.h"
#include "tools/bench/texts.h"

namespace onward::bench {
namespace {
constexpr int kPairs = 5;
constexpr std::size_t kFileBytes = (std::size_t{4} << 20) - 1'024;
constexpr std::size_t kNumberBytes = 16;
constexpr int kNiceness = 19;
constexpr std::string_view kLarge = "/v1/scenarios/large";

/// An author whose file is always being worked on: applied, planned and validated in turn. What it
/// takes itself gives way to the server, as on a machine of its own.
class BusyAuthor {
 public:
  explicit BusyAuthor(Round& round) : round_{round}, file_{round.folder + "/large.yaml"} {
    text_ = padded_scenario(kFileBytes - kNumberBytes, 0);
    write_file(file_, text_);
  }
  /// Works on `server` until `end`, which waits for what is under way.
  void begin(const ServerProcess& server) {
    stop_ = false;
    thread_ = std::thread{[this, &server] {
      give_way_to_events(kNiceness);
      while (!stop_) work_once(server);
    }};
  }
  void end() {
    stop_ = true;
    thread_.join();
  }
  int files() const { return files_; }

 private:
  void work_once(const ServerProcess& server) {
    ask(server, "PUT", std::string{kLarge}, numbered(++files_));
    if (!stop_) ask(server, "POST", std::string{kLarge} + "/plan", numbered(-files_));
    if (stop_) return;
    const Finished finished = run_command(round_.plan.binary, {"validate", file_});
    if (finished.code != 0) give_up("the large file is not valid: " + finished.output);
  }
  std::string numbered(int number) const { return fmt::format("# {}\n{}", number, text_); }
  static void ask(const ServerProcess& server, const std::string& method, const std::string& path,
                  const std::string& text) {
    const Answer answer = server.request(method, path, text, "application/yaml");
    if (answer.status / 100 != 2) give_up("the large file was refused: " + answer.body);
  }

  Round& round_;
  const std::string file_;
  std::string text_;
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
  Stand other{round, {}, /*fsync_extra_ms=*/0, "other"};
  BusyAuthor author{round};
  stand.settle();
  worst_answer_ms(stand, stream, round.plan.rate, 1);  // warms up

  const auto worst_beside = [&](const ServerProcess& server) {
    author.begin(server);
    const double worst = worst_answer_ms(stand, stream, round.plan.rate, round.plan.seconds);
    author.end();
    stand.settle();
    other.settle();
    return worst;
  };
  std::vector<double> calm, beside, busy, differences;
  for (int pair = 0; pair < kPairs; ++pair) {
    calm.push_back(worst_answer_ms(stand, stream, round.plan.rate, round.plan.seconds));
    beside.push_back(worst_beside(other.server()));
    busy.push_back(worst_beside(stand.server()));
    differences.push_back(busy.back() - beside.back());
  }
  stand.drain(stream);
  stand.check(stream);
  if (author.files() < kPairs) round.report.fault("the author did not apply a file in each turn");
  stand.finish();
  other.finish();

  round.report.add({.name = "calm_worst_ms",
                    .text = fmt::format("longest answer to a post at {:.0f}/s", round.plan.rate),
                    .value = spread_of(calm).median,
                    .unit = "ms"});
  round.report.add({.name = "beside_worst_ms",
                    .text = "  while a file of 4 MiB is worked on by another server",
                    .value = spread_of(beside).median,
                    .unit = "ms"});
  round.report.add({.name = "busy_worst_ms",
                    .text = "  while it is applied, planned and validated by this one",
                    .value = spread_of(busy).median,
                    .unit = "ms"});
  round.report.add({.name = "difference_ms",
                    .text = fmt::format("  difference, median of {} pairs of turns", kPairs),
                    .value = spread_of(differences).median,
                    .unit = "ms",
                    .goal = at_most(5)});
}
}  // namespace onward::bench
