// Whatever text a server, a file or an argument brings: no command lets it act on the terminal.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <regex>
#include <set>

#include <catch2/catch.hpp>

#include "engine/core/base/printable.h"
#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/support/child.h"
#include "tests/support/effort.h"
#include "tests/support/local_receiver.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// A title that is set, a screen that is cleared, ESC [ in one character, DEL, text in the other
/// direction, characters without width, a tag.
const std::string kHostile =
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\xc2\x9b"
    "8m\x7f\x08\r\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f"
    "\xd8\x9c\xe2\x80\x8b\xef\xbb\xbf\xf3\xa0\x80\x81";

/// What a receiver may answer.
enum class Mood { Schema, Refusal, Text };

/// Answers as the description of the API says, with hostile text for every text.
class HostileServer {
 public:
  explicit HostileServer(Value document) : document_{std::move(document)} {}
  std::string url() const { return receiver_.origin(); }
  void set(Mood mood) { mood_ = mood; }

 private:
  const Value* find(const std::string& reference) const {
    const Value* at = &document_;
    std::string_view rest = std::string_view{reference}.substr(2);  // Of "#/".
    while (at && !rest.empty()) {
      const std::string name{rest.substr(0, rest.find('/'))};
      at = at->find(name);
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    }
    return at;
  }

  Value instance(const Value& schema, int depth = 0) const {
    if (const Value* to = schema.find("$ref"))
      if (const Value* found = find(*to->text())) return instance(*found, depth);
    for (const char* several : {"oneOf", "anyOf"})
      if (const Value* choices = schema.find(several)) return instance(choices->list()->front());
    ValueMap members;
    if (const Value* parts = schema.find("allOf"))
      for (const Value& part : *parts->list()) {
        const Value made = instance(part, depth);
        if (const ValueMap* map = made.map())
          members.insert(members.end(), map->begin(), map->end());
      }
    const Value* type = schema.find("type");
    std::string kind;
    if (type && type->text()) kind = *type->text();
    if (type && type->list()) kind = *type->list()->front().text();
    if (kind == "array") {
      ValueList list;
      const Value* items = schema.find("items");
      if (items && depth < 8) list.push_back(instance(*items, depth + 1));
      return Value{std::move(list)};
    }
    if (kind == "integer" || kind == "number") return Value{1};
    if (kind == "boolean") return Value{true};
    const Value* properties = schema.find("properties");
    if (kind == "object" || properties || !members.empty()) {
      if (properties && depth < 8)
        for (const auto& [name, one] : *properties->map()) {
          if (name == "next" || name == "migrating") continue;  // There is no further page.
          members.emplace_back(name, instance(one, depth + 1));
        }
      members.emplace_back(kHostile, kHostile);
      members.emplace_back("nested", ValueMap{{kHostile, ValueMap{{kHostile, kHostile}}}});
      return Value{std::move(members)};
    }
    return Value{kHostile};
  }

  static std::vector<std::string> segments(std::string_view path) {
    std::vector<std::string> all;
    path = path.substr(0, path.find('?'));
    while (!path.empty()) {
      path.remove_prefix(1);
      all.emplace_back(path.substr(0, path.find('/')));
      path.remove_prefix(all.back().size());
    }
    return all;
  }

  const Value* operation(const ReceivedRequest& request) const {
    std::string method = request.method;
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto found = segments(request.path);
    for (const auto& [pattern, operations] : *document_.find("paths")->map()) {
      const auto wanted = segments(pattern);
      const bool fits = std::ranges::equal(wanted, found, [](const auto& one, const auto& other) {
        return one.starts_with('{') || one == other;
      });
      if (const Value* at = fits ? operations.find(method) : nullptr) return at;
    }
    return nullptr;
  }

  std::string answer(const ReceivedRequest& request) const {
    const Value* asked = operation(request);
    if (mood_ == Mood::Text || !asked)
      return http_reply(200, kHostile, "Content-Type: text/plain\r\n");
    if (mood_ == Mood::Refusal) {
      const Value problem =
          ValueMap{{"type", kHostile}, {"title", kHostile},  {"status", 400},
                   {"code", kHostile}, {"detail", kHostile}, {kHostile, kHostile}};
      return http_reply(400, to_json(problem), "Content-Type: application/problem+json\r\n");
    }
    for (const auto& [status, response] : *asked->find("responses")->map()) {
      if (!status.starts_with('2')) continue;
      const Value* content = response.find("content");
      if (!content) return http_reply(std::stoi(status));
      const auto& [media, form] = content->map()->front();
      const Value* schema = form.find("schema");
      const std::string body =
          schema && media.find("json") != std::string::npos ? to_json(instance(*schema)) : kHostile;
      return http_reply(std::stoi(status), body, "Content-Type: " + media + "\r\n");
    }
    return http_reply(500);
  }

  const Value document_;
  std::atomic<Mood> mood_ = Mood::Schema;
  LocalReceiver receiver_{[this](Peer& peer) {
    while (const auto request = peer.read())
      if (!peer.send(answer(*request))) return;
  }};
};

