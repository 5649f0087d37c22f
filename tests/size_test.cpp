// Holds classes, functions and structs of engine/, nodes/, tools/ and tests/support to sizes that a
// reader can keep in mind. Above a limit: divide by responsibility, not by line.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace {
using std::size_t;
using std::string;
using std::string_view;

/// Data members and declared functions, public and private. Aliases, nested types, friends, and
/// functions that are deleted or defaulted do not count.
constexpr size_t kMembersMax = 40;
/// From the first line of the declaration to the closing brace.
constexpr size_t kFunctionLinesMax = 80;
/// A struct of more fields (static ones do not count) may be a parameter of few functions only.
constexpr size_t kFieldsMax = 20;
constexpr size_t kTakersMax = 10;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The text with its comments, literals and directives of the preprocessor blanked. Lines keep
/// their numbers; of a literal its quotes remain.
class Blanked {
 public:
  explicit Blanked(string text) : text_{std::move(text)} {
    while (at_ < text_.size()) step();
  }
  const string& text() const { return text_; }

 private:
  char next(size_t ahead = 1) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void step() {
    const char c = text_[at_];
    if (c == '/' && next() == '/') return blank_to(end_of_line());
    if (c == '/' && next() == '*') return blank_to(after("*/", at_ + 2));
    if (c == '#' && line_is_blank_so_far_) return blank_to(end_of_line());
    if (c == '\n') line_is_blank_so_far_ = true;
    if (!std::isspace(static_cast<unsigned char>(c))) line_is_blank_so_far_ = false;
    if (c == '"') return literal('"');
    if (c == '\'') return literal('\'');
    if (!is_word(c)) return void(++at_);
    word();
  }

  /// Digits may be separated by single quotes. A word that ends in R before a quote begins a raw
  /// string.
  void word() {
    const size_t begin = at_;
    const bool number = std::isdigit(static_cast<unsigned char>(text_[at_])) != 0;
    while (is_word(next(0)) || (number && next(0) == '\'' && is_word(next()))) ++at_;
    const string_view prefix = string_view{text_}.substr(begin, at_ - begin);
    const bool raw = prefix == "R" || prefix == "u8R" || prefix == "LR";
    if (!raw || next(0) != '"') return;
    const size_t open = text_.find('(', at_);
    const string close = ")" + text_.substr(at_ + 1, open - at_ - 1) + "\"";
    ++at_;
    blank_to(after(close, open) - 1);
    ++at_;
  }

  void literal(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    ++at_;
    blank_to(end);
    ++at_;
  }

  size_t after(string_view mark, size_t from) const {
    const size_t found = text_.find(mark, from);
    return found == string::npos ? text_.size() : found + mark.size();
  }

  size_t end_of_line() const {
    size_t end = at_;
    while (end < text_.size() && (text_[end] != '\n' || text_[end - 1] == '\\')) ++end;
    return end;
  }

  void blank_to(size_t end) {
    for (end = std::min(end, text_.size()); at_ < end; ++at_)
      if (text_[at_] != '\n') text_[at_] = ' ';
  }

  string text_;
  size_t at_ = 0;
  bool line_is_blank_so_far_ = true;
};

struct Token {
  string text;  ///< A word, or one sign.
  size_t line = 0;
};

std::vector<Token> tokens_of(const string& source) {
  const Blanked blanked{source};
  const string& text = blanked.text();
  std::vector<Token> tokens;
  size_t line = 1;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\n') ++line;
    if (std::isspace(static_cast<unsigned char>(text[at]))) continue;
    size_t end = at + 1;
    while (is_word(text[at]) && end < text.size() && is_word(text[end])) ++end;
    if (text.compare(at, 2, "::") == 0) end = at + 2;
    tokens.push_back({text.substr(at, end - at), line});
    at = end - 1;
  }
  return tokens;
}

struct Class {
  string name;  ///< Qualified by the classes around it.
  size_t line = 0, members = 0, fields = 0;
};

struct Function {
  string name;
  size_t line = 0, lines = 0;
  std::set<string> takes;  ///< Words of its parameters that may be their types.
};

