#pragma once
// Runs the `tests` of a scenario: each on an engine of its own, in virtual time.
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/scenario/node.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/scenario/scenario_tests.h"

namespace onward {
/// Something that came out otherwise than it was written.
struct TestDifference {
  Position at;           ///< Of the expectation, in the file.
  std::string what;      ///< "path", "delivery 1 (tell_crm): body /data/email"
  std::string expected;  ///< As people read it: JSON for values.
  std::string found;
  std::string hint;  ///< Why, where that is known; may be empty.
  bool operator==(const TestDifference&) const = default;
};

struct TestResult {
  std::string name;
  Position at;
  std::vector<TestDifference> differences;
  bool passed() const { return differences.empty(); }
};

/// A port of a node, and whether a test went that way.
struct TestedWay {
  std::string node, port;
  std::string target;    ///< A node's id, or "end".
  bool reached = false;  ///< The node was.
  bool taken = false;
};

struct TestReport {
  std::vector<TestResult> results;  ///< In the order of the file.
  std::vector<TestedWay> ways;      ///< All, by node and port in the order of the file.

  std::size_t failed() const;
  std::size_t taken() const;
};

/// Runs all tests of `scenario`, which is `text` without a mistake. The error is ours: the engine
/// failed.
Result<TestReport> run_tests(const Scenario& scenario, const std::string& text,
                             const NodeKinds& kinds);
}  // namespace onward
