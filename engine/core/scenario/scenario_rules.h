#pragma once
// The parts of a scenario file beside its nodes that bind its runs in time: schedule, exit, goal.
// For scenario_reader.cpp alone.
#include <string_view>

#include "engine/core/scenario/scenario.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/tree.h"

namespace onward {
/// Reads `start_at`, `end_at`, `at_end`, `exit` and `goal` of a file into `scenario`, whose zone is
/// known by then. Reports every mistake.
void read_rules(const Tree& file, Scenario& scenario, Diagnostics& diagnostics);
}  // namespace onward
