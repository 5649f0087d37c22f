// Random histories: the durable store answers as the plain maps do, whatever happens to it.
#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "tests/store/conformance.h"
#include "tests/store/world.h"

namespace onward {
namespace {
/// A step of a history: something happens to the store, or (most often) a commit.
using Step = std::pair<std::uint8_t, std::uint32_t>;

void happen(std::uint8_t what, Subject& subject) {
  switch (what % 16) {
    case 0:
      return must(subject->fold());
    case 1:
      return subject.reopen();
    case 2:
      return subject.crash();
    case 3:
    case 4:
      return static_cast<void>(must(subject->fold_slice()));
    default:
      return;
  }
}

void follow(Way way, const std::vector<Step>& history) {
  World world;
  Subject subject{way};
  const auto reference = make_memory_store();
  const auto expected = must(reference->open_reader());
  std::unique_ptr<ReadModel> reader;  // one that stays open
  for (const auto& [what, seed] : history) {
    const Commit commit = world.next(seed);
    must(reference->commit(commit));
    subject.commit(commit);
    if (what % 16 == 1 || what % 16 == 2) reader.reset();
    happen(what, subject);
    const std::string difference = world.difference(*reference, subject.store());
    if (!difference.empty()) RC_FAIL(difference + " (" + name_of(way) + ")");
    if (seed % 4 != 0) continue;
    if (!reader) reader = subject.reader();
    const std::string shown = world.difference(*expected, *reader);
    if (!shown.empty()) RC_FAIL("reader: " + shown + " (" + name_of(way) + ")");
  }
  const std::string shown = world.difference(*expected, *subject.reader());
  if (!shown.empty()) RC_FAIL("reader: " + shown + " (" + name_of(way) + ")");
}

void check(Way way) {
  const bool held = rc::check("the store answers as the maps do",
                              [&] { follow(way, *rc::gen::arbitrary<std::vector<Step>>()); });
  CHECK(held);
}
}  // namespace

TEST_CASE("a random history is answered alike while it is unfolded", "[store][model]") {
  check(Way::Sqlite);
}
TEST_CASE("a random history is answered alike while folds ride along", "[store][model]") {
  check(Way::SqliteRiding);
}
TEST_CASE("a random history is answered alike with plain rows", "[store][model]") {
  check(Way::SqlitePlainRows);
}
}  // namespace onward
