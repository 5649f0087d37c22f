// Transcripts of `advance`: text files that show what each input does to one contact. They are in
// the folder transcripts/ and need no knowledge of C++.
//
// A file is a list of blocks with an empty line between them. Lines that begin with "#" explain.
// A block is one of three things:
//
// 1. A scenario in YAML, from its line "scenario: ID". It becomes the newest version of that
//    scenario, which is active.
// 2. A setup, which has no effects, one per line:
//      contact {"email": "ada@example.org"}   ada has these attributes
//      new contact                            the first input creates the contact
//      state welcome archived                 the scenario is now archived, on_hold, active …
//      test welcome ada@example.org           the scenario is in test mode for this address
//      chain long 300                         a version of the scenario "long": event "began"
//                                             leads through the conditions n1 to n300 to its end
//      unreadable welcome 1                   version 1 can no longer be read
// 3. One input, a line "----", and all its effects. Before the input, "after 3d" moves the clock.
//      event subscription {"form": "news"}    an event and its data; a second line,
//                                             contact {…}, changes the contact with it
//      history opened {"mailing": "may"}      the same as history, which starts nothing
//      patch {"groups_add": ["vip"]}          a change of the contact;
//      import {"groups_add": ["vip"]}         the same by an import without events
//      timer 2026-05-04T09:00:00Z             the clock moves there, and the timer that was set
//                                             for then is due
//      end run1 REASON, park run1 REASON, resume run1, forget
//      move run1 to 2 {"old": "new"}          to version 2; its nodes by the nodes of the old one
//      arm welcome/vip                        the job that follows an activation reaches the
//      arm welcome/vip enter                  contact; with "enter" one that matches enters
//
// The contact is ada, who exists. The clock starts at 2026-05-01T09:00:00Z, a Friday. Runs are
// named run1, run2 … in the order in which they start. Effects are listed in this order:
//
//      contact, statistic      attributes and statistics that changed (without updated_at)
//      emit                    events that the input caused, in their order, as a scenario that
//                              listens to any event receives them (so up to depth 8)
//      enter, refuse, visit, wait, waited, leave, goal, park, unpark, move, end
//                              the work in the order in which it was done. "visit s/n -> yes": a
//                              run arrived at node n of scenario s and left it by port "yes".
//                              "wait": it waits there; "waited": that wait is over. "s@2" is
//                              version 2 of a scenario that has several
//      run1                    each changed run: its path and its state; then new notes of its path
//      entries                 the ledger: how often the contact entered, and refused entries
//      delivery, body          webhook requests that a visit asked for
//      timer                   timers set and cleared
//      count                   counters, summed, of the scenario and of its nodes
//
// Of more than 40 lines in a row with the same first word, and of a path of more than 40 nodes,
// only the first and the last three are listed. The kind "held" is a node of these tests alone: it
// waits until an hour ago, always.
//
// ONWARD_REWRITE_TRANSCRIPTS=1 writes the effects that were found into the files. Read the
// difference before you commit it.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "engine/authoring/load.h"
#include "engine/core/base/value.h"
#include "engine/core/journey/advance.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

