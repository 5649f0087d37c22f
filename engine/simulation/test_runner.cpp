#include "engine/simulation/test_runner.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/text.h"
#include "engine/core/template/template.h"
#include "engine/simulation/difference.h"
#include "engine/simulation/simulation.h"
#include "engine/store/memory/memory_store.h"

namespace onward {
namespace {
constexpr std::size_t kListMax = 100'000;
/// Names of deliveries in one message.
constexpr std::ptrdiff_t kNamesMax = 1'000;
/// Runs whose nodes are listed with one difference.
constexpr std::size_t kRunsShownMax = 3;
constexpr std::string_view kNever = "never";
constexpr std::string_view kFormType = "application/x-www-form-urlencoded";

/// What the tests of one scenario went by.
using Taken = std::map<NodeNumber, std::set<std::string>>;

ContactName name_of(const ContactRef& who) {
  return who.id ? ContactName{.id = who.id->text} : ContactName{.email = who.email};
}

/// The state of a store is looked at as the server's lists do.
struct Journey {
  std::vector<Run> runs;                              ///< Oldest first.
  std::vector<ReadModel::DeliveryDetail> deliveries;  ///< In the order of asking.
};

/// One test, on a world of its own.
class TestRun {
 public:
  TestRun(const Scenario& scenario, const std::string& text, const NodeKinds& kinds,
          const ScenarioTest& test, Taken& taken)
      : scenario_{scenario},
        text_{text},
        kinds_{kinds},
        test_{test},
        taken_{taken},
        clock_{test.start} {}

  Result<TestResult> run() {
    result_ = {.name = test_.name, .at = test_.at};
    Status done = prepare();
    for (const TestStep& step : test_.steps) {
      if (done && !step.before) done = take(step);
    }
    if (done) done = judge();
    if (!done) return tl::make_unexpected(std::move(done.error()));
    return std::move(result_);
  }

 private:
  // ---- what happens ----

  Status prepare() {
    auto memory = make_memory_store();
    store_ = memory.get();
    auto store = make_watched_store(std::move(memory), [this](const Commit& commit) {
      for (const Run& run : commit.runs)
        for (const PathStep& step : run.path) taken_[step.node].insert(step.port);
    });
    const auto ids = store_drafts(*store, {&text_, 1}, kinds_, test_.start);
    if (!ids) return tl::make_unexpected(ids.error());
    auto opened =
        Simulation::open(std::move(store), kinds_, clock_, receiver_, {.any_secret = true});
    if (!opened) return tl::make_unexpected(std::move(opened.error()));
    simulation_ = std::move(*opened);
    receiver_.set_rules(rules(), simulation_->engine().control().scenarios);

    // The world as it is when the scenario is activated: contacts, then their history.
    if (Status done = change(test_.contact, /*quiet=*/true); !done) return done;
    for (const ContactInput& other : test_.contacts)
      if (Status done = change(other, /*quiet=*/true); !done) return done;
    for (const TestStep& step : test_.steps)
      if (step.before)
        if (Status done = take_event(step, test_.start - *step.before); !done) return done;
    const auto active = simulation_->engine().scenarios().activate(scenario_.id, std::nullopt);
    if (!active) return tl::make_unexpected(active.error());
    return simulation_->work();
  }

  std::vector<ReceiverRule> rules() const {
    std::vector<ReceiverRule> rules;
    for (const TestReceiver& receiver : test_.receivers) {
      ReceiverRule rule{.node = receiver.node, .replies = receiver.replies};
      if (receiver.lasts) rule.until = test_.start + *receiver.lasts;
      rules.push_back(std::move(rule));
    }
    return rules;
  }

  Status take(const TestStep& step) {
    if (Status done = simulation_->run_until(step.when.value_or(clock_.now() + step.after)); !done)
      return done;
    if (!step.type.empty()) return take_event(step, clock_.now());
    return step.contact ? change(*step.contact, /*quiet=*/false) : Status{};
  }

