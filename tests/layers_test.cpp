// Holds every #include of engine/, nodes/ and tools/ to the layers of
// docs/internals/architecture.md, and every library to its home. Change the table there and the one
// here together, on purpose, in one commit.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace {
using std::string;
using std::string_view;

/// What a folder may include of ours, beside itself.
const std::map<string, std::vector<string>> kLayers{
    {"engine/core/base", {}},
    {"engine/core/source", {"engine/core/base"}},
    {"engine/core/contact", {"engine/core/base", "engine/core/source"}},
    {"engine/core/template", {"engine/core/base", "engine/core/source", "engine/core/contact"}},
    {"engine/core/segment",
     {"engine/core/base", "engine/core/source", "engine/core/contact", "engine/core/template"}},
    {"engine/core/delivery", {"engine/core/base"}},
    {"engine/core/scenario",
     {"engine/core/base", "engine/core/source", "engine/core/contact", "engine/core/template",
      "engine/core/segment", "engine/core/delivery"}},
    {"engine/core/journey",
     {"engine/core/base", "engine/core/source", "engine/core/contact", "engine/core/template",
      "engine/core/segment", "engine/core/delivery", "engine/core/scenario"}},
    {"engine/net", {"engine/core"}},
    {"engine/authoring", {"engine/core"}},
    {"engine/disk", {}},
    {"engine/guard", {"engine/core"}},
    {"engine/store", {"engine/core"}},
    {"engine/store/memory", {"engine/core", "engine/store"}},
    {"engine/store/sqlite",
     {"engine/core", "engine/disk", "engine/guard", "engine/store",
      "engine/store/sqlite/migrations"}},
    {"engine/store/sqlite/migrations", {}},
    {"engine/secrets", {"engine/core", "engine/disk"}},
    {"nodes", {"engine/core", "engine/net"}},
    {"engine/delivery", {"engine/core", "engine/guard", "engine/net", "engine/secrets"}},
    {"engine/control",
     {"engine/core", "engine/guard", "engine/authoring", "engine/store", "engine/secrets"}},
    {"engine/jobs", {"engine/core"}},
    {"engine/cell",
     {"engine/core", "engine/guard", "engine/store", "engine/secrets", "engine/delivery",
      "engine/control", "engine/jobs"}},
    {"engine/query", {"engine/core", "engine/guard", "engine/store", "engine/control"}},
    {"engine/host",
     {"engine/core", "engine/guard", "engine/authoring", "engine/store", "engine/secrets",
      "engine/delivery", "engine/control", "engine/cell", "engine/query"}},
    {"engine/files", {"engine/core"}},
    {"engine/api",
     {"engine/core", "engine/guard", "engine/secrets", "engine/files", "engine/control",
      "engine/cell", "engine/query", "engine/host"}},
    {"tools",
     {"engine/core", "engine/guard", "engine/disk", "engine/net", "engine/authoring",
      "engine/store", "engine/store/memory", "engine/store/sqlite", "engine/secrets",
      "engine/files", "nodes", "engine/delivery", "engine/control", "engine/cell", "engine/query",
      "engine/host", "engine/api", "engine/simulation"}},
    {"engine/simulation",
     {"engine/core", "engine/guard", "engine/authoring", "engine/store", "engine/store/memory",
      "engine/delivery", "engine/control", "engine/cell", "engine/host"}},
};

/// Headers that only their own folder includes.
const std::set<string> kPrivate{
    "engine/core/source/synonyms.h",         "engine/core/segment/pattern.h",
    "engine/core/segment/segment_reader.h",  "engine/core/segment/segment_term.h",
    "engine/core/scenario/scenario_graph.h", "engine/core/scenario/scenario_rules.h",
    "engine/core/journey/cascade.h",         "engine/core/journey/change_set.h",
    "engine/core/journey/changed_fields.h",  "engine/core/journey/contact_changes.h",
    "engine/core/journey/derived_events.h",  "engine/core/journey/entries.h",
    "engine/core/journey/input_scope.h",     "engine/core/journey/run_walk.h",
    "engine/authoring/source_text.h",        "engine/authoring/syntax_error.h",
};

/// A library's headers, by prefix, and where they may be named: folders, or single files.
/// The longest prefix that fits decides.
const std::map<string, std::vector<string>> kHomes{
    {"yaml-cpp/", {"engine/authoring"}},
    {"SQLiteCpp/", {"engine/store/sqlite", "tools/bench"}},
    {"sqlite3.h", {"engine/store/sqlite", "tools/bench"}},
    {"curl/", {"engine/net", "engine/delivery", "tools/bench"}},
    {"boost/beast", {"engine/api"}},
    {"boost/asio", {"engine/api"}},
    {"boost/graph/", {"engine/core/scenario/scenario_graph.cpp"}},
    {"nlohmann/", {"engine/core/base/value.cpp"}},
    {"simdjson.h", {"engine/core/base/json_reader.cpp"}},
    {"re2/", {"engine/core/segment/pattern.cpp"}},
    {"date/", {"engine/core/base/time_zone.cpp"}},
    {"CLI/", {"tools/onward"}},
    {"jemalloc/", {"tools/onward"}},
    {"csv.h", {"engine/files/csv.cpp"}},
    {"zlib.h", {"engine/store/packed_text.cpp"}},
    {"openssl/", {"engine/secrets", "engine/delivery", "engine/api", "tools"}},
    {"tl/expected.hpp", {"engine", "nodes", "tools"}},
    {"fmt/", {"engine", "nodes", "tools"}},
};