constexpr std::string_view kRule = "----";
constexpr std::size_t kFilesLeast = 10;
constexpr std::size_t kListedMost = 40;  // lines with one first word, and nodes of a path
constexpr std::size_t kListedEnds = 3;   // of those that are more
/// Receives every event, in a second `advance` on a copy of the state, for the lines "emit".
constexpr std::string_view kListener = R"(scenario: zz-listener
reentry: parallel
nodes:
  heard: { kind: trigger, event: any, next: keep }
  keep: { kind: wait, for: 1d, next: end }
)";
constexpr ScenarioKey kListenerKey{1'000};
constexpr std::array<std::string_view, kCounters> kCounterNames = {
    "entered",   "inside",        "done",           "exited",  "stopped",   "parked",
    "goal",      "visits",        "unique",         "waiting", "unknown",   "requests",
    "accepted",  "pending",       "pending_parked", "failed",  "cancelled", "moved_in",
    "moved_out", "too_much_work", "contact_full"};

std::string line_of(std::string_view word, std::string_view rest) {
  std::string line{word};
  line.resize(std::max<std::size_t>(line.size() + 1, 10), ' ');
  return line + std::string{rest};
}

/// `lines` from `first` on, without those in the middle if they are many.
void shorten(Lines& lines, std::size_t first) {
  if (lines.size() - first <= kListedMost) return;
  const std::size_t left_out = lines.size() - first - 2 * kListedEnds;
  const auto from = lines.begin() + static_cast<std::ptrdiff_t>(first + kListedEnds);
  const auto rest = lines.erase(from, from + static_cast<std::ptrdiff_t>(left_out));
  lines.insert(rest, "(" + std::to_string(left_out) + " more)");
}

Lines shortened(const Lines& lines) {
  Lines out;
  std::size_t first = 0;  // of those with one first word
  const auto word = [](const std::string& line) { return line.substr(0, line.find(' ')); };
  for (const std::string& line : lines) {
    if (first < out.size() && word(out[first]) != word(line)) {
      shorten(out, first);
      first = out.size();
    }
    out.push_back(line);
  }
  shorten(out, first);
  return out;
}

/// A node that is late whenever it is asked.
class HeldInThePast final : public Node {
 public:
  Outcome enter(const Visit& visit) const override { return hold_until(an_hour_before(visit)); }
  Outcome wake(const Visit& visit, const WakeCause&) const override {
    return hold_until(an_hour_before(visit));
  }

 private:
  static Instant an_hour_before(const Visit& visit) { return visit.now.at - std::chrono::hours{1}; }
};

const NodeKinds& kinds() {
  static const NodeKinds all = [] {
    NodeKinds made = node_kinds();
    made.push_back({.name = "held",
                    .family = NodeFamily::Wait,
                    .summary = "Waits until an hour ago.",
                    .make = [](Settings&) { return std::make_unique<HeldInThePast>(); }});
    return made;
  }();
  return all;
}

/// The scenario of the setup "chain".
std::string chain_of(const std::string& id, std::size_t length) {
  std::string yaml = "scenario: " + id + "\nnodes:\n";
  yaml += "  began: { kind: trigger, event: began, next: n1 }\n";
  for (std::size_t i = 1; i <= length; ++i) {
    const std::string next = i < length ? "n" + std::to_string(i + 1) : "end";
    yaml += "  n" + std::to_string(i) + ": { kind: condition, if: { in_group: vip }, yes: " + next +
            ", no: " + next + " }\n";
  }
  return yaml;
}

std::pair<std::string, std::string> first_word(const std::string& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) return {text, ""};
  return {text.substr(0, space), text.substr(space + 1)};
}

Value json_of(const std::string& text) {
  if (text.empty()) return ValueMap{};
  auto parsed = parse_json(text);
  if (!parsed) throw std::runtime_error("invalid JSON: " + text);
  return std::move(*parsed);
}

ContactPatch patch_of(const std::string& text) {
  auto parsed = parse_contact(json_of(text));
  if (!parsed) throw std::runtime_error("invalid contact: " + text);
  return std::move(parsed->patch);
}

Instant instant_of(const std::string& text) {
  const auto instant = parse_instant(text);
  if (!instant) throw std::runtime_error("invalid instant: " + text);
  return *instant;
}

void flatten(const Value& value, const std::string& name, std::map<std::string, std::string>& out) {
  if (const ValueMap* map = value.map()) {
    for (const auto& [member, of] : *map)
      flatten(of, name.empty() ? member : name + "." + member, out);
  } else {
    out[name] = to_json(value);
  }
}

std::map<std::string, std::string> fields_of(const Contact& contact) {
  std::map<std::string, std::string> fields;
  flatten(to_value(contact), "", fields);
  fields.erase("updated_at");
  if (contact.created_at == Instant{}) fields.erase("created_at");
  return fields;
}

std::map<std::string, std::string> statistics_of(const Engagement& engagement) {
  std::map<std::string, std::string> all;
  for (const std::string_view name : statistic_names())
    all[std::string{name}] = to_json(statistic(engagement, name));
  return all;
}

