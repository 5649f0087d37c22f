#pragma once
// Whether a contact may enter a scenario again.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/core/base/time.h"

namespace onward {
enum class ReentryMode : std::uint8_t { Never, AfterExit, Restart, Parallel };
std::string_view to_string(ReentryMode mode);
std::optional<ReentryMode> parse_reentry_mode(std::string_view text);
/// In the order of the enumeration.
std::span<const std::string_view> reentry_mode_words();

struct Reentry {
  ReentryMode mode = ReentryMode::Never;
  std::optional<Duration> min_gap;
  std::string key_path;  ///< Into the event's data, without "event."; empty: no key.
  bool operator==(const Reentry&) const = default;
};

/// Live runs that one contact may have in one scenario under `parallel`.
inline constexpr std::uint32_t kParallelRuns = 100;
/// Live runs that one contact may have in one scenario, over all keys and whatever the mode,
inline constexpr std::uint32_t kScenarioRuns = 1'000;
/// and in all scenarios.
inline constexpr std::uint32_t kContactRuns = 2'000;

enum class Entry : std::uint8_t {
  Enter,
  EnterAndEndLive,
  AlreadyEntered,
  Inside,
  TooSoon,
  TooMany
};

/// Whether a contact may enter, by (contact, key). `entries` and `last_entry` are the deciding
/// row's; `live` counts live runs of that key.
Entry decide_entry(const Reentry& reentry, std::uint32_t entries, Instant last_entry,
                   std::uint32_t live, Instant now);
/// The counter of a refusal ("already_entered", "inside", "too_soon", "too_many"); empty for an
/// entry.
std::string_view refusal_of(Entry entry);
}  // namespace onward
