#pragma once
// Lists for people, from the folded tables, over a connection of its own.
#include <filesystem>
#include <memory>

#include "engine/core/base/result.h"
#include "engine/store/store.h"

namespace onward {
Result<std::unique_ptr<StoreReader>> open_sqlite_reader(const std::filesystem::path& file);
}  // namespace onward