/// "name: old -> new" for each member that differs.
void add_changes(std::string_view word, const std::map<std::string, std::string>& before,
                 const std::map<std::string, std::string>& after, Lines& out) {
  std::map<std::string, std::pair<std::string, std::string>> both;
  for (const auto& [name, value] : before) both[name].first = value;
  for (const auto& [name, value] : after) both[name].second = value;
  const auto shown = [](const std::string& value) { return value.empty() ? "none" : value; };
  for (const auto& [name, values] : both)
    if (values.first != values.second)
      out.push_back(
          line_of(word, name + ": " + shown(values.first) + " -> " + shown(values.second)));
}

/// What a transcript is about: one contact, its scenarios, and the clock.
class World {
 public:
  World() {
    state_.contact = {.key = {1}, .id = ExternalId{"ada", false}};
    state_.contact.created_at = state_.contact.updated_at = now_;
    listener_ = load(kListener);
    std::vector<std::pair<std::string, NodeNumber>> numbers;
    listener_->number_nodes(numbers);
  }

  void add_scenario(const std::string& yaml) {
    std::shared_ptr<Scenario> scenario = load(yaml);
    Known& known = scenarios_[scenario->id];
    if (known.key.value == 0) known.key = {static_cast<std::uint32_t>(scenarios_.size())};
    scenario->number_nodes(known.numbers);
    known.versions[++known.newest] = std::move(scenario);
    build();
  }

  void set_up(const std::string& line) {
    const auto [word, rest] = first_word(line);
    if (word == "contact") {
      apply_patch(state_.contact, patch_of(rest), now_);
    } else if (line == "new contact") {
      state_.contact = {.key = {1}};
    } else if (word == "state") {
      const auto [id, name] = first_word(rest);
      const auto parsed = parse_scenario_state(name);
      if (!parsed) throw std::runtime_error("invalid scenario state: " + name);
      known(id).state = *parsed;
    } else if (word == "test") {
      const auto [id, email] = first_word(rest);
      known(id).test_emails = email.empty() ? Lines{} : Lines{email};
    } else if (word == "chain") {
      const auto [id, length] = first_word(rest);
      return add_scenario(chain_of(id, std::stoul(length)));
    } else if (word == "unreadable") {
      const auto [id, version] = first_word(rest);
      known(id).versions.erase(static_cast<Version>(std::stoul(version)));
    } else {
      throw std::runtime_error("invalid setup: " + line);
    }
    build();
  }

  /// The effects of one input, which may have several lines.
  Lines take(const Lines& lines) {
    std::optional<Input> input;
    for (const std::string& line : lines) {
      const auto [word, rest] = first_word(line);
      if (word == "after") {
        const auto duration = parse_duration(rest);
        if (!duration) throw std::runtime_error("invalid duration: " + rest);
        now_ += *duration;
      } else if (word == "contact" && input && std::holds_alternative<EventInput>(*input)) {
        std::get<EventInput>(*input).patch = patch_of(rest);
      } else if (!input) {
        input = read(word, rest);
      } else {
        throw std::runtime_error("a block must have one input: " + line);
      }
    }
    if (!input) throw std::runtime_error("a block must have an input before " + std::string{kRule});
    return effects(*input);
  }

 private:
  struct Known {
    ScenarioKey key;
    ScenarioState state = ScenarioState::Active;
    Lines test_emails;
    Version newest = 0;
    std::vector<std::pair<std::string, NodeNumber>> numbers;
    std::map<Version, std::shared_ptr<const Scenario>> versions;
  };

  static std::unique_ptr<Scenario> load(std::string_view yaml) {
    Loaded loaded = load_scenario(yaml, kinds());
    if (!loaded.scenario)
      throw std::runtime_error(loaded.diagnostics.empty() ? "no scenario"
                                                          : loaded.diagnostics.front().message);
    return std::move(loaded.scenario);
  }

  Known& known(const std::string& id) {
    const auto found = scenarios_.find(id);
    if (found == scenarios_.end()) throw std::runtime_error("unknown scenario " + id);
    return found->second;
  }
  NodeNumber number(const std::string& id, const std::string& node) {
    const Known& of = known(id);
    for (const auto& [name, number] : of.numbers)
      if (name == node) return number;
    throw std::runtime_error("unknown node " + node);
  }
  RunKey run(const std::string& name) const {
    for (const auto& [key, known] : run_names_)
      if (known == name) return key;
    throw std::runtime_error("unknown run " + name);
  }

