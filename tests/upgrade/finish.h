#pragma once
// What a program makes of a folder that an earlier one left.
#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"

namespace onward {
inline constexpr const char* kAtStart = "at_start.json";
inline constexpr const char* kAtEnd = "at_end.json";

/// The instant at which the earlier program was killed.
Instant left_at();

/// Answers as text, an item of each section a line.
std::string answers_text(const Value& answers);

struct Finished {
  Value at_start;                    ///< The answers before anything else happens.
  Value at_end;                      ///< Those after half a year, in which all receivers accept.
  std::vector<std::string> repeats;  ///< How events were answered that the folder has seen.
  std::vector<std::string> broken;   ///< Promises of the numbers that do not hold.
};
/// Opens the folder, reads all answers, resumes what waits for an operator and lets all runs and
/// deliveries end, on a virtual clock, with a restart in between.
Finished finish(const std::filesystem::path& folder);
}  // namespace onward
