#pragma once
// What is to be measured, how long and how often.
#include <string>
#include <vector>

namespace onward::bench {
struct Plan {
  std::string binary = "build/onward";
  std::string folder;         ///< For data; on the disk that is to be measured.
  std::string slow_fsync;     ///< The library that makes fsync slower, to be preloaded.
  int runs = 5;               ///< Of each part; a figure is their median.
  double seconds = 10;        ///< Of each measurement.
  int connections = 32;       ///< Of the load generator, for single posts.
  int contacts = 100'000;     ///< Known before a measurement begins.
  int events_per_post = 500;  ///< Of NDJSON.
  double rate = 100;          ///< Events per second where latency is measured.
  double fsync_extra_ms = 2;  ///< Of the slower disk.
  int waiting = 1'000'000;    ///< Contacts inside waits, and deliveries pending, of `size`.
  int due = 100'000;          ///< Timers that fall due at once.
  int scenarios = 1'000;      ///< Active ones, of which one matches.
  int many = 10'000'000;      ///< Contacts of `many`.
  int aged_ids = 200'000;     ///< Of each day that the folder of `aged` remembers.
};
}  // namespace onward::bench
