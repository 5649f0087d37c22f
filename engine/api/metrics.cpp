// GET /metrics.
#include "engine/api/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "engine/api/resources.h"

namespace onward {
namespace {
/// Writes families: the head once, then its samples.
class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(out(), "# HELP onward_{} {}\n# TYPE onward_{} {}\n", name, help, name, type);
  }
  template <class T>
  void sample(T value, std::string_view labels = {}) {
    if (labels.empty())
      fmt::format_to(out(), "onward_{} {}\n", name_, value);
    else
      fmt::format_to(out(), "onward_{}{{{}}} {}\n", name_, labels, value);
  }
  template <class T>
  void one(std::string_view name, std::string_view type, std::string_view help, T value) {
    family(name, type, help);
    sample(value);
  }
  std::string text;

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text); }
  std::string name_;
};

std::string label_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::int64_t sum_of(const ScenarioStats& stats, Counter counter) {
  std::int64_t sum = 0;
  for (const NodeStats& node : stats.live.nodes) sum += node.counts[counter];
  return sum;
}

void write_engine(Exposition& to, const RuntimeFigures& figures, Instant now) {
  to.family("events_total", "counter", "Events answered, by what became of them.");
  to.sample(figures.events_accepted, "result=\"accepted\"");
  to.sample(figures.events_duplicate, "result=\"duplicate\"");
  to.sample(figures.events_rejected, "result=\"rejected\"");
  to.one("contacts_full_total", "counter",
         "Events, changes and rows of imports that were refused: their contact would be too large.",
         figures.contacts_full);
  to.family("attempts_total", "counter", "Webhook attempts, by result.");
  to.sample(figures.attempts_accepted, "result=\"accepted\"");
  to.sample(figures.attempts_refused, "result=\"refused\"");
  to.sample(figures.attempts_local, "result=\"local\"");
  to.one("attempts_after_unknown_total", "counter",
         "Attempts after one that timed out or was cut off: the receiver may have had the request.",
         figures.attempts_after_unknown);
  to.one("attempts_blocked_total", "counter", "Attempts that the address guard refused.",
         figures.delivery.blocked);
  to.one("requests_started_total", "counter", "Webhook requests started.",
         figures.delivery.started);
  to.one("connections_reused_total", "counter", "Requests that went over a used connection.",
         figures.delivery.reused);
  to.family("name_lookups_total", "counter", "Look-ups of receivers' names.");
  to.sample(figures.delivery.names.found, "result=\"found\"");
  to.sample(figures.delivery.names.failed, "result=\"failed\"");
  to.sample(figures.delivery.names.late, "result=\"late\"");
  to.one("name_lookups_under_way", "gauge", "Look-ups that have not ended.",
         figures.delivery.names.under_way);
  to.one("commits_total", "counter", "Commits made durable.", figures.commits);
  to.one("inputs_total", "counter", "Inputs that those commits held.", figures.inputs);
  to.one("commit_seconds_total", "counter", "Time spent in commits.",
         static_cast<double>(figures.commit_micros_total) / 1e6);
  to.one("intake_queued", "gauge", "Events that are taken and not answered yet.", figures.queued);
  to.one("intake_queued_max", "gauge", "Most of them before callers get 429 (busy).",
         figures.queued_max);
  to.one("intake_queued_bytes", "gauge", "Memory that they take.", figures.queued_bytes);
  to.one("intake_queued_bytes_max", "gauge", "Most of it before callers get 429 (busy).",
         figures.queued_bytes_max);
  to.one("deliveries_pending", "gauge", "Deliveries not yet accepted, failed or cancelled.",
         figures.pending);
  to.one("deliveries_in_flight", "gauge", "Webhook requests under way.",
         figures.delivery.in_flight);
  to.one("deliveries_waiting", "gauge", "Due deliveries that wait for a connection.",
         figures.delivery.waiting);
  const Duration overdue =
      figures.oldest_due ? std::max(now - *figures.oldest_due, Duration{0}) : Duration{0};
  to.one("oldest_due_seconds", "gauge", "How long the oldest due delivery has been due.",
         static_cast<double>(overdue.count()) / 1e3);
  to.one("store_bytes", "gauge", "Bytes that the data folder takes.", figures.bytes_on_disk);
  to.one("store_log_bytes", "gauge",
         "Bytes of the write-ahead log in use; grows while another program reads the database.",
         figures.log_bytes);
  to.one("log_lines_dropped_total", "counter",
         "Lines of the server's log that were dropped, because standard error could not take them.",
         figures.log_lines_dropped);
  to.one("sending_held", "gauge", "1 while a restored copy sends nothing.",
         figures.held_since ? 1 : 0);
}

void write_origins(Exposition& to, std::vector<Scheduler::OriginState> origins) {
  std::stable_sort(origins.begin(), origins.end(), [](const auto& a, const auto& b) {
    return a.in_flight + a.waiting > b.in_flight + b.waiting;
  });
  if (origins.size() > kOriginLabels) origins.resize(kOriginLabels);
  const auto each = [&](auto&& value) {
    for (const auto& origin : origins)
      to.sample(value(origin), fmt::format("origin=\"{}\"", label_value(origin.origin)));
  };
  to.family("origin_healthy", "gauge", "1 while an origin answers, 0 while it does not.");
  each([](const auto& origin) { return origin.healthy ? 1 : 0; });
  to.family("origin_concurrency", "gauge", "Requests that an origin may have at once.");
  each([](const auto& origin) { return origin.limit; });
  to.family("origin_waiting", "gauge", "Due deliveries that wait for their origin.");
  each([](const auto& origin) { return origin.waiting; });
}

