// Sequences of commands against a live engine: scenarios are applied, moved to, held, archived and
// purged while contacts are in several runs at once, receivers answer, time jumps and the engine is
// opened again. Whatever the order: the engine goes on, and its numbers are those of its rows.
//
// An input is a list of records of kRecord bytes; the first byte of each selects the command, the
// others are its arguments. All texts are made from these, so an input needs nothing else.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/store/memory/memory_store.h"
#include "engine/store/passing_store.h"
#include "tests/fuzz/features.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/target.h"
#include "tests/support/row_checks.h"
#include "tests/support/stage.h"

using namespace onward;
using namespace std::chrono_literals;
using fuzz::Chance;
using fuzz::Choices;

namespace {
constexpr std::size_t kRecord = 8;
constexpr std::size_t kRecordsMax = 64;
constexpr std::size_t kCheckEach = 4;  ///< Records; a check reads all rows.
constexpr std::array kScenarios{"alpha", "beta", "gamma"};
constexpr std::array kContacts{"c0", "c1", "c2"};

// ---- the scenarios ------------------------------------------------------------------------------

/// A text that follows from a family, which says what it is like, and a variation, whose bits say
/// which of its nodes differ from the family's. So versions share most of their nodes.
class ScenarioText {
 public:
  ScenarioText(std::string_view id, std::uint8_t family, std::uint16_t variation)
      : id_{id}, family_{static_cast<std::uint8_t>(family % 16)}, variation_{variation} {
    Chance chance{family_ * 7919ull + 1};
    count_ = 4 + chance.below(5);
    for (std::size_t i = 0; i < count_; ++i) nodes_.push_back(make(i));
    reach();
  }

  std::string text() const {
    Chance chance{family_ * 104729ull + (variation_ >> 12)};
    std::string text = fmt::format("scenario: {}\n", id_);
    static constexpr std::array kReentry{
        "parallel", "parallel",   "parallel", "{ mode: parallel, key: event.which }",
        "restart",  "after_exit", "never",    "{ mode: parallel, min_gap: 1h }"};
    text += fmt::format("reentry: {}\n", chance.pick(kReentry));
    static constexpr std::array kExit{
        "",
        "",
        "",
        "exit: { event: unsubscribe }\n",
        "exit: [{ if: { in_group: out } }]\n",
        "exit: [{ event: order, where: { event.which: two } }]\ngoal: { event: opened }\n"};
    text += chance.pick(kExit);
    if (chance.one_in(2)) text += "timezone: America/Toronto\n";
    text += "nodes:\n";
    static constexpr std::array kTriggers{
        "{ kind: trigger, event: start_it, next: ", "{ kind: trigger, event: start_it, next: ",
        "{ kind: trigger, event: [start_it, group_joined], next: ",
        "{ kind: trigger, event: contact_updated, next: "};
    text += fmt::format("  t: {}{} }}\n", chance.pick(kTriggers), nodes_.front().id);
    static constexpr std::array kMore{
        "", "", "{ kind: trigger_segment, if: { in_group: vip }, backfill: true, next: ",
        "{ kind: trigger_segment, if: { custom.x: { gte: 2 } }, next: ",
        "{ kind: trigger_date, field: birth_date, every: year, at: \"09:00\", next: "};
    if (const std::string_view more = chance.pick(kMore); !more.empty())
      text += fmt::format("  t{}: {}{} }}\n", more.size() % 10, more, nodes_.front().id);
    for (std::size_t i = 0; i < count_; ++i)
      if (reached_[i]) text += fmt::format("  {}: {{ {} }}\n", nodes_[i].id, nodes_[i].body);
    return text;
  }

