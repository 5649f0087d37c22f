#include "tests/crash/harness.h"

#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/value.h"
#include "tests/crash/load.h"
#include "tests/crash/receiver.h"
#include "tests/crash/victim.h"
#include "tests/support/first_schema.h"

namespace onward::crash {
namespace {
namespace fs = std::filesystem;
constexpr Nanos kMs = 1'000'000;
constexpr Nanos kPatience = 60'000 * kMs;

/// Where a life ends.
struct Point {
  const char* name;
  const char* call;  ///< See killer.cpp; null: at a random moment.
  const char* when;
  std::uint32_t at_most;  ///< Of the calls; milliseconds where there is none.
  enum { Loaded, Idle, Stopping, OldSchema, Starting, Moving } life = Loaded;
  int weight = 1;
};
constexpr Point kPoints[] = {
    {"random moment", nullptr, nullptr, 200, Point::Loaded, 4},
    {"before a commit's write", "wal_write", "before", 300, Point::Loaded, 2},
    {"after a commit's write", "wal_write", "after", 300, Point::Loaded, 2},
    {"before a sync", "wal_sync", "before", 30, Point::Loaded, 2},
    {"after a sync", "wal_sync", "after", 30, Point::Loaded, 2},
    {"after a request was sent", "send", "after", 60, Point::Loaded, 3},
    {"in a fold", "wal_write", "after", 60, Point::Idle, 2},
    {"in a checkpoint", "db_write", "after", 20, Point::Stopping, 2},
    {"in a migration", "wal_write", "after", 12, Point::OldSchema, 1},
    {"while runs move", "wal_write", "after", 60, Point::Moving, 2},
    {"in a start", nullptr, nullptr, 25, Point::Starting, 1},
};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "onward-crash-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::string scenario_for(std::uint16_t port) {
  return fmt::format(R"(scenario: crash
reentry: parallel
nodes:
  joined: {{ kind: trigger, event: subscription, next: known }}
  known:  {{ kind: condition, if: {{ email: {{ ends_with: "@example.org" }} }}, yes: tell, no: pause }}
  tell:
    kind: send_webhook
    url: "http://127.0.0.1:{0}/tell"
    additional: {{ n: "{{{{ event.n }}}}" }}
    retry: {{ delays: [1s] }}
    next: end
  pause:  {{ kind: wait, for: 1s, next: late }}
  late:
    kind: send_webhook
    url: "http://127.0.0.1:{0}/late"
    additional: {{ n: "{{{{ event.n }}}}" }}
    retry: {{ delays: [1s] }}
    next: end
)",
                     port);
}

std::string batches_for(std::uint16_t port) {
  return fmt::format(R"(scenario: crash-batch
reentry: parallel
nodes:
  asked: {{ kind: trigger, event: bulk_asked, next: bulk }}
  bulk:
    kind: send_webhook
    url: "http://127.0.0.1:{}/bulk"
    envelope: events
    batch: {{ max: {}, linger: 100ms }}
    retry: {{ delays: [1s] }}
    next: end
)",
                     port, kBatchMax);
}

/// Runs stay at the node of their version until they move to the last one, 0.
std::string moving_for(std::uint16_t port, int version) {
  const std::string hold = fmt::format("hold{}", version);
  return fmt::format(R"(scenario: crash-move
reentry: parallel
nodes:
  asked: {{ kind: trigger, event: move_asked, next: {0} }}
{1}  out:   {{ kind: wait, for: 1s, next: moved }}
  moved:
    kind: send_webhook
    url: "http://127.0.0.1:{2}/moved"
    additional: {{ n: "{{{{ event.n }}}}" }}
    retry: {{ delays: [1s] }}
    next: end
)",
                     version == 0 ? "out" : hold,
                     version == 0 ? "" : "  " + hold + ": { kind: wait, for: 7d, next: out }\n",
                     port);
}
constexpr int kVersionsMax = 40;
constexpr std::array kScenarios{"crash", "crash-batch", "crash-move"};
/// The waits of the scenarios, and the node that sends behind each.
constexpr std::array<std::pair<std::string_view, const char*>, 2> kWaits{
    {{"pause", "late"}, {"out", "moved"}}};

std::int64_t number(const Value& from, const std::string& path) {
  const Value* found = from.find_path(path);
  const auto* count = found ? std::get_if<std::int64_t>(&found->rep()) : nullptr;
  if (!count) throw std::runtime_error("the statistics have no " + path);
  return *count;
}

class Harness {
 public:
  explicit Harness(const HarnessOptions& options)
      : options_{options}, random_{options.seed}, receiver_{options.seed}, load_{data()} {}