void write_scenarios(Exposition& to, std::vector<ScenarioStats> scenarios) {
  std::stable_sort(scenarios.begin(), scenarios.end(), [](const auto& a, const auto& b) {
    return a.live.scenario[Counter::Entered] > b.live.scenario[Counter::Entered];
  });
  if (scenarios.size() > kScenarioLabels) scenarios.resize(kScenarioLabels);
  to.family("scenario_entered_total", "counter", "Runs started, by scenario.");
  for (const ScenarioStats& stats : scenarios)
    to.sample(stats.live.scenario[Counter::Entered], fmt::format("scenario=\"{}\"", stats.id));
  to.family("scenario_inside", "gauge", "Live runs, by scenario.");
  for (const ScenarioStats& stats : scenarios)
    to.sample(stats.live.scenario[Counter::Inside], fmt::format("scenario=\"{}\"", stats.id));
  to.family("scenario_deliveries", "gauge", "Deliveries, by scenario and state.");
  for (const ScenarioStats& stats : scenarios)
    for (const auto& [name, counter] :
         {std::pair{"pending", Counter::Pending}, std::pair{"accepted", Counter::Accepted},
          std::pair{"failed", Counter::Failed}, std::pair{"cancelled", Counter::Cancelled}})
      to.sample(sum_of(stats, counter),
                fmt::format("scenario=\"{}\",state=\"{}\"", stats.id, name));
}

/// The numbers of all scenarios, asked for one by one; the last answer writes the reply.
struct Gathering {
  std::mutex mutex;
  std::size_t missing = 0;
  std::vector<ScenarioStats> found;
};

/// The engine's figures, and with them the events that it never saw.
RuntimeFigures figures_of(const Runtime& runtime, const DoorFigures& door) {
  RuntimeFigures figures = runtime.figures();
  figures.events_rejected += door.events_refused.load(std::memory_order_relaxed);
  return figures;
}

void get_metrics(Runtime& runtime, const Clock& clock,
                 const std::shared_ptr<const DoorFigures>& door,
                 const std::shared_ptr<const LoginRefusals>& refusals, const Call& call) {
  const auto write = [&runtime, &clock, door, refusals,
                      reply = call.reply](std::vector<ScenarioStats> scenarios) {
    reply.later_at_length([&runtime, &clock, door, refusals, scenarios = std::move(scenarios)] {
      const auto refused = refusals ? refusals->counts() : std::vector<LoginRefusals::Count>{};
      return ApiReply{200, "text/plain; version=0.0.4; charset=utf-8",
                      prometheus_text(figures_of(runtime, *door), scenarios, clock.now(), refused)};
    });
  };
  Reply<std::vector<ScenarioInfo>> listed{[&runtime, write](Result<std::vector<ScenarioInfo>> all) {
    std::vector<std::string> ids;
    if (all)  // A stopping engine still has figures.
      for (const ScenarioInfo& info : *all)
        if (info.state != ScenarioState::Archived) ids.push_back(info.id);
    if (ids.empty()) return write({});
    auto gathering = std::make_shared<Gathering>();
    gathering->missing = ids.size();
    const auto take = [gathering, write](const ScenarioStats* stats) {
      std::unique_lock lock{gathering->mutex};
      if (stats) gathering->found.push_back(*stats);
      if (--gathering->missing > 0) return;
      lock.unlock();
      write(std::move(gathering->found));
    };
    for (const std::string& id : ids)
      runtime.authoring().stats(
          [take](Result<ScenarioStats> stats) { take(stats ? &*stats : nullptr); }, id,
          /*version=*/0);
  }};
  runtime.calls().post(std::move(listed), [](Cell& cell) -> Result<std::vector<ScenarioInfo>> {
    return cell.views().list();
  });
}
}  // namespace

std::string prometheus_text(const RuntimeFigures& figures, std::vector<ScenarioStats> scenarios,
                            Instant now, const std::vector<LoginRefusals::Count>& refused) {
  Exposition to;
  write_engine(to, figures, now);
  to.family("refused_logins_total", "counter",
            "Requests that were refused for who sent them, by the code of the answer.");
  for (const LoginRefusals::Count& count : refused)
    to.sample(count.refused, fmt::format("reason=\"{}\"", count.reason));
  write_origins(to, figures.delivery.origins);
  write_scenarios(to, std::move(scenarios));
  return std::move(to.text);
}

std::vector<Route> metrics_routes(Runtime& runtime, const Clock& clock,
                                  std::shared_ptr<const DoorFigures> door,
                                  std::shared_ptr<const LoginRefusals> refusals) {
  return {{"GET",
           "/metrics",
           Need::Metrics,
           "Figures for Prometheus.",
           {},
           [&runtime, &clock, door = std::move(door), refusals = std::move(refusals)](
               const Call& call) { get_metrics(runtime, clock, door, refusals, call); },
           {.id = "getMetrics", .answers = {{200, R"({"type": "string"})", "text/plain"}}}}};
}
}  // namespace onward
