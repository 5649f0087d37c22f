#include "tools/onward/simulate_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <utility>

#include "engine/api/event_json.h"
#include "engine/api/views.h"
#include "engine/core/base/text.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/contact/contact.h"
#include "engine/core/scenario/catalog.h"
#include "engine/core/source/suggestion.h"
#include "engine/simulation/trace.h"
#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/scenario_files.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// How long after the last event a simulation goes on where something never ends.
constexpr Duration kAfterLastEvent = std::chrono::days{366};
constexpr std::size_t kContactsAtOnce = 1'000;
/// Where nobody looks at single deliveries.
constexpr std::size_t kAnswersTogether = 256;
constexpr std::size_t kEventsTogether = 256;
constexpr std::size_t kRefusedShown = 20;
/// Output is handed on in pieces of this size.
constexpr std::size_t kPieceBytes = 1u << 16;

/// One item of an input file, and how a message names its place.
struct Item {
  std::size_t number = 0;  ///< The line, or the place in the list; from 1.
  Value value;
  std::optional<Error> fault = {};  ///< Why the line is not JSON.
};
struct ItemFile {
  std::string name;
  bool lines = false;
  std::vector<Item> items;

  std::string place(const Item& item) const {
    return lines ? fmt::format("{}:{}", name, item.number)
                 : fmt::format("{}: item {}", name, item.number);
  }
};

/// A JSON list, or one JSON object a line; a lone object is a list of one. A line that is not JSON
/// is an item with a fault; a list that is not JSON cannot be read at all.
Result<ItemFile> read_items(const std::string& file) {
  const auto text = read_input(file);
  if (!text) return tl::make_unexpected(text.error());
  ItemFile read{.name = file == "-" ? "standard input" : file};
  if (is_blank(*text)) return read;
  if (trimmed(*text).starts_with('[')) {
    auto list = parse_json(*text, {.depth = JsonLimits{}.depth + 1});
    if (!list)
      return fail(ErrorKind::Invalid, list.error().code,
                  fmt::format("{}: {}", read.name, list.error().message));
    for (Value& item : *list->get_if<ValueList>())
      read.items.push_back({read.items.size() + 1, std::move(item)});
    return read;
  }
  read.lines = true;
  std::string_view rest = *text;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::string_view one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (is_blank(one)) continue;
    if (auto value = parse_json(one))
      read.items.push_back({line, std::move(*value)});
    else
      read.items.push_back({line, {}, std::move(value.error())});
  }
  return read;
}

/// An event, when it arrives, and where it stands.
struct Arrival {
  Instant at{};
  std::size_t place = 0;  ///< Among the items of its file.
  EventInput input;
};

struct SimulationTotals {
  std::uint64_t events = 0, accepted = 0, duplicates = 0, rejected = 0, contacts = 0;
};

/// Writes the steps of runs, many at once.
class TraceWriter {
 public:
  TraceWriter(bool json, std::ostream& out) : json_{json}, out_{out} {}

  void add(const TraceStep& step) {
    if (json_) {
      piece_ += to_json(to_value(step)) + "\n";
      return;
    }
    // That a trigger, or a node with one way on, was left goes without saying.
    if (step.kind == TraceStep::Kind::Leaves) {
      const NodeKind* kind = find_kind(node_kinds(), step.node_kind);
      const bool plain = kind && kind->ports.size() == 1 && kind->family != NodeFamily::Wait;
      if (plain && step.port == kind->ports.front()) return;
    }
    piece_ += printable_line(to_text(step)) + "\n";
  }

  /// Writes what was added, if that is at least `least` bytes.
  void write(std::size_t least) {
    if (piece_.size() < least) return;
    out_ << piece_;
    piece_.clear();
  }

 private:
  const bool json_;
  std::ostream& out_;
  std::string piece_;
};

/// One call of the command.
class Simulator {
 public:
  Simulator(const ClientOptions& client, const SimulateOptions& options, std::ostream& out,
            std::ostream& err)
      : client_{client}, options_{options}, out_{out}, err_{err}, writer_{client.json, out} {}

  int run() {
    for (const auto step : {&Simulator::load, &Simulator::read_inputs, &Simulator::open,
                            &Simulator::take_contacts, &Simulator::take_events, &Simulator::finish})
      if (const int code = (this->*step)(); code != kExitOk) return code;
    return totals_.rejected > 0 ? kExitData : kExitOk;
  }

 private:
  int refuse(const Error& error) {
    err_ << "onward: " << error.message << '\n';
    return exit_code_of(error);
  }