Value description() {
  TemporaryFolder folder;
  const ServerChild server{folder.path() / "data"};
  const auto answer =
      http_call({.method = "GET", .url = server.url() + "/openapi.json"}, std::chrono::seconds{30});
  REQUIRE(answer);
  return *parse_json(answer->body, {.depth = 64});
}

/// All commands that have none below them: "contacts get".
void gather(const std::string& parent, std::set<std::string>& all) {
  std::vector<std::string> words{"help"};
  for (std::string_view rest = parent; !rest.empty();) {
    words.emplace_back(rest.substr(0, rest.find(' ')));
    rest.remove_prefix(std::min(words.back().size() + 1, rest.size()));
  }
  const std::string help = run_onward(words).out;
  const std::size_t list = help.find("Subcommands:\n");
  if (list == std::string::npos) {
    all.insert(parent);
    return;
  }
  std::string_view rest = std::string_view{help}.substr(list + 13);
  while (rest.starts_with("  ")) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (line.size() > 2 && line[2] != ' ') {
      const std::string name{line.substr(2, line.find(' ', 2) - 2)};
      gather(parent.empty() ? name : parent + " " + name, all);
    }
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
}

struct Line {
  std::string command;
  std::vector<std::string> words;  ///< Behind it.
  std::string input = {};
  bool data = false;  ///< In a pipe or a file it prints data as they are.
  bool asks = true;   ///< A server.
};

const std::string kScenario = R"(scenario: relay
title: "\e]0;owned\a\e[2J\u009b31m\u202e\u200b"
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/", next: end }
)";

const std::string kBegin = "2026-05-01T09:00:00Z";

std::vector<Line> all_lines(const std::filesystem::path& folder) {
  const auto file = [&](const std::string& name, const std::string& text) {
    const std::string path = (folder / (kHostile.substr(0, 40) + name)).string();
    std::ofstream{path, std::ios::binary} << text;
    return path;
  };
  const std::string good = file("a.yaml", kScenario);
  const std::string wrong = file("b.yaml", "scenario: \"\\e]0;owned\\a\\u202e\"\n\"\\u009b\": 1\n");
  const std::string binary = file("c.yaml", kHostile);
  const std::string contacts = file("d.csv", "id," + kHostile + "\n1,\"" + kHostile + "\"\n");
  const std::string events = file("e.ndjson", R"({"type":"opened","contact":{"id":"\u001b]0;a"}})"
                                              "\n" +
                                                  kHostile + "\n");
  const std::string& id = kHostile;
  return {{"", {id}, {}, false, false},
          {"contacts", {id}, {}, false, false},
          {"validate", {good, wrong, binary, id}, {}, false, false},
          {"test", {good, wrong, binary, id}, {}, false, false},
          {"placeholders", {good}, {}, false, false},
          {"simulate", {good, "--events", events, "--from", kBegin}, {}, false, false},
          {"simulate", {id, "--events", events, "--from", kBegin}},
          {"graph", {good}, {}, false, false},
          {"graph", {good, "--format", "dot"}, {}, true, false},
          {"graph", {id}},
          {"apply", {good}},
          {"apply", {wrong}},
          {"plan", {good}},
          {"versions", {id}},
          {"diff", {"relay"}},
          {"diff", {"relay", good}},
          {"activate", {id}},
          {"hold", {id}},
          {"archive", {id}},
          {"duplicate", {id, id}},
          {"purge", {id, "--yes"}},
          {"scenarios", {}},
          {"show", {id}, {}, true},
          {"delete", {id}},
          {"stats", {id}},
          {"events send", {"opened", "--contact", id, "--set", id + "=1"}},
          {"events send", {"opened", "--contact", "c1"}},
          {"events import", {events, "--quiet"}},
          {"contacts get", {id}},
          {"contacts journey", {id}},
          {"contacts runs", {id}},
          {"contacts forget", {id, "--yes"}},
          {"contacts list", {}},
          {"contacts import", {contacts, "--quiet"}},
          {"contacts export", {"--quiet"}, {}, true},
          {"contacts export", {"--format", "ndjson", "--quiet"}, {}, true},
          {"deliveries list", {}},
          {"deliveries show", {id}},
          {"deliveries get", {id}},
          {"deliveries retry", {id, "--yes"}},
          {"deliveries retry", {"--scenario", id, "--yes"}},
          {"deliveries cancel", {id, "--yes"}},
          {"node pause", {id, id}},
          {"node resume", {id, id}},
          {"runs list", {}},
          {"runs resume", {id}},
          {"logs", {}},
          {"secret set", {id}, "value-of-it"},
          {"secret set", {id, "--generate"}},
          {"secret list", {}},
          {"secret remove", {id}},
          {"secret rekey", {}},
          {"credential set", {id, "--bearer"}, "value-of-it"},
          {"credential list", {}},
          {"credential remove", {id}},
          {"token create", {id, "--role", "read"}},
          {"token list", {}},
          {"token revoke", {id}},
          {"webhook test", {id, id}},
          {"webhook test", {wrong, id}},
          {"fields declare", {id}},
          {"fields list", {}},
          {"fields remove", {id}},
          {"clock show", {}},
          {"clock accept", {}},
          {"resume-sending", {"--yes"}}};
}

