// Keeps small operations in one place: a form that one function is there for may stand only in the
// file of that function. A second copy is how two places begin to disagree.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace {
using std::string;

struct Once {
  string form;  ///< A regular expression, searched in a line without its comment.
  string home;
  string use;  ///< What to call in its place.
};
const std::vector<Once> kOnce{
    {R"(0x[cC]0u?\) *[!=]= *0x80)", "engine/core/base/utf8.h",
     "continues_character, next_character"},
    {R"('A' *\+ *'a')", "engine/core/base/text.h", "lower"},
    {R"((^|[^a-z_])(tolower|toupper|isalnum|isdigit|strn?casecmp)\()", "engine/core/base/text.h",
     "lower, same_ignoring_case, is_letter_or_digit, is_digit"},
    {R"(>= *'0' *&&.*<= *'9')", "engine/core/base/text.h", "is_digit, is_letter_or_digit"},
    {R"(substr\([a-z]+, *[a-z]+\.find_last_not_of)", "engine/core/base/text.h", "trimmed"},
    {R"(find_first_not_of\(" \\t\\r)", "engine/core/base/text.h", "is_blank, trimmed"},
    {R"re((find|with|contains)\("(\{\{|\}\})"|'\{' *&&.*== *'\{')re",
     "engine/core/base/placeholder_marks.h",
     "find_placeholder, has_placeholder, find_placeholder_end"},
    {R"(\? *Truth::|\|= .*Truth::Unknown|case Truth::)", "engine/core/segment/segment_term.h",
     "truth_of, opposite, TruthOfParts"},
    {R"(; (did you mean|perhaps) \\"("|\{\}))", "engine/core/source/suggestion.h",
     "did_you_mean, perhaps"},
    {R"re((^|[^\\])"custom\.("|[a-z_]+"|\{\}))re", "engine/core/contact/custom_prefix.h",
     "kCustom"},
    {R"(xyz0123456789\+/)", "engine/core/base/base64.cpp", "base64_encode, base64_decode"},
    {R"(0x1[fF]300|0x20000\b)", "engine/core/base/display_width.h", "display_width"},
    {R"(setpriority\()", "engine/guard/thread_priority.cpp", "give_way_to_events"},
};

/// Each line that repeats a form outside of its home, as `file:line: use ...`.
std::vector<string> repeated(const string& path, const string& text) {
  static const std::vector<std::regex> kForms = [] {
    std::vector<std::regex> forms;
    for (const Once& once : kOnce) forms.emplace_back(once.form);
    return forms;
  }();
  std::vector<string> found;
  std::istringstream lines{text};
  string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    line.resize(std::min(line.find("//"), line.size()));
    for (std::size_t i = 0; i < kOnce.size(); ++i)
      if (path != kOnce[i].home && std::regex_search(line, kForms[i]))
        found.push_back(path + ":" + std::to_string(number) + ": use " + kOnce[i].use + " of " +
                        kOnce[i].home);
  }
  return found;
}

string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("small operations on text are written once", "[once]") {
  std::vector<string> found;
  std::size_t files = 0;
  for (const char* root : {"engine", "nodes", "tools"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator{root}) {
      const string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp") continue;
      ++files;
      for (string& one : repeated(entry.path().generic_string(), read(entry.path())))
        found.push_back(std::move(one));
    }
  }
  for (const string& one : found) UNSCOPED_INFO(one);
  CHECK(found.empty());
  CHECK(files > 30);
  for (const Once& once : kOnce) {
    INFO(once.home);
    CHECK(std::filesystem::exists(once.home));
  }
}

TEST_CASE("a planted second copy is found at its line", "[once]") {
  for (const char* const copy : {
           "while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;",
           "if ((byte & 0xc0u) != 0x80) ++count;",
           "c = static_cast<char>(c - 'A' + 'a');",
           "c = static_cast<char>(std::tolower(c));",
           "return (c >= '0' && c <= '9') || c == '_';",
           "return text.substr(first, text.find_last_not_of(kSpace) - first + 1);",
           "if (body.find_first_not_of(\" \\t\\r\\n\") == body.npos) return {};",
           "const bool filled = text.find(\"{{\") != std::string::npos;",
           "if (text[at] == '{' && text[at + 1] == '{') ++open;",
           "return truth == Truth::Yes ? Truth::No : Truth::Yes;",
           "unknown |= result.truth == Truth::Unknown;",
           "nearest.empty() ? \"\" : fmt::format(\"; did you mean \\\"{}\\\"?\", nearest)",
           "if (!nearest.empty()) message += \"; perhaps \\\"\" + nearest;",
           "changed(\"custom.\" + name);",
           "what = fmt::format(\"custom.{}\", name);",
           "\"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\";",
           "return code >= 0x1F300 && code <= 0x1FAFF;",
           "::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10);",
       }) {
    INFO(copy);
    CHECK(repeated("nodes/wait.cpp", string{"\n"} + copy).size() == 1);
    CHECK(repeated("nodes/wait.cpp", string{"// "} + copy).empty());
  }
}
}  // namespace