  ContactInput about(const TestStep& step) const {
    ContactInput about = step.contact.value_or(ContactInput{});
    if (!about.who.id && about.who.email.empty()) about.who = test_.contact.who;
    return about;
  }

  Status take_event(const TestStep& step, Instant at) {
    ContactInput who = about(step);
    EventInput input{.source = step.source,
                     .id = step.id,
                     .who = std::move(who.who),
                     .patch = std::move(who.patch),
                     .event = {.type = step.type, .at = at, .data = step.data},
                     .history = step.before.has_value()};
    input.fingerprint = hash128(step.type + '\n' + to_json(step.data));
    std::vector<EventInput> inputs;
    inputs.push_back(std::move(input));
    const auto answers = simulation_->send(std::move(inputs));
    if (!answers) return tl::make_unexpected(answers.error());
    const EventAnswer& answer = answers->front();
    if (answer.kind == EventAnswer::Kind::Accepted || answer.kind == EventAnswer::Kind::Duplicate)
      return {};
    differ(step.at, "event", "accepted", fmt::format("{}: {}", answer.code, answer.message));
    return {};
  }

  Status change(const ContactInput& contact, bool quiet) {
    const ContactRef& who =
        contact.who.id || !contact.who.email.empty() ? contact.who : test_.contact.who;
    const auto answer = simulation_->take(
        PatchInput{.who = who, .patch = contact.patch, .quiet = quiet}, /*create=*/true);
    return answer ? Status{} : tl::make_unexpected(answer.error());
  }

  // ---- what came of it ----

  Status judge() {
    Cell& engine = simulation_->engine();
    const auto key = engine.contacts().find_contact(name_of(test_.contact.who));
    if (!key) return tl::make_unexpected(key.error());
    Journey journey;
    if (*key)
      if (Status read = read_journey(**key, journey); !read) return read;
    const auto stats = engine.views().stats(scenario_.id, 0);
    if (!stats) return tl::make_unexpected(stats.error());
    std::vector<std::string> refused;
    for (const auto& [reason, count] : stats->live.scenario.named)
      if (count > 0) refused.push_back(reason);
    std::ranges::sort(refused);

    judge_runs(journey, refused);
    judge_deliveries(journey, refused);
    if (test_.expect.contact) return judge_contact();
    return {};
  }

  Status read_journey(ContactKey contact, Journey& journey) {
    auto reader = store_->open_reader();
    if (!reader) return tl::make_unexpected(reader.error());
    auto runs = (*reader)->runs(contact, kListMax, "");
    if (!runs) return tl::make_unexpected(runs.error());
    journey.runs = std::move(runs->runs);
    std::ranges::reverse(journey.runs);
    std::set<DeliveryKey> keys;
    for (const Run& run : journey.runs)
      for (const PathStep& step : run.path)
        if (step.delivery) keys.insert(*step.delivery);
    for (const DeliveryKey key : keys) {
      auto detail = (*reader)->delivery(key);
      if (!detail) return tl::make_unexpected(detail.error());
      if (*detail) journey.deliveries.push_back(std::move(**detail));
    }
    return {};
  }

