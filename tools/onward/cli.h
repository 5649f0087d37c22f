#pragma once
// The command line: what may be typed, and what it then calls.
#include "engine/core/scenario/node.h"

namespace onward {
/// Answers the exit code.
int run_command_line(int argc, const char* const* argv, const NodeKinds& kinds);
}  // namespace onward
