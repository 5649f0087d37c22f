#include "engine/core/scenario/scenario_tests.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>
#include <span>
#include <string>

#include "engine/core/base/text.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/contact/vocabulary.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/scenario/run_state.h"
#include "engine/core/scenario/words.h"

namespace onward {
namespace {
using Words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 7> kTestKeys{"name",     "now",    "contact", "contacts",
                                                    "receiver", "events", "expect"};
constexpr std::array<std::string_view, 4> kRequired{"name", "contact", "events", "expect"};
constexpr std::array<std::string_view, 8> kStepKeys{"after", "at",     "before",  "type",
                                                    "id",    "source", "contact", "data"};
constexpr std::array<std::string_view, 9> kExpectKeys{
    "path", "not_path", "ended", "runs", "refused", "at", "reason", "deliveries", "contact"};
constexpr std::array<std::string_view, 13> kDeliveryKeys{
    "node",  "count", "url",    "method", "headers",  "query", "body",
    "exact", "state", "reason", "status", "attempts", "at"};
constexpr std::array<std::string_view, 2> kReceiverKeys{"status", "for"};
constexpr std::array<std::string_view, 7> kFailures{
    "connect_refused", "connect_timeout", "timeout", "dns", "tls", "reset", "unreachable"};
/// A Monday morning, where the scenario is: the same for everybody, on every day.
constexpr Date kStartDay = std::chrono::year{2026} / std::chrono::January / 5;
constexpr Duration kStartTime = std::chrono::hours{9};
/// The contact of a test that gives it neither id nor address.
constexpr std::string_view kNameless = "test";
/// Longer than the name of any field of a contact.
constexpr std::size_t kFieldMax = 64;

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [last, fault] = std::from_chars(text.data(), end, number);
  return fault == std::errc{} && last == end && number >= 0 ? std::optional{number} : std::nullopt;
}

/// A contact's member as its field wants it: a phone number in digits is text.
Value field_value(const Tree& tree, const std::string& name) {
  const FieldInfo* info = find_field(name);
  if (info && info->type == FieldType::Text && tree.is_scalar() && !to_value(tree).is_null())
    return tree.text;
  // Long names are nobody's field: what is below them is not joined to ever longer ones.
  if (!tree.is_map() || name == "custom" || name.starts_with(kCustom) || name.size() > kFieldMax)
    return to_value(tree);
  ValueMap members;
  for (const Tree::Entry& entry : tree.entries)
    members.emplace_back(entry.key, field_value(entry.value, name + "." + entry.key));
  return members;
}

Value contact_value_of(const Tree& tree) {
  ValueMap members;
  for (const Tree::Entry& entry : tree.entries)
    members.emplace_back(entry.key, field_value(entry.value, entry.key));
  return members;
}

/// Goes through the tests of one file.
class TestReader {
 public:
  TestReader(const std::vector<std::string_view>& nodes, std::string_view zone,
             Diagnostics& diagnostics)
      : nodes_{nodes},
        known_{nodes.begin(), nodes.end()},
        zone_{zone},
        usual_start_{to_instant(kStartDay, kStartTime, zone_)},
        diagnostics_{diagnostics} {}

  ScenarioTest read(const Tree& tree) {
    ScenarioTest test{.at = tree.at, .start = usual_start_};
    if (!tree.is_map()) {
      wrong_type(tree, fmt::format("a test is a mapping with {}", join(kTestKeys)));
      return test;
    }
    check_keys(tree, "a test", kTestKeys);
    for (const std::string_view key : kRequired)
      if (!tree.find(key))
        error(tree.at, "missing_key", fmt::format("a test: \"{}\" is missing", key));
    if (const Tree* name = want(tree, "name", Tree::Kind::Scalar, "a text")) test.name = name->text;
    if (const Tree* now = want(tree, "now", Tree::Kind::Scalar, "an instant"))
      test.start = instant(*now, "now").value_or(test.start);
    start_ = test.start;
    if (const Tree* contact = want(tree, "contact", Tree::Kind::Map, "a mapping"))
      test.contact = read_contact(*contact).value_or(ContactInput{});
    if (!test.contact.who.id && test.contact.who.email.empty())
      test.contact.who.id = ExternalId{.text = std::string{kNameless}};
    if (const Tree* others = want(tree, "contacts", Tree::Kind::List, "a list"))
      for (const Tree& other : others->items) read_other(other, test);
    if (const Tree* events = want(tree, "events", Tree::Kind::List, "a list"))
      read_steps(*events, test);
    if (const Tree* receiver = want(tree, "receiver", Tree::Kind::Map, "a mapping"))
      for (const Tree::Entry& entry : receiver->entries) read_receiver(entry, test);
    if (const Tree* expect = want(tree, "expect", Tree::Kind::Map, "a mapping"))
      test.expect = read_expected(*expect);
    return test;
  }