  /// Ids of the nodes that are in it, but for triggers.
  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < count_; ++i)
      if (reached_[i]) ids.push_back(nodes_[i].id);
    return ids;
  }

 private:
  struct Made {
    std::string id;  ///< Begins with a letter of the kind, since a node's kind never changes.
    std::string body;
    std::vector<std::size_t> next;  ///< Targets; `count_` is the end.
  };

  std::uint64_t seed(std::size_t node) const {
    const bool varied = (variation_ >> (node % 12) & 1u) != 0;
    return family_ * 1'000'003ull + node * 101 + (varied ? 1 + (variation_ >> 12) : 0);
  }
  /// The id of a node follows from its kind, which is drawn first.
  static char kind_of(Chance& chance) {
    static constexpr std::string_view kKinds = "wuuuggcciph";
    return kKinds[chance.below(kKinds.size())];
  }
  std::string id_of(std::size_t node) const {
    if (node >= count_) return "end";
    Chance chance{seed(node)};
    return std::string(1, kind_of(chance)) + std::to_string(node);
  }

  Made make(std::size_t node) {
    Chance chance{seed(node)};
    const char kind = kind_of(chance);
    Made made{.id = id_of(node), .body = {}, .next = {}};
    const auto to = [&] {
      const std::size_t target = chance.one_in(7) ? count_ : node + 1 + chance.below(3);
      made.next.push_back(std::min(target, count_));
      return id_of(made.next.back());
    };
    static constexpr std::array kTimes{"6h", "6h", "1d", "3d", "30d"};
    static constexpr std::array kEvents{"group_joined", "group_joined", "contact_updated",
                                        "order",        "opened",       "group_left"};
    static constexpr std::array kIfs{"event.which: one",     "event.which: two",
                                     "in_group: vip",        "not: { in_group: g1 }",
                                     "custom.x: { gte: 2 }", "opened: { within: 2d }"};
    static constexpr std::array kGroups{"vip", "g1", "out"};
    switch (kind) {
      case 'w':
        made.body = fmt::format("kind: wait, for: {}, next: ", chance.pick(kTimes));
        made.body += to();
        break;
      case 'u':
        made.body = fmt::format("kind: wait_until, event: {}", chance.pick(kEvents));
        if (chance.one_in(3)) {
          made.body += fmt::format(", timeout: {}, on_timeout: ", chance.pick(kTimes));
          made.body += to();
        }
        made.body += fmt::format(", next: {}", to());
        break;
      case 'i':
        if (chance.one_in(2)) {
          made.body =
              R"(kind: wait_until, window: { days: [mon-fri], from: "09:00", to: "17:00" })";
        } else {
          made.body = fmt::format("kind: wait_until, if: {{ {} }}, ", chance.pick(kIfs));
          made.body += fmt::format("timeout: {}", chance.pick(kTimes));
        }
        made.body += fmt::format(", next: {}", to());
        break;
      case 'g':
        switch (chance.below(4)) {
          case 0:
            made.body =
                fmt::format("kind: update_contact, groups_remove: [{}]", chance.pick(kGroups));
            break;
          case 1:
            made.body =
                fmt::format("kind: update_contact, set: {{ custom.x: {} }}", chance.below(4));
            break;
          default:
            made.body = fmt::format("kind: update_contact, groups_add: [{}]", chance.pick(kGroups));
        }
        made.body += fmt::format(", next: {}", to());
        break;
      case 'c':
        made.body = fmt::format("kind: condition, if: {{ {} }}", chance.pick(kIfs));
        made.body += fmt::format(", yes: {}", to());
        made.body += fmt::format(", no: {}", to());
        break;
      case 'p':
        made.body = "kind: split, ways: { a: 50, b: 50 }, next: { a: ";
        made.body += to();
        made.body += fmt::format(", b: {} }}", to());
        break;
      default: {
        static constexpr std::array kMore{"", ", envelope: events, batch: { max: 3, linger: 5s }",
                                          ", accept: [200, 409]", ", retry: { permanent: [410] }",
                                          ", envelope: events, batch: { max: 2, linger: 10m }"};
        made.body =
            fmt::format("kind: send_webhook, url: \"https://h{}.example.com/in\"", chance.below(2));
        made.body += chance.pick(kMore);
        made.body += fmt::format(", next: {}", to());
      }
    }
    return made;
  }

  void reach() {
    reached_.assign(count_, false);
    reached_[0] = true;
    for (std::size_t i = 0; i < count_; ++i)
      if (reached_[i])
        for (const std::size_t next : nodes_[i].next)
          if (next < count_) reached_[next] = true;
  }

  std::string id_;
  std::uint8_t family_;
  std::uint16_t variation_;
  std::size_t count_ = 0;
  std::vector<Made> nodes_;
  std::vector<bool> reached_;
};

