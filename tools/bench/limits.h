#pragma once
// What this machine can do at most, measured in the same run, so that every figure of Onward's is
// also a ratio.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/bench/plan.h"
#include "tools/bench/report.h"

namespace onward::bench {
/// A figure below which so many of `samples` lie; 0 without samples. Sorts them.
double percentile(std::vector<std::uint32_t>& samples, double share);

/// Writing 4 KiB into a file that has its size already, and waiting until the disk has it.
struct SyncLimit {
  double p50_us = 0;
  double p99_us = 0;
};
SyncLimit measure_fsync(const std::string& folder, int count);

/// Events per second when SQLite alone (WAL, synchronous=FULL) appends one row a batch and commits
/// it: what a journal costs at least.
double measure_sqlite(const std::string& folder, int events_per_commit, std::size_t bytes_per_event,
                      double seconds);

/// Requests per second of libcurl's multi interface alone, handles and connections reused, against
/// a receiver on this machine.
double measure_curl(std::uint16_t port, int in_flight, const std::string& body, double seconds);

/// The limits of one run of one part, each measured when it is first asked for, and then a figure
/// of that part.
class Limits {
 public:
  Limits(const Plan& plan, Report& report) : plan_{plan}, report_{report} {}

  SyncLimit fsync();
  double sqlite();          ///< Events per second, 1,000 in a commit.
  double curl();            ///< Requests per second, as many in flight as the load has connections.
  double load_generator();  ///< Posts per second against a receiver that does nothing.

 private:
  const Plan& plan_;
  Report& report_;
  std::optional<SyncLimit> fsync_;
  std::optional<double> sqlite_, curl_, load_generator_;
};
}  // namespace onward::bench
