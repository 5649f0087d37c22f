#include "engine/store/sqlite/restored.h"

#include <utility>
#include <vector>

#include "engine/store/codec.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/sqlite_store.h"

namespace onward {
Result<Epochs> begin_new_epoch(const std::filesystem::path& folder, const Commit& marks) {
  Snapshot snapshot;
  {
    auto store = open_sqlite_store({.folder = folder, .backup = true});
    if (!store) return tl::make_unexpected(store.error());
    if (Status done = (*store)->commit(marks); !done) return tl::make_unexpected(done.error());
    if (Status done = (*store)->fold(); !done) return tl::make_unexpected(done.error());
    auto read = (*store)->snapshot();
    if (!read) return tl::make_unexpected(read.error());
    snapshot = std::move(*read);
  }
  auto lock = LockFile::take(folder / "onward.lock");
  if (!lock) return tl::make_unexpected(lock.error());
  return guarded([&]() -> Result<Epochs> {
    std::vector<Epochs::Past> past = snapshot.epochs.past();
    past.push_back(
        {.last = {numbered(snapshot.last_seq, kOrdinals - 1)}, .epoch = snapshot.epochs.newest()});
    std::string bytes;
    Encoder out{bytes};
    encode(out, past);
    Epochs epochs{random_epoch(), std::move(past)};
    const auto database = open_writer(folder / "onward.db", /*durable=*/true, /*bytes_max=*/0);
    database->exec("PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
    Query put{*database, "REPLACE INTO meta (name, value) VALUES (?, ?)"};
    put.run(std::string{"epoch"}, epochs.newest());
    put.run(std::string{"past_epochs"}, std::string_view{bytes});
    database->exec("COMMIT");
    return epochs;
  });
}
}  // namespace onward
