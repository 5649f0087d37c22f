// What an event costs, by counting: look-ups, allocations and fsyncs on the engine thread. A bound
// is close to what was counted when it was written, so that a change that costs more shows. It may
// be raised on purpose, with the reason in the commit.
#include <pthread.h>
#include <sqlite3.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <catch2/catch.hpp>

#include "engine/host/runtime.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "nodes/nodes.h"
#include "tests/support/asked.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/peak_bytes.h"
#include "tests/support/relay.h"
#include "tests/support/stores.h"

namespace {
/// Syncs of this process, by the name of the thread that waited for them.
struct Syncs {
  std::mutex mutex;
  std::map<std::string, std::uint64_t> by_thread;

  void add() {
    std::array<char, 16> name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    const std::lock_guard lock{mutex};
    ++by_thread[name.data()];
  }
  std::uint64_t all() {
    const std::lock_guard lock{mutex};
    std::uint64_t sum = 0;
    for (const auto& [thread, count] : by_thread) sum += count;
    return sum;
  }
  std::uint64_t of(const std::string& thread) {
    const std::lock_guard lock{mutex};
    const auto found = by_thread.find(thread);
    return found == by_thread.end() ? 0 : found->second;
  }
};
Syncs& syncs() {
  static Syncs all;
  return all;
}
}  // namespace

