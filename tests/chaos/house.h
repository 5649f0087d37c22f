#pragma once
// One process after the other on one disk: the engine and the deliverer, driven in virtual time,
// with an fsync that may lag behind the commits, and with deaths at any of them.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/cell/cell.h"
#include "engine/secrets/secret_source.h"
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
    bool master_key = false;  ///< There is a file for it, which outlives the process.
    bool lag = true;          ///< The fsync may come after several rounds of the engine.
    Duration downtime_max{};  ///< How long a dead process may stay dead.
    bool lasting = true;      ///< A death keeps every synced commit and perhaps more.
  };
  House(const Options& options, WorldClock& clock, const Receivers& receivers, Promises& promises);
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  /// The stream that decides on lags and deaths from now on.
  void chance(const Chance& chance) { chance_ = chance; }
  void on_death(std::function<void()> call) { on_death_ = std::move(call); }
  bool up() const { return engine_ != nullptr; }
  void start();
  /// The process is killed.
  void die();
  /// Stays dead until then, if it dies.
  void work(std::vector<Task> jobs);
  void call(std::function<Status(Cell&)> call);
  /// Is called when all that was committed so far is durable; dropped where the process dies first.
  void when_durable(std::function<void()> call) { durable_.push_back(std::move(call)); }
  /// Time passes; a dead process is started when its downtime is over.
  void pass(Duration length);
  /// What is committed becomes durable, and is told.
  void flush();
  /// The promises that hold while nothing moves.
  void check();
  /// A fault begins, or ends, or the clock is set.
  void disturb() { calm_since_ = clock_.steady(); }

  Duration dedupe_for() const { return options_.runtime.dedupe_for; }
  Cell& engine() { return *engine_; }
  Disk& disk() { return disk_; }
  struct Figures {
    std::uint64_t crashes = 0, rounds = 0, starts = 0;
  } figures;

 private:
  void round(std::vector<Task> jobs);
  void let_all_go();
  bool fold_some();
  void show_secrets();
  void send_again(const Effects& release);
  std::optional<Instant> next();

  Options options_;
  std::filesystem::path keys_;  ///< Folder of the master key.
  WorldClock& clock_;
  const Receivers& receivers_;
  Promises& promises_;
  Disk disk_;
  Chance chance_{0};
  std::function<void()> on_death_;
  std::unique_ptr<Courier> courier_;
  std::unique_ptr<Cell> engine_;
  std::vector<Effects> releases_;
  std::vector<std::function<void()>> durable_;
  SecretBox secrets_;
  std::vector<DeliveryTask> sent_;  ///< For Plant::BatchAgain and SendPaused.
  std::optional<Instant> restart_at_;
  Instant calm_since_{};
};
}  // namespace onward::chaos
