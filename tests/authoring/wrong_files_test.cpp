// Each tests/authoring/wrong/NAME.yaml has what `onward validate --format short` says of it beside
// it, in NAME.expected. To write the expectations anew, after reading the difference:
//   ONWARD_WRITE_EXPECTED=1 build/onward_authoring_tests "[wrong]"
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/authoring/load.h"
#include "engine/authoring/report.h"
#include "nodes/nodes.h"

using namespace onward;

namespace {
std::string read(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
}  // namespace

TEST_CASE("wrong files get messages that an author can act on", "[authoring][wrong]") {
  const bool write = std::getenv("ONWARD_WRITE_EXPECTED") != nullptr;
  const std::string reference = read("docs/scenarios.md");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"tests/authoring/wrong"}) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const std::string name = entry.path().filename().string();
    INFO(name);
    const std::string text = read(entry.path());
    const Loaded loaded = load_scenario(text, node_kinds());
    CHECK_FALSE(loaded.diagnostics.empty());
    // Nothing comes of a file with an error; warnings alone do not keep it out.
    const bool wrong = std::ranges::any_of(
        loaded.diagnostics, [](const Diagnostic& d) { return d.severity == Severity::Error; });
    CHECK((loaded.scenario == nullptr) == wrong);
    const std::string report = report_short(name, loaded.diagnostics);
    auto expected = entry.path();
    expected.replace_extension(".expected");
    if (write) std::ofstream{expected, std::ios::binary} << report;
    CHECK(report == read(expected));
    for (const Diagnostic& found : loaded.diagnostics) {
      CHECK(found.at.line > 0);
      CHECK(found.at.column > 0);
      INFO(found.code);
      CHECK(reference.find("`" + found.code + "`") != std::string::npos);
    }
  }
  CHECK(files >= 40);
}