  Summary run() {
    const Nanos started = now_nanos();
    set_up();
    for (int life = 0; summary_.kills_in_all() < options_.kills; ++life) {
      if (life > 2 * options_.kills + 20) throw std::runtime_error("too few lives end by a kill");
      live(any_point());
    }
    reach_every_point();
    catch_up();
    record_.events = load_.acknowledged();
    record_.arrivals = receiver_.arrivals();
    summary_.verdict = judge(record_, options_.allowed);
    for (const char* point : unreached_)
      summary_.verdict.findings.push_back({"point_not_reached", point});
    for (const std::string& surprise : load_.surprises())
      summary_.verdict.findings.push_back({"refused_post", surprise});
    summary_.events = record_.events.size();
    std::set<int> contacts;
    for (const auto& [event, about] : record_.events) contacts.insert(about.contact);
    summary_.contacts = contacts.size();
    summary_.moved = record_.moved;
    summary_.versions = version_;
    summary_.seconds = static_cast<double>(now_nanos() - started) / 1e9;
    return std::move(summary_);
  }

 private:
  fs::path data() const { return folder_.path / "data"; }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }

  const Point& any_point() {
    int all = 0;
    for (const Point& point : kPoints) all += point.weight;
    int place = static_cast<int>(below(static_cast<std::uint32_t>(all)));
    for (const Point& point : kPoints)
      if ((place -= point.weight) < 0) return point;
    return kPoints[0];
  }

  /// Chance may have left a point out, or ended each of its lives before its call came.
  void reach_every_point() {
    constexpr int kLivesMax = 30;
    for (const Point& point : kPoints) {
      for (int life = 0; life < kLivesMax && !summary_.kills.contains(point.name); ++life)
        live(point);
      if (!summary_.kills.contains(point.name)) unreached_.push_back(point.name);
    }
  }

  VictimOptions options(std::string kill = {}) const {
    return {.data = data(),
            .arguments = {"--quiet", "--allow-host", fmt::format("127.0.0.1:{}", receiver_.port()),
                          "--max-per-origin", std::to_string(options_.allowed.repeats)},
            .kill = std::move(kill),
            .note = folder_.path / "note",
            .faults = {}};
  }

  std::string must_listen(Victim& victim) {
    if (auto url = victim.wait_for_url(now_nanos() + kPatience)) return *url;
    victim.kill();
    throw std::runtime_error("the server does not start: " + victim.said());
  }

  void must(const Result<HttpAnswer>& answer) {
    if (!answer) throw std::runtime_error(answer.error().message);
    if (answer->status / 100 != 2) throw std::runtime_error(answer->body);
  }

  void set_up() {
    Victim victim{options()};
    const std::string url = must_listen(victim);
    const std::uint16_t port = receiver_.port();
    const std::array texts{scenario_for(port), batches_for(port), moving_for(port, version_)};
    for (std::size_t i = 0; i < kScenarios.size(); ++i) {
      const std::string path = fmt::format("/v1/scenarios/{}", kScenarios[i]);
      must(call(data(), url, "PUT", path, texts[i], "application/yaml"));
      must(call(data(), url, "POST", path + "/activate"));
    }
    victim.terminate();
    if (!victim.wait_for_end(now_nanos() + kPatience)) throw std::runtime_error("it does not stop");
    end(victim, "");
    summary_.clean_stops = 0;
  }

  void live(const Point& point) {
    if (point.life == Point::OldSchema) make_old();
    fs::remove(folder_.path / "note");
    std::string kill;
    if (point.call != nullptr)
      kill = fmt::format("{}:{}:{}", point.call, point.when, 1 + below(point.at_most));
    Victim victim{options(kill)};
    const Nanos started = now_nanos();
    if (point.life == Point::Starting) {
      victim.wait_for_end(started + below(point.at_most) * kMs);
      return end(victim, point.name);
    }
    const auto url = victim.wait_for_url(started + kPatience);
    if (!url) {
      // It died by its point before it listened, or it does not start.
      if (!victim.wait_for_end(now_nanos() + 1000 * kMs) || !WIFSIGNALED(victim.status()))
        throw std::runtime_error("the server does not start: " + victim.said());
      return end(victim, point.name);
    }
    const bool loaded = point.life == Point::Loaded || point.life == Point::Stopping;
    if (loaded) load_.start(*url, 40);
    if (point.life == Point::Moving || (loaded && below(8) == 0)) move_runs(*url);
    const bool at_random = point.call == nullptr;
    const Nanos left = (at_random ? 5 + below(point.at_most) : 50 + below(250)) * kMs;
    victim.wait_for_end(now_nanos() + left);
    if (point.life == Point::Stopping) {
      victim.terminate();
      victim.wait_for_end(now_nanos() + kPatience);
    }
    end(victim, at_random ? point.name : std::string{point.name});
    load_.join();
  }

  /// Kills what still lives, and counts how it died.
  void end(Victim& victim, const std::string& point) {
    const Nanos own = victim.kill();
    receiver_.next_life();
    if (WIFEXITED(victim.status())) {
      if (WEXITSTATUS(victim.status()) != 0)
        throw std::runtime_error(fmt::format("the server ended with {}: {}",
                                             WEXITSTATUS(victim.status()), victim.said()));
      ++summary_.clean_stops;
      record_.kills.push_back(
          {own, "a stop in good order"});  // a stop may cut off what is in flight
      return;
    }
    Nanos noted = 0;
    std::ifstream{folder_.path / "note"} >> noted;
    const bool reached = noted != 0 || point == "random moment" || point == "in a start";
    const std::string reached_point = reached ? point : "random moment";
    record_.kills.push_back({noted != 0 ? noted : own, reached_point});
    ++summary_.kills[reached_point];
  }

  /// To a further version, whose node takes over from those of all versions before. Where nobody
  /// answers, the next one asks for the same again.
  void move_runs(const std::string& url) {
    if (version_ >= kVersionsMax) return;
    const auto answer = order_move(url, version_ + 1, fmt::format("hold{}", version_ + 1));
    if (!answer) return;
    if (answer->status / 100 == 2) {
      ++version_;
      next_asked_ = false;
    } else if (answer->status != 409 &&
               answer->status != 503) {  // 409: the one before is still under way
      throw std::runtime_error(answer->body);
    }
  }

  Result<HttpAnswer> order_move(const std::string& url, int version, const std::string& target) {
    std::string map;
    for (int old = 1; old <= version_; ++old)
      map += fmt::format("{}hold{}:{}", old == 1 ? "" : ",", old, target);
    // One more may have been applied, and not answered.
    if (version == 0 && version_ < kVersionsMax && next_asked_)
      map += fmt::format(",hold{}:{}", version_ + 1, target);
    if (version != 0) next_asked_ = true;
    return call(data(), url, "PUT", "/v1/scenarios/crash-move?migrate=true&map=" + map,
                moving_for(receiver_.port(), version), "application/yaml");
  }

  /// All runs go over to the version that lets them out.
  void move_out(Victim& victim, const std::string& url) {
    for (const char* scenario : kScenarios)
      must(call(data(), url, "POST", "/v1/runs/resume",
                fmt::format(R"({{"scenario": "{}", "reason": "poison"}})", scenario)));
    for (const Nanos patience = now_nanos() + kPatience;;) {
      const auto answer = order_move(url, 0, "out");
      if (answer && answer->status / 100 == 2) break;
      if (answer && answer->status == 400) next_asked_ = false;  // it was not applied
      if (now_nanos() > patience)
        throw std::runtime_error("runs cannot be moved: " +
                                 (answer ? answer->body : answer.error().message));
      victim.wait_for_end(now_nanos() + 50 * kMs);
    }
    const auto answer = call(data(), url, "GET", "/v1/scenarios/crash-move");
    must(answer);
    last_version_ = number(parse_json(answer->body).value(), "version");
  }

  void make_old() {
    back_to_first_schema(data() / "onward.db");
    fs::remove(data() / "onward.lock");  // the other program closed the database
  }

  void catch_up() {
    Victim victim{options()};
    const std::string url = must_listen(victim);
    for (const Nanos patience = now_nanos() + kPatience; !load_.finish(url);)
      if (now_nanos() > patience) throw std::runtime_error("not all events are taken");
    move_out(victim, url);
    settle(victim, url);
    record_.set_aside = retry_set_aside(url);
    if (record_.set_aside > 0) settle(victim, url);
    for (const char* scenario : kScenarios)
      for (const char* state : {"pending", "failed", "cancelled"})
        note_unaccepted(url, scenario, state);
    victim.terminate();
    victim.wait_for_end(now_nanos() + kPatience);
  }

  void settle(Victim& victim, const std::string& url) {
    for (const Nanos patience = now_nanos() + kPatience; !read_counts(url);) {
      if (now_nanos() > patience) break;
      victim.wait_for_end(now_nanos() + 50 * kMs);
    }
  }

  /// A server cannot tell a kill from a crash: a request that was at work at three of them is set
  /// aside for people, who retry it. How many there were.
  std::size_t retry_set_aside(const std::string& url) {
    std::size_t set_aside = 0;
    for (const std::string_view scenario : kScenarios) {
      const auto answer = call(data(), url, "POST", "/v1/deliveries/retry",
                               fmt::format(R"({{"scenario": "{}", "code": "poison"}})", scenario));
      must(answer);
      const auto changed =
          static_cast<std::size_t>(number(parse_json(answer->body).value(), "changed"));
      // One request may be of several.
      set_aside += scenario == "crash-batch" ? (changed + kBatchMax - 1) / kBatchMax : changed;
    }
    return set_aside;
  }

  /// The folder goes with the harness: what a finding needs to be understood is kept.
  void note_unaccepted(const std::string& url, const std::string& scenario,
                       const std::string& state) {
    const auto answer =
        call(data(), url, "GET",
             fmt::format("/v1/deliveries?scenario={}&limit=3&state={}", scenario, state));
    must(answer);
    const Value page = parse_json(answer->body).value();
    if (!page.find("deliveries")->list()->empty()) record_.unaccepted += answer->body;
  }

  Value stats_of(const std::string& url, const std::string& scenario,
                 const std::string& query = {}) {
    const auto answer =
        call(data(), url, "GET", fmt::format("/v1/scenarios/{}/stats{}", scenario, query));
    must(answer);
    return parse_json(answer->body).value();
  }

  /// Whether nothing is under way any more.
  bool read_counts(const std::string& url) {
    record_.entered = record_.done = record_.inside = 0;
    std::int64_t pending = 0;
    for (const char* scenario : kScenarios) {
      const Value stats = stats_of(url, scenario);
      record_.entered += number(stats, "live.entered");
      record_.done += number(stats, "live.done");
      record_.inside += number(stats, "live.inside");
      for (const Value& node : *stats.find_path("live.nodes")->list()) {
        const std::string id = to_text(*node.find("id"));
        for (const auto& [wait, sends] : kWaits)
          if (id == wait) record_.waits[sends] = number(node, "visits");
        if (to_text(*node.find("kind")) != "send_webhook") continue;
        record_.counts[id] = {.visits = number(node, "visits"),
                              .unique = number(node, "unique_contacts"),
                              .requests = number(node, "requests"),
                              .accepted = number(node, "accepted"),
                              .pending = number(node, "pending"),
                              .failed = number(node, "failed"),
                              .cancelled = number(node, "cancelled")};
        pending += record_.counts[id].pending;
      }
    }
    record_.moved =
        number(stats_of(url, "crash-move", fmt::format("?version={}", last_version_)), "live.done");
    return record_.inside + pending == 0;
  }

  HarnessOptions options_;
  std::mt19937_64 random_;
  TemporaryFolder folder_;
  Receiver receiver_;
  Load load_;
  Record record_;
  int version_ = 1;  ///< Of the scenario whose runs move, as it is told; 0 is the last.
  bool next_asked_ = false;
  std::int64_t last_version_ = 0;
  std::vector<const char*> unreached_;
  Summary summary_;
};
}  // namespace