// ---- the world ----------------------------------------------------------------------------------

/// The crash guard's file, one per process, removed at its end.
class GuardFile {
 public:
  GuardFile()
      : path_{std::filesystem::temp_directory_path() / fmt::format("onward-fuzz-{}", ::getpid())} {}
  ~GuardFile() {
    std::error_code none;
    std::filesystem::remove(path_, none);
  }
  std::shared_ptr<WorkingFile> open() const {
    std::error_code none;
    std::filesystem::remove(path_, none);
    auto file = WorkingFile::open(path_, "fuzz");
    must(file.has_value(), "the crash guard's file can be made");
    return std::move(*file);
  }

 private:
  std::filesystem::path path_;
};

RuntimeOptions options_with(const std::shared_ptr<WorkingFile>& working) {
  RuntimeOptions options;
  options.working = working;
  options.keep_bodies = 24h * 10;
  options.keep_runs = 24h * 40;
  options.batch_max = 3;
  options.window = 12;
  options.endpoint_window = 4;
  return options;
}

class World {
 public:
  explicit World(const GuardFile& guard)
      : working_{guard.open()},
        store_{make_memory_store()},
        stage_{{}, std::make_unique<PassingStore>(store_), options_with(working_)} {}

  void step(Choices& choices);
  void note_places();
  void check();
  /// The receiver accepts everything from now on: nothing stays pending.
  void settle();

 private:
  void events(Choices& choices);
  void patch(Choices& choices);
  void import(Choices& choices);
  void apply(Choices& choices, bool migrate);
  void life(Choices& choices);
  void by_hand(Choices& choices);
  void command(Choices& choices);
  std::string contact_of(Choices& choices);

  std::shared_ptr<WorkingFile> working_;
  std::shared_ptr<Store> store_;
  Stage stage_;
};

std::string World::contact_of(Choices& choices) {
  switch (choices.below(8)) {
    case 0:
      return fmt::format(R"({{"custom": {{"x": {}}}}})", choices.below(4));
    case 1:
      return R"({"groups_add": ["vip"]})";
    case 2:
      return R"({"groups": ["g1"]})";
    case 3:
      return fmt::format(R"({{"birth_date": "1990-05-{:02}"}})", 1 + choices.below(28));
    case 4:
      return fmt::format(R"({{"email": "c{}@example.org"}})", choices.below(3));
    case 5:
      return R"({"timezone": "Asia/Tokyo"})";
    default:
      return "{}";
  }
}

void World::events(Choices& choices) {
  static constexpr std::array kTypes{"start_it", "start_it", "start_it", "order",
                                     "opened",   "opened",   "noise",    "unsubscribe"};
  std::vector<EventInput> inputs;
  const std::size_t count = 1 + choices.below(3);
  for (std::size_t i = 0; i < count; ++i) {
    const char* who = choices.pick(kContacts);
    const char* type = choices.pick(kTypes);
    const char* which = i % 2 == 0 ? "one" : "two";
    inputs.push_back(stage_.input(who, type, fmt::format(R"({{"which": "{}"}})", which),
                                  i == 0 ? contact_of(choices) : "{}"));
  }
  stage_.send(std::move(inputs));
}

void World::patch(Choices& choices) {
  const char* who = choices.pick(kContacts);
  const bool quiet = choices.one_in(3);
  stage_.patch(who, contact_of(choices), quiet);
}

void World::import(Choices& choices) {
  ImportTask job;
  const bool quiet = choices.one_in(2);
  for (std::size_t left = 1 + choices.below(3); left > 0; --left) {
    EventInput read = stage_.input(choices.pick(kContacts), "", "{}", contact_of(choices));
    job.inputs.emplace_back(
        PatchInput{.who = std::move(read.who), .patch = std::move(read.patch), .quiet = quiet});
  }
  std::size_t answers = 0;
  const std::size_t rows = job.inputs.size();
  job.done = [&](const std::vector<WorkAnswer>& given) { answers = given.size(); };
  std::vector<Task> jobs;
  jobs.emplace_back(std::move(job));
  must(drive(stage_.engine(), std::move(jobs), {}).has_value(), "an import is worked through");
  must(answers == rows, "each row of an import is answered");
}

