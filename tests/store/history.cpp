#include "tests/store/history.h"

#include <exception>

#include "engine/store/memory/memory_store.h"
#include "tests/store/conformance.h"

namespace onward {
History::History(std::size_t commits) {
  World world;
  worlds_.push_back(world);
  for (std::size_t i = 0; i < commits; ++i) {
    commits_.push_back(world.next(static_cast<std::uint32_t>(i + 1)));
    worlds_.push_back(world);
  }
  for (std::size_t held = 0; held <= commits; ++held) {
    references_.push_back(make_memory_store());
    for (std::size_t i = 0; i < held; ++i) must(references_.back()->commit(commits_[i]));
  }
}

std::string History::difference(Store& store, std::size_t commits) const {
  return worlds_.at(commits).difference(*references_.at(commits), store);
}

std::size_t History::held_by(Store& store) { return must(store.snapshot()).last_seq; }

SqliteOptions restless(const std::filesystem::path& folder) {
  return {.folder = folder,
          .fold_after = 1,
          .fold_slice = Duration{0},
          .checkpoint_pages = 8,
          .round_longest = Duration{0},
          .rest_pages = 4};
}

std::string wrong_after(const std::filesystem::path& folder, const History& history,
                        Progress progress) try {
  SqliteOptions options = restless(folder);
  options.durable = false;
  auto opened = open_sqlite_store(options);
  if (!opened) return "cannot be opened: " + opened.error().message;
  Store& store = **opened;
  std::size_t held = History::held_by(store);
  if (held < progress.synced || held > progress.begun)
    return "holds " + std::to_string(held) + " commits; synced were " +
           std::to_string(progress.synced) + ", begun " + std::to_string(progress.begun);
  if (std::string wrong = history.difference(store, held); !wrong.empty())
    return "after " + std::to_string(held) + " commits: " + wrong;
  for (; held < history.size(); ++held) must(store.commit(history.commit(held)));
  must(store.fold());
  return history.difference(store, held);
} catch (const std::exception& fault) {
  return fault.what();
}
}  // namespace onward
