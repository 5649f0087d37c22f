#pragma once
// The ledger: a contact's entries into a scenario and the nodes it ever visited there. It alone
// decides unique contacts, and re-entry. It outlives runs and retention.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/ids.h"
#include "engine/core/time.h"

namespace onward {
/// A set of node numbers, as small as the largest of them.
class VisitedNodes {
 public:
  /// True where `node` was not in it yet.
  bool insert(NodeNumber node);
  bool contains(NodeNumber node) const;
  const std::vector<std::uint64_t>& words() const { return words_; }
  static VisitedNodes from_words(std::vector<std::uint64_t> words);
  bool operator==(const VisitedNodes&) const = default;

 private:
  std::vector<std::uint64_t> words_;
};

/// Entries that were refused, for the contact's journey.
struct Refusal {
  std::string reason;  ///< "already_entered": see refusal_of.
  std::uint32_t count = 0;
  Instant last{};
  bool operator==(const Refusal&) const = default;
};

/// One per (contact, scenario, test), with an empty key; where the scenario has a `key`, one more
/// per key, which counts entries only.
struct LedgerRow {
  ScenarioKey scenario;
  EntryKey key;
  bool test = false;
  std::uint32_t entries = 0;
  Instant last_entry{};
  VisitedNodes visited;
  std::vector<Refusal> refusals;  ///< One a reason; of the row with the empty key only.
  bool operator==(const LedgerRow&) const = default;
};

enum class ReentryMode : std::uint8_t { Never, AfterExit, Restart, Parallel };
std::string_view to_string(ReentryMode mode);

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

/// The key of an entry whose scenario has a `key`: "=" and the value's text, so that an entry
/// without the value ("=") is another row than the scenario's own ("").
inline EntryKey entry_key(std::string_view value) { return "=" + std::string{value}; }

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