void World::apply(Choices& choices, bool migrate) {
  const std::string id = choices.pick(kScenarios);
  const std::uint8_t family = choices.byte();
  const auto variation = static_cast<std::uint16_t>(choices.below(0x10000));
  // Mostly the family in which the scenario is: a scenario's id says it.
  const auto usual = static_cast<std::uint8_t>(id.front());
  const ScenarioText text{id, family < 200 ? usual : family, variation};
  Cell& engine = stage_.engine();
  if (!migrate) {
    const auto applied = engine.scenarios().apply(id, text.text());
    if (applied && applied->refused)
      std::fprintf(stderr, "%s\n%s\n", text.text().c_str(),
                   applied->diagnostics.back().message.c_str());
    must(!applied || !applied->refused, "a made scenario is accepted");
    (void)engine.scenarios().activate(id, std::nullopt);
  } else {
    // What has gone leads to any node; of the others some.
    Chance chance{choices.word() + 1ull};
    MigrationRequest request{.wanted = true};
    const std::vector<std::string> ids = text.ids();
    if (const ScenarioRecord* record = engine.control().scenarios.find(id))
      for (const auto& [node, number] : record->nodes) {
        if (node.front() == 't') continue;
        const bool stays = std::find(ids.begin(), ids.end(), node) != ids.end();
        if (!stays || chance.one_in(3)) request.map.emplace_back(node, chance.pick(ids));
      }
    (void)engine.views().plan(id, text.text(), request);
    const auto applied = engine.scenarios().apply(id, text.text(), request);
    fuzz::feature(applied ? fmt::format("migrating {} {}", applied->migrating, request.map.size())
                          : "not applied: " + applied.error().code);
  }
  if (choices.one_in(2)) stage_.pass(0s);
}

void World::life(Choices& choices) {
  Cell& engine = stage_.engine();
  const std::string id = choices.pick(kScenarios);
  switch (choices.below(12)) {
    case 0:
    case 1:
      (void)engine.scenarios().hold(id);
      break;
    case 2:
    case 3:
    case 4:
      (void)engine.scenarios().activate(id, std::vector<std::string>{});
      break;
    case 5:
      (void)engine.scenarios().activate(id, std::vector<std::string>{"c1@example.org"});
      break;
    case 6:
      (void)engine.scenarios().archive(id, choices.one_in(2));
      break;
    case 7:
      (void)engine.scenarios().remove_draft(id);
      break;
    case 8:
      (void)engine.scenarios().duplicate(id, choices.pick(kScenarios));
      break;
    case 9:
      (void)engine.scenarios().purge(id);
      break;
    case 10:
      (void)engine.access().declare_field({.name = "x", .type = FieldType::Number});
      break;
    default:
      (void)engine.access().remove_field("x");
  }
  if (choices.one_in(2)) stage_.pass(0s);
}

void World::by_hand(Choices& choices) {
  Cell& engine = stage_.engine();
  const auto act = choices.one_in(2) ? ByHand::Cancel : ByHand::Retry;
  const std::string id = choices.pick(kScenarios);
  switch (choices.below(4)) {
    case 0: {
      const std::vector<Delivery> all = stage_.deliveries();
      if (!all.empty()) (void)engine.deliveries().by_hand(act, all[choices.below(all.size())].key);
      break;
    }
    case 1: {
      DeliveryQuery query{.scenario = id};
      if (choices.one_in(2))
        query.state = act == ByHand::Cancel ? DeliveryState::Pending : DeliveryState::Failed;
      engine.deliveries().by_hand(act, query, choices.one_in(4), "jane",
                                  [](const Result<ByHandAnswer>&) {});
      break;
    }
    default: {
      const ScenarioRecord* record = engine.control().scenarios.find(id);
      if (record && !record->nodes.empty())
        (void)engine.deliveries().switch_node(
            id, record->nodes[choices.below(record->nodes.size())].first, choices.one_in(2));
    }
  }
  if (choices.one_in(2)) stage_.pass(0s);
}