/// Headers of the operating system that have no folder of their own: everywhere but in pure code.
const std::set<string> kSystem{"cxxabi.h",  "fcntl.h", "ifaddrs.h", "netdb.h",     "poll.h",
                               "pthread.h", "sched.h", "signal.h",  "spawn.h",     "stdlib.h",
                               "termios.h", "time.h",  "unistd.h",  "sys/random.h"};
const std::vector<string> kSystemFolders{"sys/", "netinet/", "arpa/", "net/", "linux/"};

/// What pure code (engine/core, nodes) does without: time and chance are arguments, and one thread
/// owns everything.
const std::set<string> kImpure{"thread",     "mutex",  "shared_mutex", "condition_variable",
                               "future",     "atomic", "fstream",      "iostream",
                               "filesystem", "random", "csignal",      "stop_token"};

struct Include {
  std::size_t line = 0;
  string name;
  bool quoted = false;
};

std::vector<Include> includes_of(const string& text) {
  std::vector<Include> found;
  std::istringstream lines{text};
  string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    std::size_t at = line.find_first_not_of(" \t");
    if (at == string::npos || line[at] != '#') continue;
    at = line.find_first_not_of(" \t", at + 1);
    if (at == string::npos || line.compare(at, 7, "include") != 0) continue;
    const std::size_t open = line.find_first_of("<\"", at);
    if (open == string::npos) continue;
    const bool quoted = line[open] == '"';
    const std::size_t close = line.find(quoted ? '"' : '>', open + 1);
    if (close == string::npos) continue;
    found.push_back({number, line.substr(open + 1, close - open - 1), quoted});
  }
  return found;
}

bool inside(string_view path, string_view place) {
  return path.starts_with(place) &&
         (path.size() == place.size() || path[place.size()] == '/' || place.ends_with('/'));
}

/// The row of kLayers that a path belongs to, the longest that fits; empty where it belongs to
/// none.
string layer_of(string_view path) {
  string found;
  for (const auto& [folder, may] : kLayers)
    if (inside(path, folder) && folder.size() > found.size()) found = folder;
  return found;
}

