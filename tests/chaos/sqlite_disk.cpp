#include "tests/chaos/sqlite_disk.h"

#include <stdlib.h>

#include <sqlite3.h>

#include <chrono>
#include <climits>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "engine/store/sqlite/sqlite_store.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

std::filesystem::path new_folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "onward-chaos-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return pattern;
}

/// Folds and checkpoints often, each in the caller's thread, and waits for no clock.
SqliteOptions options_of(const std::filesystem::path& folder, Duration dedupe_for) {
  return {.folder = folder,
          .dedupe_for = dedupe_for,
          .fold_after = 40,
          .fold_slice = Duration{0},
          .checkpoint_pages = 64,
          .round_longest = Duration{0},
          .rest_pages = INT_MAX,
          .erase_pause = Duration{0},
          .purge_pause = Duration{0},
          .look_every = 24h};
}
}  // namespace

SqliteDisk::SqliteDisk(Duration dedupe_for, bool lies)
    : dedupe_for_{dedupe_for}, lies_{lies}, root_{new_folder()} {
  begin();
}

SqliteDisk::~SqliteDisk() {
  faulty_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void SqliteDisk::begin() {
  folder_ = root_ / fmt::format("{}", ++life_);
  std::filesystem::create_directory(folder_);
  for (const auto& [name, content] : left_)
    std::ofstream{folder_ / name, std::ios::binary} << content;
  // The lock file is not SQLite's: it says that the process before did not close the database.
  if (life_ > 1) std::ofstream{folder_ / "onward.lock"} << "1\nopen\n";
  faulty_ = std::make_unique<FaultyDisk>();
  faulty_->remember();
  if (lies_) faulty_->lie_about_sync();
}

Result<std::shared_ptr<Store>> SqliteDisk::open() {
  auto opened = open_sqlite_store(options_of(folder_, dedupe_for_));
  if (!opened) return tl::make_unexpected(opened.error());
  return std::shared_ptr<Store>{std::move(*opened)};
}

void SqliteDisk::cut(Loss loss, std::uint64_t chance) {
  PoweredDisk powered;
  for (const DiskEvent& event : faulty_->events()) powered.apply(event);
  std::mt19937 random{static_cast<std::mt19937::result_type>(chance)};
  left_ = powered.after(loss, random);
  faulty_->fail({.call = DiskCall::Write, .code = SQLITE_IOERR_WRITE, .stays = true});
}

void SqliteDisk::next_life() {
  faulty_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  begin();
}
}  // namespace onward::chaos
