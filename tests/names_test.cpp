// No two types of the server share a name: the linker would take the functions of one for the
// other's, without a word (the one-definition rule).
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace {
using std::string;
namespace fs = std::filesystem;

/// The types that a file defines with names for the linker: those at the beginning of a line,
/// outside of namespaces without a name, as "namespace::name".
std::set<string> types_of(std::istream& text) {
  static const std::regex kNamespace{R"(^(?:inline )?namespace ([\w:]+) \{)"};
  static const std::regex kType{R"(^(?:class|struct|union|enum class|enum) ([\w:]+)(?= |\{|$))"};
  std::set<string> found;
  string line, space;
  bool unnamed = false;
  while (std::getline(text, line)) {
    std::smatch match;
    if (line.starts_with("namespace {")) unnamed = true;
    if (line.starts_with("}  // namespace") && line.size() == 15) unnamed = false;
    if (std::regex_search(line, match, kNamespace)) space = match[1];
    const bool declared = line.find(';') != string::npos && line.find('{') == string::npos;
    if (!unnamed && !declared && std::regex_search(line, match, kType))
      found.insert(space + "::" + match[1].str());
  }
  return found;
}
}  // namespace

TEST_CASE("no two types of the server share a name", "[layers]") {
  std::map<string, std::set<string>> places;
  for (const char* folder : {"engine", "nodes", "tools/onward"})
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
      const fs::path& path = entry.path();
      if (path.extension() != ".h" && path.extension() != ".cpp") continue;
      std::ifstream in{path};
      for (const string& type : types_of(in)) places[type].insert(path.string());
    }
  CHECK(places.size() > 300);
  for (const auto& [type, files] : places) {
    CAPTURE(type, files);
    CHECK(files.size() == 1);
  }
}

TEST_CASE("types are told from what is declared, nested, or without a name for the linker",
          "[layers]") {
  std::istringstream text{
      "namespace onward {\nclass Declared;\nclass One {\n  struct Nested {};\n};\nnamespace "
      "{\nstruct Local {\n};\n"
      "}  // namespace\nstruct One::Part {\n};\nenum class Two : int { A };\n}  // namespace "
      "onward\n"};
  CHECK(types_of(text) == std::set<string>{"onward::One", "onward::One::Part", "onward::Two"});
}