int Summary::kills_in_all() const {
  int all = 0;
  for (const auto& [point, count] : kills) all += count;
  return all;
}

Summary run(const HarnessOptions& options) { return Harness{options}.run(); }

std::string to_text(const Summary& summary) {
  std::string text = fmt::format("{} kills in {:.0f} s\n", summary.kills_in_all(), summary.seconds);
  for (const auto& [point, count] : summary.kills) text += fmt::format("  {:4} {}\n", count, point);
  const Figures& figures = summary.verdict.figures;
  text += fmt::format(
      "{} stops in good order\n{} events of {} contacts acknowledged\n{} runs moved over up to {} "
      "versions\n{} requests, {} of them cut "
      "off, {} repeated after they were accepted, at most {} after one kill; the longest known for "
      "{:.1f} ms{}\n",
      summary.clean_stops, summary.events, summary.contacts, summary.moved, summary.versions,
      figures.requests, figures.unanswered, figures.repeats, figures.most_repeats,
      static_cast<double>(figures.longest) / 1e6,
      figures.longest_at.empty() ? "" : " (" + figures.longest_at + ")");
  for (const Finding& finding : summary.verdict.findings)
    text += fmt::format("{}: {}\n", finding.what, finding.text);
  text += summary.verdict.findings.empty()
              ? "nothing lost, nothing twice, all counted\n"
              : fmt::format("{} findings\n", summary.verdict.findings.size());
  return text;
}
}  // namespace onward::crash
