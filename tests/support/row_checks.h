#pragma once
// Holds what an engine says against the rows of its store: its counters, and the timers of its
// runs.
#include <string>

#include "tests/support/stage.h"

namespace onward {
/// The first difference between the counters and the rows, or a promise of the counters that is
/// broken; empty where there is none. `store` is the one below the stage.
std::string counter_fault(Stage& stage, Store& store);
/// The first timer of a run that is missing, overdue or without use; empty where there is none.
std::string timer_fault(Stage& stage, Store& store);
}  // namespace onward
