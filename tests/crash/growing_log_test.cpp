// What a server tells of a write-ahead log that somebody keeps from being used again.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/host/runtime.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "nodes/nodes.h"
#include "tests/crash/receiver.h"
#include "tests/support/asked.h"
#include "tests/support/fake_http_client.h"

namespace onward {
namespace {
class GrownStore final : public PassingStore {
 public:
  GrownStore(std::shared_ptr<Store> store, std::shared_ptr<const std::atomic<std::uint64_t>> wal)
      : PassingStore{std::move(store)}, wal_{std::move(wal)} {}
  std::uint64_t log_bytes() const override { return *wal_; }

 private:
  std::shared_ptr<const std::atomic<std::uint64_t>> wal_;
};

struct Lines {
  std::mutex mutex;
  std::condition_variable more;
  std::vector<std::string> all;
  bool has(const std::string& text) {
    const std::lock_guard lock{mutex};
    for (const std::string& line : all)
      if (line.find(text) != std::string::npos) return true;
    return false;
  }
};
}  // namespace

TEST_CASE("a log that grows is warned of once, shown, and told of when it is used again",
          "[crash][wal]") {
  const auto wal = std::make_shared<std::atomic<std::uint64_t>>(5000);
  Lines lines;
  RuntimeOptions options;
  options.log_long = 4000;
  options.log = [&](const LogRecord& record) {
    const std::lock_guard lock{lines.mutex};
    lines.all.push_back(to_line(record, {}));
    lines.more.notify_all();
  };
  auto runtime = Runtime::open(
      std::make_unique<GrownStore>(std::shared_ptr<Store>{make_memory_store()}, wal), node_kinds(),
      std::make_unique<FakeHttpClient>(), {}, system_clock(), std::move(options));
  REQUIRE(runtime);
  CHECK(lines.has("store.log_growing level=warning bytes=5000"));
  CHECK(lines.all.size() == 1);
  CHECK((*runtime)->figures().log_bytes == 5000);

  *wal = 100;
  (*runtime)->start();
  // It looks once a second, when it has worked.
  const crash::Nanos patience = crash::now_nanos() + 20'000'000'000;
  while (!lines.has("store.log_usual") && crash::now_nanos() < patience) {
    REQUIRE(list_scenarios(**runtime));
    std::unique_lock lock{lines.mutex};
    lines.more.wait_for(lock, std::chrono::milliseconds{100});
  }
  CHECK(lines.has("store.log_usual level=warning bytes=100"));
  CHECK((*runtime)->stop(Duration{0}));
}
}  // namespace onward
