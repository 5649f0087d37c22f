#pragma once
// The figures of a benchmark, each the median of several runs, beside the machine's limit and the
// goal; as a table for people and as JSON.
#include <optional>
#include <string>
#include <vector>

namespace onward::bench {
/// What a figure must reach.
struct Goal {
  enum class Sense { AtLeast, AtMost };
  Sense sense = Sense::AtLeast;
  double bound = 0;
};
inline Goal at_least(double bound) { return {Goal::Sense::AtLeast, bound}; }
inline Goal at_most(double bound) { return {Goal::Sense::AtMost, bound}; }

/// One figure as one run found it.
struct Reading {
  std::string name;  ///< In the JSON: "webhooks_per_s".
  std::string text;  ///< In the table: "webhooks received, end to end".
  double value = 0;
  std::string unit;
  double limit = 0;        ///< What the machine can do at most, measured in the same run; 0: none.
  std::string limit_text;  ///< What the limit is.
  std::optional<Goal> goal;  ///< May differ from run to run, where a limit is part of it.
};

/// The middle of several values (of an even number, the mean of the middle two) and its spread.
struct Spread {
  double median = 0, least = 0, most = 0;
};
Spread spread_of(std::vector<double> values);

/// One figure over all runs.
struct Figure {
  Reading first;  ///< Its name, texts and unit.
  std::vector<double> values, limits, bounds;

  /// Whether the median of the values reaches the median of the bounds; nothing without a goal.
  std::optional<bool> met() const;
};

struct Section {
  std::string name;  ///< "e2e"
  std::string title;
  std::vector<Figure> figures;
  std::vector<std::string> faults;  ///< What did not add up; with any, its figures mean nothing.
};

class Report {
 public:
  /// What follows belongs to this part.
  void begin(const std::string& name, const std::string& title);
  void add(Reading reading);
  void fault(std::string text);

  const std::vector<Section>& sections() const { return sections_; }
  bool has_faults() const;

 private:
  std::vector<Section> sections_;
  std::size_t at_ = 0;
};

/// What was measured on, for whoever reads the figures later.
struct Machine {
  std::string processor, system, date, version;
  int cores = 0;
  double memory_gb = 0;
};
Machine this_machine(std::string version);

std::string to_table(const Report& report, const Machine& machine);
/// The same as tables of a document, one a part.
std::string to_markdown(const Report& report, const Machine& machine);
std::string to_json_text(const Report& report, const Machine& machine);
}  // namespace onward::bench
