// Questions and commands are answered when what they show is on the disk; the engine thread waits
// for none of that.
#include <catch2/catch.hpp>

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "engine/host/runtime.h"
#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "nodes/nodes.h"
#include "tests/support/asked.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/relay.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// What a disk was asked for, and whether it answers.
struct Disk {
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false;  ///< Syncs wait.
  std::uint64_t committed = 0, synced = 0, syncs = 0;
  std::set<std::thread::id> committing, syncing;

  void hold(bool on) {
    {
      const std::lock_guard lock{mutex};
      held = on;
    }
    changed.notify_all();
  }
  std::uint64_t sync_count() {
    const std::lock_guard lock{mutex};
    return syncs;
  }
};

class OnDisk final : public PassingStore {
 public:
  explicit OnDisk(std::shared_ptr<Disk> disk)
      : PassingStore{make_memory_store()}, disk_{std::move(disk)} {}
  Status commit(const Commit& commit) override {
    const std::lock_guard lock{disk_->mutex};
    disk_->committing.insert(std::this_thread::get_id());
    ++disk_->committed;
    return store_->commit(commit);
  }
  Status sync() override {
    std::unique_lock lock{disk_->mutex};
    if (disk_->synced == disk_->committed) return {};
    disk_->syncing.insert(std::this_thread::get_id());
    ++disk_->syncs;
    const std::uint64_t wanted = disk_->committed;
    disk_->changed.wait(lock, [&] { return !disk_->held; });
    disk_->synced = wanted;
    return {};
  }
  bool is_synced() const override {
    const std::lock_guard lock{disk_->mutex};
    return disk_->synced == disk_->committed;
  }

 private:
  std::shared_ptr<Disk> disk_;
};

struct House {
  House() {
    runtime = Runtime::open(std::make_unique<OnDisk>(disk), node_kinds(),
                            std::make_unique<FakeHttpClient>(), {}, system_clock(), {})
                  .value();
    runtime->start();
  }
  ~House() {
    disk->hold(false);
    CHECK(runtime->stop(5s));
  }
  auto apply() {
    return ask_later<ApplyAnswer>([&](Reply<ApplyAnswer> reply) {
      runtime->authoring().apply(std::move(reply), {.id = "relay", .text = std::string{kRelay}});
    });
  }
  auto scenarios() {
    using Infos = std::vector<ScenarioInfo>;
    return ask_later<Infos>([&](Reply<Infos> reply) {
      runtime->calls().post(std::move(reply),
                            [](Cell& cell) -> Result<Infos> { return cell.views().list(); });
    });
  }
  auto contacts() {
    return ask_later<ContactPage>([&](Reply<ContactPage> reply) {
      runtime->calls().read(std::move(reply), [](ReadModel& from, const Directory&) {
        return query_contacts(from, /*group=*/{}, 10, /*cursor=*/{});
      });
    });
  }
  auto send(const std::string& id) {
    return ask_later<std::vector<EventAnswer>>([&](Reply<std::vector<EventAnswer>> reply) {
      EventInput event{.who = {.id = ExternalId{id}},
                       .event = {.type = "opened", .at = system_clock().now()}};
      runtime->intake().events(std::move(reply), {std::move(event)});
    });
  }
  void wait_for_commits(std::uint64_t count) {
    while (runtime->figures().commits < count) std::this_thread::yield();
  }

  std::shared_ptr<Disk> disk = std::make_shared<Disk>();
  std::unique_ptr<Runtime> runtime;
};

template <class T>
bool ready(const std::future<T>& answer) {
  return answer.wait_for(0s) == std::future_status::ready;
}
}  // namespace

TEST_CASE("commands and questions are told what is on the disk, and the engine goes on meanwhile",
          "[host][published]") {
  House house;
  REQUIRE(house.apply().get());
  const std::uint64_t before = house.runtime->figures().commits;
  house.disk->hold(true);
  // A command that leaves no work behind, so that each commit is of what is sent here.
  auto held = ask_later<bool>([&](Reply<bool> reply) {
    house.runtime->calls().post(std::move(reply), [](Cell& cell) {
      return cell.access().declare_field({.name = "plan", .type = FieldType::Text});
    });
  });
  house.wait_for_commits(before + 1);
  auto sent = house.send("ada");
  house.wait_for_commits(before + 2);  // The engine waits for no disk.
  auto listed = house.scenarios();
  auto people = house.contacts();
  auto again = house.send("bob");
  house.wait_for_commits(before + 3);
  CHECK_FALSE(ready(held));
  CHECK_FALSE(ready(sent));
  CHECK_FALSE(ready(listed));
  CHECK_FALSE(ready(people));
  house.disk->hold(false);
  CHECK(held.get().value());
  CHECK(sent.get().value().at(0).kind == EventAnswer::Kind::Accepted);
  CHECK(listed.get().value().size() == 1);
  CHECK(!people.get().value().contacts.empty());
  CHECK(again.get().value().at(0).kind == EventAnswer::Kind::Accepted);

  const std::lock_guard lock{house.disk->mutex};
  for (const std::thread::id thread : house.disk->committing)
    CHECK_FALSE(house.disk->syncing.contains(thread));
}

TEST_CASE("a question about what is on the disk costs no sync, and waits for none",
          "[host][published]") {
  House house;
  REQUIRE(house.apply().get());
  CHECK(house.send("ada").get().value().at(0).kind == EventAnswer::Kind::Accepted);
  // The scenario is not active, so nothing goes on in the background.
  const std::uint64_t syncs = house.disk->sync_count();
  house.disk->hold(true);
  for (int times = 0; times < 20; ++times) {
    REQUIRE(house.scenarios().get());
    CHECK(house.contacts().get().value().contacts.size() == 1);
  }
  CHECK(house.disk->sync_count() == syncs);
}
}  // namespace onward
