#pragma once
// The ledger: a contact's entries into a scenario and the nodes it ever visited there. It alone
// decides unique contacts, and re-entry. It outlives runs and retention.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"

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

/// The key of an entry whose scenario has a `key`: "=" and the value's text, so that an entry
/// without the value ("=") is another row than the scenario's own ("").
inline EntryKey entry_key(std::string_view value) { return "=" + std::string{value}; }
}  // namespace onward
