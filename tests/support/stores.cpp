#include "tests/support/stores.h"

#include <stdlib.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "engine/store/sqlite/sqlite_store.h"

namespace onward {
namespace {
std::unique_ptr<Store> open_in(const std::filesystem::path& folder) {
  auto store = open_sqlite_store({.folder = folder});
  if (!store) throw std::runtime_error(store.error().message);
  return std::move(*store);
}

std::filesystem::path new_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "onward-stage-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return name;
}
}  // namespace

LastingStage::LastingStage(std::string_view scenario, bool sqlite, RuntimeOptions options)
    : folder_{sqlite ? new_folder() : std::filesystem::path{}},
      stage_{std::make_unique<Stage>(scenario, sqlite ? open_in(folder_) : nullptr,
                                     std::move(options))} {}

LastingStage::~LastingStage() {
  stage_.reset();
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

void LastingStage::restart() {
  if (folder_.empty())
    stage_->restart();
  else
    stage_->restart([this] { return open_in(folder_); });
}
}  // namespace onward