  void judge_runs(const Journey& journey, const std::vector<std::string>& refused) {
    const Expectation& expect = test_.expect;
    const Run* run = journey.runs.empty() ? nullptr : &journey.runs.back();
    std::vector<std::string> path;
    if (run)
      for (const PathStep& step : run->path) path.push_back(node_id(step.node));
    const std::string not_let_in =
        refused.empty() ? "" : fmt::format("not let in: {}", join(refused));

    if (expect.path && expect.path->value != path)
      differ(expect.path->at, "path", shown_path(expect.path->value), shown_path(path),
             run ? parting(expect.path->value, *run) : not_let_in);
    for (const auto& node : expect.not_path)
      if (std::ranges::find(path, node.value) != path.end())
        differ(node.at, "path", fmt::format("not by {}", node.value), shown_path(path));
    if (expect.ended) {
      const std::string state = run ? std::string{to_string(run->state)} : std::string{kNever};
      if (expect.ended->value != state)
        differ(expect.ended->at, "ended", expect.ended->value, state + where_of(run), not_let_in);
    }
    if (expect.reason) {
      const std::string reason = run ? run->reason : "";
      if (expect.reason->value != reason)
        differ(expect.reason->at, "reason", expect.reason->value, reason.empty() ? "none" : reason);
    }
    if (expect.runs && expect.runs->value != std::ssize(journey.runs))
      differ(expect.runs->at, "runs", std::to_string(expect.runs->value),
             std::to_string(journey.runs.size()), not_let_in);
    if (expect.refused) {
      std::vector<std::string> wanted = expect.refused->value;
      std::ranges::sort(wanted);
      if (wanted != refused)
        differ(expect.refused->at, "refused", wanted.empty() ? "nobody" : join(wanted),
               refused.empty() ? "nobody" : join(refused));
    }
    for (const auto& [node, when] : expect.arrivals) {
      const auto step = std::ranges::find(path, node);
      if (step == path.end())
        differ(when.at, "at " + node, moment(when.value), "never there", shown_path(path));
      else if (const Instant at = run->path[static_cast<std::size_t>(step - path.begin())].at;
               at != when.value)
        differ(when.at, "at " + node, moment(when.value), moment(at));
    }
  }

  /// Where a path left the expected one, and why.
  std::string parting(const std::vector<std::string>& expected, const Run& run) const {
    std::size_t same = 0;
    while (same < expected.size() && same < run.path.size() &&
           expected[same] == node_id(run.path[same].node))
      ++same;
    if (same == 0 || same > run.path.size()) return {};
    const PathStep& last = run.path[same - 1];
    std::string hint = last.port.empty()
                           ? fmt::format("{} at {}", to_string(run.state), node_id(last.node))
                           : fmt::format("{} was left by \"{}\"", node_id(last.node), last.port);
    if (!run.reason.empty()) hint += fmt::format(" ({})", run.reason);
    if (!last.note.empty()) hint += fmt::format(": {}", last.note);
    return hint;
  }

  /// The newest runs, newest last, a node per line: its arrival, the port by which it was left, and
  /// why.
  std::string walked(const Journey& journey, const std::vector<std::string>& refused) const {
    if (journey.runs.empty())
      return refused.empty() ? "no run started" : fmt::format("entry refused: {}", join(refused));
    std::string lines;
    const std::size_t shown = std::min(journey.runs.size(), kRunsShownMax);
    for (const Run& run : std::span{journey.runs}.last(shown)) {
      for (const PathStep& step : run.path) {
        lines += fmt::format("{}: {}", node_id(step.node), moment(step.at));
        if (!step.port.empty()) lines += fmt::format(", left by \"{}\"", step.port);
        if (!step.note.empty()) lines += fmt::format(": {}", step.note);
        lines += '\n';
      }
      lines += fmt::format("{}{}\n", to_string(run.state), where_of(&run));
    }
    lines.pop_back();
    return lines;
  }

  std::string where_of(const Run* run) const {
    if (!run) return {};
    std::string where;
    if (run->live()) where = fmt::format(" at {}", node_id(run->place()));
    if (run->wake_at && run->state == RunState::Waiting)
      where += fmt::format(" until {}", moment(*run->wake_at));
    if (!run->reason.empty()) where += fmt::format(" ({})", run->reason);
    return where;
  }

