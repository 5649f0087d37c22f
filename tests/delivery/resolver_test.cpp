// Look-ups on threads of their own: shared, remembered for a while, bounded, never waited for.
#include "engine/delivery/resolver.h"

#include <fmt/core.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace onward {
namespace {
using namespace std::chrono_literals;
using Clock = Resolver::Clock;

LookUp found(const std::vector<std::string>& addresses) {
  LookUp result;
  for (const std::string& text : addresses) result.addresses.push_back(*IpAddress::parse(text));
  return result;
}

std::string text_of(const Resolver::Found& found) {
  if (!found) return "unknown";
  std::string text = found->error;
  for (const IpAddress& address : found->addresses)
    text += (text.empty() ? "" : " ") + address.text();
  return text;
}

/// Name servers whose answers, and when they come, a test decides.
class NameServers {
 public:
  /// Names without an answer hang until `release`.
  void set(const std::string& name, LookUp answer) {
    const std::lock_guard lock{mutex_};
    answers_[name] = std::move(answer);
    changed_.notify_all();
  }
  void release() {
    const std::lock_guard lock{mutex_};
    released_ = true;
    changed_.notify_all();
  }
  LookUp look_up(const std::string& name) {
    std::unique_lock lock{mutex_};
    ++asked_[name];
    most_ = std::max(most_, ++running_);
    changed_.notify_all();
    changed_.wait(lock, [&] { return released_ || answers_.contains(name); });
    --running_;
    return answers_.contains(name) ? answers_[name] : LookUp{.error = "was let go"};
  }
  /// False after ten seconds.
  bool wait_until_running(std::size_t count) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 60s, [&] { return running_ >= count; });
  }
  int asked(const std::string& name) {
    const std::lock_guard lock{mutex_};
    return asked_[name];
  }
  std::size_t most() {
    const std::lock_guard lock{mutex_};
    return most_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, LookUp> answers_;
  std::map<std::string, int> asked_;
  std::size_t running_ = 0, most_ = 0;
  bool released_ = false;
};

/// A resolver whose clock a test turns. What its threads use outlives it.
class Stand {
 public:
  explicit Stand(std::size_t names_max = 4096)
      : resolver{
            {.look_up = [servers = servers](const auto& name) { return servers->look_up(name); },
             .clock = [now = now_] { return Clock::time_point{Duration{now->load()}}; },
             .names_max = names_max}} {}
  ~Stand() { servers->release(); }

  void pass(Duration time) { *now_ += time.count(); }
  /// What the look-ups come to that end next, by name; empty after ten seconds.
  std::map<std::string, std::string> take() {
    std::map<std::string, std::string> all;
    for (const auto until = Clock::now() + 60s; all.empty() && Clock::now() < until;) {
      for (const auto& [name, what] : resolver.take()) all[name] = text_of(what);
      std::this_thread::yield();
    }
    return all;
  }
  std::string find(const std::string& name) { return text_of(resolver.find(name)); }

 private:
  std::shared_ptr<std::atomic<Duration::rep>> now_ =
      std::make_shared<std::atomic<Duration::rep>>(1'000'000);

 public:
  std::shared_ptr<NameServers> servers = std::make_shared<NameServers>();
  Resolver resolver;
};

using Answers = std::map<std::string, std::string>;
}  // namespace

TEST_CASE("however many ask for a name, it is looked up once", "[delivery][resolver]") {
  Stand stand;
  for (int n = 0; n < 100; ++n) CHECK(stand.find("crm.test") == "unknown");
  stand.servers->set("crm.test", found({"192.0.2.1", "2001:db8::1"}));
  CHECK(stand.take() == Answers{{"crm.test", "192.0.2.1 2001:db8::1"}});
  CHECK(stand.find("crm.test") == "192.0.2.1 2001:db8::1");
  CHECK(stand.servers->asked("crm.test") == 1);
  CHECK(stand.resolver.figures().found == 1);
}

TEST_CASE("an answer is used for a minute, and renewed before that where it is wanted",
          "[delivery][resolver]") {
  Stand stand;
  stand.servers->set("crm.test", found({"192.0.2.1"}));
  stand.find("crm.test");
  stand.take();

  stand.pass(44s);
  CHECK(stand.find("crm.test") == "192.0.2.1");
  CHECK(stand.servers->asked("crm.test") == 1);
  stand.servers->set("crm.test", found({"192.0.2.2"}));
  stand.pass(2s);
  CHECK(stand.find("crm.test") == "192.0.2.1");
  CHECK(stand.take() == Answers{{"crm.test", "192.0.2.2"}});
  CHECK(stand.find("crm.test") == "192.0.2.2");

  stand.pass(60s);
  CHECK(stand.find("crm.test") == "unknown");
  stand.take();
  CHECK(stand.servers->asked("crm.test") == 3);
}

TEST_CASE("a failure is remembered for five seconds", "[delivery][resolver]") {
  Stand stand;
  stand.servers->set("gone.test", {.error = "has no address"});
  stand.find("gone.test");
  CHECK(stand.take() == Answers{{"gone.test", "has no address"}});
  stand.pass(4s);
  CHECK(stand.find("gone.test") == "has no address");
  CHECK(stand.servers->asked("gone.test") == 1);
  stand.servers->set("gone.test", found({"192.0.2.1"}));
  stand.pass(2s);
  stand.find("gone.test");
  CHECK(stand.take() == Answers{{"gone.test", "192.0.2.1"}});
}

