#include "tools/bench/parts.h"

#include <array>

namespace onward::bench {
std::span<const Part> parts() {
  static constexpr std::array<Part, 13> kParts{{
      {"e2e", "single posts, a condition, a webhook each, end to end", measure_end_to_end},
      {"intake", "intake alone: the condition says no", measure_intake},
      {"latency", "from the post to the webhook", measure_latency},
      {"slow", "a receiver that takes 200 ms, and a fast one beside it", measure_slow_receiver},
      {"dead", "a receiver that is gone, and one that is there beside it", measure_dead_receiver},
      {"size", "memory, disk, and a start with much in hand", measure_size},
      {"growth", "many scenarios, long paths, many timers at once", measure_growth},
      {"many", "ten million contacts against a hundred thousand", measure_many_contacts, true},
      {"simulate", "onward simulate", measure_simulate},
      {"authoring", "onward validate", measure_authoring},
      {"stall", "posts while a large file is applied, planned and validated", measure_stall},
      {"reads", "lists and journeys beside events at full rate", measure_reads},
      {"aged", "a week of remembered ids beside a fresh folder", measure_aged},
  }};
  return kParts;
}
}  // namespace onward::bench