  void build() {
    std::vector<std::shared_ptr<const CatalogScenario>> all;
    for (const auto& [id, one] : scenarios_)
      all.push_back(
          std::make_shared<CatalogScenario>(CatalogScenario{.key = one.key,
                                                            .id = id,
                                                            .state = one.state,
                                                            .newest = one.newest,
                                                            .test_emails = one.test_emails,
                                                            .versions = one.versions}));
    catalog_ = Catalog{all, "000000000000", 1};
    all.push_back(std::make_shared<CatalogScenario>(CatalogScenario{.key = kListenerKey,
                                                                    .id = listener_->id,
                                                                    .state = ScenarioState::Active,
                                                                    .newest = 1,
                                                                    .test_emails = {},
                                                                    .versions = {{1, listener_}}}));
    listening_ = Catalog{std::move(all), "000000000000", 1};
  }

  Input read(const std::string& word, const std::string& rest) {
    if (word == "event" || word == "history") {
      const auto [type, data] = first_word(rest);
      return EventInput{.event = {.type = type, .at = now_, .data = json_of(data)},
                        .history = word == "history"};
    }
    if (word == "patch" || word == "import")
      return PatchInput{.patch = patch_of(rest), .quiet = word == "import"};
    if (word == "timer") return read_timer(instant_of(rest));
    return CommandInput{.contact = state_.contact.key, .command = read_command(word, rest)};
  }

  Input read_timer(Instant at) {
    const auto timer = std::ranges::find(timers_, at, &Timer::at);
    if (timer == timers_.end())
      throw std::runtime_error("no timer is set for " + format_instant(at));
    now_ = std::max(now_, at);
    return TimerInput{.contact = timer->contact, .timer = timer->key, .due = timer->at};
  }

  Command read_command(const std::string& word, const std::string& rest) {
    if (word == "forget") return Forget{};
    const auto [subject, more] = first_word(rest);
    if (word == "end") return EndRun{.run = run(subject), .reason = more};
    if (word == "park") return ParkRun{.run = run(subject), .reason = more};
    if (word == "resume") return ResumeRun{.run = run(subject)};
    if (word == "move") return read_move(subject, more);
    if (word == "arm") {
      const std::size_t slash = subject.find('/');
      const std::string id = subject.substr(0, slash);
      return ArmTrigger{.scenario = known(id).key,
                        .node = number(id, subject.substr(std::min(slash, subject.size() - 1) + 1)),
                        .enter = more == "enter"};
    }
    throw std::runtime_error("unknown input " + word);
  }

  Command read_move(const std::string& name, const std::string& rest) {
    const auto [to, target] = first_word(rest);
    const auto [version, map] = first_word(target);
    if (to != "to") throw std::runtime_error("a move must be \"move run1 to 2 {…}\"");
    const auto live = std::ranges::find(state_.live, run(name), &Run::key);
    if (live == state_.live.end()) throw std::runtime_error(name + " is not live");
    const std::string id = id_of(live->scenario);
    NodeMap nodes;
    const Value pairs = json_of(map);
    for (const auto& [from, node] : *pairs.map())
      nodes[number(id, from)] = number(id, to_text(node));
    return MoveRun{.run = live->key,
                   .to = static_cast<Version>(std::stoul(version)),
                   .map = std::make_shared<const NodeMap>(std::move(nodes))};
  }

  // ---- effects ----

  Lines effects(const Input& input) {
    ++seq_;
    const Now now{.at = now_, .seq = seq_};
    const ContactState before = state_;
    ContactState heard = state_;
    advance(listening_, heard, input, now);
    const Changes changes = advance(catalog_, state_, input, now);
    Lines out;
    add_changes("contact", fields_of(before.contact), fields_of(state_.contact), out);
    if (changes.forgotten) out.push_back(line_of("contact", "forgotten"));
    add_changes("statistic", statistics_of(before.engagement), statistics_of(state_.engagement),
                out);
    add_emitted(heard, input, out);
    for (const std::string& warning : changes.warnings) out.push_back(line_of("warning", warning));
    add_work(changes, out);
    add_runs(before, changes, out);
    for (const std::size_t row : changes.ledger) add_entries(before, state_.ledger.at(row), out);
    add_deliveries(changes, out);
    add_timers(changes, out);
    add_counts(changes, out);
    if (out.empty()) out.emplace_back("nothing");
    return shortened(out);
  }

