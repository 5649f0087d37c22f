#pragma once
// Names to addresses, on threads of its own: getaddrinfo blocks as long as it likes, and libcurl's
// own look-ups begin a thread each, which it waits for when a transfer ends early.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/time.h"
#include "engine/delivery/http_client.h"
#include "engine/delivery/ip_address.h"

namespace onward {
/// What a look-up came to.
struct LookUp {
  std::vector<IpAddress> addresses;  ///< In the order in which they are to be tried.
  std::string error;                 ///< Where there is none: "has no address".
  bool local = false;                ///< It failed for our own lack of descriptors or memory.
};

/// Blocks. Called on the resolver's threads, several at once.
using LookUpFunction = std::function<LookUp(const std::string& name)>;
LookUp look_up_by_system(const std::string& name);

struct ResolverOptions {
  using Clock = std::chrono::steady_clock;

  LookUpFunction look_up;          ///< Empty: look_up_by_system.
  std::function<void()> answered;  ///< `take` has something; any thread; must not block.
  std::function<Clock::time_point()> clock = Clock::now;
  std::size_t threads_max = 16;
  std::size_t names_max = 4096;  ///< Remembered at once.
  /// How long anybody waits for a look-up. Its thread is free only when it really ends.
  Duration patience = std::chrono::seconds{5};
  Duration keep = std::chrono::seconds{60};
  Duration refresh_after = std::chrono::seconds{45};  ///< Whoever asks meanwhile need not wait.
  Duration keep_failure = std::chrono::seconds{5};
  Duration thread_idle = std::chrono::seconds{10};  ///< Then it ends.
};

/// Used by one thread. One look-up a name at a time, however many ask.
class Resolver {
 public:
  using Clock = ResolverOptions::Clock;
  using Found = std::shared_ptr<const LookUp>;

  explicit Resolver(ResolverOptions options);
  /// Look-ups under way are left to end by themselves; nobody hears of them.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// What is known of a name; nothing where a look-up is under way, which `take` will tell of.
  Found find(const std::string& name);
  /// The names whose look-ups have ended since, with what they came to.
  std::vector<std::pair<std::string, Found>> take();
  /// Nobody could be reached at the first address of a name: it is tried last from now on.
  void demote(const std::string& name, const IpAddress& address);

  Duration patience() const { return options_.patience; }
  /// What whoever was not patient enough gets.
  const Found& late() const { return late_; }
  std::size_t names() const { return entries_.size(); }
  NameFigures figures() const;  ///< Any thread.

 private:
  struct Pool;
  struct Entry {
    Found found;
    Clock::time_point expires, refresh_at;
    std::optional<Clock::time_point> asked;  ///< Since when a look-up is under way.
  };

  Entry& entry_of(const std::string& name, Clock::time_point now);
  Found ended(const std::string& name, std::optional<LookUp> found);

  const ResolverOptions options_;
  const std::shared_ptr<Pool> pool_;  ///< Shared with its threads, which may outlive us.
  const Found late_;
  std::unordered_map<std::string, Entry> entries_;
};
}  // namespace onward
