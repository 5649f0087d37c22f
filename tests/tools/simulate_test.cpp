#include "tools/onward/simulate_command.h"

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "tests/support/child.h"
#include "tools/onward/client.h"
#include "tools/onward/exit_codes.h"

namespace onward {
namespace {
constexpr std::string_view kScenario = R"(scenario: welcome
nodes:
  opened: { kind: trigger, event: opened, next: end }
)";

struct Simulated {
  int code = -1;
  std::string out, err;
};

/// Simulates `kScenario` with files of contacts (empty: none) and events.
Simulated simulate(std::string_view contacts, std::string_view events) {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, std::string_view text) {
    const std::string file = folder.path() / name;
    std::ofstream{file} << text;
    return file;
  };
  SimulateOptions options;
  options.scenarios = {write("welcome.yaml", kScenario)};
  options.events = write("events.ndjson", events);
  if (!contacts.empty()) options.contacts = write("contacts.ndjson", contacts);
  std::ostringstream out, err;
  const int code = run_simulate({}, options, out, err);
  return {code, out.str(), err.str()};
}

TEST_CASE("a wrong event is reported by its line and left out of a simulation", "[tools]") {
  constexpr std::string_view kGood =
      R"({"type": "opened", "at": "2026-05-01T09:00:00Z", "contact": {"id": "c1"}})";
  const std::string events = std::string{kGood} + "\nnot JSON\n{\"type\": \"opened\"}\n{\n" +
                             R"({"type": "opened", "contact": {"id": "c2"}})" + "\n";
  const Simulated result = simulate({}, events);
  CHECK(result.code == kExitData);
  for (const char* line : {"events.ndjson:2: ", "events.ndjson:3: ", "events.ndjson:4: "})
    CHECK(result.err.find(line) != std::string::npos);
  CHECK(result.out.find("events 5, accepted 2, rejected 3") != std::string::npos);
}

TEST_CASE("a wrong contact ends a simulation with its line", "[tools]") {
  const Simulated result = simulate("{\"id\": \"c1\"}\nnot JSON\n", "");
  CHECK(result.code == kExitData);
  CHECK(result.err.find("contacts.ndjson:2: ") != std::string::npos);
}
}  // namespace
}  // namespace onward
