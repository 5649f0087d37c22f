#pragma once
// Lists for people, from the folded tables, over a connection of its own.
#include <filesystem>
#include <memory>

#include "engine/core/base/result.h"
#include "engine/store/read_model.h"

namespace onward {
Result<std::unique_ptr<ReadModel>> open_sqlite_reader(const std::filesystem::path& file);
}  // namespace onward
