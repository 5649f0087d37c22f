// The `onward` binary: the one place that hands the node kinds to the engine.
#include <csignal>
#include <exception>
#include <string_view>

#include "nodes/nodes.h"
#include "tools/onward/cli.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

int main(int argc, char** argv) {
  // A reload that is asked for before anything was read has nothing to do (see serve.cpp).
  if (argc > 1 && std::string_view{argv[1]} == "serve") std::signal(SIGHUP, SIG_IGN);
  try {
    return onward::run_command_line(argc, argv, onward::node_kinds());
  } catch (const std::exception& fault) {  // No memory, most likely: all else travels as a value.
    return onward::complain(fault.what(), onward::kExitSoftware);
  }
}
