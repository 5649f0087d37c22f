#include "tools/onward/validate.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "engine/core/base/value.h"

using namespace onward;

namespace {
struct Answer {
  int code = 0;
  std::string out;
  std::string err;
};
Answer validate(const std::vector<std::string>& files, std::string_view format) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = validate_files(files, format, out, err);
  return {code, out.str(), err.str()};
}
}  // namespace

TEST_CASE("a right file exits with 0, a wrong one with 65, a missing one with 66",
          "[tools][validate]") {
  const std::string right = "scenarios/welcome.yaml";
  const std::string wrong = "tests/authoring/wrong/empty.yaml";
  CHECK(validate({right}, "text").code == 0);
  CHECK(validate({right}, "text").err == "scenarios/welcome.yaml: right\n");
  CHECK(validate({right, wrong}, "text").code == 65);
  CHECK(validate({wrong, "scenarios/nothing.yaml", right}, "text").code == 66);
  CHECK(validate({"scenarios"}, "text").code == 66);
  CHECK(validate({right}, "xml").code == 64);
}

TEST_CASE("formats for programs go to standard output", "[tools][validate]") {
  const std::vector<std::string> files{"tests/authoring/wrong/empty.yaml", "scenarios/welcome.yaml",
                                       "tests/authoring/wrong/tabs.yaml"};
  const Answer brief = validate(files, "short");
  CHECK(brief.err.empty());
  CHECK(brief.out.starts_with("tests/authoring/wrong/empty.yaml:1:1: error[empty_file]: "));
  const Answer json = validate(files, "json");
  const auto list = parse_json(json.out);
  REQUIRE(list);
  CHECK(list->list()->size() == 2);
  CHECK(validate({"scenarios/welcome.yaml"}, "json").out == "[]\n");
}

TEST_CASE("a file that is too large is said to be so, and no size that it has not",
          "[tools][validate]") {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("onward-large-" + std::to_string(::getpid()));
  const std::string says =
      ": error[too_large]: the file has more than 4.0 MiB, the most that a scenario may have\n";
  std::ofstream{file} << "scenario: a\n";
  std::filesystem::resize_file(file, 50u << 20);
  CHECK(validate({file.string()}, "short").out == file.string() + says);
  std::filesystem::resize_file(file, 4u << 20);
  CHECK(validate({file.string()}, "short").out.find("too_large") == std::string::npos);
  std::filesystem::remove(file);

  // Of standard input nobody knows the size.
  std::istringstream endless{std::string(5u << 20, '#')};
  std::streambuf* const before = std::cin.rdbuf(endless.rdbuf());
  const Answer piped = validate({"-"}, "short");
  std::cin.rdbuf(before);
  CHECK(piped.out == "standard input" + says);
}

TEST_CASE("custom fields that are not declared are warnings without a server",
          "[tools][validate]") {
  const std::string list = "tests/authoring/fields.json";
  const auto declared = read_declarations(list);
  REQUIRE(declared);
  CHECK(declared->find("plan")->type == FieldType::Text);
  std::ostringstream out;
  std::ostringstream err;
  CHECK(validate_files({"tests/authoring/fields.yaml"}, "short", out, err, &*declared) == 0);
  CHECK(out.str().starts_with(
      "tests/authoring/fields.yaml:3:48: warning[undeclared_field]: custom field \"plann\""));
  CHECK(validate({"tests/authoring/fields.yaml"}, "short").out.empty());
  CHECK_FALSE(read_declarations("tests/authoring/fields.yaml"));
  CHECK_FALSE(read_declarations("tests/authoring/nothing.json"));
}