  int load() {
    const auto files = scenario_files(options_.scenarios);
    if (!files) return refuse(files.error());
    int code = kExitOk;
    for (const std::string& name : *files) {
      auto file = load_scenario_of(client_, name, StoredRules::Newest);
      if (!file) return refuse(file.error());
      if (!file->loaded.scenario) {
        err_ << findings_of(*file);
        code = kExitData;
        continue;
      }
      timezone_ = file->loaded.scenario->timezone;
      texts_.push_back(std::move(file->text));
    }
    return code;
  }

  // ---- inputs ----

  int read_inputs() {
    if (!options_.contacts.empty()) {
      auto file = read_items(options_.contacts);
      if (!file) return refuse(file.error());
      for (const Item& item : file->items) {
        if (item.fault) return refuse_item(*file, item, *item.fault);
        auto contact = parse_contact(item.value);
        if (contact && !contact->who.id && contact->who.email.empty())
          contact =
              fail(ErrorKind::Invalid, "no_identity", "A contact wants an \"id\" or an \"email\".");
        if (!contact) return refuse_item(*file, item, contact.error());
        contacts_.push_back(std::move(*contact));
      }
    }
    auto file = read_items(options_.events);
    if (!file) return refuse(file.error());
    events_file_ = std::move(*file);
    return read_events();
  }

  int refuse_item(const ItemFile& file, const Item& item, const Error& error) {
    err_ << fmt::format("{}: {}: {}\n", file.place(item), error.code,
                        printable_line(error.message));
    return kExitData;
  }

  /// The clock follows `at`; an event without it happens with the one before it.
  int read_events() {
    std::optional<Instant> from;
    if (!options_.from.empty()) {
      from = parse_instant_in(options_.from, timezone_);
      if (!from)
        return refuse({ErrorKind::Invalid, "bad_instant",
                       fmt::format("--from must be a time, for example 2026-05-01T09:00:00Z (got "
                                   "\"{}\").",
                                   options_.from)});
    }
    const auto stated = [](const Value& event) -> std::optional<Instant> {
      const Value* at = event.map() ? event.find("at") : nullptr;
      return at && at->text() ? parse_instant(*at->text()) : std::nullopt;
    };
    if (!from)
      for (const Item& item : events_file_.items)
        if (const auto at = stated(item.value); at && (!from || *at < *from)) from = at;
    start_ = from.value_or(system_clock().now());

    Instant clock = start_;
    events_.reserve(events_file_.items.size());
    for (std::size_t i = 0; i < events_file_.items.size(); ++i) {
      Item& item = events_file_.items[i];
      clock = stated(item.value).value_or(clock);
      auto input = item.fault ? tl::make_unexpected(*item.fault)
                              : parse_event(item.value, clock, /*history=*/false);
      if (!input) {
        reject(events_file_.place(item), input.error().code, input.error().message);
        ++totals_.events;
      } else {
        events_.push_back({std::max(clock, start_), i, std::move(*input)});
      }
      item.value = {};  // A large file is not kept twice.
    }
    if (!std::ranges::is_sorted(events_, {}, &Arrival::at))
      std::ranges::stable_sort(events_, {}, &Arrival::at);
    const Instant last = events_.empty() ? start_ : events_.back().at;
    until_ = last + kAfterLastEvent;
    if (!options_.until.empty()) {
      if (const auto after = parse_duration(options_.until))
        until_ = last + *after;
      else if (const auto at = parse_instant_in(options_.until, timezone_))
        until_ = *at;
      else
        return refuse({ErrorKind::Invalid, "bad_instant",
                       fmt::format("--until must be a time, for example 2026-06-01T09:00:00Z, or a "
                                   "duration after the last event, for example 30d (got \"{}\").",
                                   options_.until)});
    }
    return kExitOk;
  }

  void reject(const std::string& place, std::string_view code, std::string_view message) {
    if (++totals_.rejected <= kRefusedShown)
      err_ << fmt::format("{}: {}: {}\n", place, code, printable_line(message));
    else if (totals_.rejected == kRefusedShown + 1)
      err_ << "More events are refused; the rest is counted only.\n";
  }

  // ---- the world ----

  int open() {
    std::vector<ReceiverRule> rules;
    for (const std::string& text : options_.receivers) {
      auto rule = parse_receiver_rule(text, start_);
      if (!rule) return refuse(rule.error());
      rules.push_back(std::move(*rule));
    }
    clock_.set(start_);
    std::unique_ptr<Store> store =
        make_memory_store("SIMULATION00", RuntimeOptions{}.dedupe_for, /*history=*/false);
    if (!options_.summary)
      store = make_watched_store(std::move(store),
                                 [this](const Commit& commit) { trace_.take(commit); });
    const auto ids = store_drafts(*store, texts_, node_kinds(), start_);
    if (!ids) return refuse(ids.error());
    ids_ = *ids;
    auto opened =
        Simulation::open(std::move(store), node_kinds(), clock_, receiver_, {.any_secret = true});
    if (!opened) return refuse(opened.error());
    simulation_ = std::move(*opened);
    if (const int code = check_rules(rules); code != kExitOk) return code;
    receiver_.set_rules(std::move(rules), engine().control().scenarios);
    if (options_.summary) receiver_.answer_together(kAnswersTogether);
    return kExitOk;
  }

