#include "engine/api/unread_answers.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
TEST_CASE("answers that are not read count until they are, and the oldest gives way first",
          "[api][server]") {
  int first = 1, second = 2, third = 3;
  UnreadAnswers<int> unread{100};
  const auto a = unread.add(&first, 60);
  CHECK(unread.excess() == nullptr);
  const auto b = unread.add(&second, 40);
  CHECK(unread.excess() == nullptr);
  const auto c = unread.add(&third, 1);
  CHECK(unread.bytes() == 101);
  CHECK(unread.excess() == &first);
  unread.remove(a);
  CHECK(unread.excess() == nullptr);
  unread.remove(b);
  // One alone is always taken: nothing else could make room for it.
  const auto d = unread.add(&first, 500);
  CHECK(unread.excess() == &third);
  unread.remove(c);
  CHECK(unread.excess() == nullptr);
  unread.remove(d);
  CHECK(unread.bytes() == 0);
}

TEST_CASE("a longer answer has more time, at a least rate", "[api][server]") {
  using std::chrono::seconds;
  CHECK(answer_time(0, seconds{30}, 16'384) == seconds{30});
  CHECK(answer_time(16'384, seconds{30}, 16'384) == seconds{31});
  CHECK(answer_time(std::size_t{4} << 20, seconds{30}, 16'384) == seconds{286});
  CHECK(answer_time(std::size_t{1} << 40, seconds{30}, 16'384) > seconds{1'000'000});
  CHECK(answer_time(10, seconds{30}, 0) == seconds{40});
}
}  // namespace
}  // namespace onward
