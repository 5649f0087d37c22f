#include "tests/chaos/report.h"

#include <chrono>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/core/base/value.h"

namespace onward::chaos {
namespace {
using Steady = std::chrono::steady_clock;

void note(Report& report, const WorldOptions& options, const Finding& finding) {
  fmt::print(stderr, "seed {} step {}: broken: {}: {}\n", finding.seed, finding.step,
             finding.broken.promise, finding.broken.detail);
  Found found{.finding = finding,
              .steps = options.steps,
              .crash_at = options.crash_at,
              .routes = options.routes,
              .sqlite = options.sqlite};
  if (!options.only) found.kept = shrink(options, finding);
  report.findings.push_back(std::move(found));
}

/// Dies once at each place of the world.
void run_every_place(Report& report, WorldOptions options, std::size_t findings_max) {
  options.crashes = false;
  const WorldEnd calm = run_world(options);
  report.figures.add(calm.figures);
  if (calm.finding) return note(report, options, *calm.finding);
  for (std::uint64_t place = 1; place <= calm.figures.places; ++place) {
    options.crash_at = place;
    const WorldEnd end = run_world(options);
    report.figures.add(end.figures);
    if (end.finding) note(report, options, *end.finding);
    if (report.findings.size() >= findings_max) return;
  }
}

double years(Duration time) {
  return std::chrono::duration<double, std::chrono::years::period>(time).count();
}

std::string again(const Found& found) {
  std::string text = fmt::format("--seed {} --steps {}", found.finding.seed, found.steps);
  if (!found.kept.empty()) text += fmt::format(" --only {}", fmt::join(found.kept, ","));
  if (found.sqlite) text += *found.sqlite ? " --sqlite" : " --memory";
  return text + (found.routes ? " --routes --trace" : " --trace");
}
}  // namespace

Report run_campaign(const Campaign& campaign) {
  Report report{.first = campaign.first};
  const auto until = Steady::now() + std::chrono::minutes{campaign.minutes};
  for (std::uint64_t seed = campaign.first;; ++seed) {
    const bool over = campaign.minutes == 0 ? seed > campaign.last : Steady::now() >= until;
    if (over || report.findings.size() >= campaign.findings_max) break;
    report.last = seed;
    WorldOptions options{.seed = seed,
                         .steps = campaign.steps,
                         .only = campaign.only,
                         .routes = campaign.routes,
                         .sqlite = campaign.sqlite};
    if (campaign.trace) options.trace = [](std::string_view line) { fmt::print("{}\n", line); };
    if (campaign.every_place) {
      run_every_place(report, options, campaign.findings_max);
      continue;
    }
    const WorldEnd end = run_world(options);
    report.figures.add(end.figures);
    if (end.finding) note(report, options, *end.finding);
  }
  return report;
}

std::string as_table(const Report& report) {
  const WorldFigures& sum = report.figures;
  std::string text = fmt::format(
      "seeds            {}..{}\nworlds           {} ({} on SQLite, {} given up: they feed "
      "themselves)\nsteps     "
      "       {}\nvirtual years    {:.1f}\n"
      "crashes          {} (the power failed in {} commits and {} folds)\nevents           "
      "{}\nruns             {}\ndeliveries       {}\n"
      "attempts         {}\ncommits          {}\nstore failures   {}\nchecks           {}\n"
      "findings         {}\n",
      report.first, report.last, sum.worlds, sum.on_sqlite, sum.unfinished, sum.steps,
      years(sum.virtual_time), sum.crashes, sum.cut_commits, sum.cut_folds, sum.events, sum.runs,
      sum.deliveries, sum.attempts, sum.commits, sum.store_failures, sum.checks,
      report.findings.size());
  for (const Found& found : report.findings)
    text +=
        fmt::format("\n{}\n  {}\n  step {}; again with {}{}\n", found.finding.broken.promise,
                    found.finding.broken.detail, found.finding.step, again(found),
                    found.crash_at == 0 ? "" : fmt::format(" (dies at place {})", found.crash_at));
  return text;
}

std::string as_json(const Report& report) {
  const WorldFigures& sum = report.figures;
  std::string findings;
  for (const Found& found : report.findings) {
    Value row;
    row.set("promise", found.finding.broken.promise);
    row.set("detail", found.finding.broken.detail);
    row.set("step", static_cast<std::int64_t>(found.finding.step));
    row.set("crash_at", static_cast<std::int64_t>(found.crash_at));
    row.set("again", again(found));
    findings += (findings.empty() ? "" : ",") + to_json(row);
  }
  return fmt::format(
      "{{\"seeds\":[{},{}],\"worlds\":{},\"steps\":{},\"virtual_years\":{:.2f},\"crashes\":{},"
      "\"events\":{},\"runs\":{},\"deliveries\":{},\"attempts\":{},\"commits\":{},"
      "\"store_failures\":{},\"checks\":{},\"findings\":[{}]}}\n",
      report.first, report.last, sum.worlds, sum.steps, years(sum.virtual_time), sum.crashes,
      sum.events, sum.runs, sum.deliveries, sum.attempts, sum.commits, sum.store_failures,
      sum.checks, findings);
}
}  // namespace onward::chaos
