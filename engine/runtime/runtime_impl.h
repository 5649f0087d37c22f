#pragma once
// What the runtime is made of: threads and queues (runtime.cpp), and the calls that go through them
// (runtime_calls.cpp, runtime_author.cpp). Included by these three, by nobody else.
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

#include "engine/runtime/author_thread.h"
#include "engine/runtime/clock_watch.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/queries.h"
#include "engine/runtime/release_thread.h"
#include "engine/runtime/runtime.h"
#include "engine/secrets/secret_source.h"

namespace onward {
/// A fault of the store ends the engine; one of the asker is only answered.
template <class T>
Status answered(const Result<T>& result) {
  if (!result && result.error().kind == ErrorKind::Io) return tl::make_unexpected(result.error());
  return {};
}

/// The call that answers `done` with what `act` finds.
///
/// `seen` is called in between: what the act changed is shown to other threads before it is
/// answered.
template <class T, class Act>
std::function<Status(Engine&)> asking(std::function<void()> seen, Done<Result<T>> done, Act act) {
  return [seen = std::move(seen), done = std::move(done),
          act = std::move(act)](Engine& engine) mutable -> Status {
    Result<T> result = engine.guarded("engine.call", [&] { return act(engine); });
    Status status = answered(result);
    seen();
    done(std::move(result));
    return status;
  };
}

/// Hands over between the edges' threads, the engine thread, the author thread, the deliverer and
/// the reader.
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
  tl::unexpected<Error> not_running() const;  // with the mutex
  Status call(std::function<Status(Engine&)> call) { return push(CallJob{std::move(call)}, 0); }
  /// A call that the engine takes after all that waits for texts of `scenario` to be read.
  template <class T, class Act>
  Status call_after(const std::string& scenario, Done<Result<T>> done, Act act);
  // runtime_author.cpp
  Status ask_author(std::string scenario, std::size_t bytes, AuthorQueue::Task task);
  struct Applying;
  struct Planning;
  struct Copying;
  struct Sizing;
  void begin_apply(const std::shared_ptr<Applying>& work, AuthorQueue::Turn turn);
  void author_apply(const std::shared_ptr<Applying>& work, AuthorQueue::Turn turn);
  Status commit_apply(Engine& of, const std::shared_ptr<Applying>& work, AuthorQueue::Turn turn);
  void author_copy(const std::shared_ptr<Copying>& work, AuthorQueue::Turn turn);
  Status commit_copy(Engine& of, const std::shared_ptr<Copying>& work, AuthorQueue::Turn turn);
  void count_nodes(const std::shared_ptr<Sizing>& work);
  std::shared_ptr<const Scenario> look_up(const VersionName& name);
  void read_wanted();
  std::shared_ptr<const ScenarioBook> shown_book() const;
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
  std::unique_ptr<AuthorThread> authors;
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
  std::shared_ptr<const ScenarioBook> book;
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

  // The author thread's own: versions that were looked at lately and are not in the catalog.
  std::map<std::pair<ScenarioKey, Version>, std::shared_ptr<const Scenario>> looked_up;
};

template <class T, class Act>
Status Runtime::Impl::call_after(const std::string& scenario, Done<Result<T>> done, Act act) {
  if (!authors->queue().has(scenario))
    return call(asking(showing(), std::move(done), std::move(act)));
  authors->queue().ask_anyway(scenario, [this, done = std::move(done), act = std::move(act)](
                                            Result<AuthorQueue::Turn> turn) mutable {
    if (!turn) return done(tl::make_unexpected(std::move(turn.error())));
    if (Status taken = call(asking(showing(), done, std::move(act))); !taken)
      done(tl::make_unexpected(std::move(taken.error())));
  });
  return {};
}
}  // namespace onward
