#pragma once
// Random scenario files: every kind of node and setting, in random order.
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/journey/ledger.h"
#include "engine/core/scenario/reentry.h"

namespace onward::chaos {
/// What all versions of a scenario share.
struct Plot {
  std::string id;
  std::uint64_t seed = 0;
  Reentry reentry;
};
Plot make_plot(std::uint64_t seed, int number);
/// The text of one version; the same `version` of the same plot is the same text. `from` is where
/// the world begins.
std::string write_scenario(const Plot& plot, std::uint64_t version, Instant from);
/// The scenario by which each event is told to a receiver.
std::string audit_text();
}  // namespace onward::chaos