  void judge_deliveries(const Journey& journey, const std::vector<std::string>& refused) {
    const Expectation& expect = test_.expect;
    std::vector<std::string> nodes;
    for (const auto& detail : journey.deliveries)
      nodes.push_back(node_id(detail.delivery.endpoint.node));
    const auto listed = [](const std::vector<std::string>& of) {
      return of.empty() ? std::string{"none"} : fmt::format("{} ({})", of.size(), join(of));
    };
    if (expect.delivery_count && expect.delivery_count->value != std::ssize(nodes))
      differ(expect.delivery_count->at, "deliveries", std::to_string(expect.delivery_count->value),
             listed(nodes), walked(journey, refused));
    if (!expect.deliveries) return;
    std::int64_t count = 0;
    for (const ExpectedDelivery& delivery : expect.deliveries->value) count += delivery.count;
    std::vector<const ExpectedDelivery*> wanted;
    std::vector<std::string> names;
    if (count <= std::max(kNamesMax, std::ssize(nodes)))
      for (const ExpectedDelivery& delivery : expect.deliveries->value) {
        const auto times = static_cast<std::size_t>(delivery.count);
        wanted.insert(wanted.end(), times, &delivery);
        names.insert(names.end(), times, delivery.node ? delivery.node->value : "any node");
      }
    if (count != std::ssize(nodes))
      return differ(expect.deliveries->at, "deliveries",
                    count > kNamesMax ? std::to_string(count) : listed(names), listed(nodes),
                    walked(journey, refused));
    for (std::size_t i = 0; i < wanted.size(); ++i)
      judge_delivery(*wanted[i], journey.deliveries[i],
                     fmt::format("delivery {} ({})", i + 1, nodes[i]), walked(journey, refused));
  }

  void judge_delivery(const ExpectedDelivery& expect, const ReadModel::DeliveryDetail& detail,
                      const std::string& what, const std::string& walk) {
    const Delivery& delivery = detail.delivery;
    const auto same = [&](const auto& wanted, std::string_view key, const std::string& found,
                          const std::string& hint = {}) {
      if (!wanted) return;
      const std::string text = fmt::format("{}", wanted->value);
      if (text != found)
        differ(wanted->at, fmt::format("{}: {}", what, key), text, found.empty() ? "none" : found,
               hint);
    };
    same(expect.node, "node", node_id(delivery.endpoint.node), walk);
    same(expect.state, "state", std::string{to_string(delivery.state)});
    same(expect.reason, "reason", delivery.reason);
    same(expect.attempts, "attempts", std::to_string(delivery.attempts));
    same(expect.status, "status", std::to_string(delivery.last ? delivery.last->status : 0));
    if (expect.when && expect.when->value != delivery.created)
      differ(expect.when->at, what + ": at", moment(expect.when->value), moment(delivery.created),
             walk);
    if (detail.request) judge_request(expect, *detail.request, what);
  }

  void judge_request(const ExpectedDelivery& expect, const Request& request,
                     const std::string& what) {
    const std::string url = with_secret_references(request.url);
    const std::size_t mark = std::min(url.find('?'), url.size());
    if (expect.url) {
      // Without a query it means the address alone.
      const bool whole = expect.url->value.find('?') != std::string::npos;
      const std::string found = whole ? url : url.substr(0, mark);
      if (expect.url->value != found)
        differ(expect.url->at, what + ": url", expect.url->value, found);
    }
    if (expect.method && expect.method->value != request.method)
      differ(expect.method->at, what + ": method", expect.method->value, request.method);
    for (const auto& [name, wanted] : expect.headers) {
      const auto header = std::ranges::find_if(request.headers, [&key = name](const Header& has) {
        return same_ignoring_case(has.first, key);
      });
      const std::string found = header == request.headers.end()
                                    ? std::string{"no such header"}
                                    : with_secret_references(header->second);
      if (header == request.headers.end() || found != wanted.value)
        differ(wanted.at, fmt::format("{}: header {}", what, name), wanted.value, found);
    }
    if (expect.query) {
      const std::string query = url.substr(std::min(url.size(), mark + 1));
      differ_in(*expect.query, parse_pairs(query), {.exact = expect.exact, .texts = true},
                what + ": query");
    }
    if (expect.body) judge_body(expect, request, what + ": body");
  }

