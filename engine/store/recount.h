#pragma once
// The numbers once more, from the rows: what the doctor holds the counters against.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/stats.h"
#include "engine/store/rows.h"

namespace onward {
/// Rows in which something is wrong: how many, and the first of them by its name.
struct OddRows {
  std::uint64_t count = 0;
  std::string first;
  void add(const std::string& name) {
    if (count++ == 0) first = name;
  }
};

struct Recount {
  std::map<CounterKey, std::array<std::int64_t, 4>> deliveries;  ///< By DeliveryState.
  std::map<CounterKey, std::int64_t> parked_deliveries;
  std::map<CounterKey, std::int64_t> inside;   ///< Live runs, by scenario (node 0).
  std::map<CounterKey, std::int64_t> parked;   ///< Of these.
  std::map<CounterKey, std::int64_t> waiting;  ///< By node.
  std::map<CounterKey, std::int64_t> unique;   ///< Contacts, by node; version 0: of all.
  std::uint64_t contacts = 0;
  std::uint64_t live_runs = 0, pending = 0, timers = 0;

  OddRows without_request;  ///< Pending deliveries whose body is gone.
  OddRows overdue;          ///< Pending ones that have been due for more than a minute.
  Instant overdue_since = Instant::max();
  OddRows without_timer;    ///< Waiting runs whose instant nothing will tell.
  OddRows without_run;      ///< Timers of runs that are not under way.
  OddRows without_version;  ///< Live runs and pending deliveries of versions that are not stored.
  std::vector<std::string> unreadable;  ///< Rows that cannot be read, the first hundred.
  std::uint64_t unreadable_count = 0;
  std::optional<Instant> newest;  ///< When the youngest delivery or run was made, if any was.
};

/// What counters and rows tell differently, a sentence each, with the scenario's id. Rows of
/// forgotten contacts are gone, so unique contacts may be that many fewer than counted.
std::vector<std::string> differences(const Snapshot& snapshot, const Recount& rows);
}  // namespace onward
