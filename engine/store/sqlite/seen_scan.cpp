#include "engine/store/sqlite/seen_scan.h"

#include <SQLiteCpp/Database.h>
#include <pthread.h>

#include <algorithm>
#include <string>

#include "engine/guard/thread_priority.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/seen_tables.h"

namespace onward {
namespace {
/// Ids of one transaction: a longer one would keep the log from being emptied.
constexpr std::size_t kIdsAtOnce = 5'000;
/// Of a filter that is made for as many ids as come.
constexpr std::size_t kBytesAnId = 2;

std::size_t count_of(SQLite::Database& database, Date day) {
  auto query = Query{database, "SELECT count(*) FROM " + seen_table(day)};
  auto rows = query();
  return rows.next() ? rows.number(0) : 0;
}
}  // namespace

SeenScan::SeenScan(std::filesystem::path file, std::vector<Date> days, std::size_t bytes_max,
                   LogSink log)
    : file_{std::move(file)},
      days_{std::move(days)},
      bytes_max_{bytes_max},
      log_{std::move(log)},
      thread_{[this] {
        ::pthread_setname_np(::pthread_self(), "onward-ids");
        give_way_to_events();
        run();
        ended_.store(true, std::memory_order_release);
      }} {}

SeenScan::~SeenScan() {
  stopping_ = true;
  thread_.join();
}

std::vector<std::pair<Date, IdFilter>> SeenScan::take() {
  if (!found_.exchange(false, std::memory_order_acquire)) return {};
  const std::lock_guard lock{mutex_};
  return std::exchange(filters_, {});
}

void SeenScan::run() {
  for (auto day = days_.rbegin(); day != days_.rend() && !stopping_; ++day) {
    const Status done = guarded([&]() -> Status {
      SQLite::Database database{file_.string(), SQLite::OPEN_READONLY};
      // Another connection may be about to write; nothing here waits for it for long.
      database.setBusyTimeout(1'000);
      const std::size_t expected = count_of(database, *day);
      if (expected > bytes_max_ / kBytesAnId) return {};  // One that gets no room is not read.
      IdFilter ids{expected};
      Query next{database,
                 "SELECT key FROM " + seen_table(*day) + " WHERE key > ? ORDER BY key LIMIT ?"};
      std::string after;
      for (std::size_t found = kIdsAtOnce; found == kIdsAtOnce && !stopping_;) {
        found = 0;
        for (auto rows = next(std::string_view{after}, kIdsAtOnce); rows.next(); ++found) {
          after = rows.bytes(0);
          if (after.size() == sizeof(Hash128)) ids.add(hash_of(after));
        }
        if (ids.bytes() > bytes_max_) return {};  // It has grown meanwhile.
      }
      if (stopping_) return {};
      const std::lock_guard lock{mutex_};
      filters_.emplace_back(*day, std::move(ids));
      found_.store(true, std::memory_order_release);
      return {};
    });
    // Dropped meanwhile, or damaged: its table is asked.
    if (!done && log_)
      log_({"store.ids_unread",
            {{"table", seen_table(*day)}, {"message", done.error().message}},
            LogLevel::Warning});
  }
}
}  // namespace onward
