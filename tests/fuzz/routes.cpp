// Requests to every route of the API, made from its own description: paths, parameters and bodies
// that fit their schemas, nearly fit or do not, in sequences against a live engine. Whatever is
// asked, the answer is one that the description promises (Front checks that), is no fault of ours,
// and afterwards the numbers add up.
//
// An input is a list of records of kRecord bytes, each a request.
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "engine/api/openapi.h"
#include "engine/core/base/value.h"
#include "tests/api/front.h"
#include "tests/fuzz/features.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/target.h"

using namespace onward;
using fuzz::Chance;
using fuzz::Choices;

namespace {
constexpr std::size_t kRecord = 12;
constexpr std::size_t kRecordsMax = 16;
constexpr std::size_t kNamesMax = 200;

constexpr std::string_view kScenario = R"(scenario: welcome
reentry: parallel
nodes:
  joined: { kind: trigger, event: subscription, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/in", next: pause }
  pause: { kind: wait, for: 1d, next: again }
  again: { kind: send_webhook, url: "https://crm.example.com/x", envelope: events, batch: { max: 2, linger: 1s }, next: end }
)";

/// Names that a path or a value may hold. Those in answers are added, so that later requests of an
/// input name what earlier ones made.
class Names {
 public:
  Names()
      : known_{"welcome", "second", "c1",      "c2",    "email:jane@example.org",
               "joined",  "tell",   "pause",   "again", "1",
               "2",       "0",      "crm_key", "plan",  "subscription",
               "evt_0",   "run_0"} {}
  void learn(const Value& answer) {
    if (const ValueList* list = answer.list())
      for (const Value& item : *list) learn(item);
    const ValueMap* map = answer.map();
    if (!map) return;
    for (const auto& [name, value] : *map) {
      const bool names = name == "id" || name == "next" || name == "name" || name == "delivery" ||
                         name == "node" || name == "key" || name == "code";
      if (names && value.text() && known_.size() < kNamesMax) known_.push_back(*value.text());
      learn(value);
    }
  }
  std::string pick(Chance& chance) const {
    if (chance.one_in(12)) return chance.pick(fuzz::awkward_values());
    // The newest are the most interesting.
    if (chance.one_in(2))
      return known_[known_.size() - 1 - chance.below(std::min<std::size_t>(known_.size(), 12))];
    return chance.pick(known_);
  }

 private:
  std::vector<std::string> known_;
};

std::string encoded(std::string_view text) {
  std::string made;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == ':' || c == '@';
    if (plain)
      made += c;
    else
      made += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return made;
}

/// Values that fit a schema of the description; now and then one that does not.
class Maker {
 public:
  Maker(const Value& document, const Names& names, Chance& chance)
      : document_{document}, names_{names}, chance_{chance} {}

  Value make(const Value& schema, std::string_view name = {}, int depth = 0) {
    if (chance_.one_in(25)) return odd();
    if (depth > 6) return {};
    if (const Value* reference = schema.find("$ref"); reference && reference->text()) {
      const std::string_view path = *reference->text();
      const Value* found = document_.find("components");
      if (found) found = found->find("schemas");
      if (found) found = found->find(path.substr(path.rfind('/') + 1));
      return found ? make(*found, name, depth + 1) : Value{};
    }
    if (const Value* example = schema.find("example"); example && chance_.one_in(3))
      return *example;
    if (const Value* value = schema.find("const")) return *value;
    for (const char* choice : {"enum", "oneOf", "anyOf"})
      if (const Value* list = schema.find(choice); list && list->list() && !list->list()->empty()) {
        const Value& one = chance_.pick(*list->list());
        return std::string_view{choice} == "enum" ? one : make(one, name, depth + 1);
      }
    std::string type = "string";
    if (const Value* stated = schema.find("type")) {
      if (stated->text()) type = *stated->text();
      if (stated->list() && !stated->list()->empty()) {
        const Value& one = chance_.pick(*stated->list());
        if (one.text()) type = *one.text();
      }
    } else if (schema.find("properties")) {
      type = "object";
    }
    if (type == "object") return object(schema, depth);
    if (type == "array") return list(schema, name, depth);
    if (type == "integer") return integer();
    if (type == "number") return chance_.one_in(2) ? integer() : Value{12.5};
    if (type == "boolean") return Value{chance_.one_in(2)};
    if (type == "null") return {};
    return text(schema, name);
  }

