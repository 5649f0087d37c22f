#pragma once
// Lives of one data folder: a server is started, loaded and killed at a named point or at a random
// moment, again and again; then it is left alone until it has caught up, and judged.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/crash/oracle.h"

namespace onward::crash {
struct HarnessOptions {
  int kills = 200;
  std::uint64_t seed = 1;
  Allowed allowed;
};

struct Summary {
  std::map<std::string, int> kills;  ///< By point.
  int clean_stops = 0;               ///< A point that was not reached before a stop in good order.
  std::size_t events = 0, contacts = 0;
  std::int64_t moved = 0;  ///< Runs that moved from version to version.
  int versions = 0;        ///< As often at most.
  Verdict verdict;
  double seconds = 0;
  int kills_in_all() const;
};

/// Throws std::runtime_error where a server does not start or does not catch up.
Summary run(const HarnessOptions& options);
std::string to_text(const Summary& summary);
}  // namespace onward::crash