  void add_emitted(const ContactState& heard, const Input& input, Lines& out) const {
    const auto* own = std::get_if<EventInput>(&input);
    bool first = own != nullptr && !own->history;
    for (const Run& run : heard.live) {
      if (run.scenario != kListenerKey || run.event == nullptr) continue;
      if (!std::exchange(first, false))
        out.push_back(line_of("emit", run.event->type + " " + to_json(run.event->data)));
    }
  }

  std::string id_of(ScenarioKey key) const {
    for (const auto& [id, known] : scenarios_)
      if (known.key == key) return id;
    return "?";
  }
  std::string place(ScenarioKey key, NodeNumber node) const {
    for (const auto& [id, known] : scenarios_)
      if (known.key == key)
        for (const auto& [name, number] : known.numbers)
          if (number == node) return name;
    return "?";
  }
  /// "welcome", "welcome@2", "welcome (test)".
  std::string versioned(ScenarioKey key, Version version) const {
    const std::string id = id_of(key);
    const auto found = scenarios_.find(id);
    const bool several = found != scenarios_.end() && found->second.newest > 1;
    return several ? id + "@" + std::to_string(version) : id;
  }
  std::string where(const CounterKey& key) const {
    return versioned(key.scenario, key.version) +
           (key.node ? "/" + place(key.scenario, key.node) : "") + (key.test ? " (test)" : "");
  }
  std::string run_name(RunKey key) const {
    const auto found = run_names_.find(key);
    return found == run_names_.end() ? "an ended run" : found->second;
  }

  /// The order of the counters is the order of the work.
  void add_work(const Changes& changes, Lines& out) const {
    std::string last;  // where the last line was
    for (const CounterChange& change : changes.counters) {
      const std::string at = where(change.key);
      const bool of_node = static_cast<bool>(change.key.node);
      const auto add = [&](std::string_view word, const std::string& rest) {
        out.push_back(line_of(word, rest));
        last = at;
      };
      if (change.counter == Counter::kCount) {
        const std::string name{change.name};
        if (!of_node)
          add("refuse", at + ": " + name);
        else if (last == at)
          out.back() += " -> " + name;
        else
          add("leave", at + " -> " + name);
        last.clear();
        continue;
      }
      const bool more = change.delta > 0;
      switch (change.counter) {
        case Counter::Entered:
          add("enter", at);
          break;
        case Counter::Visits:
          add("visit", at);
          break;
        case Counter::Waiting:
          add(more ? "wait" : "waited", at);
          break;
        case Counter::Parked:
          add(more ? "park" : "unpark", at);
          break;
        case Counter::Goal:
          add("goal", at);
          break;
        case Counter::Done:
        case Counter::Exited:
        case Counter::Stopped:
          add("end", at + ": " + std::string{name_of(change.counter)});
          break;
        case Counter::MovedIn:
          if (!of_node) add("move", "into " + at);
          break;
        case Counter::MovedOut:
          if (!of_node) add("move", "out of " + at);
          break;
        default:
          break;
      }
    }
  }

  static std::string_view name_of(Counter counter) {
    return kCounterNames.at(static_cast<std::size_t>(counter));
  }

  void add_runs(const ContactState& before, const Changes& changes, Lines& out) {
    std::map<RunKey, const Run*> changed;
    for (const Run& run : state_.live)
      if (std::ranges::find(changes.live, run.key) != changes.live.end()) changed[run.key] = &run;
    for (const Run& run : changes.ended) changed[run.key] = &run;
    for (const auto& [key, run] : changed) {
      if (!run_names_.contains(key))
        run_names_.emplace(key, "run" + std::to_string(run_names_.size() + 1));
      const auto was = std::ranges::find(before.live, key, &Run::key);
      add_run(*run, was == before.live.end() ? nullptr : &*was, out);
    }
  }