struct Source {
  string path;
  std::vector<Class> classes;
  std::vector<Function> functions;  ///< Those with a body.
};

/// Finds classes and functions. Knows as much of C++ as it takes to tell declarations apart.
class Scanner {
 public:
  explicit Scanner(Source& source, const string& text) : source_{source}, all_{tokens_of(text)} {
    all_.push_back({"", 0});
    while (!ended()) {
      declarations(nullptr);
      ++at_;  // A closing brace too many.
    }
  }

 private:
  /// What is known of a declaration when its end or a brace is reached.
  struct Head {
    size_t begin = 0;
    size_t first = 0;           ///< Behind `template <...>`.
    size_t parameters = 0;      ///< Index of "(", 0: not a function.
    size_t assignment = 0;      ///< Index of "=".
    bool initializers = false;  ///< Of a constructor, after its parameters.
    bool is_static = false;
    bool is_pointer = false;  ///< To a function: a variable.
    size_t declarators = 1;
    string name;  ///< In front of the parameters.
  };

  bool ended() const { return at_ + 1 >= all_.size(); }
  const string& token(size_t at) const { return all_[std::min(at, all_.size() - 1)].text; }
  bool is(string_view text) const { return token(at_) == text; }
  static bool word(const string& text) { return !text.empty() && is_word(text[0]); }

  /// From an opening sign to behind its counterpart. Reports classes that are defined inside.
  void skip(string_view open, string_view close) {
    size_t depth = 0;
    while (!ended()) {
      if (is(open)) ++depth;
      if (open == "{" && defines_class()) {
        class_definition();
        continue;
      }
      if (is("]")) lambda();
      const bool last = is(close) && --depth == 0;
      ++at_;
      if (last) return;
    }
  }

  /// Reports the lambda whose captures end here, if it is one: that of a variable is in no
  /// function.
  void lambda() {
    size_t at = at_ + 1;
    if (token(at) == "(") at = closing(at) + 1;
    while (word(token(at)) || token(at) == "-" || token(at) == ">" || token(at) == "::") ++at;
    if (token(at) != "{") return;
    const size_t line = all_[at_].line;
    source_.functions.push_back({"(lambda)", line, all_[closing(at)].line - line + 1, {}});
  }

  /// Index of the counterpart of the sign at `at`.
  size_t closing(size_t at) const {
    const string open = token(at), close = open == "(" ? ")" : "}";
    for (size_t depth = 0; at + 1 < all_.size(); ++at) {
      if (token(at) == open) ++depth;
      if (token(at) == close && --depth == 0) break;
    }
    return at;
  }

  /// From "<" to behind its ">"; parentheses may hold signs of comparison.
  void skip_angles() {
    size_t depth = 0;
    while (!ended()) {
      if (is("(")) {
        skip("(", ")");
        continue;
      }
      if (is("<")) ++depth;
      const bool last = is(">") && --depth == 0;
      ++at_;
      if (last) return;
    }
  }

  /// "class Name final : Bases {", and not an elaborated type, a parameter of a template or an
  /// enum.
  bool defines_class() {
    if (!is("class") && !is("struct") && !is("union")) return false;
    if (at_ > 0 && token(at_ - 1) == "enum") return false;
    const size_t keyword = at_;
    (void)class_name();
    const bool defines = is("{") || is("final") || is(":");
    at_ = keyword;
    return defines;
  }

  /// Moves from the keyword to behind the name.
  string class_name() {
    ++at_;
    string name;
    while (!ended()) {
      if (is("[")) {
        skip("[", "]");
      } else if (is("alignas")) {
        ++at_;
        skip("(", ")");
      } else if (is("<")) {
        skip_angles();
      } else if (is("::") ||
                 (word(token(at_)) && !is("final") && (name.empty() || name.ends_with("::")))) {
        name += all_[at_++].text;
      } else {
        break;
      }
    }
    return name;
  }