string joined(const std::vector<string>& words) {
  string out;
  for (const string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "nothing of ours" : out;
}

/// Why one of our own headers may not be named here; empty where it may.
string refuse_ours(const string& layer, const Include& include) {
  const string target = layer_of(include.name);
  if (target.empty()) {
    return "\"" + include.name + "\" is not written from the root, or belongs to no layer";
  }
  if (target == layer) return {};
  if (kPrivate.contains(include.name)) return "\"" + include.name + "\" is private to " + target;
  const std::vector<string>& may = kLayers.at(layer);
  // What is no row itself, as "engine/core", stands for all of its folders.
  if (std::any_of(may.begin(), may.end(), [&](const string& folder) {
        return kLayers.contains(folder) ? target == folder : inside(target, folder);
      }))
    return {};
  return layer + " may include " + joined(may) + ", not \"" + include.name + "\"";
}

bool is_system(const string& name) {
  return kSystem.contains(name) ||
         std::any_of(kSystemFolders.begin(), kSystemFolders.end(),
                     [&](const string& folder) { return name.starts_with(folder); });
}

/// Why a header of somebody else's may not be named here; empty where it may.
string refuse_theirs(const string& path, const string& layer, const string& name) {
  const bool pure = inside(layer, "engine/core") || layer == "nodes";
  const bool standard = name.find_first_of("./") == string::npos;
  if (standard || is_system(name)) {
    if (!pure || (standard && !kImpure.contains(name))) return {};
    return layer + " is pure: no clock, disk, lock or thread, so no <" + name + ">";
  }
  const std::pair<const string, std::vector<string>>* home = nullptr;
  for (const auto& row : kHomes) {
    if (name.starts_with(row.first) && (!home || row.first.size() > home->first.size()))
      home = &row;
  }
  if (!home) return "<" + name + "> is of a library that has no home; give it one on purpose";
  const bool at_home = std::any_of(home->second.begin(), home->second.end(),
                                   [&](const string& place) { return inside(path, place); });
  if (at_home) return {};
  return "<" + name + "> may be included only in " + joined(home->second);
}

/// Every breach in one file, as `file:line: the rule`.
std::vector<string> breaches(const string& path, const string& text) {
  std::vector<string> found;
  const string layer = layer_of(path);
  if (layer.empty()) return {path + ":1: belongs to no layer of docs/internals/architecture.md"};
  for (const Include& include : includes_of(text)) {
    const string why =
        include.quoted ? refuse_ours(layer, include) : refuse_theirs(path, layer, include.name);
    if (!why.empty()) found.push_back(path + ":" + std::to_string(include.line) + ": " + why);
  }
  return found;
}

string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The second table of a kind: folder and what it may include, as docs/internals/architecture.md
/// prints it.
std::map<string, string> documented_layers() {
  std::map<string, string> rows;
  std::istringstream lines{read("docs/internals/architecture.md")};
  string line;
  while (std::getline(lines, line)) {
    std::vector<string> cells;
    std::istringstream row{line};
    string cell;
    while (std::getline(row, cell, '|')) {
      const auto first = cell.find_first_not_of(' ');
      cells.push_back(first == string::npos
                          ? string{}
                          : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
    }
    if (cells.size() == 4 && kLayers.contains(cells[1])) rows[cells[1]] = cells[3];
  }
  return rows;
}
}  // namespace

TEST_CASE("every include keeps to its layer and every library to its home", "[layers]") {
  std::size_t files = 0;
  std::vector<string> found;
  for (const char* root : {"engine", "nodes", "tools"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator{root}) {
      const string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp") continue;
      ++files;
      for (string& breach : breaches(entry.path().generic_string(), read(entry.path()))) {
        found.push_back(std::move(breach));
      }
    }
  }
  for (const string& breach : found) UNSCOPED_INFO(breach);
  CHECK(found.empty());
  CHECK(files > 30);
  for (const string& header : kPrivate) CHECK(std::filesystem::exists(header));
}

TEST_CASE("the documented table of layers is the one that is enforced", "[layers]") {
  const std::map<string, string> documented = documented_layers();
  for (const auto& [folder, may] : kLayers) {
    string expected = joined(may);
    for (std::size_t at; (at = expected.find("engine/")) != string::npos;) expected.erase(at, 7);
    if (folder == "tools") expected = "everything";
    INFO(folder);
    REQUIRE(documented.contains(folder));
    CHECK(documented.at(folder) == expected);
  }
}

TEST_CASE("a planted include is found at its line, with the rule that it breaks", "[layers]") {
  struct Planted {
    string path, text, message;
  };
  const std::vector<Planted> table{
      {"engine/core/journey/run.cpp", "#include \"engine/store/store.h\"\n",
       "engine/core/journey/run.cpp:1: engine/core/journey may include engine/core/base, "
       "engine/core/source, engine/core/contact, engine/core/template, engine/core/segment, "
       "engine/core/delivery, engine/core/scenario, not \"engine/store/store.h\""},
      {"engine/core/base/value.cpp", "#include \"engine/core/source/tree.h\"\n",
       "engine/core/base/value.cpp:1: engine/core/base may include nothing of ours, not "
       "\"engine/core/source/tree.h\""},
      {"nodes/condition.cpp", "#include \"engine/core/segment/segment_term.h\"\n",
       "nodes/condition.cpp:1: \"engine/core/segment/segment_term.h\" is private to "
       "engine/core/segment"},
      {"nodes/wait.cpp", "#include \"nodes/nodes.h\"\n\n  #  include \"engine/host/runtime.h\"\n",
       "nodes/wait.cpp:3: nodes may include engine/core, engine/net, not "
       "\"engine/host/runtime.h\""},
      {"engine/api/server.cpp", "#include \"tools/onward/cli.h\"\n",
       "engine/api/server.cpp:1: engine/api may include engine/core, engine/guard, "
       "engine/secrets, engine/files, engine/control, engine/cell, engine/query, engine/host, not "
       "\"tools/onward/cli.h\""},
      {"engine/api/server.cpp", "#include \"server.h\"\n",
       "engine/api/server.cpp:1: \"server.h\" is not written from the root, or belongs to no "
       "layer"},
      {"engine/api/server.cpp", "#include <yaml-cpp/yaml.h>\n",
       "engine/api/server.cpp:1: <yaml-cpp/yaml.h> may be included only in engine/authoring"},
      {"engine/core/segment/segment.cpp", "#include <thread>\n",
       "engine/core/segment/segment.cpp:1: engine/core/segment is pure: no clock, disk, lock or "
       "thread, so "
       "no "
       "<thread>"},
      {"engine/store/sqlite/journal.cpp", "#include <lz4.h>\n",
       "engine/store/sqlite/journal.cpp:1: <lz4.h> is of a library that has no home; give it one "
       "on "
       "purpose"},
      {"engine/extra/new.cpp", "",
       "engine/extra/new.cpp:1: belongs to no layer of "
       "docs/internals/architecture.md"},
  };
  for (const Planted& planted : table) {
    CHECK(breaches(planted.path, planted.text) == std::vector<string>{planted.message});
  }
  CHECK(
      breaches("tools/onward/main.cpp", "#include \"nodes/nodes.h\"\n#include <vector>\n").empty());
  CHECK(
      breaches("engine/delivery/http.cpp", "#include <sys/socket.h>\n#include <thread>\n").empty());
}
