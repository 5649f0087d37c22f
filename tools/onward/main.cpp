// The `onward` binary: the one place that hands the node kinds to the engine.
#include <exception>

#include "nodes/nodes.h"
#include "tools/onward/cli.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

int main(int argc, char** argv) {
  try {
    return onward::run_command_line(argc, argv, onward::node_kinds());
  } catch (const std::exception& fault) {  // No memory, most likely: all else travels as a value.
    return onward::complain(fault.what(), onward::kExitSoftware);
  }
}