  void class_definition() {
    Class found;
    found.line = all_[at_].line;
    found.name = class_name();
    if (found.name.empty()) found.name = "(unnamed)";
    while (!ended() && !is("{")) {
      if (is("<")) {
        skip_angles();
      } else {
        ++at_;
      }
    }
    ++at_;
    scopes_.push_back(found.name);
    found.name = qualified("");
    declarations(&found);
    scopes_.pop_back();
    ++at_;
    source_.classes.push_back(std::move(found));
  }

  string qualified(const string& name) const {
    string out;
    for (const string& scope : scopes_) out += (out.empty() ? "" : "::") + scope;
    return out.empty() || name.empty() ? out + name : out + "::" + name;
  }

  /// All declarations of a namespace, or of the class `in`, up to its closing brace.
  void declarations(Class* in) {
    while (!ended() && !is("}")) declaration(in);
  }

  void declaration(Class* in) {
    if ((is("public") || is("private") || is("protected")) && token(at_ + 1) == ":")
      return void(at_ += 2);
    Head head;
    head.begin = head.first = at_;
    bool defines_type = false;
    while (!ended() && !is(";") && !is("}")) {
      if (is("namespace") || (is("extern") && token(at_ + 1) == "\"")) {
        if (!open_namespace()) continue;
        declarations(in);
        return void(++at_);
      }
      if (defines_class()) {
        class_definition();
        defines_type = true;
      } else if (is("enum")) {
        while (!ended() && !is("{") && !is(";")) ++at_;
        if (is("{")) skip("{", "}");
        defines_type = true;
      } else if (is("{") && head.parameters && !head.assignment && !begins_initializer(head)) {
        return function(head, in);
      } else {
        head_token(head);
      }
    }
    const size_t end = at_;
    if (is(";")) ++at_;
    if (in && counts(head, end, defines_type)) count(head, *in);
  }

  /// Moves behind the "{" of a namespace; false for an alias of one.
  bool open_namespace() {
    while (!ended() && !is("{") && !is(";") && !is("=")) ++at_;
    if (!is("{")) {
      while (!ended() && !is(";")) ++at_;
      return false;
    }
    ++at_;
    return true;
  }

  /// A brace behind a name, in the list of a constructor, begins the value of a member.
  bool begins_initializer(const Head& head) const {
    return head.initializers && (word(token(at_ - 1)) || token(at_ - 1) == ">");
  }

  void head_token(Head& head) {
    if (is("template")) {
      ++at_;
      skip_angles();
      head.first = at_;
    } else if (is("operator")) {
      operator_name(head);
    } else if (is("(")) {
      parentheses(head);
    } else if (is("[")) {
      skip("[", "]");
    } else if (is("{")) {
      skip("{", "}");
    } else if (is("<") && !head.assignment) {
      skip_angles();
    } else {
      if (is("=") && !head.assignment) head.assignment = at_;
      if (is(":") && head.parameters) head.initializers = true;
      if (is("static")) head.is_static = true;
      if (is(",") && !head.parameters) ++head.declarators;
      if (is(",") && head.assignment) head.assignment = 0;
      ++at_;
    }
  }

  void operator_name(Head& head) {
    head.name = prefix_of(at_) + "operator";
    ++at_;
    if (is("(")) at_ += 2;  // The call operator.
    while (!ended() && !is("(")) head.name += all_[at_++].text;
    parentheses(head);
  }

  /// "A::B::" where these tokens end in front of `at`.
  string prefix_of(size_t at) const {
    string prefix;
    while (at >= 2 && token(at - 1) == "::" && word(token(at - 2))) {
      prefix = token(at - 2) + "::" + prefix;
      at -= 2;
    }
    return prefix;
  }

  void parentheses(Head& head) {
    static const std::set<string> kSpecifiers{"alignas",  "noexcept", "decltype",
                                              "explicit", "requires", "__attribute__"};
    head.is_pointer |= !head.parameters && token(at_ + 1) == "*";
    if (!head.parameters && !head.assignment && !head.is_pointer &&
        !kSpecifiers.contains(token(at_ - 1))) {
      head.parameters = at_;
      if (head.name.empty()) {
        const bool destructor = at_ >= 2 && token(at_ - 2) == "~";
        const size_t first = at_ - (destructor ? 2 : 1);
        head.name = prefix_of(first) + (destructor ? "~" : "") + token(at_ - 1);
      }
    }
    skip("(", ")");
  }

