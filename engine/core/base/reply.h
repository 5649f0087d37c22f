#pragma once
// The answer that a caller waits for: given exactly once, also where nobody is left to give it.
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "engine/core/base/result.h"

namespace onward {
template <class T>
using Done = std::function<void(T)>;

/// Move-only. One that is destroyed unanswered answers Unavailable `engine_stopped`, so that no
/// caller waits for ever. One thread at a time; answers on the thread that calls or destroys it.
///
/// One that an exception destroys does not answer: whoever catches the exception does, with what
/// happened.
template <class T>
class Reply {
 public:
  template <class Answer>
  requires std::is_invocable_v<Answer&, Result<T>> &&
      (!std::is_same_v<std::remove_cvref_t<Answer>, Reply>)Reply(Answer answer)
      : answer_{std::move(answer)} {}
  Reply(Reply&& other) noexcept : answer_{std::exchange(other.answer_, nullptr)} {}
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (answer_ && std::uncaught_exceptions() == exceptions_)
      (*this)(fail(ErrorKind::Unavailable, "engine_stopped", "the engine has stopped"));
  }

  /// Answers, once: nothing happens where it was answered before, or was moved from.
  void operator()(Result<T> result) {
    if (const auto answer = std::exchange(answer_, nullptr)) answer(std::move(result));
  }

 private:
  Done<Result<T>> answer_;
  const int exceptions_ = std::uncaught_exceptions();
};

/// The same for callables that must be copyable: all copies share the one answer, and the last one
/// that is destroyed unanswered answers. Threads may hold copies, but must not call them at the
/// same time.
template <class T>
Done<Result<T>> shared(Reply<T> reply) {
  return [reply = std::make_shared<Reply<T>>(std::move(reply))](Result<T> result) {
    (*reply)(std::move(result));
  };
}
}  // namespace onward
