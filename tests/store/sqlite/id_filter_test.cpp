// The filters in front of the tables of seen events: they never say "new" of what is stored.
#include "engine/store/sqlite/id_filter.h"

#include <catch2/catch.hpp>
#include <thread>

#include "engine/store/sqlite/sqlite_store.h"
#include "tests/store/conformance.h"

using namespace onward;

namespace {
Hash128 id_of(std::uint64_t number) { return hash128(std::to_string(number)); }
Date day(unsigned number) {
  return std::chrono::sys_days{std::chrono::year{2026} / 5 / std::chrono::day{number}};
}
}  // namespace

TEST_CASE("a filter knows every id that it was given, and few others", "[store][filter]") {
  IdFilter filter;
  constexpr std::uint64_t kIds = 200'000;
  for (std::uint64_t i = 0; i < kIds; ++i) filter.add(id_of(i));
  for (std::uint64_t i = 0; i < kIds; ++i) REQUIRE(filter.may_contain(id_of(i)));
  std::uint64_t wrong = 0;
  for (std::uint64_t i = kIds; i < 2 * kIds; ++i) wrong += filter.may_contain(id_of(i)) ? 1 : 0;
  CHECK(wrong < kIds / 100);
  CHECK(filter.bytes() <= 4 * kIds);

  // One that was made for them is one part: two bytes each.
  IdFilter made{kIds};
  const std::size_t bytes = made.next_bytes();
  for (std::uint64_t i = 0; i < kIds; ++i) made.add(id_of(i));
  CHECK(made.bytes() == bytes);
  CHECK(made.bytes() < 2 * kIds + 100);
  for (std::uint64_t i = 0; i < kIds; ++i) REQUIRE(made.may_contain(id_of(i)));
  wrong = 0;
  for (std::uint64_t i = kIds; i < 2 * kIds; ++i) wrong += made.may_contain(id_of(i)) ? 1 : 0;
  CHECK(wrong < kIds / 300);
  made.add(id_of(kIds));
  CHECK(made.may_contain(id_of(kIds)));
}

TEST_CASE("a table is asked until all its ids are known, and where its memory was given up",
          "[store][filter]") {
  SeenFilter filter{std::size_t{200} << 10};
  filter.add_table(day(1));
  filter.add(day(1), id_of(1));
  CHECK(filter.may_contain(day(1), id_of(2)));
  CHECK(filter.incomplete() == 1);
  IdFilter before;
  before.add(id_of(3));
  filter.complete(day(1), before);
  CHECK(filter.incomplete() == 0);
  CHECK_FALSE(filter.may_contain(day(1), id_of(2)));
  for (const std::uint64_t known : {1, 3}) CHECK(filter.may_contain(day(1), id_of(known)));

  // Another day takes what memory there is.
  for (std::uint64_t i = 0; i < 40'000; ++i) filter.add(day(2), id_of(i));
  CHECK(filter.bytes() <= (std::size_t{200} << 10));
  CHECK(filter.may_contain(day(1), id_of(2)));
  CHECK_FALSE(filter.may_contain(day(2), id_of(77'777)));
  filter.complete(day(1), before);  // comes too late
  CHECK(filter.may_contain(day(1), id_of(2)));
  // In the end the day itself.
  for (std::uint64_t i = 0; i < 200'000; ++i) filter.add(day(2), id_of(i));
  CHECK(filter.may_contain(day(2), id_of(777'777)));
  CHECK(filter.bytes() == 0);
  filter.forget_before(day(3));
  CHECK(filter.incomplete() == 0);
}

TEST_CASE("on a folder of eight days a new id costs no look-up, and a stored one is known",
          "[store][filter][sqlite]") {
  const TempFolder folder;
  constexpr std::uint64_t kIdsADay = 3'000;
  constexpr unsigned kDays = 8;
  const auto noon = [](unsigned of) { return Instant{day(of)} + std::chrono::hours{12}; };
  {
    auto store = must(open_sqlite_store({.folder = folder.path(), .durable = false}));
    for (unsigned of = 1; of <= kDays; ++of) {
      Commit commit{.at = noon(of)};
      for (std::uint64_t i = 0; i < kIdsADay; ++i)
        commit.seen.push_back(
            {.key = id_of(of * kIdsADay + i), .fingerprint = {of, i}, .at = noon(of)});
      must(store->commit(commit));
      if (of != kDays) must(store->fold());  // The last day is in the journal.
    }
  }
  auto store = must(open_sqlite_store(
      {.folder = folder.path(), .dedupe_memory = std::size_t{1} << 20, .durable = false}));
  const Instant now = noon(kDays);
  const auto known = [&](std::uint64_t number) {
    const Hash128 key = id_of(number);
    return must(store->seen({&key, 1}, now)).at(0);
  };
  const auto check_stored = [&] {
    for (unsigned of = 1; of <= kDays; ++of)
      for (std::uint64_t i = 0; i < kIdsADay; ++i)
        if (known(of * kIdsADay + i) != Hash128{of, i}) FAIL("an id of day " << of << " is new");
  };
  check_stored();  // Also while the tables are being read.

  // New ids, each asked for once, until the tables are asked no more.
  std::uint64_t next = 1'000'000, look_ups = store->seen_look_ups();
  constexpr std::uint64_t kPatience = 5'000'000;
  for (bool asked = true; asked && next<kPatience; asked = store->seen_look_ups()> look_ups) {
    look_ups = store->seen_look_ups();
    for (int i = 0; i < 10; ++i) CHECK_FALSE(known(next++));
    std::this_thread::yield();
  }
  REQUIRE(next < kPatience);
  look_ups = store->seen_look_ups();
  for (int i = 0; i < 1'000; ++i) CHECK_FALSE(known(next++));
  CHECK(store->seen_look_ups() - look_ups < 30);
  check_stored();

  // What is committed from now on is known as well.
  const Hash128 late = id_of(next);
  CHECK_FALSE(known(next));
  must(store->commit({.at = now, .seen = {{.key = late, .fingerprint = {1, 2}, .at = now}}}));
  CHECK(known(next) == Hash128{1, 2});
  must(store->fold());
  CHECK(known(next) == Hash128{1, 2});
  while (must(store->forget_seen(noon(kDays)))) {
  }
  CHECK_FALSE(known(kIdsADay));
  CHECK(known(next) == Hash128{1, 2});
}