  void add_run(const Run& run, const Run* was, Lines& out) const {
    std::string text = versioned(run.scenario, run.version) + (run.test ? " (test): " : ": ");
    Lines path;
    for (const PathStep& step : run.path) path.push_back(place(run.scenario, step.node));
    shorten(path, 0);
    for (std::size_t i = 0; i < path.size(); ++i) text += (i == 0 ? "" : " > ") + path[i];
    text += "; " + std::string{to_string(run.state)};
    if (!run.reason.empty()) text += " (" + run.reason + ")";
    if (run.wake_at) text += " until " + format_instant(*run.wake_at);
    if (run.recheck_at) text += ", asks again at " + format_instant(*run.recheck_at);
    out.push_back(line_of(run_name(run.key), text));
    for (std::size_t i = 0; i < run.path.size(); ++i) {
      const PathStep& step = run.path[i];
      const bool known = was != nullptr && i < was->path.size() && was->path[i].note == step.note;
      if (!known && !step.note.empty())
        out.push_back(line_of("", "note at " + place(run.scenario, step.node) + ": " + step.note));
    }
  }

  void add_entries(const ContactState& before, const LedgerRow& row, Lines& out) const {
    const auto was = std::ranges::find_if(before.ledger, [&](const LedgerRow& other) {
      return other.scenario == row.scenario && other.key == row.key && other.test == row.test;
    });
    if (was != before.ledger.end() && was->entries == row.entries && was->refusals == row.refusals)
      return;
    std::string text = id_of(row.scenario);
    if (row.test) text += " (test)";
    if (!row.key.empty()) text += " key " + row.key;
    text += ": " + std::to_string(row.entries);
    for (const Refusal& refusal : row.refusals)
      text += ", " + refusal.reason + " " + std::to_string(refusal.count);
    out.push_back(line_of("entries", text));
  }

  void add_deliveries(const Changes& changes, Lines& out) const {
    for (const NewDelivery& made : changes.deliveries) {
      const Delivery& delivery = made.delivery;
      std::string text = run_name(delivery.run) + " " +
                         place(delivery.endpoint.scenario, delivery.endpoint.node) + ": " +
                         std::string{to_string(delivery.state)};
      if (!delivery.reason.empty()) text += " (" + delivery.reason + ")";
      if (delivery.test) text += " (test)";
      if (delivery.due) text += ", due " + format_instant(*delivery.due);
      text += ", deadline " + format_instant(delivery.deadline);
      out.push_back(line_of("delivery", text));
      out.push_back(line_of("", made.request->method + " " + made.request->url));
      if (!made.request->body.empty()) out.push_back(line_of("body", made.request->body));
    }
  }

  std::string timer_name(const TimerKey& key) const {
    switch (key.kind) {
      case TimerKind::Wait:
        return "wait of " + run_name({key.subject});
      case TimerKind::RunRecheck:
        return "recheck of " + run_name({key.subject});
      case TimerKind::SegmentRecheck:
      case TimerKind::Date: {
        const ScenarioKey scenario{static_cast<std::uint32_t>(key.subject >> 32)};
        const NodeNumber node{static_cast<std::uint32_t>(key.subject)};
        return (key.kind == TimerKind::Date ? "date of " : "segment of ") + id_of(scenario) + "/" +
               place(scenario, node);
      }
    }
    return "";
  }

  void add_timers(const Changes& changes, Lines& out) {
    const std::set<Timer> cleared{changes.timers_cleared.begin(), changes.timers_cleared.end()};
    const std::set<Timer> set{changes.timers_set.begin(), changes.timers_set.end()};
    for (const Timer& timer : cleared) {
      timers_.erase(timer);
      out.push_back(
          line_of("timer", "cleared " + format_instant(timer.at) + " " + timer_name(timer.key)));
    }
    for (const Timer& timer : set) {
      timers_.insert(timer);
      out.push_back(
          line_of("timer", "set " + format_instant(timer.at) + " " + timer_name(timer.key)));
    }
  }

