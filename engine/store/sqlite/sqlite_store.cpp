#include "engine/store/sqlite/sqlite_store.h"

#include <system_error>
#include <utility>

#include "engine/store/sqlite/data_files.h"
#include "engine/store/sqlite/data_folder.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/sqlite_reader.h"
#include "engine/store/sqlite/sqlite_writer.h"

namespace onward {
namespace {
/// Of the database and its write-ahead log.
std::uint64_t bytes_of(const std::filesystem::path& folder) {
  std::uint64_t size = 0;
  for (const char* name : {"onward.db", "onward.db-wal"}) {
    std::error_code missing;
    const auto bytes = std::filesystem::file_size(folder / name, missing);
    if (!missing) size += bytes;
  }
  return size;
}

/// Reads are answered from the newest state under one snapshot, what writes is the writer's.
class SqliteStore final : public Store {
 public:
  SqliteStore(SqliteOptions options, LockFile lock, std::unique_ptr<SQLite::Database> database)
      : writer_{std::move(options), std::move(lock), std::move(database)} {}

  Result<Snapshot> snapshot() override {
    return reading([&] { return writer_.snapshot(); });
  }

  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    return reading([&] {
      std::vector<IdentityMatch> matches;
      matches.reserve(queries.size());
      for (const IdentityQuery& query : queries)
        matches.push_back(writer_.newest().identify(query));
      return matches;
    });
  }

  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    const Date from = date_of(now - writer_.options().dedupe_for);
    return reading([&] {
      std::vector<std::optional<Hash128>> answer;
      answer.reserve(keys.size());
      writer_.seen().take_filters();
      for (const Hash128& key : keys) answer.push_back(writer_.seen().find(key, from));
      return answer;
    });
  }

  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    return reading([&] {
      std::vector<std::optional<ContactState>> states;
      states.reserve(queries.size());
      for (const LoadQuery& query : queries) states.push_back(writer_.newest().load(query));
      return states;
    });
  }

  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    return reading([&] {
      std::vector<std::optional<LoadedDelivery>> answer;
      answer.reserve(keys.size());
      for (const DeliveryKey key : keys) answer.push_back(writer_.newest().delivery(key));
      return answer;
    });
  }

  Result<std::vector<DeliveryKey>> pending_of(ContactKey contact) override {
    return reading([&] { return writer_.newest().pending_of(contact); });
  }

  Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                 DeliveryState state, DeliveryKey after,
                                                 std::size_t limit) override {
    return reading(
        [&] { return writer_.newest().deliveries_of(scenario, node, state, after, limit); });
  }

  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    return reading([&] { return writer_.newest().live_runs_after(after, contacts); });
  }

  Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) override {
    return reading([&] { return writer_.newest().ended_runs(scenario, after, limit); });
  }

  Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) override {
    return reading([&] { return writer_.newest().stored_bodies(after, limit); });
  }

  Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) override {
    return reading([&] { return writer_.newest().timers(until, limit); });
  }

  std::optional<Instant> next_timer() override {
    const auto next =
        guarded([&]() -> Result<std::optional<Instant>> { return writer_.newest().next_timer(); });
    // A fault shows where it can be answered: in `timers_due`, which is asked at once.
    return next.value_or(Instant::min());
  }

  Result<std::vector<DueEndpoint>> due_endpoints() override {
    return reading([&] { return writer_.newest().due_endpoints(); });
  }

  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, const DueDelivery& after,
                                       Instant until, std::size_t limit) override {
    return reading([&] { return writer_.newest().due(endpoint, after, until, limit); });
  }

  Result<std::optional<Instant>> next_due(const EndpointKey& endpoint, Instant after) override {
    return reading([&]() -> std::optional<Instant> {
      if (after == Instant::max()) return std::nullopt;
      const DueDelivery last{.due = after + Duration{1}, .delivery = {}};
      const auto next = writer_.newest().due(endpoint, last, Instant::max(), 1);
      if (next.empty()) return std::nullopt;
      return next.front().due;
    });
  }

  Status commit(const Commit& commit) override { return writer_.commit(commit); }
  Status sync() override { return writer_.log().sync(); }
  bool is_synced() const override { return writer_.log().is_synced(); }
  Result<bool> forget_seen(Instant before) override { return writer_.forget_seen(before); }
  std::uint64_t seen_look_ups() const override { return writer_.seen_look_ups(); }

  bool fold_pending() const override { return writer_.fold_pending(); }
  Status fold() override { return writer_.fold(); }
  Result<bool> fold_slice() override { return writer_.fold_slice(); }
  Status probe() override { return writer_.probe(); }
  std::uint64_t size_on_disk() const override { return bytes_of(writer_.options().folder); }
  std::uint64_t log_bytes() const override { return writer_.log_bytes(); }

  Result<ControlSnapshot> control() override {
    return reading([&] { return writer_.control(); });
  }
  Result<std::unique_ptr<ReadModel>> open_reader() override {
    return open_sqlite_reader(writer_.options().folder / "onward.db");
  }

 private:
  template <class Read>
  auto reading(Read read) -> Result<decltype(read())> {
    return guarded([&]() -> Result<decltype(read())> {
      const ReadScope scope = writer_.reading();
      return read();
    });
  }

  SqliteWriter writer_;
};
}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options) {
  std::error_code error;
  SqliteOptions absolute = options;
  absolute.folder = std::filesystem::absolute(options.folder, error);
  if (!options.backup && std::filesystem::exists(absolute.folder / kBackupMark, error))
    return fail(ErrorKind::Invalid, "is_backup",
                absolute.folder.string() +
                    " is a backup (it holds a manifest.json), or what a backup or a restore left "
                    "that was cut off: make a data folder of a whole one with `onward restore "
                    "BACKUP --data FOLDER`");
  if (const Status ready = prepare_folder(absolute.folder, options.durable); !ready)
    return tl::make_unexpected(ready.error());
  auto lock = LockFile::take(absolute.folder / "onward.lock");
  if (!lock) return tl::make_unexpected(lock.error());
  if (const Status sound = check_data_files(absolute.folder, lock->left()); !sound)
    return tl::make_unexpected(sound.error());
  warn_of_network(absolute);

  const std::filesystem::path file = absolute.folder / "onward.db";
  auto store = guarded([&]() -> Result<std::unique_ptr<Store>> {
    auto database =
        open_writer(file, options.durable, options.bytes_max, lock->left() != Left::Nothing);
    return std::make_unique<SqliteStore>(std::move(absolute), std::move(*lock),
                                         std::move(database));
  });
  if (!store && store.error().code == "disk_read_only")
    if (auto rights = missing_rights(file)) store = tl::make_unexpected(std::move(*rights));
  if (!store && store.error().message.find(file.string()) == std::string::npos)
    store.error().message = file.string() + ": " + store.error().message;
  return store;
}
}  // namespace onward