 private:
  // ---- who ----

  /// Each member alone where the whole is wrong, so that the mistake is shown where it stands.
  std::optional<ContactInput> read_contact(const Tree& tree) {
    const Value value = contact_value_of(tree);
    auto whole = parse_contact(value);
    if (whole) return std::move(*whole);
    bool found = false;
    const ValueMap& members = *value.map();  // as the entries
    for (std::size_t i = 0; i < members.size() && !diagnostics_.full(); ++i) {
      const auto alone = parse_contact(ValueMap{members[i]});
      if (alone) continue;
      error(tree.entries[i].value.at, "bad_contact",
            fmt::format("a test: the contact is refused: {}", alone.error().message));
      found = true;
    }
    if (found) return std::nullopt;
    error(tree.at, "bad_contact",
          fmt::format("a test: the contact is refused: {}", whole.error().message));
    return std::nullopt;
  }

  void read_other(const Tree& tree, ScenarioTest& test) {
    if (!tree.is_map()) return wrong_type(tree, "a contact of a test is a mapping");
    auto contact = read_contact(tree);
    if (!contact) return;
    if (!contact->who.id && contact->who.email.empty())
      error(tree.at, "bad_contact", "a test: another contact wants an \"id\" or an \"email\"");
    else
      test.contacts.push_back(std::move(*contact));
  }

  // ---- what happens ----

  void read_steps(const Tree& events, ScenarioTest& test) {
    Instant clock = start_;
    for (const Tree& tree : events.items) {
      if (!tree.is_map()) {
        wrong_type(tree, "an event of a test is a mapping such as { type: subscription }");
        continue;
      }
      check_keys(tree, "an event of a test", kStepKeys);
      TestStep step = read_step(tree);
      if (step.when && *step.when < clock)
        error(tree.find("at")->value.at, "bad_instant",
              fmt::format("an event of a test: {} is past, the clock stands at {}; what was before "
                          "the test is told with \"before: 30d\"",
                          format_instant(*step.when), format_instant(clock)));
      clock = step.when.value_or(clock + step.after);
      test.steps.push_back(std::move(step));
    }
  }

  TestStep read_step(const Tree& tree) {
    TestStep step{.at = tree.at};
    const Tree* after = want(tree, "after", Tree::Kind::Scalar, "a duration such as 3d");
    const Tree* at = want(tree, "at", Tree::Kind::Scalar, "an instant");
    const Tree* before = want(tree, "before", Tree::Kind::Scalar, "a duration such as 30d");
    if ((after != nullptr) + (at != nullptr) + (before != nullptr) > 1)
      error(tree.at, "conflict",
            "an event of a test: only one of \"after\", \"at\" and \"before\" can say when it is");
    if (after) step.after = duration(*after, "after").value_or(Duration{});
    if (at) step.when = instant(*at, "at");
    if (before) step.before = duration(*before, "before");
    if (const Tree* type = want(tree, "type", Tree::Kind::Scalar, "the name of an event")) {
      if (auto name = canonical_event(type->text))
        step.type = std::move(*name);
      else
        error(type->at, "bad_event_name",
              fmt::format("an event of a test: {} is no name of an event", describe(*type)));
    }
    for (const auto& [key, into] : {std::pair{"id", &step.id}, std::pair{"source", &step.source}})
      if (const Tree* text = want(tree, key, Tree::Kind::Scalar, "a text")) *into = text->text;
    if (const Tree* contact = want(tree, "contact", Tree::Kind::Map, "a mapping"))
      step.contact = read_contact(*contact);
    if (const Tree* data = want(tree, "data", Tree::Kind::Map, "a mapping"))
      step.data = to_value(*data);
    if (!tree.find("type")) {
      for (const std::string_view key : {"id", "source", "data", "before"})
        if (const auto* entry = tree.find(key))
          error(entry->key_at, "missing_key",
                fmt::format("an event of a test: \"{}\" wants a \"type\" beside it", key));
      if (!after && !at && !before && !tree.find("contact"))
        error(tree.at, "missing_key",
              "an event of a test wants a \"type\"; time alone passes with { after: 3d }");
    }
    return step;
  }

