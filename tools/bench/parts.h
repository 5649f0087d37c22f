#pragma once
// The parts of the benchmark. Each measures once a run, adds its figures to the report, and its
// faults where something was lost, came twice, or numbers do not add up.
#include <span>
#include <string_view>

#include "tools/bench/stand.h"

namespace onward::bench {
struct Part {
  std::string_view name;  ///< For --only, and in the JSON.
  std::string_view title;
  void (*measure)(Round& round) = nullptr;
  bool by_name_only = false;  ///< Takes long or much room: only where --only names it.
};
std::span<const Part> parts();

void measure_end_to_end(Round& round);
void measure_intake(Round& round);
void measure_latency(Round& round);
void measure_slow_receiver(Round& round);
void measure_dead_receiver(Round& round);
void measure_size(Round& round);
void measure_growth(Round& round);
void measure_many_contacts(Round& round);
void measure_simulate(Round& round);
void measure_authoring(Round& round);
void measure_stall(Round& round);
void measure_reads(Round& round);
void measure_aged(Round& round);
}  // namespace onward::bench
