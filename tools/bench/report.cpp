#include "tools/bench/report.h"

#include <sched.h>
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

#include "engine/core/base/value.h"

namespace onward::bench {
namespace {
/// As many digits as the figure is worth.
std::string number(double value) {
  if (value >= 1'000) return fmt::format("{:.0f}", value);
  return fmt::format("{:.{}f}", value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

double rounded(double value) { return std::round(value * 1'000) / 1'000; }

const char* sign_of(Goal::Sense sense) { return sense == Goal::Sense::AtLeast ? ">=" : "<="; }

Value as_value(const Figure& figure) {
  const Spread spread = spread_of(figure.values);
  Value one{ValueMap{}};
  one.set("text", figure.first.text);
  one.set("value", rounded(spread.median));
  one.set("min", rounded(spread.least));
  one.set("max", rounded(spread.most));
  one.set("unit", figure.first.unit);
  ValueList runs;
  for (const double value : figure.values) runs.emplace_back(rounded(value));
  one.set("runs", Value{std::move(runs)});
  if (!figure.limits.empty()) {
    const double limit = spread_of(figure.limits).median;
    one.set("limit", rounded(limit));
    one.set("limit_is", figure.first.limit_text);
    one.set("ratio", rounded(spread.median / limit));
  }
  if (figure.first.goal) {
    one.set("goal", rounded(spread_of(figure.bounds).median));
    one.set("goal_is", figure.first.goal->sense == Goal::Sense::AtLeast ? "at least" : "at most");
    one.set("met", *figure.met());
  }
  return one;
}

/// A figure as words, for any kind of table.
struct Row {
  std::string value, range, goal, limit;
};
Row row_of(const Figure& figure) {
  const Spread spread = spread_of(figure.values);
  Row row{.value = number(spread.median), .range = {}, .goal = {}, .limit = {}};
  if (figure.values.size() > 1) {
    row.range = fmt::format("{}..{}", number(spread.least), number(spread.most));
  }
  if (figure.first.goal) {
    row.goal =
        fmt::format("{} {} {}", sign_of(figure.first.goal->sense),
                    number(spread_of(figure.bounds).median), *figure.met() ? "met" : "MISSED");
  }
  if (!figure.limits.empty()) {
    const double most = spread_of(figure.limits).median;
    row.limit = fmt::format("{:.2f} of {} ({})", spread.median / most, figure.first.limit_text,
                            number(most));
  }
  return row;
}

std::string line_of(const Figure& figure) {
  const Row row = row_of(figure);
  std::string line = fmt::format("  {:<50} {:>9} {:<4} {:<17} {:<18} {}", figure.first.text,
                                 row.value, figure.first.unit, row.range, row.goal, row.limit);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string words_of(const Machine& machine) {
  return fmt::format("{}, {} cores of it used, {:.0f} GB, {}; {}; {}", machine.processor,
                     machine.cores, machine.memory_gb, machine.system, machine.version,
                     machine.date);
}

/// The text behind "key :" in a file of /proc.
std::string proc_text(const char* path, std::string_view key) {
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t at = line.find_first_not_of(" \t", line.find(':') + 1);
    return at == std::string::npos ? std::string{} : line.substr(at);
  }
  return {};
}
}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

std::optional<bool> Figure::met() const {
  if (!first.goal) return std::nullopt;
  const double value = spread_of(values).median;
  const double bound = spread_of(bounds).median;
  return first.goal->sense == Goal::Sense::AtLeast ? value >= bound : value <= bound;
}

void Report::begin(const std::string& name, const std::string& title) {
  for (at_ = 0; at_ < sections_.size(); ++at_) {
    if (sections_[at_].name == name) return;
  }
  sections_.push_back({.name = name, .title = title, .figures = {}, .faults = {}});
}

void Report::add(Reading reading) {
  std::vector<Figure>& figures = sections_[at_].figures;
  auto found = std::find_if(figures.begin(), figures.end(),
                            [&](const Figure& one) { return one.first.name == reading.name; });
  if (found == figures.end()) {
    found = figures.insert(found, Figure{});
    found->first = reading;
  }
  found->values.push_back(reading.value);
  if (reading.limit > 0) found->limits.push_back(reading.limit);
  if (reading.goal) found->bounds.push_back(reading.goal->bound);
}

void Report::fault(std::string text) { sections_[at_].faults.push_back(std::move(text)); }

bool Report::has_faults() const {
  return std::any_of(sections_.begin(), sections_.end(),
                     [](const Section& section) { return !section.faults.empty(); });
}

Machine this_machine(std::string version) {
  Machine machine;
  machine.version = std::move(version);
  machine.processor = proc_text("/proc/cpuinfo", "model name");
  machine.memory_gb = std::atof(proc_text("/proc/meminfo", "MemTotal").c_str()) / 1e6;
  utsname system{};
  ::uname(&system);
  machine.system = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof cores, &cores);
  machine.cores = CPU_COUNT(&cores);
  const time_t now = ::time(nullptr);
  tm parts{};
  ::gmtime_r(&now, &parts);
  char date[16];
  ::strftime(date, sizeof date, "%Y-%m-%d", &parts);
  machine.date = date;
  return machine;
}

std::string to_table(const Report& report, const Machine& machine) {
  std::string out = words_of(machine) + "\n";
  int goals = 0, reached = 0;
  for (const Section& section : report.sections()) {
    out += fmt::format("\n{}: {}\n", section.name, section.title);
    for (const Figure& figure : section.figures) {
      out += line_of(figure);
      if (const auto met = figure.met()) {
        ++goals;
        reached += *met ? 1 : 0;
      }
    }
    for (const std::string& fault : section.faults) out += "  FAULT: " + fault + "\n";
  }
  if (goals > 0) out += fmt::format("\n{} of {} goals met\n", reached, goals);
  if (report.has_faults()) out += "There are faults: figures beside them mean nothing.\n";
  return out;
}

std::string to_markdown(const Report& report, const Machine& machine) {
  std::string out = words_of(machine) + ".\n";
  for (const Section& section : report.sections()) {
    out += fmt::format("\n### {}: {}\n", section.name, section.title);
    out += "| | Median | Least..most | Goal | Share of the limit |\n|---|---|---|---|---|\n";
    for (const Figure& figure : section.figures) {
      const Row row = row_of(figure);
      const std::string& text = figure.first.text;
      out += fmt::format("| {} | {}{}{} | {} | {} | {} |\n",
                         text.substr(std::min(text.find_first_not_of(' '), text.size())), row.value,
                         figure.first.unit.empty() ? "" : " ", figure.first.unit, row.range,
                         row.goal, row.limit);
    }
    for (const std::string& fault : section.faults) out += "\nFAULT: " + fault + "\n";
  }
  return out;
}

std::string to_json_text(const Report& report, const Machine& machine) {
  Value about{ValueMap{}};
  about.set("processor", machine.processor);
  about.set("cores", static_cast<std::int64_t>(machine.cores));
  about.set("memory_gb", rounded(machine.memory_gb));
  about.set("system", machine.system);
  about.set("version", machine.version);
  about.set("date", machine.date);
  Value parts{ValueMap{}};
  for (const Section& section : report.sections()) {
    Value figures{ValueMap{}};
    for (const Figure& figure : section.figures) figures.set(figure.first.name, as_value(figure));
    ValueList faults;
    for (const std::string& fault : section.faults) faults.emplace_back(fault);
    Value part{ValueMap{}};
    part.set("title", section.title);
    part.set("figures", std::move(figures));
    part.set("faults", Value{std::move(faults)});
    parts.set(section.name, std::move(part));
  }
  Value root{ValueMap{}};
  root.set("machine", std::move(about));
  root.set("parts", std::move(parts));
  return to_pretty_json(root) + "\n";
}
}  // namespace onward::bench
