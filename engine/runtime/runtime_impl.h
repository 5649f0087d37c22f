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
#include "engine/runtime/engine.h"
#include "engine/runtime/monitored_clock.h"
#include "engine/runtime/outcome_queue.h"
#include "engine/runtime/queries.h"
#include "engine/runtime/release_thread.h"
#include "engine/runtime/runtime.h"
#include "engine/secrets/secret_source.h"

namespace onward {
/// What of a load a job takes until it is answered. No events: it is a call.
struct JobWeight {
  std::size_t events = 0;
  std::size_t bytes = 0;
};

/// A fault of the store ends the engine; one of the asker is only answered.
template <class T>
Status answered(const Result<T>& result) {
  if (!result && result.error().kind == ErrorKind::Io) return tl::make_unexpected(result.error());
  return {};
}

/// Answers a call that the engine did not come to.
template <class T>
std::function<void(const Error&)> refusing(Done<Result<T>> done) {
  return [done = std::move(done)](const Error& error) { done(tl::make_unexpected(error)); };
}

/// The call that answers `done` with what `act` finds.
///
/// `seen` is called in between: what the act changed is shown to other threads before it is
/// answered.
template <class T, class Act>
CallJob asking(std::function<void()> seen, Done<Result<T>> done, Act act) {
  auto refused = refusing(done);
  return {.call = [seen = std::move(seen), done = std::move(done),
                   act = std::move(act)](Engine& engine) mutable -> Status {
            Result<T> result = engine.guarded("engine.call", [&] { return act(engine); });
            Status status = answered(result);
            seen();
            done(std::move(result));
            return status;
          },
          .refused = std::move(refused)};
}

/// Hands over between the edges' threads, the engine thread, the author thread, the deliverer and
/// the reader.
struct Runtime::Impl final : DeliverySink {
  using Steady = std::chrono::steady_clock;
  /// Parked runs that are resumed page by page.
  struct Resuming;

  Impl(RuntimeOptions given, const Clock& wall)
      : options{std::move(given)},
        clock{wall, options.since_boot ? options.since_boot : time_since_boot} {}

  // DeliverySink, called by the release thread, and by the engine's.
  void expedite(std::vector<DeliveryKey> keys) override { deliverer->expedite(keys); }
  void submit(std::vector<DeliveryTask> tasks) override { deliverer->submit(std::move(tasks)); }
  void recorded(std::vector<DeliveryKey> keys) override { deliverer->recorded(keys); }
  void withdraw(std::vector<DeliveryKey> keys) override { deliverer->withdraw(std::move(keys)); }
  void pause(bool paused) override { deliverer->pause(paused); }

  using Refused = std::function<void(const Error&)>;
  bool takes_jobs() const { return started && !closing && !ended; }  // with the mutex
  tl::unexpected<Error> not_running() const;                         // with the mutex
  Result<LoadShare> admit(JobWeight weight);                         // with the mutex
  void enqueue(Job job);                                             // with the mutex
  Status push(Job job, JobWeight weight);
  /// `bytes` of what the call holds, where that may be much.
  Status call(CallJob job, std::size_t bytes = 0) {
    return push(std::move(job), {.events = 0, .bytes = kCallBytes + bytes});
  }
  Status call(std::function<Status(Engine&)> act, Refused refused = nullptr) {
    return call(CallJob{.call = std::move(act), .refused = std::move(refused)});
  }
  /// Also where there is no room: the engine's own, or the next step of what was admitted.
  Status call_anyway(CallJob job);
  /// The share of a call that does not go to the engine at once.
  Result<std::shared_ptr<LoadShare>> admit_call(std::size_t bytes);
  /// `done`, once all is durable that its answer may show.
  template <class T>
  Done<Result<T>> published(Done<Result<T>> done) {
    return [this, done = std::move(done)](Result<T> answer) {
      const auto held = std::make_shared<Result<T>>(std::move(answer));
      releases->when_durable([done, held](const Status& synced) {
        done(synced ? std::move(*held) : tl::make_unexpected(stopped_by(synced.error())));
      });
    };
  }
  /// A call that the engine takes after all that waits for texts of `scenario` to be read.
  template <class T, class Act>
  Status call_after(const std::string& scenario, Done<Result<T>> done, Act act,
                    std::size_t bytes = 0);
  // runtime_author.cpp
  Status ask_author(std::string scenario, std::size_t bytes, AuthorQueue::Task task);
  template <class Work>
  void go_on(const std::shared_ptr<Work>& work, std::function<Status(Engine&)> act);
  template <class Work>
  using CommitText = Status (Impl::*)(Engine&, const std::shared_ptr<Work>&, AuthorQueue::Turn);
  template <class Work>
  std::optional<Status> store_long_text(Engine& of, const std::shared_ptr<Work>& work,
                                        AuthorQueue::Turn turn, CommitText<Work> commit);
  template <class Work>
  Status store_parts(Engine& of, const std::shared_ptr<Work>& work, AuthorQueue::Turn turn,
                     CommitText<Work> commit, TextKey text, std::uint16_t number);
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
  template <class Found>
  void add_text(Engine& of, Result<Found> found, Version version, const Done<Result<Found>>& done);
  Status read(std::function<void(StoreReader&, const Directory&)> query);
  void take_results(std::vector<AttemptResult> finished);
  void run();
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
  MonitoredClock clock;
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
  OutcomeQueue outcomes{options.results_bytes_max};
  bool asleep = false;
  bool started = false;             // may take jobs
  bool closing = false;             // takes no more
  bool stopping = false;            // ends when all is worked off
  Steady::time_point bulk_until{};  // and large jobs until then
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

  static constexpr std::size_t kCallBytes = 1'024;  // of a call without much of its own
  const std::shared_ptr<Load> intake = std::make_shared<Load>();
  const std::shared_ptr<Load> calls = std::make_shared<Load>();

  // The engine thread's own.
  std::uint64_t generation = 0;  // of the directory
  std::shared_ptr<const SecretValues> shown_secrets;
  bool working_lost = false;   // and told
  std::uint64_t log_told = 0;  // how long the write-ahead log was when it was told of last
  Steady::time_point unfolded_since{}, last_work{}, last_look{};

  // The author thread's own: versions that were looked at lately and are not in the catalog.
  std::map<std::pair<ScenarioKey, Version>, std::shared_ptr<const Scenario>> looked_up;
};

template <class T, class Act>
Status Runtime::Impl::call_after(const std::string& scenario, Done<Result<T>> done, Act act,
                                 std::size_t bytes) {
  if (!authors->queue().has(scenario))
    return call(asking(showing(), std::move(done), std::move(act)), bytes);
  auto admission = admit_call(bytes);
  if (!admission) return tl::make_unexpected(std::move(admission.error()));
  authors->queue().ask_anyway(
      scenario, [this, done = std::move(done), act = std::move(act),
                 admission = std::move(*admission)](Result<AuthorQueue::Turn> turn) mutable {
        if (!turn) return done(tl::make_unexpected(std::move(turn.error())));
        CallJob job = asking(showing(), done, std::move(act));
        job.admission = std::move(*admission);
        if (Status taken = call_anyway(std::move(job)); !taken)
          done(tl::make_unexpected(std::move(taken.error())));
      });
  return {};
}
}  // namespace onward