  /// A misspelt node would be a receiver that nobody calls.
  int check_rules(const std::vector<ReceiverRule>& rules) {
    for (const ReceiverRule& rule : rules) {
      std::vector<std::string> nodes;
      for (const std::string& id : ids_) {
        if (!rule.scenario.empty() && rule.scenario != id) continue;
        for (const auto& [node, number] : engine().control().scenarios.find(id)->nodes)
          nodes.push_back(node);
      }
      if (std::ranges::find(nodes, rule.node) != nodes.end()) continue;
      const std::string nearest = nearest_name(rule.node, nodes);
      return refuse(
          {ErrorKind::Invalid, "unknown_node",
           fmt::format("--receiver: there is no node \"{}\"{}.", rule.node, perhaps(nearest))});
    }
    return kExitOk;
  }

  /// The contacts are there before the scenarios are activated, and start nothing.
  int take_contacts() {
    for (std::size_t first = 0; first < contacts_.size(); first += kContactsAtOnce) {
      const std::size_t end = std::min(contacts_.size(), first + kContactsAtOnce);
      std::vector<Task> jobs;
      for (std::size_t i = first; i < end; ++i)
        jobs.emplace_back(ContactTask{.input = PatchInput{.who = std::move(contacts_[i].who),
                                                          .patch = std::move(contacts_[i].patch),
                                                          .quiet = true},
                                      .create = true,
                                      .done = [](const Result<WorkAnswer>&) {}});
      if (const Status done = simulation_->work(std::move(jobs)); !done)
        return refuse(done.error());
    }
    totals_.contacts = contacts_.size();
    contacts_.clear();
    trace_.begin(engine());
    for (const std::string& id : ids_)
      if (const auto active = engine().scenarios().activate(id, std::nullopt); !active)
        return refuse(active.error());
    const Status done = simulation_->work();
    return done ? kExitOk : refuse(done.error());
  }

  int take_events() {
    const auto begun = std::chrono::steady_clock::now();
    for (std::span<Arrival> rest{events_}; !rest.empty() && rest.front().at <= until_;) {
      const std::span<Arrival> next = rest.first(together(rest));
      rest = rest.subspan(next.size());
      if (const int code = take_together(next); code != kExitOk) return code;
      if (!options_.summary) writer_.write(kPieceBytes);
    }
    const auto done = simulation_->run_out(until_);
    if (!done) return refuse(done.error());
    ended_ = *done;
    took_ = std::chrono::steady_clock::now() - begun;
    return kExitOk;
  }

  /// How many of the next events are taken in one post: one that is traced, else those of one
  /// instant, which time cannot tell apart.
  std::size_t together(std::span<const Arrival> rest) const {
    if (!options_.summary) return 1;
    const auto later =
        std::ranges::find_if(rest.first(std::min(rest.size(), kEventsTogether)),
                             [&](const Arrival& arrival) { return arrival.at != rest.front().at; });
    return static_cast<std::size_t>(later - rest.begin());
  }

  int take_together(std::span<Arrival> arrivals) {
    const ContactRef& who = arrivals.front().input.who;
    if (const Status done = simulation_->run_until(arrivals.front().at); !done)
      return refuse(done.error());
    if (!options_.summary) trace_.about(who.id ? who.id->text : who.email);
    std::vector<EventInput> inputs;
    inputs.reserve(arrivals.size());
    for (Arrival& arrival : arrivals) inputs.push_back(std::move(arrival.input));
    totals_.events += inputs.size();
    const auto answers = simulation_->send(std::move(inputs));
    if (!answers) return refuse(answers.error());
    for (std::size_t i = 0; i < answers->size(); ++i) take_answer((*answers)[i], arrivals[i]);
    trace_.about({});
    return kExitOk;
  }

  void take_answer(const EventAnswer& answer, const Arrival& arrival) {
    if (answer.kind == EventAnswer::Kind::Accepted)
      ++totals_.accepted;
    else if (answer.kind == EventAnswer::Kind::Duplicate)
      ++totals_.duplicates;
    else
      reject(events_file_.place(events_file_.items[arrival.place]), answer.code, answer.message);
  }

  // ---- telling ----