  /// Reports the function whose body begins here, and moves behind it.
  void function(const Head& head, Class* in) {
    Function found;
    found.name = qualified(head.name);
    found.line = all_[head.begin].line;
    found.takes = types_at(head.parameters);
    skip("{", "}");
    found.lines = all_[at_ - 1].line - found.line + 1;
    source_.functions.push_back(std::move(found));
    if (is(";")) ++at_;
    if (in && token(head.first) != "friend") ++in->members;
  }

  /// Words of a list of parameters, outside of template arguments and defaults. Of a qualified name
  /// the last word: `Outer::Inner` is not an `Outer`.
  std::set<string> types_at(size_t open) {
    std::set<string> found;
    const size_t behind = std::exchange(at_, open + 1);
    bool in_default = false;
    while (!ended() && !is(")")) {
      if (is("(")) {
        skip("(", ")");
      } else if (is("{")) {
        skip("{", "}");
      } else if (is("<") && !in_default) {
        skip_angles();
      } else {
        if (is("=")) in_default = true;
        if (is(",")) in_default = false;
        if (!in_default && word(token(at_)) && token(at_ + 1) != "::") found.insert(token(at_));
        ++at_;
      }
    }
    at_ = behind;
    return found;
  }

  bool counts(const Head& head, size_t end, bool defines_type) const {
    static const std::set<string> kNone{"using", "friend", "typedef", "static_assert"};
    if (head.first == end || kNone.contains(token(head.first))) return false;
    const bool forward =
        end - head.first == 2 && (token(head.first) == "class" || token(head.first) == "struct");
    if (forward) return false;
    if (defines_type) return word(token(end - 1)) && token(end - 2) == "}";
    const string& value = token(head.assignment + 1);
    return !(head.parameters && head.assignment && (value == "default" || value == "delete"));
  }

  static void count(const Head& head, Class& in) {
    in.members += head.parameters ? 1 : head.declarators;
    if (!head.parameters && !head.is_static) in.fields += head.declarators;
  }

  Source& source_;
  std::vector<Token> all_;
  size_t at_ = 0;
  std::vector<string> scopes_;
};

Source scan(string path, const string& text) {
  Source source{std::move(path), {}, {}};
  Scanner{source, text};
  return source;
}

string last_word(const string& name) {
  const size_t colon = name.rfind(':');
  return colon == string::npos ? name : name.substr(colon + 1);
}

/// A class of a .cpp file is known there; one of a header everywhere but where another has its
/// name.
size_t takers(const Source& home, const Class& of, const std::vector<Source>& sources) {
  const string name = last_word(of.name);
  size_t count = 0;
  for (const Source& source : sources) {
    const bool is_home = source.path == home.path;
    if (!is_home && home.path.ends_with(".cpp")) continue;
    if (!is_home && std::any_of(source.classes.begin(), source.classes.end(),
                                [&](const Class& other) { return last_word(other.name) == name; }))
      continue;
    for (const Function& function : source.functions) count += function.takes.count(name);
  }
  return count;
}

struct Breach {
  string name, message;
};

std::vector<Breach> breaches(const std::vector<Source>& sources) {
  std::vector<Breach> found;
  const auto report = [&](const Source& source, size_t line, const string& name,
                          const string& what) {
    found.push_back({name, source.path + ":" + std::to_string(line) + ": " + name + " " + what});
  };
  for (const Source& source : sources) {
    for (const Class& entry : source.classes) {
      if (entry.members > kMembersMax)
        report(source, entry.line, entry.name,
               "has " + std::to_string(entry.members) + " members; at most " +
                   std::to_string(kMembersMax) + " are allowed");
      if (entry.fields <= kFieldsMax) continue;
      if (const size_t count = takers(source, entry, sources); count > kTakersMax)
        report(source, entry.line, entry.name,
               "has " + std::to_string(entry.fields) + " fields and is a parameter of " +
                   std::to_string(count) + " functions; above " + std::to_string(kFieldsMax) +
                   " fields at most " + std::to_string(kTakersMax) + " are allowed");
    }
    for (const Function& entry : source.functions)
      if (entry.lines > kFunctionLinesMax)
        report(source, entry.line, entry.name,
               "has " + std::to_string(entry.lines) + " lines; at most " +
                   std::to_string(kFunctionLinesMax) + " are allowed");
  }
  return found;
}

