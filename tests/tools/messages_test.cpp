// What commands say of wrong arguments and files: where, what must be there, and what was found.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
/// A command on a server that answers everything with `reply`.
CommandResult run_with(const std::string& reply, std::vector<std::string> words) {
  LocalReceiver receiver{
      LocalReceiver::answers({http_reply(200, reply, "Content-Type: application/json\r\n")})};
  words.insert(words.end(), {"--server", receiver.origin(), "--token", "t"});
  return run_onward(words);
}

TEST_CASE("a contact without runs is not said to have entered nothing", "[tools]") {
  const CommandResult result = run_with(R"({"runs": []})", {"contacts", "journey", "k1"});
  CHECK(result.code == 0);
  CHECK(result.err.starts_with("No run of this contact is kept"));
}

TEST_CASE("an empty map file is refused with what a map file holds", "[tools]") {
  const TemporaryFolder folder;
  const auto rows = (folder.path() / "rows.csv").string();
  const auto map = (folder.path() / "map.yaml").string();
  std::ofstream{rows} << "id\nc1\n";
  for (const char* text : {"", "# nothing\n", "- a\n", "text\n"}) {
    CAPTURE(text);
    std::ofstream{map} << text;
    const CommandResult result = run_onward({"contacts", "import", rows, "--map-file", map});
    CHECK(result.code == 65);
    CHECK(result.err.find(map) != std::string::npos);
    CHECK(result.err.find("a map file holds a column and its field a line") != std::string::npos);
    CHECK(result.err.find("scenario") == std::string::npos);
  }
}
struct Refusal {
  std::vector<std::string> words;
  int code;
  std::vector<std::string> parts;  ///< Of what it says.
};

TEST_CASE("a refused argument is named with what it must be and what was found", "[tools]") {
  const TemporaryFolder folder;
  const std::string data = (folder.path() / "data").string();
  const std::string missing = (folder.path() / "nope.csv").string();
  const std::string scenario = (folder.path() / "a.yaml").string();
  const std::string events = (folder.path() / "events.ndjson").string();
  std::ofstream{scenario} << R"(scenario: a
nodes:
  opened: { kind: trigger, event: opened, next: tell }
  tell: { kind: send_webhook, url: "https://crm.example.com/", next: end }
)";
  std::ofstream{events} << "";
  const std::vector<Refusal> refusals{
      {{"serve", "--data", data, "--dedupe-for", "foo"}, 64, {"--dedupe-for", "7d", "\"foo\""}},
      {{"serve", "--data", data, "--patience", "x"}, 64, {"--patience", "20s", "\"x\""}},
      {{"listen", "--delay", "x"}, 64, {"--delay", "200ms", "\"x\""}},
      {{"simulate", scenario, "--events", events, "--from", "x"}, 65, {"--from", "\"x\""}},
      {{"simulate", scenario, "--events", events, "--until", "x"}, 65, {"--until", "\"x\""}},
      {{"webhook", "test", scenario, "tell", "--secret-file", "foo"},
       65,
       {"--secret-file", "NAME=FILE", "\"foo\""}},
      {{"secret", "set", "key", "--host", "https://BAD"}, 64, {"--host", "\"https://BAD\""}},
      {{"credential", "set", "key", "--bearer", "--host", "a b"}, 64, {"--host", "\"a b\""}},
      {{"events", "send", "opened"}, 64, {"opened", "--contact", "--email"}},
      {{"events", "send", "{\"type\": \"opened\", \"contact\": {}}"}, 64, {"--contact"}},
      {{"contacts", "get", ""}, 64, {"contact", "must not be empty"}},
      {{"contacts", "forget", "", "--yes"}, 64, {"contact", "must not be empty"}},
      {{"show", ""}, 64, {"scenario", "must not be empty"}},
      {{"contacts", "import", missing}, 66, {missing, "No such file"}},
      {{"events", "import", missing}, 66, {missing, "No such file"}},
      {{"events", "import", folder.path().string()}, 66, {"Is a directory"}},
      {{"contacts", "import", events, "--format", "csv", "--report", missing + "/x"},
       74,
       {missing + "/x", "No such file"}},
      {{"validate", missing}, 66, {missing, "No such file"}},
      {{"validate", folder.path() / "a.yaml", "--fields", missing}, 66, {missing, "No such file"}},
  };
  for (const Refusal& refusal : refusals) {
    CAPTURE(refusal.words);
    const CommandResult result = run_onward(refusal.words);
    CHECK(result.code == refusal.code);
    for (const std::string& part : refusal.parts) {
      CAPTURE(part, result.err);
      CHECK(result.err.find(part) != std::string::npos);
    }
  }
}

TEST_CASE("an event that is too old is refused with the flag that helps", "[tools]") {
  LocalReceiver receiver{LocalReceiver::answers(
      {http_reply(400, R"({"code": "too_old", "detail": "send it with ?mode=history to update"})",
                  "Content-Type: application/json\r\n")})};
  const CommandResult result = run_onward({"events", "send", "opened", "--contact", "c1",
                                           "--server", receiver.origin(), "--token", "t"});
  CHECK(result.code == 65);
  CHECK(result.err.find("--history") != std::string::npos);
  CHECK(result.err.find("mode=") == std::string::npos);
}

TEST_CASE("runs parked for a reason that no run has are not just none", "[tools]") {
  const CommandResult result = run_with(R"({"runs": []})", {"runs", "list", "--reason", "foo"});
  CHECK(result.err.find("\"foo\"") != std::string::npos);
}

TEST_CASE("an import prints the first refused rows and how many more there are", "[tools]") {
  const TemporaryFolder folder;
  const std::string rows = (folder.path() / "rows.csv").string();
  std::string text = "id,email\n";
  for (int i = 0; i < 50; ++i) text += "one cell\n";
  std::ofstream{rows} << text;
  const auto lines_in = [](std::string_view said) {
    return std::count(said.begin(), said.end(), '\n');
  };
  const CommandResult plain = run_with("{}", {"contacts", "import", rows});
  CHECK(plain.code == 1);
  CHECK(lines_in(plain.err) == 21);
  CHECK(plain.err.find("and 30 more; --report FILE") != std::string::npos);
  const std::string report = (folder.path() / "report.csv").string();
  const CommandResult kept = run_with("{}", {"contacts", "import", rows, "--report", report});
  CHECK(lines_in(kept.err) == 21);
  std::ifstream in{report};
  CHECK(std::count(std::istreambuf_iterator<char>{in}, {}, '\n') == 51);
}
}  // namespace
}  // namespace onward
