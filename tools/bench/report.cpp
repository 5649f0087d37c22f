#include "tools/bench/report.h"

#include <cmath>

#include <fmt/format.h>

#include "engine/core/value.h"

namespace onward::bench {
namespace {
/// As many digits as the figure is worth.
std::string number(double value) {
  if (value >= 1'000) return fmt::format("{:.0f}", value);
  return fmt::format("{:.{}f}", value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

double rounded(double value) { return std::round(value * 1'000) / 1'000; }

Value as_value(const std::vector<Figure>& figures) {
  Value all{ValueMap{}};
  for (const Figure& figure : figures) {
    Value one{ValueMap{}};
    one.set("value", rounded(figure.value));
    one.set("unit", figure.unit);
    if (figure.limit) {
      one.set("limit", rounded(*figure.limit));
      one.set("limit_is", figure.limit_text);
      if (*figure.limit > 0) one.set("ratio", rounded(figure.value / *figure.limit));
    }
    all.set(figure.name, std::move(one));
  }
  return all;
}
}  // namespace

std::string to_table(const Report& report) {
  std::string out;
  const auto line = [&](const Figure& figure) {
    std::string ratio;
    if (figure.limit && *figure.limit > 0) {
      ratio = fmt::format("{:>6.2f} of {} ({})", figure.value / *figure.limit, figure.limit_text,
                          number(*figure.limit));
    }
    out += fmt::format("  {:<46} {:>10} {:<8} {}\n", figure.text, number(figure.value), figure.unit,
                       ratio);
  };
  out += "What this machine can do\n";
  for (const Figure& figure : report.limits) line(figure);
  out += "What Onward does\n";
  for (const Figure& figure : report.figures) line(figure);
  for (const std::string& fault : report.faults) out += "FAULT: " + fault + "\n";
  return out;
}

std::string to_json_text(const Report& report) {
  Value root{ValueMap{}};
  root.set("limits", as_value(report.limits));
  root.set("figures", as_value(report.figures));
  ValueList faults;
  for (const std::string& fault : report.faults) faults.emplace_back(fault);
  root.set("faults", Value{std::move(faults)});
  return to_pretty_json(root) + "\n";
}
}  // namespace onward::bench
