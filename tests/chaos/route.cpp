#include "tests/chaos/route.h"

#include <algorithm>
#include <array>
#include <tuple>

#include <fmt/format.h>

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;
using Kind = RouteNode::Kind;

constexpr int kEndOfRoute = -1;

std::string settings(const RouteNode& node) {
  switch (node.kind) {
    case Kind::Wait:
      return "kind: wait, for: " + format_duration(node.length);
    case Kind::Reply:
      return "kind: wait_until, event: step, timeout: " + format_duration(node.length);
    case Kind::Rich:
      return fmt::format("kind: condition, if: {{ custom.spent: {{ gte: {} }} }}", node.value);
    case Kind::Large:
      return fmt::format("kind: condition, if: {{ event.x: {{ gte: {} }} }}", node.value);
    case Kind::Tag:
      return fmt::format("kind: update_contact, set: {{ custom.spent: {} }}", node.value);
    case Kind::Tell:
      return "kind: send_webhook, url: \"https://crm.example.com/in\"";
  }
  return "";
}

std::pair<const char*, const char*> ports(Kind kind) {
  switch (kind) {
    case Kind::Reply:
      return {"next", "on_timeout"};
    case Kind::Rich:
    case Kind::Large:
      return {"yes", "no"};
    case Kind::Wait:
    case Kind::Tag:
    case Kind::Tell:
      return {"next", nullptr};
  }
  return {"next", nullptr};
}

constexpr std::array<const char*, 6> kNames{"rest", "reply", "rich", "large", "tag", "tell"};
}  // namespace

std::string RouteText::yaml() const {
  std::string text =
      fmt::format("scenario: {}\nreentry: {{ mode: {}{} }}\n", id, to_string(reentry.mode),
                  reentry.min_gap ? ", min_gap: " + format_duration(*reentry.min_gap) : "");
  if (stoppable) text += "exit: [{ event: stop }]\n";
  const auto target = [&](int at) {
    return at == kEndOfRoute ? std::string{"end"} : nodes[static_cast<std::size_t>(at)].id;
  };
  text += fmt::format(
      "nodes:\n  came: {{ kind: trigger, event: go, where: {{ event.x: {{ gte: {} }} }}, next: {} "
      "}}\n",
      from, target(0));
  for (const RouteNode& node : nodes) {
    const auto [first, second] = ports(node.kind);
    text += fmt::format("  {}: {{ {}, {}: {}", node.id, settings(node), first, target(node.next));
    if (second != nullptr) text += fmt::format(", {}: {}", second, target(node.other));
    text += " }\n";
  }
  return text;
}

