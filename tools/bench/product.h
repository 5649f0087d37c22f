#pragma once
// Measures the product: a real server, 100,000 known contacts, a trigger, a condition on the email
// and a Send Webhook node, with a new event id for every event.
#include <string>

#include "tools/bench/limits.h"
#include "tools/bench/report.h"

namespace onward::bench {
struct Plan {
  std::string binary = "build/onward";
  std::string folder;  ///< For data; on the disk that is to be measured.
  double seconds = 5;  ///< Of each measurement.
  int connections = 32;
  int contacts = 100'000;
  int events_per_post = 500;  ///< Of NDJSON.
  double rate = 100;          ///< Events per second where latency is measured.
  double fsync_extra_ms = 0;  ///< Added to each fsync of the server, as if the disk were slower.
  std::string slow_fsync;     ///< The library that does it.
  bool slow = false;          ///< Also against a receiver that takes 200 ms.
};

/// The machine's limits that Onward's figures are compared with.
struct Limits {
  SyncLimit sync;
  double sqlite_small = 0;    ///< Events per second, 20 in a commit.
  double sqlite_large = 0;    ///< 1,000 in a commit.
  double curl = 0;            ///< Requests per second.
  double load_generator = 0;  ///< Posts per second against a receiver that does nothing.
};
Limits measure_limits(const Plan& plan, Report& report);

/// Adds its figures, and its faults where numbers do not add up.
void measure_product(const Plan& plan, const Limits& limits, Report& report);
}  // namespace onward::bench
