#pragma once
// A command of the product, run to its end and timed.
#include <string>
#include <vector>

namespace onward::bench {
struct Finished {
  int code = 0;
  double seconds = 0;    ///< From its start to its end.
  double memory_mb = 0;  ///< Resident at most.
  std::string output;    ///< All that it said, complaints among it.
};
/// Gives up where it cannot be started.
Finished run_command(const std::string& binary, const std::vector<std::string>& arguments);

/// The first line of its output.
std::string first_line_of(const std::string& binary, const std::vector<std::string>& arguments);

/// Writes a file whole; gives up where that fails.
void write_file(const std::string& path, const std::string& text);
}  // namespace onward::bench
