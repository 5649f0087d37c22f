#pragma once
// The receivers of a world, a host each: what they answer, when, and what they saw. They outlive
// every crash of the process.
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/delivery/http_client.h"
#include "tests/chaos/world_clock.h"

namespace onward::chaos {
enum class Mood : std::uint8_t {
  Good,
  Slow,       ///< Takes up to ten seconds.
  Flaky,      ///< 200 or 500.
  Erring,     ///< 500.
  Limiting,   ///< 429 or 503 with Retry-After, in all its forms.
  Down,       ///< Refuses connections.
  Dead,       ///< Answers nothing, sees nothing.
  Late,       ///< Sees the request, and answers after our time-out.
  Resetting,  ///< Sees the request, and hangs up.
  Rejecting,  ///< 400.
  Gone,       ///< 410.
  Wild,       ///< Any of these, each time.
  Stranded,   ///< We have no descriptors.
};
inline constexpr std::size_t kMoods = 13;
std::string_view to_string(Mood mood);

inline constexpr std::array<std::string_view, 4> kHosts{"crm", "shop", "mail", "audit"};

/// What a request came to, decided when it starts.
struct Verdicted {
  HttpReply reply;
  bool seen = true;       ///< The receiver read it.
  bool accepted = false;  ///< It said yes, whether we heard it or not.
};

class Receivers {
 public:
  Receivers(std::uint64_t seed, const WorldClock& clock) : seed_{seed}, clock_{clock} {}
  void set(std::string_view host, Mood mood) { moods_[std::string{host}] = mood; }
  void all(Mood mood) {
    for (const std::string_view host : kHosts) set(host, mood);
  }
  /// Whether a host may cost us descriptors: then nothing else is promised of its deliveries.
  bool stranded() const;
  Mood mood_of(std::string_view url) const;
  /// `nth`: how often this webhook-id has come before.
  Verdicted answer(const HttpRequest& request, std::string_view webhook_id,
                   std::uint64_t nth) const;

 private:
  std::uint64_t seed_;
  const WorldClock& clock_;
  std::map<std::string, Mood, std::less<>> moods_;
};

/// The host of "https://crm.example.com/in": "crm".
std::string_view host_of(std::string_view url);
std::string_view webhook_id_of(const HttpRequest& request);
}  // namespace onward::chaos
