#pragma once
// Answers compared as JSON, with the differences that later programs made on purpose.
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"

namespace onward {
/// One place where two values differ: `scenarios.welcome.info.format: missing, is 1`.
struct ValueDifference {
  std::string path;
  std::string text;
};
/// Every place at which `is` differs from `was`. Members of an object are compared by name, in any
/// order; items of a list by index.
std::vector<ValueDifference> value_differences(const Value& was, const Value& is);

/// A difference that was made on purpose.
struct IntendedDifference {
  std::string path;  ///< `*` stands for one part.
  std::string why;
  std::string file;  ///< Where it may occur; empty: in each file of answers.
  bool met = false;
};
/// Reads `[{"path": …, "why": …, "file": …}]`, the last one if it is not all. Throws where it is
/// malformed.
std::vector<IntendedDifference> read_intended(const std::string& json);
/// Takes out those that are intended in `file`, and marks which of them were met.
std::vector<ValueDifference> unintended(std::vector<ValueDifference> all, std::string_view file,
                                        std::vector<IntendedDifference>& intended);
}  // namespace onward
