#pragma once
// What the runtime is made of: threads and queues (runtime.cpp), and the calls that go through them
// (runtime_calls.cpp). Included by these two, by nobody else.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/runtime/clock_watch.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/queries.h"
#include "engine/runtime/release_thread.h"
#include "engine/runtime/runtime.h"
#include "engine/secrets/secret_source.h"

namespace onward {
/// Hands over between the edges' threads, the engine thread, the deliverer and the reader.
struct Runtime::Impl final : DeliverySink {
  using Steady = std::chrono::steady_clock;
  /// Parked runs that are resumed page by page.
  struct Resuming;

  explicit Impl(RuntimeOptions given) : options{std::move(given)} {}

  // DeliverySink, called by the release thread, and by the engine's.
  void expedite(std::vector<DeliveryKey> keys) override { deliverer->expedite(keys); }
  void submit(std::vector<DeliveryTask> tasks) override { deliverer->submit(std::move(tasks)); }
  void withdraw(std::vector<DeliveryKey> keys) override { deliverer->withdraw(std::move(keys)); }
  void pause(bool paused) override { deliverer->pause(paused); }

  Status push(Job job, std::size_t events);
  Status call(std::function<Status(Engine&)> call) { return push(CallJob{std::move(call)}, 0); }
  Status read(bool fresh, std::function<void(StoreReader&, const Directory&)> query);
  void take_results(std::vector<AttemptResult> finished);
  void run();
  void take_slice(std::vector<AttemptResult>& settled);
  bool wait_for_work(std::vector<Job>& taken, std::vector<AttemptResult>& settled);
  void watch_clock();
  bool fold_in_quiet();
  /// When the engine may fold by itself: what was committed is a second old, and nothing has come
  /// for a moment. While something comes, folds ride in its commits.
  Steady::time_point fold_from() const;
  void refresh();
  void watch_log(std::uint64_t bytes);
  std::function<void()> showing() {
    return [this] { refresh(); };
  }
  void fail_for_good(const Error& error);
  void cannot_sync(const Error& error);
  void resume_some(const std::shared_ptr<Resuming>& work);
  Status resume_page(Engine& of, const std::shared_ptr<Resuming>& work,
                     const std::vector<Run>& runs);
  Status resume_next(Engine& of, const std::shared_ptr<Resuming>& work);
  void answer_import(std::vector<ImportAnswer> answers, const std::string& who,
                     const Done<Result<std::vector<ImportAnswer>>>& done);

  RuntimeOptions options;
  SecretBox secrets;  // The deliverer's; it must outlive it.
  std::unique_ptr<Deliverer> deliverer;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<ReaderThread> reader;
  std::unique_ptr<ReleaseThread> releases;
  Epochs epochs;
  std::shared_ptr<const RecentLog> recent;
  std::thread thread;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::vector<Job> jobs;  // guarded by mutex, as all below
  std::vector<AttemptResult> results;
  Steady::time_point results_since{};  // when the first of them came
  std::size_t events_waiting = 0;
  bool asleep = false;
  bool started = false;   // may take jobs
  bool closing = false;   // takes no more
  bool stopping = false;  // ends when all is worked off
  bool ended = false;
  std::optional<Error> unwritable;  // why no events are taken for now
  std::optional<Error> unsynced;    // why nothing can be made durable any more
  std::string failure;
  std::function<void(std::string)> on_failure;
  std::shared_ptr<const TokenBook> tokens;
  std::shared_ptr<const Directory> directory;
  std::shared_ptr<const CustomFields> fields;
  EngineFigures figures;
  std::uint64_t bytes_on_disk = 0, log_bytes = 0;
  std::optional<Instant> held_since;
  std::optional<Instant> oldest_due;

  // The engine thread's own.
  std::vector<AttemptResult> slices;  // taken, and written up to `sliced`
  std::size_t sliced = 0;
  std::uint64_t generation = 0;  // of the directory
  std::shared_ptr<const SecretValues> shown_secrets;
  std::uint64_t log_told = 0;  // how long the write-ahead log was when it was told of last
  Steady::time_point unfolded_since{}, last_work{}, last_look{};
  ClockWatch clock_watch;
};
}  // namespace onward