  void read_receiver(const Tree::Entry& entry, ScenarioTest& test) {
    check_node_name(entry.key, entry.key_at);
    TestReceiver receiver{.node = entry.key};
    const Tree* status = &entry.value;
    if (entry.value.is_map()) {
      check_keys(entry.value, "a receiver", kReceiverKeys);
      const auto* stated = entry.value.find("status");
      if (!stated) return error(entry.value.at, "missing_key", "a receiver: \"status\" is missing");
      status = &stated->value;
      if (const Tree* lasts = want(entry.value, "for", Tree::Kind::Scalar, "a duration"))
        receiver.lasts = duration(*lasts, "for");
    }
    const auto take = [&](const Tree& tree) {
      const auto reply = tree.is_scalar() ? parse_receiver_reply(tree.text) : std::nullopt;
      if (reply) return receiver.replies.push_back(*reply);
      error(tree.at, "bad_status",
            fmt::format("a receiver answers with a status (200 to 599), or with {}; found {}",
                        join(kFailures), describe(tree)),
            diagnostics_.nearest(tree.text, kFailures));
    };
    if (status->is_list() && !status->items.empty())
      for (const Tree& item : status->items) take(item);
    else
      take(*status);
    test.receivers.push_back(std::move(receiver));
  }

  // ---- what is expected ----

  Expectation read_expected(const Tree& tree) {
    check_keys(tree, "\"expect\"", kExpectKeys);
    Expectation expect;
    if (const Tree* path = want(tree, "path", Tree::Kind::List, "a list of node ids")) {
      expect.path = Placed<std::vector<std::string>>{.at = path->at};
      for (const Tree& step : path->items) {
        if (step.is_scalar() && step.text == kEndWord && &step == &path->items.back()) {
          error(step.at, "unknown_node",
                "a path names nodes only; that the run is over is expected with \"ended: done\"");
          continue;
        }
        check_node(step);
        expect.path->value.push_back(step.text);
      }
    }
    if (const Tree* path = want(tree, "not_path", Tree::Kind::List, "a list of node ids"))
      for (const Tree& step : path->items) {
        check_node(step);
        expect.not_path.push_back({step.text, step.at});
      }
    expect.ended = word(tree, "ended", test_end_words());
    expect.reason = text(tree, "reason");
    expect.runs = number(tree, "runs");
    if (const auto* entry = tree.find("refused")) expect.refused = texts(entry->value, "refused");
    if (const Tree* times = want(tree, "at", Tree::Kind::Map, "a mapping from nodes to times"))
      for (const Tree::Entry& entry : times->entries) {
        check_node_name(entry.key, entry.key_at);
        if (const auto time = moment(entry.value))
          expect.arrivals.emplace_back(entry.key, Placed<Instant>{*time, entry.value.at});
      }
    if (const auto* entry = tree.find("deliveries")) read_deliveries(entry->value, expect);
    if (const Tree* contact = want(tree, "contact", Tree::Kind::Map, "a mapping"))
      expect.contact = Placed<Value>{expected_contact(*contact), contact->at};
    return expect;
  }

  Value expected_contact(const Tree& tree) {
    (void)read_contact(tree);  // For its mistakes: a misspelt field would never be found.
    MapBuilder whole;          // members without a dot
    std::map<std::string, MapBuilder> nested;  // those below another one, by its name
    std::vector<std::string> outers;           // of `nested`, in the order of the file
    const auto taken = [&](const Tree::Entry& entry) {
      error(entry.key_at, "conflict",
            fmt::format("\"expect\": \"contact\": \"{}\" is expected twice, or to be two things at "
                        "once",
                        clipped(entry.key)));
    };
    // Dotted names and nested ones are the same.
    for (const Tree::Entry& entry : tree.entries) {
      const std::size_t dot = entry.key.find('.');
      const std::string outer = entry.key.substr(0, dot);
      Value member = field_value(entry.value, entry.key);
      if (dot == std::string::npos && !member.map()) {
        if (nested.contains(outer) || !whole.add(outer, std::move(member))) taken(entry);
        continue;
      }
      if (whole.find(outer) != nullptr) {
        taken(entry);
        continue;
      }
      const auto [below, fresh] = nested.try_emplace(outer);
      if (fresh) outers.push_back(outer);
      if (dot != std::string::npos) {
        if (!below->second.add(entry.key.substr(dot + 1), std::move(member))) taken(entry);
        continue;
      }
      for (const auto& [name, value] : *member.map())
        if (!below->second.add(name, value)) taken(entry);
    }
    for (const std::string& outer : outers) whole.add(outer, nested[outer].take());
    return whole.take();
  }

