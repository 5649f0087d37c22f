#pragma once
// The figures of a benchmark, as a table for people and as JSON.
#include <optional>
#include <string>
#include <vector>

namespace onward::bench {
/// One figure; where `limit` is set, also as a share of what the machine can do at most.
struct Figure {
  std::string name;  ///< In the JSON: "webhooks_per_s".
  std::string text;  ///< In the table: "webhooks received, end to end".
  double value = 0;
  std::string unit;
  std::optional<double> limit;
  std::string limit_text;  ///< What the limit is.
};

struct Report {
  std::vector<Figure> limits;
  std::vector<Figure> figures;
  std::vector<std::string> faults;  ///< What did not add up; a report with any is worth nothing.
};

std::string to_table(const Report& report);
std::string to_json_text(const Report& report);
}  // namespace onward::bench
