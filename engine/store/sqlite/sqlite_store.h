#pragma once
// The embedded durable store: SQLite with a journal and a fold (docs/store.md).
#include <memory>

#include "engine/core/base/result.h"
#include "engine/store/sqlite/sqlite_options.h"
#include "engine/store/store.h"

namespace onward {
/// Opens or creates. Replays what the journal holds. Refused with the path and the reason: no
/// permission, another process owns the folder (its pid is named), a newer schema, a damaged file;
/// a folder with `kBackupMark`.
Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options);

/// The file that makes a folder a backup. Served as it is, one would send what the original sends
/// as well, and name other requests like the original's.
inline constexpr const char* kBackupMark = "manifest.json";
}  // namespace onward