/// Commands whose text is tested elsewhere or is all our own.
const std::set<std::string> kElsewhere{"serve",   "listen", "schema",  "help",  "demo",
                                       "version", "backup", "restore", "doctor"};

std::vector<std::string> words_of(const Line& line, const std::string& url) {
  std::vector<std::string> words;
  for (std::string_view rest = line.command; !rest.empty();) {
    words.emplace_back(rest.substr(0, rest.find(' ')));
    rest.remove_prefix(std::min(words.back().size() + 1, rest.size()));
  }
  words.insert(words.end(), line.words.begin(), line.words.end());
  if (line.asks) words.insert(words.end(), {"--server", url, "--token", "t"});
  return words;
}

bool is_safe(const std::string& text) { return printable(text) == text; }

/// Without all that sets a colour: CSI, numbers, "m".
std::string without_colours(const std::string& text) {
  return std::regex_replace(text, std::regex{"\x1b\\[[0-9;]*m"}, "");
}
}  // namespace

TEST_CASE("no command writes text from elsewhere to a terminal as it is", "[tools][hostile]") {
  TemporaryFolder folder;
  HostileServer server{description()};
  std::set<std::string> commands;
  gather("", commands);
  CHECK(commands.size() > 40);
  for (const Line& line : all_lines(folder.path())) commands.erase(line.command);
  for (const std::string& one : kElsewhere) commands.erase(one);
  CHECK(commands == std::set<std::string>{});

  std::size_t met = 0;
  for (const Mood mood : {Mood::Schema, Mood::Refusal, Mood::Text}) {
    server.set(mood);
    for (const Line& line : all_lines(folder.path())) {
      if (!line.asks && mood != Mood::Schema) continue;
      if (++met % kOneIn != 0) continue;
      CAPTURE(line.command, printable(fmt::format("{}", fmt::join(line.words, " "))),
              static_cast<int>(mood));
      auto words = words_of(line, server.url());
      const std::string plain = run_onward_on_terminal(words, "dumb").out;
      CHECK(is_safe(plain));
      CHECK(plain.find("\\x0d\n") == std::string::npos);  // The line ends of data are no text.
      if (mood == Mood::Text) continue;
      if (!line.data) {
        const CommandResult piped = run_onward(words, line.input);
        CHECK(is_safe(piped.out));
        CHECK(is_safe(piped.err));
      }
      if (mood == Mood::Refusal) continue;
      // Colours add to the text and change none of it, so a text brings none of its own.
      CHECK(without_colours(run_onward_on_terminal(words, "xterm").out) == plain);
      words.emplace_back("--json");
      const CommandResult json = run_onward(words, line.input);
      if (!line.data) CHECK(is_safe(json.out));
      CHECK(is_safe(json.err));
    }
  }
}

TEST_CASE("a value cannot pass for another line of what is printed", "[tools][hostile]") {
  const std::string forged = "x\nforged: line";
  const Value contact = shown(Value{
      ValueMap{{"first_name", forged}, {"custom", ValueMap{{forged, ValueList{Value{forged}}}}}}});
  const std::string json = to_json(contact);
  CHECK(json.find("\\n") == std::string::npos);
  CHECK(json.find("\\\\x0aforged") != std::string::npos);
  // What has lines keeps them.
  CHECK(*shown(Value{ValueMap{{"body", forged}}}).find("body") == Value{forged});
}

TEST_CASE("text is printed without what acts on a terminal", "[tools]") {
  CHECK(printable("plain é😀\n\t") == "plain é😀\n\t");
  CHECK(printable("a\x1b[2J\x07\r") == "a\\x1b[2J\\x07\\x0d");
  CHECK(printable("\x7f\xc2\x9b\xe2\x80\xae") == "\\u007f\\u009b\\u202e");
  CHECK(printable("\xff\xc2") == "\\xff\\xc2");
  CHECK(printable("\xf3\xa0\x80\x81") == "\\udb40\\udc01");
  CHECK(printable("\xc2\xad\xcd\x8f\xe3\x85\xa4") == "\\u00ad\\u034f\\u3164");
  CHECK(printable("\xe2\x9d\xa4\xef\xb8\x8f") == "\xe2\x9d\xa4\xef\xb8\x8f");  // an emoji's form
  CHECK(printable_line("a\nb\tc\x1b") == "a\\x0ab\\x09c\\x1b");
  CHECK(printable(kHostile) == printable(printable(kHostile)));
  // What is escaped in JSON stays the same JSON.
  const Value value = ValueMap{{"a", kHostile}};
  CHECK(*parse_json(printable(to_json(value))) == value);
}
}  // namespace onward
