#pragma once
// How other threads ask the cell and the read model: a function that finds the answer, and the
// reply that takes it.
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "engine/cell/cell.h"
#include "engine/core/base/reply.h"
#include "engine/guard/guarded.h"
#include "engine/host/author_thread.h"
#include "engine/host/lane_queue.h"
#include "engine/host/release_thread.h"
#include "engine/host/shown_state.h"
#include "engine/query/queries.h"

namespace onward {
/// Answers `done` with an error of the caller's own or of the engine.
template <class T>
std::function<void(const Error&)> refusing(Done<Result<T>> done) {
  return [done = std::move(done)](const Error& error) { done(tl::make_unexpected(error)); };
}

/// A fault of the store ends the cell; one of the caller is only answered.
template <class T>
Status fatal_part(const Result<T>& result) {
  if (!result && result.error().kind == ErrorKind::Io) return tl::make_unexpected(result.error());
  return {};
}

/// Any thread, unless a function says otherwise. No function waits while the engine runs. A reply
/// is given once, on any of the host's threads or on that of the deliverer, so it must not block;
/// where a call is not taken (Busy, Unavailable) it is given that error at once, on the calling
/// thread. An answer is given when all that it may show is durable.
class Calls {
 public:
  /// All must outlive it.
  struct Parts {
    LaneQueue& queue;
    ReleaseThread& publisher;
    ShownState& shown;
    ReaderThread& reader;
    AuthorQueue& author;
    const LogSink& log;
  };
  explicit Calls(const Parts& parts) : parts_{parts} {}

  /// Calls `act` between two commits of the cell.
  ///
  /// As `Result<T> act(Cell&)` it is a command: what it changed is shown to other threads, then its
  /// result is the reply. An exception becomes Internal; an Io error ends the cell too, since it is
  /// the store's.
  /// As `Status act(Cell&, const Done<Result<T>>&)` it replies itself, now or later, and shows what
  /// it changed; an Io error that it returns ends the cell.
  /// `bytes` of what the call holds, where that may be much.
  template <class T, class Act>
  void post(Reply<T> reply, Act act, std::size_t bytes = 0) {
    const Done<Result<T>> answer = shared(std::move(reply));
    if (Status taken = parts_.queue.call(task_of(durable(answer), std::move(act)), bytes); !taken)
      answer(tl::make_unexpected(std::move(taken.error())));
  }
  /// The same, after all texts of `scenario` that wait to be read.
  template <class T, class Act>
  void post_after(const std::string& scenario, Reply<T> reply, Act act, std::size_t bytes = 0) {
    if (!parts_.author.has(scenario)) return post(std::move(reply), std::move(act), bytes);
    const Done<Result<T>> answer = shared(std::move(reply));
    auto admission = parts_.queue.admit_call(bytes);
    if (!admission) return answer(tl::make_unexpected(std::move(admission.error())));
    parts_.author.ask_anyway(
        scenario, [this, done = durable(answer), act = std::move(act),
                   admission = std::move(*admission)](Result<AuthorQueue::Turn> turn) mutable {
          if (!turn) return done(tl::make_unexpected(std::move(turn.error())));
          CallTask task = task_of(done, std::move(act));
          task.admission = std::move(*admission);
          if (Status taken = parts_.queue.call_anyway(std::move(task)); !taken)
            done(tl::make_unexpected(std::move(taken.error())));
        });
  }
  /// Calls `Result<T> act(ReadModel&, const Directory&)` on the reader thread and replies what it
  /// returns: it shows all that was answered before.
  template <class T, class Act>
  void read(Reply<T> reply, Act act) {
    const Done<Result<T>> answer = shared(std::move(reply));
    if (Status alive = parts_.queue.check_alive(); !alive)
      return answer(tl::make_unexpected(std::move(alive.error())));
    ask_reader(durable(answer), std::move(act));
  }

  // Parts of work that takes several turns.
  /// `act` in the cell, bounded as calls are: where it is not taken `done` gets the error.
  template <class T>
  void ask(const Done<Result<T>>& done, std::function<Status(Cell&)> act) {
    if (Status taken =
            parts_.queue.call(CallTask{.call = std::move(act), .refused = refusing(done)});
        !taken)
      done(tl::make_unexpected(std::move(taken.error())));
  }
  /// The same for the next step of what was admitted: also where there is no room.
  template <class T>
  void ask_anyway(const Done<Result<T>>& done, std::function<Status(Cell&)> act) {
    if (Status taken =
            parts_.queue.call_anyway(CallTask{.call = std::move(act), .refused = refusing(done)});
        !taken)
      done(tl::make_unexpected(std::move(taken.error())));
  }
  /// `act` on the reader thread, as in `read`; `done` gets its result at once, durable or not.
  template <class T, class Act>
  void ask_reader(Done<Result<T>> done, Act act) {
    if (Status alive = parts_.queue.check_alive(); !alive)
      return done(tl::make_unexpected(std::move(alive.error())));
    parts_.reader.ask([this, done = std::move(done), act = std::move(act)](ReadModel& from) {
      const std::shared_ptr<const Directory> names = parts_.shown.directory();
      done(guarded("reader.query", parts_.log, [&] { return act(from, *names); }));
    });
  }
  /// `done`, given once all is durable that its answer may show.
  template <class T>
  Done<Result<T>> durable(Done<Result<T>> done) {
    return [this, done = std::move(done)](Result<T> answer) {
      const auto held = std::make_shared<Result<T>>(std::move(answer));
      parts_.publisher.when_durable([done, held](const Status& synced) {
        done(synced ? std::move(*held) : tl::make_unexpected(stopped_by(synced.error())));
      });
    };
  }
  /// Engine thread: other threads see what the cell's last work changed.
  void show(Cell& cell) {
    parts_.queue.show_read_only(cell.read_only());
    if (auto replaced = parts_.shown.show(cell)) parts_.author.discard(std::move(replaced));
  }

 private:
  template <class T, class Act>
  CallTask task_of(Done<Result<T>> done, Act act) {
    CallTask task{.call = {}, .refused = refusing(done)};
    if constexpr (std::is_invocable_v<Act&, Cell&, const Done<Result<T>>&>)
      task.call = [done = std::move(done), act = std::move(act)](Cell& cell) mutable -> Status {
        return act(cell, std::as_const(done));
      };
    else
      task.call = [this, done = std::move(done),
                   act = std::move(act)](Cell& cell) mutable -> Status {
        Result<T> result = cell.guarded("engine.call", [&] { return act(cell); });
        Status status = fatal_part(result);
        show(cell);
        done(std::move(result));
        return status;
      };
    return task;
  }

  const Parts parts_;
};
}  // namespace onward