RouteText make_route(const std::string& id, std::uint64_t seed, std::uint64_t version) {
  Chance fixed{seed, 77};
  Chance chance{seed, 1'000 + version};
  RouteText text{.id = id};
  text.reentry.mode = static_cast<ReentryMode>(fixed.roll(4));
  if (fixed.one_in(3)) text.reentry.min_gap = 1h * (1 + fixed.roll(40));
  text.from = chance.roll(3);
  text.stoppable = chance.one_in(2);
  const int length = 1 + static_cast<int>(chance.roll(9));
  std::array<int, 6> named{};
  for (int i = 0; i < length; ++i) {
    RouteNode node{.kind = static_cast<Kind>(chance.roll(6)), .value = chance.roll(5)};
    const auto kind = static_cast<std::size_t>(node.kind);
    node.id = fmt::format("{}{}", kNames.at(kind), named.at(kind)++);
    constexpr std::array<Duration, 6> lengths{1s, 90s, 1h, 5h, 1h * 24, 1h * 24 * 6};
    node.length = chance.pick(lengths);
    const int further =
        i + 1 + static_cast<int>(chance.roll(static_cast<std::uint64_t>(length - i)));
    node.next = i + 1 < length ? i + 1 : kEndOfRoute;
    node.other = further < length ? further : kEndOfRoute;
    text.nodes.push_back(std::move(node));
  }
  return text;
}

// ---- the model ----

void RouteModel::walk(const std::string& contact, Run& run, int at, Instant now) {
  run.at = kEndOfRoute;
  while (at != kEndOfRoute) {
    const RouteNode& node = run.text->nodes[static_cast<std::size_t>(at)];
    run.path.emplace_back(node.id, now);
    const auto& spent = people_[contact].spent;
    switch (node.kind) {
      case Kind::Wait:
      case Kind::Reply:
        run.at = at;
        run.wake = now + node.length;
        return;
      case Kind::Rich:
        at = spent && *spent >= node.value ? node.next : node.other;
        break;
      case Kind::Large:
        at = run.x >= node.value ? node.next : node.other;
        break;
      case Kind::Tag:
        people_[contact].spent = node.value;
        at = node.next;
        break;
      case Kind::Tell:
        at = node.next;
        break;
    }
  }
  run.state = "done";
}

void RouteModel::wake(Instant now, std::optional<Instant> since) {
  while (true) {
    Run* first = nullptr;
    const std::string* who = nullptr;
    const auto rank = [&](const std::string& contact, const Run& run) {
      return std::tuple{run.wake, people_[contact].number, run.number};
    };
    for (auto& [contact, runs] : runs_)
      for (Run& run : runs)
        if (run.at != kEndOfRoute && run.wake <= now &&
            (first == nullptr || rank(contact, run) < rank(*who, *first))) {
          first = &run;
          who = &contact;
        }
    if (first == nullptr) return;
    const RouteNode& node = first->text->nodes[static_cast<std::size_t>(first->at)];
    walk(*who, *first, node.kind == Kind::Reply ? node.other : node.next,
         since ? std::max(first->wake, *since) : first->wake);
  }
}

void RouteModel::enter(const std::string& contact, const RouteText& text, const RouteEvent& event,
                       Instant now) {
  if (event.x < text.from) return;
  auto& [entries, last] = people_[contact].entries[text.id];
  std::vector<Run>& runs = runs_[contact];
  const auto inside = [&](const Run& run) {
    return run.text->id == text.id && run.state == "waiting";
  };
  const auto live = std::ranges::count_if(runs, inside);
  const auto refuse = [&](const char* reason) { ++refused_[{text.id, reason}]; };
  const ReentryMode mode = text.reentry.mode;
  if (entries > 0 && mode == ReentryMode::Never) return refuse("already_entered");
  if (mode == ReentryMode::AfterExit && live > 0) return refuse("inside");
  if (entries > 0 && text.reentry.min_gap && now < last + *text.reentry.min_gap)
    return refuse("too_soon");
  if (mode == ReentryMode::Parallel && live >= 100) return refuse("too_many");
  if (mode == ReentryMode::Restart)
    for (Run& run : runs)
      if (inside(run)) {
        run.state = "exited";
        run.at = kEndOfRoute;
      }
  ++entries;
  last = now;
  Run& run = runs.emplace_back(Run{
      .text = newest_.at(text.id), .x = event.x, .number = ++numbers_, .path = {{"came", now}}});
  walk(contact, run, 0, now);
}

void RouteModel::take(const RouteEvent& event, Instant now) {
  Person& person = people_[event.contact];
  if (person.number == 0) person.number = people_.size();
  if (event.spent) person.spent = event.spent;
  std::vector<Run>& runs = runs_[event.contact];
  if (event.type == "stop")
    for (Run& run : runs)
      if (run.state == "waiting" && run.text->stoppable) {
        run.state = "exited";
        run.at = kEndOfRoute;
      }
  if (event.type == "step")
    for (Run& run : runs) {
      if (run.at == kEndOfRoute) continue;
      const RouteNode& node = run.text->nodes[static_cast<std::size_t>(run.at)];
      if (node.kind == Kind::Reply) walk(event.contact, run, node.next, now);
    }
  if (event.type != "go") return;
  for (const auto& [id, text] : newest_)
    if (active_[id]) enter(event.contact, *text, event, now);
}

std::int64_t RouteModel::refused(const std::string& id, const std::string& reason) const {
  const auto found = refused_.find({id, reason});
  return found == refused_.end() ? 0 : found->second;
}
}  // namespace onward::chaos