string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Source> project() {
  std::vector<Source> sources;
  for (const char* root : {"engine", "nodes", "tools", "tests/support"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator{root}) {
      const string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp") continue;
      sources.push_back(scan(entry.path().generic_string(), read(entry.path())));
    }
  }
  return sources;
}

string repeated(size_t times, const string& text) {
  string out;
  for (size_t i = 0; i < times; ++i) {
    string line = text;
    for (size_t at; (at = line.find('#')) != string::npos;) line.replace(at, 1, std::to_string(i));
    out += line;
  }
  return out;
}

std::vector<string> messages(const std::vector<Source>& sources) {
  std::vector<string> out;
  for (const Breach& breach : breaches(sources)) out.push_back(breach.message);
  return out;
}

std::vector<string> messages(const string& text) { return messages({scan("a.cpp", text)}); }

/// "Name members fields" of each class and "name lines" of each function, in the order found.
string measured(const string& text) {
  const Source source = scan("a.cpp", text);
  string out;
  for (const Class& entry : source.classes)
    out += entry.name + " " + std::to_string(entry.members) + " " + std::to_string(entry.fields) +
           "\n";
  for (const Function& entry : source.functions)
    out += entry.name + "() " + std::to_string(entry.lines) + "\n";
  return out;
}
}  // namespace

TEST_CASE("classes, functions and structs keep to their sizes", "[layers]") {
  const std::vector<Source> sources = project();
  const std::vector<Breach> found = breaches(sources);
  for (const Breach& breach : found) UNSCOPED_INFO(breach.message);
  CHECK(found.empty());
  size_t classes = 0, functions = 0;
  for (const Source& source : sources) {
    classes += source.classes.size();
    functions += source.functions.size();
  }
  CHECK(classes > 800);
  CHECK(functions > 4000);
}

TEST_CASE("a planted class of 41 members is found, one of 40 is not", "[layers]") {
  const string text = "class Large {\n public:\n  Large();\n" +
                      repeated(19, "  int f#() const;\n") + " private:\n" +
                      repeated(20, "  int field#_ = 0;\n");
  CHECK(messages("\n" + text + "};\n").empty());
  CHECK(messages("\n" + text + "  int last_{f()};\n};\n") ==
        std::vector<string>{"a.cpp:2: Large has 41 members; at most 40 are allowed"});
}

TEST_CASE("a planted function of 81 lines is found, one of 80 is not", "[layers]") {
  const string begin = "// A comment.\ntemplate <class T>\nvoid long_one(\n    T t) {\n";
  CHECK(messages(begin + repeated(76, "  t.f(#);\n") + "}\n").empty());
  CHECK(messages(begin + repeated(77, "  t.f(#);\n") + "}\n") ==
        std::vector<string>{"a.cpp:2: long_one has 81 lines; at most 80 are allowed"});
  CHECK(messages("const auto f = [](int i) -> int {\n" + repeated(80, "  ++i;\n") + "};\n") ==
        std::vector<string>{"a.cpp:1: (lambda) has 82 lines; at most 80 are allowed"});
  CHECK(messages("class A {\n  void f() const {\n" + repeated(80, "  g();\n") + "  }\n};\n") ==
        std::vector<string>{"a.cpp:2: A::f has 82 lines; at most 80 are allowed"});
}

