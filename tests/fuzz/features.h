#pragma once
// What is remarkable in how a target behaved: an input that shows something new is mutated further.
// libFuzzer reads the map as counters beside those of its instrumentation; the replay without it
// has nothing else to go by.
#include <array>
#include <cstdint>

#include "engine/core/base/hash.h"

namespace onward::fuzz {
using FeatureMap = std::array<std::uint8_t, 1u << 16>;
extern FeatureMap feature_map;

/// Notes that the input has the feature `name`.
inline void feature(std::string_view name) {
  feature_map[hash128(name).low % feature_map.size()] = 1;
}
}  // namespace onward::fuzz
