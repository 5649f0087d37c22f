// What the author thread is asked to do: order, turns and bounds, without the thread.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/host/author_thread.h"

using namespace onward;

namespace {
/// Writes down what ran, and keeps the turns until a test ends them.
struct Desk {
  std::shared_ptr<AuthorQueue> queue;
  std::string ran;
  std::vector<std::pair<char, AuthorQueue::Turn>> turns;

  explicit Desk(AuthorQueue::Limits limits = {}) : queue{std::make_shared<AuthorQueue>(limits)} {}
  AuthorQueue::Task task(char name, bool keeps = false) {
    return [this, name, keeps](Result<AuthorQueue::Turn> turn) {
      ran += turn ? name : '!';
      if (turn && keeps) turns.emplace_back(name, std::move(*turn));
    };
  }
  std::string run() {
    while (queue->run_one()) {
    }
    return std::exchange(ran, {});
  }
};
}  // namespace

TEST_CASE("tasks of one scenario run in order, each after the turn of the one before has ended",
          "[host][author]") {
  Desk desk;
  REQUIRE(desk.queue->ask("a", 1, desk.task('1', /*keeps=*/true)));
  REQUIRE(desk.queue->ask("a", 1, desk.task('2')));
  REQUIRE(desk.queue->ask("b", 1, desk.task('3')));
  CHECK(desk.queue->has("a"));
  CHECK_FALSE(desk.queue->has("c"));
  // The turn of "a" is held, so only "b" may overtake.
  CHECK(desk.run() == "13");
  CHECK_FALSE(desk.queue->has("b"));
  desk.turns.clear();
  CHECK(desk.run() == "2");
  CHECK_FALSE(desk.queue->has("a"));
}

TEST_CASE("what continues a turn comes before what waits, and keeps its place", "[host][author]") {
  Desk desk;
  REQUIRE(desk.queue->ask("a", 1, desk.task('1', /*keeps=*/true)));
  REQUIRE(desk.queue->ask("a", 1, desk.task('2')));
  CHECK(desk.run() == "1");
  REQUIRE(desk.queue->ask("b", 1, desk.task('3')));
  desk.queue->again(std::move(desk.turns.front().second), desk.task('r', /*keeps=*/true));
  desk.turns.erase(desk.turns.begin());
  CHECK(desk.run() == "r3");
  desk.turns.clear();
  CHECK(desk.run() == "2");
}

TEST_CASE("tasks without a scenario wait for none", "[host][author]") {
  Desk desk;
  for (const char name : {'1', '2'}) desk.queue->ask_anyway({}, desk.task(name, /*keeps=*/true));
  CHECK(desk.run() == "12");
}

TEST_CASE("the queue is bounded by tasks and by bytes, those under way as well", "[host][author]") {
  Desk desk{{.tasks = 2, .bytes = 100}};
  SECTION("tasks") {
    REQUIRE(desk.queue->ask("a", 1, desk.task('1')));
    REQUIRE(desk.queue->ask("b", 1, desk.task('2')));
    const Status third = desk.queue->ask("c", 1, desk.task('3'));
    REQUIRE_FALSE(third);
    CHECK(third.error().kind == ErrorKind::Busy);
    desk.queue->ask_anyway("c", desk.task('4'));
    CHECK(desk.run() == "124");
    CHECK(desk.queue->ask("c", 1, desk.task('5')));
  }
  SECTION("bytes") {
    REQUIRE(desk.queue->ask("a", 90, desk.task('1', /*keeps=*/true)));
    CHECK(desk.run() == "1");
    CHECK(desk.queue->ask("b", 11, desk.task('2')).error().code == "busy");
    CHECK(desk.queue->ask("b", 10, desk.task('3')));
    desk.turns.clear();
    CHECK(desk.run() == "3");
    // One that is larger than all the room is taken alone.
    CHECK(desk.queue->ask("b", 1'000, desk.task('4')));
    CHECK(desk.queue->ask("c", 1, desk.task('5')).error().code == "busy");
  }
}

TEST_CASE("a stop answers everything that waits, once, and all that comes later",
          "[host][author]") {
  Desk desk;
  REQUIRE(desk.queue->ask("a", 1, desk.task('1', /*keeps=*/true)));
  REQUIRE(desk.queue->ask("a", 1, desk.task('2')));
  CHECK(desk.run() == "1");
  desk.queue->stop();
  CHECK(std::exchange(desk.ran, {}) == "!");
  desk.queue->again(std::move(desk.turns.front().second), desk.task('3'));
  desk.turns.clear();
  desk.queue->ask_anyway({}, desk.task('4'));
  CHECK(desk.ran == "!!");
  CHECK(desk.queue->ask("a", 1, desk.task('5')).error().code == "stopping");
  CHECK_FALSE(desk.queue->wait());
}
