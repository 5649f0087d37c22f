#pragma once
// One process after the other on one disk: the engine and the deliverer, driven in virtual time,
// with an fsync that may lag behind the commits, and with deaths at any of them.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/runtime/engine.h"
#include "tests/chaos/chance.h"
#include "tests/chaos/courier.h"
#include "tests/chaos/disk.h"
#include "tests/chaos/promises.h"

namespace onward::chaos {
class House {
 public:
  struct Options {
    Plant plant = Plant::None;
    bool sqlite = false;  ///< On SQLite and the fault disk; else in memory.
    RuntimeOptions runtime;
    bool lag = true;          ///< The fsync may come after several rounds of the engine.
    Duration downtime_max{};  ///< How long a dead process may stay dead.
    bool lasting = true;      ///< A death keeps every synced commit and perhaps more.
  };
  House(const Options& options, WorldClock& clock, const Receivers& receivers, Promises& promises);

  /// The stream that decides on lags and deaths from now on.
  void chance(const Chance& chance) { chance_ = chance; }
  void on_death(std::function<void()> call) { on_death_ = std::move(call); }
  bool up() const { return engine_ != nullptr; }
  void start();
  /// The process is killed.
  void die();
  /// Stays dead until then, if it dies.
  void work(std::vector<Job> jobs);
  void call(std::function<Status(Engine&)> call);
  /// Time passes; a dead process is started when its downtime is over.
  void pass(Duration length);
  /// What is committed becomes durable, and is told.
  void flush();
  /// The promises that hold while nothing moves.
  void check();
  /// A fault begins, or ends, or the clock is set.
  void disturb() { calm_since_ = clock_.steady(); }

  Engine& engine() { return *engine_; }
  Disk& disk() { return disk_; }
  struct Figures {
    std::uint64_t crashes = 0, rounds = 0, starts = 0;
  } figures;

 private:
  void round(std::vector<Job> jobs);
  void let_all_go();
  bool fold_some();
  std::optional<Instant> next();

  Options options_;
  WorldClock& clock_;
  const Receivers& receivers_;
  Promises& promises_;
  Disk disk_;
  Chance chance_{0};
  std::function<void()> on_death_;
  std::unique_ptr<Courier> courier_;
  std::unique_ptr<Engine> engine_;
  std::vector<Release> releases_;
  std::optional<Instant> restart_at_;
  Instant calm_since_{};
};
}  // namespace onward::chaos
