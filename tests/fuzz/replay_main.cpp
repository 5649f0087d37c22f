// Runs a target without libFuzzer, under any compiler:
//   onward_fuzz_TARGET FILE|FOLDER… [--generate N | --seconds S] [--keep FILE]
// Every file is run once. Then, of a target with a mutator of its own, N inputs that this makes
// from the files, or as many as S seconds allow; an input with a new feature (mutation.h) is
// mutated further. The same files and N give the same inputs. Of an input that breaks the target,
// or takes more than kSecondsMax of processor time, the bytes are written to FILE.
#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/features.h"
#include "tests/fuzz/target.h"

namespace fs = std::filesystem;
using onward::fuzz::feature_map;

namespace {
constexpr std::size_t kGeneratedSizeMax = 16'384;
constexpr std::size_t kPoolMax = 20'000;
constexpr int kSecondsMax = 20;

std::string keep_file;
const std::string* running = nullptr;

/// Only what a signal handler may call.
void on_fault(int signal) {
  if (signal == SIGVTALRM) {
    constexpr std::string_view kSlow = "an input takes too much processor time\n";
    (void)!::write(STDERR_FILENO, kSlow.data(), kSlow.size());
  }
  if (running && !keep_file.empty()) {
    const int file = ::open(keep_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file >= 0) (void)!::write(file, running->data(), running->size());
  }
  std::signal(SIGABRT, SIG_DFL);
  ::raise(SIGABRT);
}

void run(const std::string& bytes) {
  running = &bytes;
  itimerval limit{};
  limit.it_value.tv_sec = kSecondsMax;
  ::setitimer(ITIMER_VIRTUAL, &limit, nullptr);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  running = nullptr;
}

/// Inputs to mutate, and the features that they have.
class Pool {
 public:
  void add(std::string bytes) { inputs_.push_back(std::move(bytes)); }
  /// Runs an input; keeps it where it has a feature that is new.
  void take(std::string bytes) {
    std::memset(feature_map.data(), 0, feature_map.size());
    run(bytes);
    bool fresh = false;
    for (std::size_t i = 0; i < feature_map.size(); ++i)
      if (feature_map[i] != 0 && seen_[i] == 0) {
        seen_[i] = 1;
        fresh = true;
        ++features_;
      }
    if (fresh && inputs_.size() < kPoolMax) inputs_.push_back(std::move(bytes));
  }
  std::string mutated(unsigned number) const {
    // The newest inputs half of the time.
    const std::size_t of =
        number % 2 == 0 ? inputs_.size() : std::min<std::size_t>(inputs_.size(), 50);
    std::string bytes = inputs_[inputs_.size() - 1 - (number * 2654435761u >> 4) % of];
    std::size_t size = std::min(bytes.size(), kGeneratedSizeMax);
    bytes.resize(kGeneratedSizeMax);
    for (unsigned left = 1 + (number % 7 == 0 ? 2 : 0); left > 0; --left)
      size = LLVMFuzzerCustomMutator(reinterpret_cast<std::uint8_t*>(bytes.data()), size,
                                     kGeneratedSizeMax, number * 4 + left);
    bytes.resize(size);
    return bytes;
  }
  std::size_t size() const { return inputs_.size(); }
  std::size_t features() const { return features_; }

 private:
  std::vector<std::string> inputs_;
  std::vector<std::uint8_t> seen_ = std::vector<std::uint8_t>(feature_map.size());
  std::size_t features_ = 0;
};
}  // namespace

int main(int argc, char** argv) {
  using Steady = std::chrono::steady_clock;
  std::vector<fs::path> files;
  unsigned generate = 0;
  std::chrono::seconds seconds{};
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--generate" && i + 1 < argc)
      generate = static_cast<unsigned>(std::stoul(argv[++i]));
    else if (word == "--seconds" && i + 1 < argc)
      seconds = std::chrono::seconds{std::stoul(argv[++i])};
    else if (word == "--keep" && i + 1 < argc)
      keep_file = argv[++i];
    else if (fs::is_directory(argv[i]))
      for (const auto& entry : fs::recursive_directory_iterator{argv[i]}) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    else
      files.emplace_back(argv[i]);
  }
  std::signal(SIGABRT, on_fault);
  std::signal(SIGVTALRM, on_fault);
  std::sort(files.begin(), files.end());
  Pool pool;
  for (const fs::path& file : files) {
    std::ifstream in{file, std::ios::binary};
    std::stringstream text;
    text << in.rdbuf();
    std::cout << file.string() << std::endl;  // Before it runs: a crash says by what.
    pool.add(text.str());
    pool.take(text.str());
  }
  if (files.empty()) {
    std::cerr << "there is nothing to replay\n";
    return 1;
  }
  if (generate == 0 && seconds.count() == 0) return 0;  // As for targets without a mutator.
  unsigned number = 0;
  const Steady::time_point end = Steady::now() + seconds;
  const auto more = [&] { return seconds.count() > 0 ? Steady::now() < end : number < generate; };
  for (; more(); ++number) pool.take(pool.mutated(number));
  std::cout << "stat::number_of_executed_units: " << number + files.size()
            << "\npool: " << pool.size() << ", features: " << pool.features() << std::endl;
  return 0;
}
