#include "tools/bench/aged_folder.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "engine/store/sqlite/sqlite_store.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr std::uint64_t kIdsPerCommit = 1'000;

void must(const Status& done) {
  if (!done) give_up("the aged folder cannot be made: " + done.error().message);
}

/// Ids are hashes, so random ones stand for any.
Hash128 random_hash(std::mt19937_64& random) { return {.high = random(), .low = random()}; }

/// Events of one day, evenly over it; none later than `now`.
void add_day(Store& store, Instant midnight, Instant now, std::uint64_t ids,
             std::mt19937_64& random) {
  const Duration day = std::chrono::hours{24};
  for (std::uint64_t next = 0; next < ids;) {
    Commit commit;
    for (const std::uint64_t end = std::min(ids, next + kIdsPerCommit); next < end; ++next) {
      commit.at = std::min(
          now, midnight + day * static_cast<std::int64_t>(next) / static_cast<std::int64_t>(ids));
      commit.seen.push_back(
          {.key = random_hash(random), .fingerprint = random_hash(random), .at = commit.at});
    }
    must(store.commit(commit));
  }
}
}  // namespace

double make_aged_folder(const std::string& folder, std::uint64_t ids_per_day, int days) {
  const std::int64_t started_ns = now_ns();
  // A fixed seed: each run has the same ids. Not synced while it is made, but whole at the end.
  std::mt19937_64 random{1};
  auto store = open_sqlite_store({.folder = folder, .durable = false});
  if (!store) must(tl::make_unexpected(store.error()));
  const Instant now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  for (int day = days - 1; day >= 0; --day)
    add_day(**store, std::chrono::floor<std::chrono::days>(now) - std::chrono::days{day}, now,
            ids_per_day, random);
  must((*store)->fold());
  return static_cast<double>(now_ns() - started_ns) / 1e9;
}
}  // namespace onward::bench