  int finish() {
    writer_.write(0);
    std::int64_t visits = 0;
    for (const auto& [key, row] : engine().context().counters) visits += row[Counter::Visits];
    ValueList numbers;
    StyledText tables;
    for (const std::string& id : ids_) {
      const auto stats = engine().views().stats(id, 0);
      if (!stats) return refuse(stats.error());
      Value view = view_of(*stats);
      tables += "\n" + stats_text(view, /*test=*/false, terminal_width());
      numbers.push_back(std::move(view));
    }
    if (client_.json)
      out_ << to_json(ValueMap{{"summary", summary(visits, std::move(numbers))}}) << '\n';
    else
      out_ << (options_.summary ? "" : "\n") << headline() << tables;
    const double seconds = std::chrono::duration<double>(took_).count();
    if (seconds >= 1)
      err_ << fmt::format(
          "{} visits in {:.1f} s: {} a second\n", grouped(visits), seconds,
          grouped(static_cast<std::int64_t>(static_cast<double>(visits) / seconds)));
    return kExitOk;
  }

  Value summary(std::int64_t visits, ValueList numbers) const {
    const auto number = [](std::uint64_t of) { return static_cast<std::int64_t>(of); };
    return ValueMap{{"from", format_instant(start_)},
                    {"until", format_instant(clock_.now())},
                    {"ended", ended_},
                    {"contacts", number(totals_.contacts)},
                    {"events", number(totals_.events)},
                    {"accepted", number(totals_.accepted)},
                    {"duplicates", number(totals_.duplicates)},
                    {"rejected", number(totals_.rejected)},
                    {"visits", visits},
                    {"scenarios", std::move(numbers)}};
  }

  std::string headline() const {
    std::string line = fmt::format("{} to {}: events {}, accepted {}", format_instant(start_),
                                   format_instant(clock_.now()),
                                   grouped(static_cast<std::int64_t>(totals_.events)),
                                   grouped(static_cast<std::int64_t>(totals_.accepted)));
    if (totals_.duplicates > 0) line += fmt::format(", known already {}", totals_.duplicates);
    if (totals_.rejected > 0) line += fmt::format(", rejected {}", totals_.rejected);
    if (!ended_)
      line += fmt::format("\nStopped while something was still to come; see --until. ({})",
                          format_instant(until_));
    return line + "\n";
  }

  Cell& engine() { return simulation_->engine(); }

  const ClientOptions& client_;
  const SimulateOptions& options_;
  std::ostream& out_;
  std::ostream& err_;

  std::vector<std::string> texts_, ids_;
  std::string timezone_ = "UTC";
  std::vector<ContactInput> contacts_;
  ItemFile events_file_;
  std::vector<Arrival> events_;
  Instant start_{}, until_{};
  VirtualClock clock_{Instant{}};
  ScriptedReceiver receiver_;
  TraceWriter writer_;
  Trace trace_{[this](const TraceStep& step) { writer_.add(step); }};
  std::unique_ptr<Simulation> simulation_;
  SimulationTotals totals_;
  bool ended_ = false;
  std::chrono::steady_clock::duration took_{};
};
}  // namespace

Result<ReceiverRule> parse_receiver_rule(const std::string& text, Instant start) {
  const auto wrong = [&] {
    return fail(ErrorKind::Invalid, "bad_receiver",
                fmt::format("--receiver wants NODE=STATUS, such as tell_crm=503, tell_crm=timeout, "
                            "tell_crm=503,503,200 or \"tell_crm=503 for 1h\"; found \"{}\".",
                            text));
  };
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return wrong();
  ReceiverRule rule{.node = text.substr(0, equals)};
  if (const std::size_t slash = rule.node.find('/'); slash != std::string::npos) {
    rule.scenario = rule.node.substr(0, slash);
    rule.node.erase(0, slash + 1);
  }
  std::string replies = text.substr(equals + 1);
  constexpr std::string_view kFor = " for ";
  if (const std::size_t at = replies.find(kFor); at != std::string::npos) {
    const auto lasts = parse_duration(std::string_view{replies}.substr(at + kFor.size()));
    if (!lasts || *lasts < Duration::zero()) return wrong();
    rule.until = start + *lasts;
    replies.resize(at);
  }
  for (std::string_view rest = replies; true;) {
    const std::string_view one = rest.substr(0, rest.find(','));
    auto reply = parse_receiver_reply(one);
    if (!reply) return wrong();
    rule.replies.push_back(std::move(*reply));
    if (one.size() == rest.size()) return rule;
    rest.remove_prefix(one.size() + 1);
  }
}

int run_simulate(const ClientOptions& client, const SimulateOptions& options, std::ostream& out,
                 std::ostream& err) {
  return Simulator{client, options, out, err}.run();
}
}  // namespace onward
