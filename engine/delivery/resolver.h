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

#include "engine/core/base/time.h"
#include "engine/delivery/http_client.h"
#include "engine/delivery/ip_address.h"

namespace onward {
/// What a look-up came to.
struct LookUp {
  std::vector<IpAddress> addresses;  ///< In the order in which they are to be tried.
  std::string error;                 ///< Where there is none: "has no address".
  bool local = false;                ///< It failed for our own lack of descriptors or memory.
  bool no_answer = false;            ///< No name server answered; the name may have addresses.
  bool not_begun = false;            ///< Too many other look-ups are under way. Also `local`.
};

/// Blocks. Called on the resolver's threads, several at once.
using LookUpFunction = std::function<LookUp(const std::string& name)>;
LookUp look_up_by_system(const std::string& name);

/// getaddrinfo cannot be interrupted: a look-up whose name server is silent holds its thread for 10
/// to 30 s. The limits below are chosen so that such names do not delay others.
struct ResolverOptions {
  using Clock = std::chrono::steady_clock;

  LookUpFunction look_up;          ///< Empty: look_up_by_system.
  std::function<void()> answered;  ///< `take` has something; any thread; must not block.
  /// Any thread, and longer than the resolver lives. Empty: Clock::now.
  std::function<Clock::time_point()> clock;
  std::size_t threads_max = 192;
  std::size_t reserved = 16;   ///< Threads that only names with an earlier answer may use.
  std::size_t known_max = 32;  ///< Names with an earlier answer that begin within `slow_after`.
  /// New names that begin within `slow_after`. 16 a second, held for 10 s each, leave threads free.
  std::size_t new_max = 16;
  std::size_t slow_max = 16;                      ///< Threads that slow names hold at most.
  Duration slow_after = std::chrono::seconds{1};  ///< A look-up that lasts longer is slow.
  std::size_t names_max = 4096;                   ///< Remembered at once.
  /// How long a request waits for a look-up. Its thread is free only when the look-up ends.
  Duration patience = std::chrono::seconds{5};
  Duration keep = std::chrono::seconds{60};
  Duration refresh_after = std::chrono::seconds{45};  ///< Requests do not wait for a renewal.
  Duration keep_failure = std::chrono::seconds{5};
  /// An expired answer is used while it is renewed, if that takes longer than `stale_after`, and
  /// while no name server answers, for `keep_stale` at most (compare RFC 8767).
  Duration stale_after = std::chrono::seconds{1};
  Duration keep_stale = std::chrono::hours{24};
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

  /// How long a request should wait for the look-up of `name` that is under way.
  Duration patience(const std::string& name) const;
  /// For a request that has waited that long: an expired answer, or a failure. The failure is
  /// `not_begun` where the look-up has not had at least half of the time that the request waited.
  Found give_up(const std::string& name, Clock::duration waited);
  std::size_t names() const { return entries_.size(); }
  NameFigures figures() const;  ///< Any thread.

 private:
  struct Pool;
  struct Entry {
    Found found;
    Clock::time_point expires, refresh_at, stale_until;
    std::optional<Clock::time_point> asked;  ///< Since when a look-up is under way.
    bool slow = false;                       ///< The last look-up was slow and found nothing.

    bool good() const { return found && !found->addresses.empty(); }
  };

  Entry* entry_of(const std::string& name, Clock::time_point now);
  bool ask(const std::string& name, Entry& entry, Clock::time_point now);
  Found ended(const std::string& name, LookUp found, Clock::duration took);

  const ResolverOptions options_;
  const std::shared_ptr<Pool> pool_;  ///< Shared with its threads, which may outlive us.
  const Found late_, busy_;
  std::unordered_map<std::string, Entry> entries_;
};
}  // namespace onward
