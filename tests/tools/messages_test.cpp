// What commands say of wrong arguments and files: where, what must be there, and what was found.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
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
}  // namespace
}  // namespace onward
