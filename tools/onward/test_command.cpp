#include "tools/onward/test_command.h"

#include <fmt/format.h>

#include <iostream>
#include <utility>

#include "engine/simulation/test_runner.h"
#include "nodes/nodes.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/scenario_files.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// What all files together came to.
struct TestTotals {
  std::size_t tests = 0, failed = 0, files = 0, untested = 0, ways = 0, taken = 0;
  int code = kExitOk;

  void note(int worse) {
    if (code == kExitOk || code == kExitFailed) code = worse == kExitOk ? code : worse;
  }
};

std::string counted_noun(std::size_t number, std::string_view word) {
  return fmt::format("{} {}{}", grouped(static_cast<std::int64_t>(number)), word,
                     number == 1 ? "" : "s");
}

/// A text in one line or several, the following ones below the first.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : printable(text))
    out += c == '\n' ? std::string{"\n                "} : std::string{c};
  return out;
}

void print_result(const TestResult& result, const std::string& file, std::ostream& out) {
  if (result.passed()) {
    out << "  " << StyledText{Style::Green, "✓"} << ' ' << printable_line(result.name) << '\n';
    return;
  }
  out << "  " << StyledText{Style::BoldRed, "✗ " + printable_line(result.name)} << '\n';
  for (const TestDifference& one : result.differences) {
    const std::string place = fmt::format("({}:{}:{})", file, one.at.line, one.at.column);
    out << "      " << printable_line(one.what) << ' ' << StyledText{Style::Faint, place} << '\n';
    out << fmt::format("      expected: {}\n", shown(one.expected));
    out << fmt::format("      found:    {}\n", shown(one.found));
    if (!one.hint.empty()) out << fmt::format("                {}\n", shown(one.hint));
  }
}

/// "not reached: tell_sales" once a node, else the way itself.
std::vector<std::string> untaken(const TestReport& report) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < report.ways.size(); ++i) {
    const TestedWay& way = report.ways[i];
    const bool again = i > 0 && report.ways[i - 1].node == way.node;
    if (way.taken || (!way.reached && again)) continue;
    lines.push_back(
        way.reached ? fmt::format("{}: \"{}\" (to {}) is not taken", way.node, way.port, way.target)
                    : fmt::format("{} is not reached", way.node));
  }
  return lines;
}

void print_coverage(const TestReport& report, const TestOptions& options, std::ostream& out) {
  out << "  "
      << StyledText{Style::Faint, fmt::format("{} of {} taken", report.taken(),
                                              counted_noun(report.ways.size(), "way"))}
      << '\n';
  if (!options.coverage && !options.require_coverage) return;
  for (const std::string& line : untaken(report)) out << "    " << line << '\n';
}

Value differences_as_value(const TestResult& result) {
  ValueList list;
  for (const TestDifference& one : result.differences) {
    Value difference = ValueMap{{"what", one.what},
                                {"line", one.at.line},
                                {"column", one.at.column},
                                {"expected", one.expected},
                                {"found", one.found}};
    if (!one.hint.empty()) difference.set("hint", one.hint);
    list.push_back(std::move(difference));
  }
  return list;
}

Value as_value(const std::string& file, const std::string& scenario, const TestReport& report) {
  ValueList tests;
  for (const TestResult& result : report.results)
    tests.push_back(ValueMap{{"name", result.name},
                             {"line", result.at.line},
                             {"passed", result.passed()},
                             {"differences", differences_as_value(result)}});
  ValueList ways;
  for (const TestedWay& way : report.ways)
    ways.push_back(
        ValueMap{{"node", way.node}, {"port", way.port}, {"to", way.target}, {"taken", way.taken}});
  return ValueMap{{"file", file},
                  {"scenario", scenario},
                  {"tests", std::move(tests)},
                  {"ways", std::move(ways)}};
}

Value diagnostics_as_value(const ScenarioFile& file) {
  ValueList list;
  for (const Diagnostic& found : file.loaded.diagnostics) {
    if (found.severity != Severity::Error) continue;
    list.push_back(ValueMap{{"line", found.at.line},
                            {"column", found.at.column},
                            {"code", found.code},
                            {"message", found.message}});
  }
  return ValueMap{{"file", file.name}, {"errors", std::move(list)}};
}
}  // namespace

int test_files(const TestOptions& options, std::ostream& out, std::ostream& err) {
  const auto files = scenario_files(options.files);
  if (!files) {
    err << "onward: " << files.error().message << '\n';
    return exit_code_of(files.error());
  }
  TestTotals totals;
  ValueList all;
  for (const std::string& path : *files) {
    const auto file = load_scenario_file(path);
    if (!file) {
      err << "onward: " << file.error().message << '\n';
      totals.note(exit_code_of(file.error()));
      continue;
    }
    if (!file->loaded.scenario) {  // Warnings are for `onward validate`.
      err << findings_of(*file);
      totals.note(kExitData);
      if (options.json) all.push_back(diagnostics_as_value(*file));
      continue;
    }
    const auto report = run_tests(*file->loaded.scenario, file->text, node_kinds());
    if (!report) {
      err << fmt::format("onward: {}: {}\n", file->name, report.error().message);
      totals.note(kExitSoftware);
      continue;
    }
    ++totals.files;
    totals.tests += report->results.size();
    totals.failed += report->failed();
    totals.ways += report->ways.size();
    totals.taken += report->taken();
    totals.untested += report->results.empty() ? 1 : 0;
    if (options.json) {
      all.push_back(as_value(file->name, file->loaded.scenario->id, *report));
      continue;
    }
    out << file->name << '\n';
    for (const TestResult& result : report->results) print_result(result, file->name, out);
    if (report->results.empty()) out << "  has no tests\n";
    if (!report->results.empty() || options.coverage) print_coverage(*report, options, out);
  }
  const bool lacking = options.require_coverage && totals.taken < totals.ways;
  if (totals.failed > 0 || lacking) totals.note(kExitFailed);
  if (options.json) {
    out << to_pretty_json(
               ValueMap{{"passed", static_cast<std::int64_t>(totals.tests - totals.failed)},
                        {"failed", static_cast<std::int64_t>(totals.failed)},
                        {"ways", static_cast<std::int64_t>(totals.ways)},
                        {"ways_taken", static_cast<std::int64_t>(totals.taken)},
                        {"files", std::move(all)}})
        << '\n';
    return totals.code;
  }
  if (totals.files == 0) return totals.code;
  out << fmt::format("\n{}: {} passed, ", counted_noun(totals.tests, "test"),
                     totals.tests - totals.failed)
      << StyledText{totals.failed > 0 ? Style::BoldRed : Style::Plain,
                    fmt::format("{} failed", totals.failed)};
  if (totals.untested > 0)
    out << fmt::format(", {} without tests", counted_noun(totals.untested, "file"));
  out << '\n';
  if (lacking)
    out << fmt::format("{} of {} {} by no test, and --require-coverage was given.\n",
                       totals.ways - totals.taken, counted_noun(totals.ways, "way"),
                       totals.ways - totals.taken == 1 ? "is taken" : "are taken");
  return totals.code;
}
}  // namespace onward
