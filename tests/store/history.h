#pragma once
// A short history of a store, and what it looks like after each of its commits: whatever happens to
// a store that follows it, it must look like one of these.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/store/sqlite/sqlite_store.h"
#include "engine/store/store.h"
#include "tests/store/world.h"

namespace onward {
class History {
 public:
  explicit History(std::size_t commits);

  std::size_t size() const { return commits_.size(); }
  const Commit& commit(std::size_t number) const { return commits_.at(number); }
  /// The first thing in which `store` is not as after `commits` of them; "" where it is.
  std::string difference(Store& store, std::size_t commits) const;
  /// How many of them a store holds, by its sequence; it may be wrong about the rest.
  static std::size_t held_by(Store& store);

 private:
  std::vector<Commit> commits_;
  std::vector<World> worlds_;  ///< After none, one, two, …
  std::vector<std::unique_ptr<Store>> references_;
};

/// Folds at every commit, in slices, and checkpoints all the time.
SqliteOptions restless(const std::filesystem::path& folder);

/// What somebody who follows a history could tell at some moment.
struct Progress {
  std::size_t begun = 0;   ///< Commits that may be there.
  std::size_t synced = 0;  ///< Commits that must be.
};

/// Opens `folder` and holds it to a beginning of `history` that has all that was synced; then goes
/// on with it. "" or what is wrong.
std::string wrong_after(const std::filesystem::path& folder, const History& history,
                        Progress progress);
}  // namespace onward