  void judge_body(const ExpectedDelivery& expect, const Request& request, const std::string& what) {
    const Placed<Value>& wanted = *expect.body;
    if (!wanted.value.map() && !wanted.value.list()) {
      const std::string text = to_text(wanted.value);
      if (text != request.body) differ(wanted.at, what, text, request.body);
      return;
    }
    const bool form = std::ranges::any_of(request.headers, [](const Header& header) {
      return same_ignoring_case(header.first, "content-type") &&
             header.second.starts_with(kFormType);
    });
    auto body = form ? Result<Value>{parse_pairs(request.body)} : parse_json(request.body);
    if (!body)
      return differ(wanted.at, what, to_json(wanted.value),
                    request.body.empty() ? "no body" : request.body);
    differ_in(wanted, *body, {.exact = expect.exact, .texts = form}, what);
  }

  Status judge_contact() {
    const auto answer = simulation_->engine().contacts().contact(name_of(test_.contact.who));
    if (!answer) {
      differ(test_.expect.contact->at, "contact", to_json(test_.expect.contact->value), "nobody");
      return {};
    }
    // By way of JSON, in which an expectation is written: days and instants are texts there.
    const auto found = parse_json(to_json(to_value(answer->contact)));
    if (!found) return tl::make_unexpected(found.error());
    differ_in(*test_.expect.contact, *found, {}, "contact");
    return {};
  }

  // ---- telling ----

  void differ(Position at, std::string what, std::string expected, std::string found,
              std::string hint = {}) {
    result_.differences.push_back(
        {at, std::move(what), std::move(expected), std::move(found), std::move(hint)});
  }

  void differ_in(const Placed<Value>& expected, const Value& found, const Comparison& how,
                 const std::string& what) {
    for (ValueDifference& one : differences(expected.value, found, how))
      differ(expected.at, one.pointer.empty() ? what : what + " " + one.pointer,
             std::move(one.expected), std::move(one.found));
  }

  std::string node_id(NodeNumber number) const {
    const ScenarioNode* node = scenario_.find(number);
    return node ? node->id : "?";
  }

  static std::string shown_path(const std::vector<std::string>& path) {
    return path.empty() ? "no run" : join(path, " > ");
  }

  std::string moment(Instant at) const {
    return at < test_.start ? format_instant(at)
                            : fmt::format("{} ({} after the beginning)", format_instant(at),
                                          format_duration(at - test_.start));
  }

  const Scenario& scenario_;
  const std::string& text_;
  const NodeKinds& kinds_;
  const ScenarioTest& test_;
  Taken& taken_;
  VirtualClock clock_;
  ScriptedReceiver receiver_;
  Store* store_ = nullptr;  // the memory store itself, for its readers
  std::unique_ptr<Simulation> simulation_;
  TestResult result_;
};
}  // namespace

std::size_t TestReport::failed() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(results, [](const TestResult& result) { return !result.passed(); }));
}

std::size_t TestReport::taken() const {
  return static_cast<std::size_t>(std::ranges::count(ways, true, &TestedWay::taken));
}

Result<TestReport> run_tests(const Scenario& scenario, const std::string& text,
                             const NodeKinds& kinds) {
  std::vector<std::string_view> ids;
  for (const ScenarioNode& node : scenario.nodes) ids.push_back(node.id);
  Diagnostics none;  // Told when the scenario was loaded.
  std::vector<ScenarioTest> tests;
  if (!scenario.tests.is_null()) tests = read_tests(scenario.tests, ids, scenario.timezone, none);

  TestReport report;
  Taken taken;
  for (const ScenarioTest& test : tests) {
    auto result = TestRun{scenario, text, kinds, test, taken}.run();
    if (!result) return tl::make_unexpected(std::move(result.error()));
    report.results.push_back(std::move(*result));
  }
  for (const ScenarioNode& node : scenario.nodes) {
    const auto ports = taken.find(node.number);
    for (const Port& port : node.ports)
      report.ways.push_back({.node = node.id,
                             .port = port.name,
                             .target = port.target == kEnd ? "end" : scenario.nodes[port.target].id,
                             .reached = ports != taken.end(),
                             .taken = ports != taken.end() && ports->second.contains(port.name)});
  }
  return report;
}
}  // namespace onward
