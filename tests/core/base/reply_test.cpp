#include "engine/core/base/reply.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace onward;

namespace {
/// What was answered, in order: a number, or the code of an error.
class Answers {
 public:
  Reply<int> reply() {
    return [this](Result<int> given) {
      all.push_back(given ? std::to_string(*given) : given.error().code);
    };
  }
  std::vector<std::string> all;
};
using All = std::vector<std::string>;
}  // namespace

TEST_CASE("a reply is answered once", "[core][reply]") {
  Answers answers;
  {
    Reply<int> reply = answers.reply();
    reply(1);
    reply(2);
    reply(fail(ErrorKind::Busy, "busy", ""));
  }
  CHECK(answers.all == All{"1"});
}

TEST_CASE("a reply that is destroyed unanswered answers that the engine has stopped",
          "[core][reply]") {
  Answers answers;
  { const Reply<int> reply = answers.reply(); }
  CHECK(answers.all == All{"engine_stopped"});
}

TEST_CASE("a reply that was moved from answers nothing", "[core][reply]") {
  Answers answers;
  Reply<int> first = answers.reply();
  {
    Reply<int> second = std::move(first);
    second(7);
  }
  first(8);
  CHECK(answers.all == All{"7"});
}

TEST_CASE("copies of a shared reply give one answer, and the last one does not go unanswered",
          "[core][reply]") {
  Answers answers;
  {
    const Done<Result<int>> done = shared(answers.reply());
    const Done<Result<int>> copy = done;
    copy(1);
    done(2);
  }
  CHECK(answers.all == All{"1"});
  Done<Result<int>> kept;
  {
    const Done<Result<int>> done = shared(answers.reply());
    kept = done;
  }
  CHECK(answers.all == All{"1"});
  kept = nullptr;
  CHECK(answers.all == All{"1", "engine_stopped"});
}

TEST_CASE("a reply that an exception destroys leaves the answer to the catcher", "[core][reply]") {
  Answers answers;
  try {
    const Reply<int> reply = answers.reply();
    throw std::runtime_error("a fault of ours");
  } catch (const std::runtime_error&) {
    const Reply<int> made_meanwhile = answers.reply();
  }
  CHECK(answers.all == All{"engine_stopped"});  // of the second one alone
}
