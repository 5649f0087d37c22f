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
  void clear(const std::string& name) {
    const std::lock_guard lock{mutex_};
    answers_.erase(name);
  }
  void release() {
    const std::lock_guard lock{mutex_};
    released_ = true;
    changed_.notify_all();
  }
  void hang_again() {
    const std::lock_guard lock{mutex_};
    released_ = false;
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
  std::size_t running() {
    const std::lock_guard lock{mutex_};
    return running_;
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

using Answers = std::map<std::string, std::string>;

/// A resolver whose clock a test turns. What its threads use outlives it.
class Stand {
 public:
  explicit Stand(std::size_t names_max = 4096, std::size_t threads_max = 192)
      : resolver{
            {.look_up = [servers = servers](const auto& name) { return servers->look_up(name); },
             .clock = [now = now_] { return Clock::time_point{Duration{now->load()}}; },
             .threads_max = threads_max,
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
  /// What the look-up of `name` comes to, whatever else ends before it.
  std::string take(const std::string& name) {
    for (const auto until = Clock::now() + 60s; Clock::now() < until;) {
      const Answers all = take();
      if (all.empty()) break;
      if (const auto at = all.find(name); at != all.end()) return at->second;
    }
    return "nothing";
  }

 private:
  std::shared_ptr<std::atomic<Duration::rep>> now_ =
      std::make_shared<std::atomic<Duration::rep>>(1'000'000);

 public:
  std::shared_ptr<NameServers> servers = std::make_shared<NameServers>();
  Resolver resolver;
};
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

TEST_CASE("fault 30: a request waits at most five seconds for a look-up that hangs",
          "[delivery][resolver][faults]") {
  Stand stand;
  for (int n = 0; n < 16; ++n) stand.find(fmt::format("hangs{}.test", n));
  REQUIRE(stand.servers->wait_until_running(16));
  CHECK(stand.resolver.figures().under_way == 16);
  CHECK(stand.resolver.patience("hangs0.test") == 5s);
  stand.pass(6s);
  for (int n = 0; n < 16; ++n) {
    CHECK(stand.find(fmt::format("hangs{}.test", n)) == "was not resolved in time");
    CHECK(text_of(stand.resolver.give_up(fmt::format("hangs{}.test", n), 5s)) ==
          "was not resolved in time");
  }
  CHECK(stand.resolver.figures().late == 32);
}

TEST_CASE("250 names whose server is silent do not delay the look-up of another name",
          "[delivery][resolver][faults]") {
  Stand stand;
  const auto find_from = [&](int first) {
    for (int n = first; n < 250; ++n) stand.find(fmt::format("dead{}.test", n));
  };
  // All of them are new: 16 begin, and make room for others as soon as they are slow.
  find_from(0);
  REQUIRE(stand.servers->wait_until_running(16));
  stand.servers->set("first.test", found({"192.0.2.1"}));
  stand.find("first.test");
  stand.pass(1s);
  CHECK(stand.take("first.test") == "192.0.2.1");

  // Each second 16 more begin, up to all threads but those of names that answered before.
  for (std::size_t running = 32; running <= 176; running += 16) {
    REQUIRE(stand.servers->wait_until_running(running));
    stand.pass(1s);
  }
  CHECK(stand.servers->most() == 176);

  // They end without an answer. Those that began are slow from now on, and hold 16 threads.
  stand.servers->release();
  for (int ended = 0; ended < 250;) ended += static_cast<int>(stand.take().size());
  stand.servers->hang_again();
  stand.pass(10s);
  find_from(250 - 160);
  REQUIRE(stand.servers->wait_until_running(16));
  stand.pass(1s);
  stand.servers->set("second.test", found({"192.0.2.2"}));
  stand.find("second.test");
  CHECK(stand.take("second.test") == "192.0.2.2");
  stand.pass(100s);
  stand.servers->set("third.test", found({"192.0.2.3"}));
  stand.find("third.test");
  CHECK(stand.take("third.test") == "192.0.2.3");
  CHECK(stand.servers->running() == 16);
}

TEST_CASE("names that answered before are looked up while new names take all other threads",
          "[delivery][resolver]") {
  Stand stand;
  stand.servers->set("crm.test", found({"192.0.2.1"}));
  stand.find("crm.test");
  CHECK(stand.take("crm.test") == "192.0.2.1");
  for (int n = 0; n < 250; ++n) stand.find(fmt::format("dead{}.test", n));
  for (std::size_t running = 16; running <= 176; running += 16) {
    REQUIRE(stand.servers->wait_until_running(running));
    stand.pass(1s);
  }
  stand.pass(60s);
  stand.servers->set("crm.test", found({"192.0.2.2"}));
  stand.find("crm.test");
  CHECK(stand.take("crm.test") == "192.0.2.2");
}

TEST_CASE("a look-up that never began is not the receiver's failure", "[delivery][resolver]") {
  Stand stand{/*names_max=*/4096, /*threads_max=*/24};
  for (int n = 0; n < 8; ++n) stand.find(fmt::format("dead{}.test", n));
  REQUIRE(stand.servers->wait_until_running(8));
  stand.find("crm.test");
  stand.pass(5s);
  const Resolver::Found given_up = stand.resolver.give_up("crm.test", 5s);
  CHECK(given_up->local);
  CHECK(given_up->not_begun);
  CHECK(stand.find("crm.test") == "unknown");
  CHECK_FALSE(stand.resolver.give_up("dead0.test", 5s)->local);
  CHECK(stand.servers->asked("crm.test") == 0);
}

TEST_CASE("an expired answer is used while its renewal lasts, and while no name server answers",
          "[delivery][resolver]") {
  Stand stand;
  stand.servers->set("crm.test", found({"192.0.2.1"}));
  stand.find("crm.test");
  stand.take();
  stand.servers->clear("crm.test");
  stand.pass(61s);
  // Mostly a renewal takes some milliseconds: they are worth the wait.
  CHECK(stand.find("crm.test") == "unknown");
  CHECK(stand.resolver.patience("crm.test") == 1s);
  stand.pass(1s);
  CHECK(text_of(stand.resolver.give_up("crm.test", 1s)) == "192.0.2.1");
  CHECK(stand.find("crm.test") == "192.0.2.1");

  stand.servers->set("crm.test", {.error = "was not looked up", .no_answer = true});
  CHECK(stand.take("crm.test") == "192.0.2.1");
  CHECK(stand.find("crm.test") == "192.0.2.1");
  stand.pass(1h);
  stand.find("crm.test");
  CHECK(stand.take("crm.test") == "192.0.2.1");
  // Not for ever, and not against a name server that says otherwise.
  SECTION("for a day") {
    stand.pass(24h);
    CHECK(stand.find("crm.test") == "unknown");
    CHECK(stand.resolver.patience("crm.test") == 5s);
    CHECK(stand.take("crm.test") == "was not looked up");
  }
  SECTION("until the name is gone") {
    stand.servers->set("crm.test", {.error = "has no address"});
    stand.pass(1h);
    stand.find("crm.test");
    CHECK(stand.take("crm.test") == "has no address");
  }
}

TEST_CASE("no more names are remembered than may be, though all are being looked up",
          "[delivery][resolver]") {
  Stand stand{/*names_max=*/100};
  for (int n = 0; n < 1000; ++n) stand.find(fmt::format("dead{}.test", n));
  CHECK(stand.resolver.names() == 100);
  CHECK(stand.resolver.find("crm.test")->not_begun);
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
