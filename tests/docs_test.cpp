// Holds the documentation together: what it points to is there, and every page is reached.
#include <catch2/catch.hpp>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {
using std::string;
namespace fs = std::filesystem;

string text_of(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  INFO(path);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Every place in `text` where `pattern` matches.
std::vector<std::smatch> matches(const string& text, const char* pattern) {
  const std::regex regex{pattern};
  return {std::sregex_iterator{text.begin(), text.end(), regex}, {}};
}

/// The files that a page links to, without those of the web.
std::set<fs::path> links(const fs::path& page) {
  std::set<fs::path> found;
  const string text = text_of(page);
  for (const std::smatch& match : matches(text, R"(\]\(([^)#: ]+)(#[^)]*)?\))"))
    found.insert((page.parent_path() / match[1].str()).lexically_normal());
  return found;
}
}  // namespace

TEST_CASE("every page is reached from the README, and every link leads somewhere", "[docs]") {
  std::set<fs::path> reached;
  std::vector<fs::path> next{"README.md"};
  while (!next.empty()) {
    const fs::path page = next.back();
    next.pop_back();
    if (!reached.insert(page).second || page.extension() != ".md") continue;
    for (const fs::path& link : links(page)) {
      INFO(page << " links to " << link);
      CHECK(fs::exists(link));
      if (fs::exists(link)) next.push_back(link);
    }
  }
  for (const auto& entry : fs::recursive_directory_iterator{"docs"}) {
    if (entry.is_directory()) continue;
    INFO(entry.path());
    CHECK(reached.count(entry.path().lexically_normal()) == 1);
  }
}

TEST_CASE("every test that a table of reliability.md names without its file exists", "[docs]") {
  string sources;
  for (const auto& entry : fs::recursive_directory_iterator{"tests"})
    if (entry.path().filename().string().ends_with("_test.cpp") ||
        entry.path().filename() == "CMakeLists.txt")
      sources += text_of(entry.path());
  sources = std::regex_replace(sources, std::regex{"\"\\s*\\n\\s*\""}, string{});
  sources = std::regex_replace(sources, std::regex{"\\(\\s+\""}, "(\"");
  std::ifstream page{"docs/reliability.md"};
  std::size_t named = 0;
  for (string line; std::getline(page, line);) {
    if (!line.starts_with("| ")) continue;
    const string last = line.substr(line.rfind(" | ", line.size() - 3));
    for (const std::smatch& match : matches(last, R"re("([^"]+)")re")) {
      ++named;
      CAPTURE(match[1].str());
      const string name = "\"" + match[1].str() + "\"";
      CHECK((sources.find("TEST_CASE(" + name) != string::npos ||
             sources.find("add_test(NAME " + name) != string::npos));
    }
  }
  CHECK(named > 120);
}

TEST_CASE("every test that the documentation names exists", "[docs]") {
  for (const char* page : {"docs/seeds.md", "docs/reliability.md"}) {
    const string text = text_of(page);
    const auto named =
        matches(text, R"re(`([a-z_/]+/(?:[a-z_]+_test\.cpp|CMakeLists\.txt))` "([^"]+)")re");
    CHECK(named.size() > 50);
    for (const std::smatch& match : named) {
      CAPTURE(page, match[1].str(), match[2].str());
      const fs::path path = fs::path{"tests"} / match[1].str();
      // A long name goes on in another literal.
      const string source =
          std::regex_replace(text_of(path), std::regex{"\"\\s*\\n\\s*\""}, string{});
      const std::regex spaces{"\\(\\s+\""};
      const string whole = std::regex_replace(source, spaces, "(\"");
      const string name = "\"" + match[2].str() + "\"";
      CHECK((whole.find("TEST_CASE(" + name) != string::npos ||
             whole.find("add_test(NAME " + name) != string::npos));
    }
  }
}

namespace {
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Whether `name` occurs in `text`, and not as a part of a longer name.
bool has_word(const string& text, const string& name) {
  for (std::size_t at = text.find(name); at != string::npos; at = text.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end])))
      return true;
  }
  return false;
}

/// What is wrong with a page whose sections each follow one file: a heading names a file that is
/// not there, or a section a name that its file does not have.
std::vector<string> lost_names(const string& page) {
  std::vector<string> lost;
  string file, text;
  std::istringstream lines{page};
  for (string line; std::getline(lines, line);) {
    std::smatch heading;
    if (std::regex_search(line, heading, std::regex{"^## [0-9]+[.] `([^`]+)`$"})) {
      file = heading[1];
      text = fs::exists(file) ? text_of(file) : string{};
      if (text.empty()) lost.push_back(file);
      continue;
    }
    for (const std::smatch& match : matches(line, "`(?:[A-Za-z_]+::)?([A-Za-z_]+)`"))
      if (!file.empty() && !has_word(text, match[1])) lost.push_back(file + ": " + match[1].str());
  }
  return lost;
}
}  // namespace

TEST_CASE("the path of one event names at most ten files, and only what stands in them", "[docs]") {
  const string page = text_of("docs/internals/one-event.md");
  CHECK(lost_names(page) == std::vector<string>{});
  const std::size_t files = matches(page, "## [0-9]+[.] `[^`]+`").size();
  CHECK(files >= 5);
  CHECK(files <= 10);
}

TEST_CASE("a name that its file does not have is found", "[docs]") {
  CHECK(lost_names("## 1. `tests/docs_test.cpp`\n`lost_names` and `has_word`.\n").empty());
  CHECK(lost_names("## 1. `tests/layers_test.cpp`\nIt calls `lost_names`.\n") ==
        std::vector<string>{"tests/layers_test.cpp: lost_names"});
  CHECK(lost_names("## 1. `tests/no_such_test.cpp`\n") ==
        std::vector<string>{"tests/no_such_test.cpp"});
}