// SQLite calls them by their names, so these stand in for them in this program.
extern "C" int fdatasync(int descriptor) {
  syncs().add();
  return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
}
extern "C" int fsync(int descriptor) {
  syncs().add();
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace onward {
namespace {
using namespace std::chrono_literals;

#ifdef ONWARD_SANITIZED
constexpr bool kCountsAllocations = false;  // A sanitizer counts those of libraries as well.
#else
constexpr bool kCountsAllocations = true;
#endif

/// SELECT statements that the connections opened while it lives run on this thread.
class LookUps {
 public:
  LookUps() { ::sqlite3_auto_extension(reinterpret_cast<void (*)()>(&attach)); }
  ~LookUps() { ::sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&attach)); }
  LookUps(const LookUps&) = delete;
  LookUps& operator=(const LookUps&) = delete;
  static std::uint64_t so_far() { return count_; }

 private:
  static int attach(sqlite3* database, char**, const void*) {
    return ::sqlite3_trace_v2(database, SQLITE_TRACE_STMT, &on_statement, nullptr);
  }
  static int on_statement(unsigned, void*, void* statement, void*) {
    const char* text = ::sqlite3_sql(static_cast<sqlite3_stmt*>(statement));
    if (text != nullptr && std::string_view{text}.starts_with("SELECT")) ++count_;
    return 0;
  }
  static inline thread_local std::uint64_t count_ = 0;
};

constexpr int kDays = 8;
constexpr std::uint64_t kIdsADay = 5'000;
constexpr std::uint64_t kEvents = 1'000, kPost = 100;

/// A store in a folder that goes with it, which remembers ids of so many days before `today`.
class AgedFolder {
 public:
  AgedFolder(Instant today, int days, std::size_t dedupe_memory) : dedupe_memory_{dedupe_memory} {
    std::string name = (std::filesystem::temp_directory_path() / "onward-cost-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
    const auto store = open();
    for (int day = days - 1; day >= 0; --day) {
      Commit commit{.at = today - day * 24h};
      for (std::uint64_t i = 0; i < kIdsADay; ++i)
        commit.seen.push_back({.key = hash128(std::to_string(day) + "/" + std::to_string(i)),
                               .fingerprint = {},
                               .at = commit.at});
      REQUIRE(store->commit(commit));
      REQUIRE(store->fold());
    }
  }
  ~AgedFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  AgedFolder(const AgedFolder&) = delete;
  AgedFolder& operator=(const AgedFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::unique_ptr<Store> open() const {
    return open_sqlite_store({.folder = path_, .dedupe_memory = dedupe_memory_, .durable = false})
        .value();
  }

 private:
  std::filesystem::path path_;
  const std::size_t dedupe_memory_;
};

/// Waits until the tables are asked no more for new ids.
void await_filter(Store& store, Instant now) {
  for (std::uint64_t next = 0, asked = 1; asked > 0;) {
    const std::uint64_t before = store.seen_look_ups();
    for (int i = 0; i < 10; ++i) {
      const Hash128 key = hash128("new " + std::to_string(next++));
      REQUIRE_FALSE(store.seen({&key, 1}, now).value().front());
    }
    asked = store.seen_look_ups() - before;
    std::this_thread::yield();
  }
}

/// Of one event, on average.
struct Cost {
  double look_ups = 0;
  double asked_for_id = 0;  ///< Of the look-ups: tables that were asked for the event's id.
  double allocations = 0;   ///< On the engine thread.
};

/// Events of known contacts, one each, whose rows are all in the tables.
Cost cost_of_event(int days, bool filter = true) {
  const LookUps counted;
  const Instant today = Stage{}.clock().now();
  const AgedFolder folder{today, days, filter ? std::size_t{8} << 20 : 0};
  std::unique_ptr<Store> opened = folder.open();
  Store& store = *opened;
  if (filter) await_filter(store, today);
  Stage stage{kRelay, std::move(opened)};
  const auto posts = [&stage](const std::string& name) {
    std::vector<std::vector<EventInput>> made(kEvents / kPost);
    for (std::uint64_t i = 0; i < kEvents; ++i) {
      const std::string number = std::to_string(i);
      EventInput input = stage.input("c" + number, "opened", R"({"page": "home"})");
      input.id = name + number;
      made[i / kPost].push_back(std::move(input));
    }
    return made;
  };
  for (auto& post : posts("first")) stage.send(std::move(post));
  while (stage.reply(200) > 0) {
  }
  REQUIRE(store.fold());

  auto measured = posts("second");
  const std::uint64_t look_ups = LookUps::so_far(), asked = store.seen_look_ups(),
                      allocations = PeakBytes::allocations;
  for (auto& post : measured) stage.send(std::move(post));
  const auto each = [](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / kEvents;
  };
  const Cost cost{.look_ups = each(look_ups, LookUps::so_far()),
                  .asked_for_id = each(asked, store.seen_look_ups()),
                  .allocations = each(allocations, PeakBytes::allocations)};
  CHECK(stage.counts("tell")[Counter::Visits] == 2 * kEvents);
  CAPTURE(days, cost.look_ups, cost.asked_for_id, cost.allocations);
  return cost;
}
}  // namespace

TEST_CASE("an event costs as much on a folder that remembers a week as on a fresh one",
          "[host][cost]") {
  const Cost fresh = cost_of_event(0), aged = cost_of_event(kDays);
  // An id, a contact, its live runs and its ledger row: 4.0. The filter says of one id in some
  // hundreds that a table may hold it.
  CHECK(fresh.look_ups <= 4.1);
  CHECK(aged.look_ups <= 4.2);
  CHECK(fresh.asked_for_id == 0);
  CHECK(aged.asked_for_id <= 0.1);
  if (!kCountsAllocations) return;
  CHECK(fresh.allocations <= 43);  // 42.2
  CHECK(aged.allocations <= 43);
}

TEST_CASE("until the filter of ids is made an event asks each day's table once", "[host][cost]") {
  const Cost aged = cost_of_event(kDays, /*filter=*/false);
  CHECK(aged.asked_for_id == kDays);
  CHECK(aged.look_ups <= kDays + 4.1);
}

TEST_CASE("events, reads and commands cost the engine thread no fsync", "[host][cost]") {
  const AgedFolder folder{std::chrono::floor<Duration>(std::chrono::system_clock::now()), kDays, 0};
  auto store = open_sqlite_store({.folder = folder.path(), .dedupe_memory = std::size_t{8} << 20});
  REQUIRE(store);
  auto runtime = Runtime::open(*std::move(store), node_kinds(), std::make_unique<FakeHttpClient>(),
                               {}, system_clock(), {})
                     .value();
  runtime->start();
  REQUIRE(apply(*runtime, {.id = "relay", .text = std::string{kRelay}}));
  const std::uint64_t engine = syncs().of("onward-engine"), release = syncs().of("onward-release");
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    const std::string id = std::to_string(round);
    EventInput event{.source = "test",
                     .id = id,
                     .who = {.id = ExternalId{"c" + id}},
                     .event = {.type = "opened", .at = system_clock().now()},
                     .fingerprint = hash128(id)};
    REQUIRE(post(*runtime, {event}).value().at(0).kind == EventAnswer::Kind::Accepted);
    REQUIRE(list_scenarios(*runtime));
    // One that leaves no work to the background, whose commits would have syncs of their own.
    REQUIRE(asked_of_cell<bool>(*runtime, [](Cell& cell) {
      return cell.access().declare_field({.name = "colour", .type = FieldType::Text});
    }));
  }
  // The log is too short for a checkpoint. Each event and each command has one sync, a read has
  // none, and a flush in a quiet moment may have one of its own.
  CHECK(syncs().of("onward-engine") == engine);
  CHECK(syncs().of("onward-release") - release <= 2 * kRounds + kRounds / 10);
  CHECK(runtime->stop(20s));
}

TEST_CASE("what is durable is not synced again", "[host][cost]") {
  const AgedFolder folder{Instant{std::chrono::hours{24}}, /*days=*/1, 0};
  const auto store = open_sqlite_store({.folder = folder.path()}).value();
  REQUIRE(store->commit({.at = Instant{std::chrono::hours{25}}, .last_seq = 1}));
  REQUIRE(store->sync());
  const std::uint64_t before = syncs().all();
  for (int i = 0; i < 3; ++i) REQUIRE(store->sync());
  CHECK(store->is_synced());
  CHECK(syncs().all() == before);
}
}  // namespace onward