  void add_counts(const Changes& changes, Lines& out) {
    CounterDeltas deltas;
    for (const CounterChange& change : changes.counters) deltas.add(change);
    std::map<CounterKey, CounterRow> ordered;
    for (auto& [key, row] : deltas.added_to(Counters{})) ordered[key] = std::move(row);
    for (const auto& [key, row] : ordered) {
      std::string text;
      const auto add = [&](std::string_view name, std::int64_t delta) {
        if (delta != 0)
          text += (text.empty() ? " " : ", ") + std::string{name} + (delta > 0 ? " +" : " ") +
                  std::to_string(delta);
      };
      for (std::size_t i = 0; i < kCounters; ++i) add(kCounterNames.at(i), row.counts.at(i));
      for (const auto& [name, delta] : row.named) add(name, delta);
      if (!text.empty()) out.push_back(line_of("count", where(key) + ":" + text));
    }
    for (auto& [key, row] : deltas.added_to(counters_)) counters_[key] = std::move(row);
    const std::string broken = check_counters(counters_);
    if (!broken.empty()) out.push_back(line_of("broken", broken));
  }

  std::map<std::string, Known> scenarios_;
  std::shared_ptr<Scenario> listener_;
  Catalog catalog_, listening_;
  ContactState state_;
  Counters counters_;
  std::set<Timer> timers_;
  std::map<RunKey, std::string> run_names_;
  Instant now_ = *parse_instant("2026-05-01T09:00:00Z");
  Sequence seq_ = 0;
};

struct Block {
  std::size_t line = 1;  ///< Of its first line.
  Lines lines;
};

std::vector<Block> blocks_of(const fs::path& file) {
  std::ifstream in{file};
  std::vector<Block> blocks;
  std::string line;
  bool inside = false;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) {
      inside = false;
      continue;
    }
    if (!std::exchange(inside, true)) blocks.push_back({.line = number});
    blocks.back().lines.push_back(line);
  }
  return blocks;
}

std::string joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

/// The first line of `expected` and `found` that differs, and both as a whole; empty: none does.
std::string difference(const fs::path& file, std::size_t line, const Lines& expected,
                       const Lines& found) {
  if (expected == found) return {};
  std::size_t at = 0;
  while (at < expected.size() && at < found.size() && expected[at] == found[at]) ++at;
  const auto shown = [&](const Lines& lines) {
    return at < lines.size() ? lines[at] : std::string{"(end of the effects)"};
  };
  return file.string() + ":" + std::to_string(line + at) + "\n  expected: " + shown(expected) +
         "\n  found:    " + shown(found) + "\nall effects found:\n" + joined(found);
}

/// Plays one block; its effects are replaced with those that were found.
std::string play(World& world, const fs::path& file, Block& block) {
  const auto rule = std::ranges::find(block.lines, kRule);
  Lines given;
  for (auto line = block.lines.begin(); line != rule; ++line)
    if (!line->starts_with("#")) given.push_back(*line);
  if (given.empty() && rule == block.lines.end()) return {};
  if (rule == block.lines.end()) {
    if (!given.front().starts_with("scenario:")) {
      for (const std::string& line : given) world.set_up(line);
      return {};
    }
    std::string yaml;
    for (const std::string& line : given) yaml += line + "\n";
    world.add_scenario(yaml);
    return {};
  }
  const Lines expected{rule + 1, block.lines.end()};
  const Lines found = world.take(given);
  const auto before = static_cast<std::size_t>(rule - block.lines.begin()) + 1;
  block.lines.resize(before);
  block.lines.insert(block.lines.end(), found.begin(), found.end());
  return difference(file, block.line + before, expected, found);
}

void write(const fs::path& file, const std::vector<Block>& blocks) {
  std::ofstream out{file};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i > 0) out << "\n";
    for (const std::string& line : blocks[i].lines) out << line << "\n";
  }
}
}  // namespace

TEST_CASE("each input of a transcript has the effects that are written below it",
          "[core][advance][transcripts]") {
  const bool rewrite = std::getenv("ONWARD_REWRITE_TRANSCRIPTS") != nullptr;
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator{"tests/core/journey/transcripts"})
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::ranges::sort(files);
  CHECK(files.size() >= kFilesLeast);
  for (const fs::path& file : files) {
    World world;
    std::vector<Block> blocks = blocks_of(file);
    std::string differences;
    for (Block& block : blocks) {
      try {
        differences += play(world, file, block);
      } catch (const std::exception& error) {
        FAIL(file.string() << ":" << block.line << ": " << error.what());
      }
    }
    if (rewrite)
      write(file, blocks);
    else if (!differences.empty())
      FAIL_CHECK(differences);
  }
}
}  // namespace onward
