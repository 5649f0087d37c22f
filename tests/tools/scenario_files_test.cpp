#include "tools/onward/scenario_files.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/support/child.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

void write(const fs::path& file) { std::ofstream{file} << "scenario: a\n"; }

TEST_CASE("fault 72: a link that leads out of a folder is not followed", "[tools]") {
  const TemporaryFolder folder;
  const fs::path inside = folder.path() / "scenarios";
  fs::create_directories(inside / "shared");
  write(inside / "a.yaml");
  write(inside / "shared/b.yaml");
  write(folder.path() / "secret.yaml");
  fs::create_symlink("shared/b.yaml", inside / "b.yaml");

  const auto files = scenario_files({inside.string()});
  REQUIRE(files);
  CHECK(*files ==
        std::vector<std::string>{(inside / "a.yaml").string(), (inside / "b.yaml").string()});

  fs::create_symlink("../secret.yaml", inside / "c.yaml");
  const auto refused = scenario_files({inside.string()});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "outside_folder");
  CHECK(refused.error().message.find("c.yaml") != std::string::npos);
  // Named itself it is meant.
  CHECK(scenario_files({(inside / "c.yaml").string()}));
}
}  // namespace
}  // namespace onward