void World::command(Choices& choices) {
  const auto live = store_->live_runs({}, 1000);
  must(live.has_value(), "live runs are listed");
  const std::uint8_t what = choices.byte();
  if (what % 8 == 0) {
    const auto key = stage_.engine().contacts().find_contact({.id = choices.pick(kContacts)});
    if (key && *key) stage_.command(**key, Forget{});
    return;
  }
  if (live->runs.empty()) return;
  const Run& run = live->runs[choices.below(live->runs.size())];
  switch (what % 8) {
    case 1:
    case 2:
      stage_.command(run.contact, EndRun{.run = run.key, .reason = "by hand"});
      break;
    case 3:
      stage_.command(run.contact, ParkRun{.run = run.key, .reason = "by hand"});
      break;
    default:
      stage_.command(run.contact, ResumeRun{.run = run.key});
  }
}

void World::step(Choices& choices) {
  switch (choices.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return events(choices);
    case 5:
      return patch(choices);
    case 6:
      return import(choices);
    case 7:
    case 8:
      return apply(choices, /*migrate=*/false);
    case 9:
    case 10:
    case 11:
      return apply(choices, /*migrate=*/true);
    case 12:
    case 13:
      return life(choices);
    case 14:
      return by_hand(choices);
    case 15:
      return command(choices);
    case 16: {
      static constexpr std::array<Duration, 8> kTimes{0s, 1s, 6s, 1h, 25h, 73h, 24h * 31, 24h * 60};
      return stage_.pass(choices.pick(kTimes));
    }
    case 17:
    case 18: {
      static constexpr std::array kStatuses{200, 200, 500, 410, 0, 409};
      const int status = choices.pick(kStatuses);
      stage_.reply(status, choices.one_in(4) ? std::optional<Duration>{1h} : std::nullopt);
      return;
    }
    default:
      stage_.restart();
  }
}

/// How the contacts are: in how many runs, at nodes of which kinds.
void World::note_places() {
  const auto live = store_->live_runs({}, 1000);
  if (!live) return;
  std::map<ContactKey, std::set<std::string>> places;
  for (const Run& run : live->runs)
    for (const ScenarioInfo& info : stage_.engine().control().scenarios.list()) {
      const ScenarioRecord* record = stage_.engine().control().scenarios.find(info.id);
      if (record->key != run.scenario) continue;
      for (const auto& [node, number] : record->nodes)
        if (number == run.place())
          places[run.contact].insert(fmt::format("{}{}", node.front(), run.path.size()));
    }
  for (const auto& [contact, kinds] : places)
    fuzz::feature(fmt::format("{}", fmt::join(kinds, " ")));
}

void World::check() {
  note_places();
  // Work that the engine has put off is done, at this instant.
  stage_.pass(0s);
  for (const std::string& fault : {counter_fault(stage_, *store_), timer_fault(stage_, *store_)}) {
    if (!fault.empty()) std::fprintf(stderr, "%s\n", fault.c_str());
    must(fault.empty(), "numbers and timers are those of the rows");
  }
  must(working_->suspects().empty() && !working_->died_at_work(), "the crash guard saw no crash");
}

void World::settle() {
  Cell& engine = stage_.engine();
  for (const char* id : kScenarios)
    if (const ScenarioRecord* record = engine.control().scenarios.find(id))
      for (const auto& [node, number] : std::vector{record->nodes})
        (void)engine.deliveries().switch_node(id, node, /*pause=*/false);
  for (int round = 0; round < 4; ++round) {
    stage_.pass(8h);
    for (int replies = 0; replies < 1000 && stage_.reply(200) > 0; ++replies) {
    }
  }
  const Instant old = stage_.clock().now() - 25h;
  for (const Delivery& delivery : stage_.deliveries())
    must(!delivery.pending() || delivery.created >= old, "every delivery ends");
}
}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const GuardFile guard;
  World world{guard};
  const std::size_t records = std::min(size / kRecord, kRecordsMax);
  for (std::size_t i = 0; i < records; ++i) {
    Choices choices{{data + i * kRecord, kRecord}};
    world.step(choices);
    if (i % kCheckEach == kCheckEach - 1) world.check();
  }
  world.settle();
  world.check();
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  return fuzz::mutate_in_place(data, size, size_max, seed, [&](std::string bytes, Chance& chance) {
    return fuzz::mutate_records(std::move(bytes), kRecord, chance,
                                std::min(size_max, kRecord * kRecordsMax));
  });
}