TEST_CASE("a planted struct of 21 fields may be a parameter of ten functions", "[layers]") {
  const string wide =
      "struct Wide {\n  static constexpr int kMost = 1;\n" + repeated(20, "  int f#;\n");
  const auto found = [](const string& definition, size_t functions) {
    return messages({scan("a.h", definition + "};\n"),
                     scan("a.cpp", repeated(functions, "void f#(int i, const Wide& wide) {}\n"))});
  };
  CHECK(found(wide, 11).empty());
  CHECK(found(wide + "  int last;\n", 10).empty());
  CHECK(found(wide + "  int last;\n", 11) ==
        std::vector<string>{"a.h:1: Wide has 21 fields and is a parameter of 11 functions; above "
                            "20 fields at most 10 are allowed"});
  // Another class of the name, and what only names it.
  const string other = "class Wide {};\n" + repeated(11, "void f#(Wide wide) {}\n");
  const string naming = repeated(11, "void f#(std::vector<Wide> all, int i = sizeof(Wide)) {}\n") +
                        repeated(11, "Wide g#(Wide::Kind kind);\n");
  CHECK(messages(
            {scan("a.h", wide + "  int last;\n};\n"), scan("b.cpp", other), scan("c.cpp", naming)})
            .empty());
}

TEST_CASE("the scanner tells declarations apart", "[layers]") {
  struct Row {
    string text, expected;
  };
  const std::vector<Row> table{
      // What counts as a member.
      {"struct A {\n  A() = default;\n  A(const A&) = delete;\n  friend class B;\n"
       "  using C = int;\n  template <class T>\n  using D = T;\n  class E;\n"
       "  static_assert(sizeof(int) == 4);\n  enum class F : char { A, B };\n};\n",
       "A 0 0\n"},
      {"struct A {\n  int a, b = 2;\n  std::map<int, std::string> c{{1, \"}\"}};\n"
       "  std::function<void(int)> d;\n  int (*e)(int);\n  virtual void f() = 0;\n"
       "  static int g;\n  bool operator<(const A&) const;\n  explicit operator bool() const;\n"
       "  void operator()(int) {}\n  alignas(64) int h;\n  [[nodiscard]] int i() const;\n};\n",
       "A 12 6\nA::operator() 1\n"},
      {"struct A {\n  struct B {\n    int b;\n  };\n  struct {\n    int c;\n  } d;\n"
       "  enum E { X } e;\n  B f;\n};\n",
       "A::B 1 1\nA::(unnamed) 1 1\nA 3 3\n"},
      {"template <class T, class U = B<T>>\nclass A<T*> final : public B<T>, C {\n  T t;\n};\n",
       "A 1 1\n"},
      {"class A::B : C {\n  int b;\n};\nstruct tm now();\nenum class D { X };\nclass E;\n",
       "A::B 1 1\n"},
      // Where a function begins and ends.
      {"A::A(int i)\n    : a_{i}, b_(i), C<int>{i} {\n  f();\n}\nint B::f() const {\n}\n",
       "A::A() 4\nB::f() 2\n"},
      {"A::~A() {\n}\nstd::vector<int> f(int i = g({1})) noexcept(true)\n{\n}\n",
       "A::~A() 2\nf() 3\n"},
      {"void f() {\n  const auto g = [&](int i) mutable { return i < 1 ? a[i] : 2; };\n}\n",
       "(lambda)() 1\nf() 3\n"},
      {"void f() {\n  struct A {\n    int a;\n    void g() {}\n  };\n  struct tm t {};\n}\n",
       "A 2 1\nA::g() 1\nf() 7\n"},
      {"namespace a::b {\nnamespace {\nint f() { return 1'000; }\n}\n}  // namespace\n"
       "extern \"C\" {\nvoid g() {}\n}\nnamespace c = a::b;\nint h() {\n}\n",
       "f() 1\ng() 1\nh() 2\n"},
      {"const int a[] = {1, 2};\nconst A b{f(), {1}};\nconst auto c = f(1);\nint d();\n", ""},
      // Comments, literals and directives.
      {"void f() {\n  g(R\"x(}\n)\" \\ \")x\", \"\\\"}\", '}', '\\'', u8R\"(})\");\n"
       "  // }\n  /* }\n  */\n#define X }\\\n  }\n}\n",
       "f() 9\n"},
  };
  for (const Row& row : table) {
    INFO(row.text);
    CHECK(measured(row.text) == row.expected);
  }
}
