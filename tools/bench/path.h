#pragma once
// The core alone, in this process: one contact goes down a long path.

namespace onward::bench {
/// Microseconds that one event takes through `nodes` nodes, from the trigger to the last one: the
/// median of many, with the state copied in between and that not counted.
double microseconds_of_path(int nodes);
}  // namespace onward::bench