  void read_deliveries(const Tree& tree, Expectation& expect) {
    if (tree.is_scalar()) {
      if (const auto count = whole_number(tree.text))
        expect.delivery_count = Placed<std::int64_t>{*count, tree.at};
      else
        wrong_type(tree, "a test: \"deliveries\" wants a list, or how many there are");
      return;
    }
    if (!tree.is_list())
      return wrong_type(tree, "a test: \"deliveries\" wants a list, or how many there are");
    expect.deliveries = Placed<std::vector<ExpectedDelivery>>{.at = tree.at};
    for (const Tree& item : tree.items) {
      if (!item.is_map()) {
        wrong_type(item, "a delivery of a test is a mapping such as { node: tell_crm }");
        continue;
      }
      expect.deliveries->value.push_back(read_delivery(item));
    }
  }

  ExpectedDelivery read_delivery(const Tree& tree) {
    check_keys(tree, "a delivery of a test", kDeliveryKeys);
    ExpectedDelivery delivery{.at = tree.at};
    if (const auto* node = tree.find("node")) {
      check_node(node->value);
      delivery.node = Placed<std::string>{node->value.text, node->value.at};
    }
    if (const auto count = number(tree, "count")) {
      if (count->value <= ExpectedDelivery::kCountMax)
        delivery.count = count->value;
      else
        error(count->at, "bad_number",
              fmt::format("a delivery of a test: \"count\" must be 0 to {}, found {}",
                          ExpectedDelivery::kCountMax, count->value));
    }
    delivery.url = text(tree, "url");
    delivery.method = text(tree, "method");
    delivery.state = word(tree, "state", delivery_state_words());
    delivery.reason = text(tree, "reason");
    delivery.status = number(tree, "status");
    delivery.attempts = number(tree, "attempts");
    if (const Tree* headers = want(tree, "headers", Tree::Kind::Map, "a mapping"))
      for (const Tree::Entry& entry : headers->entries) {
        if (!entry.value.is_scalar())
          wrong_type(entry.value, "a header of a test wants a text");
        else
          delivery.headers.emplace_back(entry.key,
                                        Placed<std::string>{entry.value.text, entry.value.at});
      }
    if (const Tree* query = want(tree, "query", Tree::Kind::Map, "a mapping"))
      delivery.query = Placed<Value>{to_value(*query), query->at};
    if (const auto* body = tree.find("body"))
      delivery.body = Placed<Value>{to_value(body->value), body->value.at};
    if (const auto* exact = tree.find("exact")) {
      const Value flag = to_value(exact->value);
      if (const bool* yes = flag.get_if<bool>())
        delivery.exact = *yes;
      else
        wrong_type(exact->value, "a delivery of a test: \"exact\" wants true or false");
    }
    if (const auto* at = tree.find("at"))
      if (const auto time = moment(at->value)) delivery.when = Placed<Instant>{*time, at->value.at};
    return delivery;
  }

  // ---- values ----

  std::optional<Duration> duration(const Tree& tree, std::string_view key) {
    const auto found = parse_duration(tree.text);
    if (found && *found >= Duration::zero()) return found;
    error(tree.at, "bad_duration",
          fmt::format("a test: \"{}\" wants a duration such as 90s, 2h or 3d, found {}", key,
                      describe(tree)));
    return std::nullopt;
  }

  std::optional<Instant> instant(const Tree& tree, std::string_view key) {
    const auto found = parse_instant_in(tree.text, zone_);
    if (!found)
      error(tree.at, "bad_instant",
            fmt::format("a test: \"{}\" wants a time such as 2026-05-01T09:00 (in {}) or "
                        "2026-05-01T09:00:00Z, found {}",
                        key, zone_, describe(tree)));
    return found;
  }

  /// When something is expected: an instant, or the time since the test began.
  std::optional<Instant> moment(const Tree& tree) {
    const auto after = tree.is_scalar() ? parse_duration(tree.text) : std::nullopt;
    if (after && *after >= Duration::zero()) return start_ + *after;
    const auto found = tree.is_scalar() ? parse_instant_in(tree.text, zone_) : std::nullopt;
    if (!found)
      error(tree.at, "bad_instant",
            fmt::format("a test: \"at\" wants the time since its beginning, such as 3d, or a time "
                        "such as 2026-05-01T09:00 (in {}), found {}",
                        zone_, describe(tree)));
    return found;
  }

  std::optional<Placed<std::string>> text(const Tree& tree, std::string_view key) {
    const Tree* found = want(tree, key, Tree::Kind::Scalar, "a text");
    if (!found) return std::nullopt;
    return Placed<std::string>{found->text, found->at};
  }