TEST_CASE("what is known outlives a name server that fails meanwhile, for its minute",
          "[delivery][resolver]") {
  Stand stand;
  stand.servers->set("crm.test", found({"192.0.2.1"}));
  stand.find("crm.test");
  stand.take();
  stand.servers->set("crm.test", {.error = "was not looked up"});
  stand.pass(50s);
  CHECK(stand.find("crm.test") == "192.0.2.1");
  CHECK(stand.take() == Answers{{"crm.test", "192.0.2.1"}});
  stand.pass(1s);
  CHECK(stand.find("crm.test") == "192.0.2.1");
  CHECK(stand.servers->asked("crm.test") == 2);
  stand.pass(10s);
  stand.find("crm.test");
  CHECK(stand.take() == Answers{{"crm.test", "was not looked up"}});
}

TEST_CASE("our own lack of descriptors is not remembered", "[delivery][resolver]") {
  Stand stand;
  stand.servers->set("crm.test", {.error = "too many open files", .local = true});
  stand.find("crm.test");
  CHECK(stand.take() == Answers{{"crm.test", "too many open files"}});
  stand.servers->set("crm.test", found({"192.0.2.1"}));
  CHECK(stand.find("crm.test") == "unknown");
  CHECK(stand.take() == Answers{{"crm.test", "192.0.2.1"}});
}

TEST_CASE(
    "fault 30: look-ups that hang hold sixteen threads and nobody for longer than five "
    "seconds",
    "[delivery][resolver][faults]") {
  Stand stand;
  for (int n = 0; n < 40; ++n) stand.find(fmt::format("hangs{}.test", n));
  REQUIRE(stand.servers->wait_until_running(16));
  CHECK(stand.resolver.figures().under_way == 40);
  stand.pass(6s);
  for (int n = 0; n < 40; ++n)
    CHECK(stand.find(fmt::format("hangs{}.test", n)) == "was not resolved in time");

  // One thread comes free: those that nobody waits for any more are passed over.
  stand.find("crm.test");
  stand.servers->set("crm.test", found({"192.0.2.1"}));
  stand.servers->set("hangs0.test", found({"192.0.2.2"}));
  Answers all;
  while (!all.contains("crm.test")) {
    const Answers some = stand.take();
    REQUIRE_FALSE(some.empty());
    all.insert(some.begin(), some.end());
  }
  CHECK(all["crm.test"] == "192.0.2.1");
  CHECK(stand.servers->most() == 16);
  CHECK(stand.servers->asked("hangs39.test") == 0);
  CHECK(stand.resolver.figures().late == 40);
}

TEST_CASE("a resolver ends without waiting for a look-up that hangs", "[delivery][resolver]") {
  std::shared_ptr<NameServers> servers;
  {
    Stand stand;
    servers = stand.servers;
    stand.find("hangs.test");
    REQUIRE(servers->wait_until_running(1));
  }
  CHECK(servers->asked("hangs.test") == 1);
}

TEST_CASE("however many names there are, few are remembered", "[delivery][resolver]") {
  Stand stand{/*names_max=*/100};
  stand.servers->release();
  for (int n = 0; n < 1000; ++n) {
    const std::string name = fmt::format("n{}.test", n);
    stand.find(name);
    CHECK(stand.take() == Answers{{name, "was let go"}});
    CHECK(stand.resolver.names() <= 100);
  }
}

TEST_CASE("addresses keep their order from one answer to the next, those that failed last",
          "[delivery][resolver]") {
  Stand stand;
  stand.servers->set("crm.test", found({"192.0.2.1", "192.0.2.2", "192.0.2.3"}));
  stand.find("crm.test");
  stand.take();
  stand.resolver.demote("crm.test", *IpAddress::parse("192.0.2.1"));
  CHECK(stand.find("crm.test") == "192.0.2.2 192.0.2.3 192.0.2.1");
  // Said twice, it is no other's turn.
  stand.resolver.demote("crm.test", *IpAddress::parse("192.0.2.1"));
  CHECK(stand.find("crm.test") == "192.0.2.2 192.0.2.3 192.0.2.1");

  stand.servers->set("crm.test", found({"192.0.2.4", "192.0.2.1", "192.0.2.3", "192.0.2.2"}));
  stand.pass(61s);
  stand.find("crm.test");
  CHECK(stand.take() == Answers{{"crm.test", "192.0.2.2 192.0.2.3 192.0.2.1 192.0.2.4"}});
}

TEST_CASE("the system's look-up knows this machine, and what is no name", "[delivery][resolver]") {
  const LookUp here = look_up_by_system("localhost");
  REQUIRE_FALSE(here.addresses.empty());
  const std::string text = here.addresses.front().text();
  CHECK((text == "127.0.0.1" || text == "::1"));
  CHECK(look_up_by_system("crm.localhost").addresses == here.addresses);
  const LookUp none = look_up_by_system("no-such-host.invalid");
  CHECK(none.addresses.empty());
  CHECK(none.error != "");
}

TEST_CASE("an address is written as it is read", "[delivery][resolver]") {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::", "::ffff:127.0.0.1"})
    CHECK(IpAddress::parse(text)->text() == text);
  for (const char* text : {"", "127.1", "0x7f.1", "[::1]", "fe80::1%eth0", "1.2.3.4 "})
    CHECK_FALSE(IpAddress::parse(text));
}
}  // namespace onward