 private:
  Value object(const Value& schema, int depth) {
    Value made{ValueMap{}};
    std::vector<std::string> required;
    if (const Value* names = schema.find("required"); names && names->list())
      for (const Value& one : *names->list())
        if (one.text()) required.push_back(*one.text());
    if (const Value* properties = schema.find("properties"); properties && properties->map())
      for (const auto& [name, part] : *properties->map()) {
        const bool must_be = std::find(required.begin(), required.end(), name) != required.end();
        if (must_be ? !chance_.one_in(20) : chance_.one_in(3))
          made.set(name, make(part, name, depth + 1));
      }
    if (chance_.one_in(12) || !schema.find("properties"))
      made.set(names_.pick(chance_).substr(0, 30) + "_", odd());
    return made;
  }

  Value list(const Value& schema, std::string_view name, int depth) {
    ValueList made;
    const Value* items = schema.find("items");
    const std::size_t most = chance_.one_in(30) ? 300 : 4;
    for (std::size_t left = chance_.below(most); left > 0; --left)
      made.push_back(items ? make(*items, name, depth + 1) : odd());
    return Value{std::move(made)};
  }

  Value integer() {
    static constexpr std::array<std::int64_t, 10> kNumbers{
        0, 1, 2, 50, -1, 1000, 9007199254740993, 9223372036854775807, 1777626000, 4};
    return Value{chance_.pick(kNumbers)};
  }

  Value text(const Value& schema, std::string_view name) {
    static constexpr std::array kTimes{"2026-05-01T09:00:00Z", "2026-12-01T00:00:00+02:00",
                                       "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"};
    static constexpr std::array kTypes{"subscription", "order",        "opened",
                                       "unsubscribe",  "group_joined", "mine"};
    static constexpr std::array kMail{"jane@example.org", "Jane@Example.org", "a@b.example"};
    if (const Value* format = schema.find("format");
        format && format->text() && *format->text() == "date-time")
      return Value{chance_.pick(kTimes)};
    if (name == "type" || name == "action") return Value{chance_.pick(kTypes)};
    if (name == "email" || name == "test_emails") return Value{chance_.pick(kMail)};
    if (name == "timezone") return Value{"Europe/Berlin"};
    if (name == "birth_date") return Value{"1990-02-29"};
    return Value{names_.pick(chance_)};
  }