  std::optional<Placed<std::string>> word(const Tree& tree, std::string_view key, Words words) {
    auto found = text(tree, key);
    if (!found || std::find(words.begin(), words.end(), found->value) != words.end()) return found;
    error(found->at, "unknown_choice",
          fmt::format("a test: \"{}\" wants one of {}; found \"{}\"", key, join(words),
                      clipped(found->value)),
          diagnostics_.nearest(found->value, words));
    return std::nullopt;
  }

  std::optional<Placed<std::int64_t>> number(const Tree& tree, std::string_view key) {
    const auto found = text(tree, key);
    if (!found) return std::nullopt;
    if (const auto count = whole_number(found->value))
      return Placed<std::int64_t>{*count, found->at};
    error(found->at, "wrong_type",
          fmt::format("a test: \"{}\" wants a number, found \"{}\"", key, clipped(found->value)));
    return std::nullopt;
  }

  /// A text, or a list of texts.
  Placed<std::vector<std::string>> texts(const Tree& tree, std::string_view key) {
    Placed<std::vector<std::string>> found{.at = tree.at};
    const auto take = [&](const Tree& item) {
      if (item.is_scalar())
        found.value.push_back(item.text);
      else
        wrong_type(item, fmt::format("a test: \"{}\" wants a text or a list of texts", key));
    };
    if (tree.is_list())
      for (const Tree& item : tree.items) take(item);
    else
      take(tree);
    return found;
  }

  void check_keys(const Tree& map, std::string_view where, Words known) {
    for (const Tree::Entry& entry : map.entries) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      if (diagnostics_.full()) {
        error(entry.key_at, {}, {});
        continue;
      }
      error(entry.key_at, "unknown_key",
            fmt::format("{}: unknown key \"{}\"; known are {}", where, clipped(entry.key),
                        join(known)),
            diagnostics_.nearest(entry.key, known));
    }
  }

  void check_node(const Tree& name) {
    if (name.is_scalar())
      check_node_name(name.text, name.at);
    else
      error(name.at, "unknown_node",
            fmt::format("a test wants the id of a node, found {}", describe(name)));
  }

  void check_node_name(const std::string& name, Position at) {
    if (nodes_.empty()) return;  // They could not be read, and that is told already.
    if (known_.contains(name)) return;
    error(at, "unknown_node",
          fmt::format("a test wants the id of a node, found \"{}\"", clipped(name)),
          diagnostics_.nearest(name, nodes_));
  }

  /// The value of `key` where it is there and of `kind`.
  const Tree* want(const Tree& map, std::string_view key, Tree::Kind kind, std::string_view wants) {
    const auto* entry = map.find(key);
    if (!entry) return nullptr;
    if (entry->value.kind == kind) return &entry->value;
    wrong_type(entry->value, fmt::format("a test: \"{}\" wants {}", key, wants));
    return nullptr;
  }

  void wrong_type(const Tree& tree, std::string_view wants) {
    error(tree.at, "wrong_type", fmt::format("{}, found {}", wants, describe(tree)));
  }

  void error(Position at, std::string code, std::string message, std::string nearest = {}) {
    diagnostics_.error(at, std::move(code), std::move(message), std::move(nearest));
  }

  Words nodes_;
  std::set<std::string_view> known_;
  std::string zone_;
  Instant usual_start_;
  Diagnostics& diagnostics_;
  Instant start_{};
};
}  // namespace

std::span<const std::string_view> test_end_words() {
  static const std::vector<std::string_view> kWords = [] {
    const auto states = run_state_words();
    std::vector<std::string_view> words(states.begin(), states.end());
    words.push_back("never");
    return words;
  }();
  return kWords;
}

std::optional<ReceiverReply> parse_receiver_reply(std::string_view text) {
  if (const auto status = whole_number(text)) {
    if (*status < 200 || *status > 599) return std::nullopt;
    return ReceiverReply{.status = static_cast<int>(*status)};
  }
  if (std::find(kFailures.begin(), kFailures.end(), text) == kFailures.end()) return std::nullopt;
  return ReceiverReply{.code = std::string{text}};
}

std::vector<ScenarioTest> read_tests(const Tree& tests, const std::vector<std::string_view>& nodes,
                                     std::string_view zone, Diagnostics& diagnostics) {
  std::vector<ScenarioTest> found;
  if (!tests.is_list()) {
    diagnostics.error(tests.at, "wrong_type",
                      fmt::format("\"tests\" wants a list of tests, found {}", describe(tests)));
    return found;
  }
  TestReader reader{nodes, zone, diagnostics};
  for (const Tree& test : tests.items) {
    if (diagnostics.full() && diagnostics.has_errors()) break;  // it is refused, and says enough
    found.push_back(reader.read(test));
  }
  return found;
}
}  // namespace onward
