#pragma once
// `onward test`: the tests of scenario files, without a server.
#include <iosfwd>
#include <string>
#include <vector>

namespace onward {
struct TestOptions {
  std::vector<std::string> files;  ///< "-" is standard input; of folders all scenarios.
  bool coverage = false;           ///< Name every way that no test took.
  bool require_coverage = false;   ///< Fail where there is one.
  bool json = false;
};

/// Runs them all. Results go to `out`, mistakes in files to `err`. Answers the exit code: 0 where
/// all pass, 1 where a test fails (or a way is not tested and that is required), 65 for a file
/// with mistakes, 66 for one that cannot be read.
int test_files(const TestOptions& options, std::ostream& out, std::ostream& err);
}  // namespace onward