  Value odd() {
    switch (chance_.below(8)) {
      case 0:
        return {};
      case 1:
        return Value{chance_.one_in(2)};
      case 2:
        return integer();
      case 3:
        return Value{1e300};
      case 4:
        return Value{ValueList{Value{1}, Value{}, Value{"x"}}};
      case 5:
        return Value{ValueMap{{"a", ValueMap{{"b", Value{ValueList{}}}}}}};
      case 6:
        return Value{std::string(chance_.below(2'000), 'x')};
      default:
        return Value{chance_.pick(fuzz::awkward_values())};
    }
  }

  const Value& document_;
  const Names& names_;
  Chance& chance_;
};

/// Makes requests of one description.
class Requests {
 public:
  explicit Requests(const Api& api)
      : routes_{api.router().routes()}, document_{openapi_document(routes_, "fuzz")} {}

  Front::Ask make(Choices& choices, const Names& names) const {
    const Route& route = choices.pick(routes_);
    Chance chance{choices.word() + (static_cast<std::uint64_t>(choices.word()) << 32)};
    Front::Ask ask;
    ask.method = route.method;
    ask.path = path(route, names, chance);
    const Value* operation = operation_of(route);
    if (operation) {
      ask.query = query(*operation, names, chance);
      body(*operation, names, chance, ask);
    }
    static constexpr std::array kTokens{"admin",  "admin", "admin",   "admin", "author",
                                        "ingest", "read",  "metrics", ""};
    ask.token = chance.pick(kTokens);
    static constexpr std::array kAccept{
        "", "", "application/json", "application/x-ndjson", "text/csv", "*/*", "text/html;q=0"};
    ask.accept = chance.pick(kAccept);
    return ask;
  }

 private:
  const Value* operation_of(const Route& route) const {
    std::string method{route.method};
    for (char& c : method) c = static_cast<char>(c - 'A' + 'a');
    const Value* found = document_.find("paths");
    if (found) found = found->find(route.pattern);
    return found ? found->find(method) : nullptr;
  }

  static std::string path(const Route& route, const Names& names, Chance& chance) {
    std::string made;
    std::string_view pattern = route.pattern;
    while (!pattern.empty()) {
      const std::size_t open = pattern.find('{');
      made += pattern.substr(0, open);
      if (open == std::string_view::npos) break;
      const std::size_t close = pattern.find('}');
      const std::string_view name = pattern.substr(open + 1, close - open - 1);
      if (name == "node" && !chance.one_in(3))
        made += chance.one_in(2) ? "tell" : "again";
      else if (pattern.substr(0, open).ends_with("scenarios/") && !chance.one_in(3))
        made += "welcome";
      else if (pattern.substr(0, open).ends_with("contacts/") && !chance.one_in(3))
        made += "c1";
      else
        made += encoded(names.pick(chance));
      pattern.remove_prefix(close + 1);
    }
    return made;
  }

  std::string query(const Value& operation, const Names& names, Chance& chance) const {
    std::string made;
    const Value* parameters = operation.find("parameters");
    if (!parameters || !parameters->list()) return made;
    for (const Value& parameter : *parameters->list()) {
      const Value *in = parameter.find("in"), *name = parameter.find("name"),
                  *schema = parameter.find("schema");
      if (!in || !in->text() || *in->text() != "query" || !name || !name->text() || !schema)
        continue;
      if (!chance.one_in(3)) continue;
      Value value = Maker{document_, names, chance}.make(*schema, *name->text());
      if (*name->text() == "map" && chance.one_in(2))
        value = Value{R"({"E-mail": "email", "Plan": "custom.plan:number", "x": "-"})"};
      if (*name->text() == "migrate" && chance.one_in(2)) value = Value{"true"};
      const std::string text = value.text() ? *value.text() : to_json(value);
      made +=
          fmt::format("{}{}={}", made.empty() ? "" : "&", encoded(*name->text()), encoded(text));
    }
    if (chance.one_in(30)) made += "&nope=1";
    if (chance.one_in(40)) made += "%zz&&=";
    return made;
  }

  void body(const Value& operation, const Names& names, Chance& chance, Front::Ask& ask) const {
    const Value* content = operation.find("requestBody");
    if (content) content = content->find("content");
    if (!content || !content->map() || content->map()->empty()) return;
    const auto& forms = *content->map();
    const std::size_t which = chance.below(forms.size());
    const auto form = std::next(forms.begin(), static_cast<std::ptrdiff_t>(which));
    ask.content_type = form->first;
    Maker maker{document_, names, chance};
    if (form->first == "application/yaml") {
      ask.body = chance.one_in(3) ? chance.pick(fuzz::scenario_dictionary().donors)
                                  : std::string{kScenario};
      const std::size_t at = ask.body.find("scenario: ");
      if (at == 0 && !chance.one_in(4)) {  // under the id of the path
        const std::size_t begin = ask.path.find("/scenarios/");
        if (begin != std::string::npos) {
          const std::string id =
              ask.path.substr(begin + 11, ask.path.find('/', begin + 11) - begin - 11);
          ask.body.replace(10, ask.body.find('\n') - 10, id);
        }
      }
      if (chance.one_in(2))
        ask.body =
            fuzz::mutate_text(std::move(ask.body), fuzz::scenario_dictionary(), chance, 16'384);
    } else if (form->first == "text/csv") {
      ask.body = table(names, chance);
    } else if (form->first.find("ndjson") != std::string::npos) {
      static const Value kEvent{ValueMap{{"$ref", "#/components/schemas/Event"}}};
      static const Value kContact{ValueMap{{"$ref", "#/components/schemas/ContactPatch"}}};
      const bool events = ask.path.find("events") != std::string::npos;
      for (std::size_t left = chance.below(5); left > 0; --left)
        ask.body += to_json(maker.make(events ? kEvent : kContact)) + "\n";
    } else if (const Value* schema = form->second.find("schema")) {
      ask.body = to_json(maker.make(*schema));
    }
    if (chance.one_in(20)) ask.body = chance.pick(fuzz::awkward_values());
    if (chance.one_in(20) && !ask.body.empty()) ask.body.resize(chance.below(ask.body.size()));
    if (chance.one_in(30)) ask.content_type = "text/plain";
  }

  static std::string table(const Names& names, Chance& chance) {
    static constexpr std::array kHeaders{
        "id",          "email",           "E-mail",     "First Name",   "groups",     "Plan",
        "custom.plan", "custom.x:number", "birth_date", "consent.type", "created_at", "x",
        "id"};
    std::string text;
    const std::size_t columns = 1 + chance.below(5);
    for (std::size_t i = 0; i < columns; ++i)
      text += (i ? "," : "") + std::string{i == 0 ? "id" : chance.pick(kHeaders)};
    for (std::size_t left = chance.below(6); left > 0; --left) {
      text += "\n";
      for (std::size_t i = 0; i < columns; ++i)
        text += (i ? "," : "") +
                (chance.one_in(3) ? chance.pick(fuzz::awkward_values()) : names.pick(chance));
    }
    return text + "\n";
  }

  std::vector<Route> routes_;
  Value document_;
};

void add_up(const Front& front, const Value& side) {
  const ValueList* nodes = side.find("nodes") ? side.find("nodes")->list() : nullptr;
  if (!nodes) return;
  (void)front;
  for (const Value& node : *nodes) {
    const auto count = [&](const char* name) {
      const Value* found = node.find(name);
      const auto* number = found ? found->get_if<std::int64_t>() : nullptr;
      must(number && *number >= 0, "a number of a node is not negative");
      return *number;
    };
    must(count("accepted") + count("pending") + count("failed") + count("cancelled") ==
             count("requests"),
         "accepted, pending, failed and cancelled are all requests");
  }
}
}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Front front;
  static const Requests requests{front.api()};
  Names names;
  (void)front.ask({.method = "PUT",
                   .path = "/v1/scenarios/welcome",
                   .body = std::string{kScenario},
                   .content_type = "application/yaml"});
  (void)front.post("/v1/scenarios/welcome/activate");
  (void)front.post("/v1/events", R"({"type": "subscription", "contact": {"id": "c1"}})");
  const std::size_t records = std::min(size / kRecord, kRecordsMax);
  for (std::size_t i = 0; i < records; ++i) {
    Choices choices{{data + i * kRecord, kRecord}};
    if (choices.one_in(8)) {
      static constexpr std::array kStatuses{200, 500, 410, 0, 429, 301};
      const_cast<Front&>(front).receivers_answer(choices.pick(kStatuses));
    }
    const Front::Ask ask = requests.make(choices, names);
    if (std::getenv("ONWARD_FUZZ_SHOW"))
      std::fprintf(stderr, "%s %s?%s\n%s\n", ask.method.c_str(), ask.path.c_str(),
                   ask.query.c_str(), ask.body.c_str());
    const Told told = front.ask(ask);
    fuzz::feature(fmt::format("{} {} {}", ask.method, ask.path.substr(0, ask.path.find('/', 4)),
                              told.status));
    if (const Value* code = told.json.find("code"); code && code->text())
      fuzz::feature(ask.method + ask.path.substr(ask.path.rfind('/')) + *code->text());
    if (told.status >= 500 && told.status != 503)
      std::fprintf(stderr, "%d to %s %s?%s\n%s\n", told.status, ask.method.c_str(),
                   ask.path.c_str(), ask.query.c_str(), ask.body.c_str());
    must(told.status < 500 || told.status == 503, "no request makes a fault of ours");
    names.learn(told.json);
  }
  const Told scenarios = front.get("/v1/scenarios");
  if (const ValueList* list = scenarios.at("scenarios").list())
    for (const Value& scenario : *list) {
      const Value* id = scenario.find("id");
      if (!id || !id->text()) continue;
      const Told stats = front.get("/v1/scenarios/" + *id->text() + "/stats");
      add_up(front, stats.at("live"));
      add_up(front, stats.at("test"));
    }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  return fuzz::mutate_in_place(data, size, size_max, seed, [&](std::string bytes, Chance& chance) {
    return fuzz::mutate_records(std::move(bytes), kRecord, chance,
                                std::min(size_max, kRecord * kRecordsMax));
  });
}
