// Names that may not be used twice. Types of the server: the linker would silently use the
// functions of one for the other (one-definition rule). Names in unnamed namespaces of a library:
// its sources are compiled as one unit.
#include <catch2/catch.hpp>

#include <cctype>
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

/// The types, functions and variables that a file defines in unnamed namespaces, at the beginning
/// of a line. Aliases are left out: repeating one is no conflict.
std::set<string> unnamed_names(std::istream& text) {
  static const std::regex kType{R"(^(?:class|struct|union|enum class|enum) (\w+)(?= |\{|$))"};
  static const std::regex kFunction{R"(^[^=(]*?([\w:]+)\()"};
  static const std::regex kVariable{R"(^.*?\b(\w+)(?:\[\w*\])?(?: =|\{|;))"};
  std::set<string> found;
  string line;
  bool unnamed = false;
  while (std::getline(text, line)) {
    if (line.starts_with("namespace {")) unnamed = true;
    if (line.starts_with("}  // namespace")) unnamed = false;
    const bool begins = !line.empty() && (std::isalpha(static_cast<unsigned char>(line[0])));
    if (!unnamed || !begins || line.starts_with("using ") || line.starts_with("namespace") ||
        line.starts_with("template") || line.starts_with("static_assert") ||
        line.starts_with("extern \""))
      continue;
    std::smatch match;
    if (std::regex_search(line, match, kType))
      found.insert(match[1]);
    else if (std::regex_search(line, match, kFunction)) {
      if (match[1].str().find(':') == string::npos) found.insert(match[1]);  // Else a member.
    } else if (std::regex_search(line, match, kVariable)) {
      found.insert(match[1]);
    }
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

TEST_CASE("no two sources of a library use one name in unnamed namespaces", "[layers]") {
  // Otherwise they cannot be compiled as one unit, and a reader takes one for the other.
  std::map<string, std::map<string, std::set<string>>> libraries;
  for (const char* folder : {"engine", "nodes", "tools/onward", "tools/bench", "tools/mutate"})
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
      const fs::path& path = entry.path();
      if (path.extension() != ".cpp") continue;
      const fs::path inside = path.lexically_relative(folder);
      const bool nested = string{folder} == "engine";
      std::ifstream in{path};
      for (const string& name : unnamed_names(in))
        libraries[nested ? (folder / *inside.begin()).string() : folder][name].insert(
            path.string());
    }
  std::size_t names = 0;
  for (const auto& [library, places] : libraries)
    for (const auto& [name, files] : places) {
      ++names;
      CAPTURE(library, name, files);
      CHECK(files.size() == 1);
    }
  CHECK(names > 1000);
}

TEST_CASE("names in unnamed namespaces are found, aliases and members are not", "[layers]") {
  std::istringstream text{
      "namespace onward {\nnamespace {\nusing Alias = int;\nconstexpr int kMax = 3;\n"
      "struct Local {\n  int inside;\n};\nbool is_good(int value) {\n  return other(value);\n}\n"
      "void Local::member() {\n}\nvolatile int flag;\nconst Row kRows[] = {\n};\n}  // namespace\n"
      "int shared() {\n}\n}  // namespace onward\n"};
  CHECK(unnamed_names(text) == std::set<string>{"Local", "flag", "is_good", "kMax", "kRows"});
}
