#include "tests/fuzz/mutation.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "engine/core/scenario/scenario.h"
#include "nodes/nodes.h"

namespace onward::fuzz {
namespace fs = std::filesystem;

std::uint64_t Chance::next() {
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::size_t Choices::below(std::size_t sides) {
  if (sides == 0) return 0;
  if (sides <= 256) return byte() % sides;
  const std::size_t high = byte();
  return (high << 8 | byte()) % sides;
}

std::uint32_t Choices::word() {
  std::uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word = word << 8 | byte();
  return word;
}

// ---- the dictionary -----------------------------------------------------------------------------
namespace {
std::string read_file(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

const std::vector<std::string>& awkward() {
  using namespace std::string_literals;
  static const std::vector<std::string> values{
      "",
      "~",
      "null",
      "true",
      "no",
      "-",
      "- ",
      "?",
      ": ",
      "|",
      ">",
      "|2-",
      "''",
      "\"",
      "'",
      "{}",
      "[]",
      "[[]]",
      "{a}",
      "{a: }",
      "[,]",
      "*a",
      "&a x",
      "!!str x",
      "<<: *a",
      "%YAML 1.2",
      "---",
      "...",
      "# x",
      "0",
      "-0",
      "1",
      "-1",
      "0.1",
      "3.10",
      "1e3",
      "1e309",
      "-1e-400",
      "0x10",
      "0o7",
      "1_000",
      ".5",
      "5.",
      "+5",
      "9007199254740993",
      "9223372036854775807",
      "9223372036854775808",
      "-9223372036854775808",
      "18446744073709551616",
      "340282366920938463463374607431768211456",
      "nan",
      ".inf",
      "0s",
      "1s",
      "90s",
      "2h",
      "3d",
      "30d",
      "365d",
      "36500d",
      "99999999999d",
      "-3d",
      "1d12h",
      "1.5h",
      "1 d",
      "soon",
      "2026-05-01",
      "2026-02-30",
      "2024-02-29",
      "0000-00-00",
      "9999-12-31",
      "2026-05-01T09:00",
      "2026-05-01T09:00:00Z",
      "2026-13-01T25:61:61Z",
      "9999-12-31T23:59:60+14:00",
      "1969-12-31T23:59:59.999999999Z",
      "09:00",
      "24:00",
      "9:00",
      "23:59:60",
      "Europe/Berlin",
      "America/Toronto",
      "Europe/berlin",
      "UTC",
      "Mars/Olympus",
      "[mon-fri]",
      "[fri-mon]",
      "monday",
      "end",
      "End",
      "x",
      "a.b",
      "a..b",
      ".a",
      "a.",
      "custom.",
      "custom..x",
      "custom.x.y",
      "contact.custom.x",
      "event.",
      "event.x.y",
      "note.x",
      "$.",
      "$.a",
      "$.subscriber.x",
      "{{",
      "}}",
      "{{ }}",
      "{{}}",
      "{{ contact.email }}",
      "{{ contact.email",
      "{{ contact.custom.x | default: \"}}\" }}",
      "{{ contact.nope }}",
      "{{x}}{{x}}{{x}}",
      "\"{{ event.form }}\"",
      "{{ \"{{ contact.custom.x }}\" }}",
      "{{ secret.crm_key }}",
      "{{ contact.first_name | default: \"a\" | upper }}",
      "https://e.example.com/in",
      "https://e.example.com/{{ contact.first_name | default: \"}}?x\" }}",
      "http://",
      "https://u:p@e.example.com/",
      "https://[::1]:99999/",
      "file:///etc/passwd",
      "//x",
      "https://127.0.0.1/",
      "GET",
      "X Bad",
      "Content-Length",
      "X-A\r\nX-B: c",
      "jane@example.org",
      "@",
      "a@b",
      "é",
      "\xC3",
      "\xFF\xFE",
      "\xED\xA0\x80",
      "\xF4\x90\x80\x80",
      "\xE2\x80\xAE",
      "\xEF\xBB\xBF",
      "\xC2\xA0",
      "e\xCC\x81",
      "\xF0\x9F\x98\x80",
      "\x00"s,
      "\x1b",
      "\t",
      "\r",
      "\xE2\x80\xA8",
      std::string(300, 'x'),
      std::string(39, 'x') + "é",
      "(a+)+$",
      "[",
      "\\",
      "\\u0000",
      "{not: {not: {not: x}}}",
      "{any: [{all: []}]}",
      "{in_group: vip}",
      "{custom.x: {contains: {field: custom.n}}}",
      "{between: [2, 1]}",
      "{opened: {within: 0d}}"};
  return values;
}

/// Names and listed values of a JSON Schema, wherever they are.
void collect(const Value& schema, std::set<std::string>& keys, std::set<std::string>& values) {
  if (const ValueList* list = schema.list()) {
    for (const Value& part : *list) collect(part, keys, values);
    return;
  }
  const ValueMap* map = schema.map();
  if (!map) return;
  for (const auto& [name, part] : *map) {
    if (name == "properties" && part.map())
      for (const auto& property : *part.map()) keys.insert(property.first);
    if ((name == "enum" || name == "examples") && part.list())
      for (const Value& value : *part.list())
        values.insert(value.text() ? *value.text() : to_json(value));
    if (name == "const" || name == "default")
      values.insert(part.text() ? *part.text() : to_json(part));
    collect(part, keys, values);
  }
}
}  // namespace

std::span<const std::string> awkward_values() { return awkward(); }

std::string source_file(std::string_view path) {
  return read_file(fs::path{ONWARD_SOURCE_DIR} / path);
}

const Dictionary& scenario_dictionary() {
  static const Dictionary dictionary = [] {
    std::set<std::string> keys, values;
    collect(scenario_schema(node_kinds()), keys, values);
    Dictionary made;
    for (const char* key : {"custom.x", "contact.email", "event.x", "note",   "note.x", "not",
                            "all",      "any",           "is",      "gt",     "gte",    "lt",
                            "between",  "contains",      "matches", "exists", "one_of", "in_group",
                            "opened",   "within",        "field"})
      keys.insert(key);
    made.keys.assign(keys.begin(), keys.end());
    made.values.assign(values.begin(), values.end());
    made.values.insert(made.values.end(), awkward().begin(), awkward().end());
    std::vector<fs::path> files;
    for (const char* folder : {"scenarios", "tests/authoring/wrong"}) {
      std::error_code none;
      for (const auto& entry : fs::directory_iterator{fs::path{ONWARD_SOURCE_DIR} / folder, none})
        if (entry.path().extension() == ".yaml") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) made.donors.push_back(read_file(file));
    if (made.donors.empty()) made.donors.emplace_back("scenario: x\nnodes: {}\n");
    return made;
  }();
  return dictionary;
}

// ---- texts
// ----------------------------------------------------------------------------------------
namespace {
using Lines = std::vector<std::string>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end == std::string_view::npos ? end : end + 1));
    text.remove_prefix(lines.back().size());
  }
  return lines;
}

std::string text_of(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

std::size_t indent_of(const std::string& line) {
  const std::size_t at = line.find_first_not_of(' ');
  return at == std::string::npos ? line.size() : at;
}
bool is_blank(const std::string& line) {
  return line.find_first_not_of(" \r\n\t") == std::string::npos;
}

struct Block {
  std::size_t begin = 0, end = 0;  ///< Lines.
};
/// The line and what is indented below it.
Block block_at(const Lines& lines, std::size_t line) {
  Block block{line, line + 1};
  const std::size_t indent = indent_of(lines[line]);
  while (block.end < lines.size() &&
         (is_blank(lines[block.end]) || indent_of(lines[block.end]) > indent))
    ++block.end;
  return block;
}

Lines cut(const Lines& lines, Block block) {
  return {lines.begin() + static_cast<std::ptrdiff_t>(block.begin),
          lines.begin() + static_cast<std::ptrdiff_t>(block.end)};
}
void erase(Lines& lines, Block block) {
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(block.begin),
              lines.begin() + static_cast<std::ptrdiff_t>(block.end));
}
void insert(Lines& lines, std::size_t at, const Lines& more) {
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
}
/// Moved to the right, or left (never behind the margin).
void indent(Lines& lines, std::ptrdiff_t by) {
  for (std::string& line : lines) {
    if (by > 0) line.insert(0, static_cast<std::size_t>(by), ' ');
    if (by < 0) line.erase(0, std::min(indent_of(line), static_cast<std::size_t>(-by)));
  }
}

/// `key: value` in a line or an entry: where they are.
struct Pair {
  std::size_t key = 0, colon = 0, value = 0, end = 0;
};
bool find_pair(const std::string& line, Pair& pair) {
  pair.key = line.find_first_not_of(" -");
  if (pair.key == std::string::npos) return false;
  pair.colon = line.find(':', pair.key);
  if (pair.colon == std::string::npos) return false;
  pair.value = line.find_first_not_of(' ', pair.colon + 1);
  pair.end = line.find_last_not_of("\r\n") + 1;
  if (pair.value == std::string::npos || pair.value > pair.end) pair.value = pair.end;
  return true;
}

/// An entry of a list or mapping in brackets: "[a, b]" has two.
struct Entry {
  std::size_t begin = 0, end = 0;  ///< Without the comma.
};
/// The entries at the level of `inside`, and the place behind them.
std::vector<Entry> entries_around(const std::string& text, std::size_t inside) {
  // To the left, the bracket that is open here.
  std::size_t begin = inside;
  int depth = 0;
  while (begin > 0) {
    const char c = text[begin - 1];
    if (c == '}' || c == ']') ++depth;
    if ((c == '{' || c == '[') && depth-- == 0) break;
    if (inside - begin > 20'000) return {};
    --begin;
  }
  if (begin == 0) return {};
  std::vector<Entry> entries{{begin, begin}};
  depth = 0;
  char quote = 0;
  for (std::size_t at = begin; at < text.size() && at - begin < 40'000; ++at) {
    const char c = text[at];
    if (quote) {
      if (c == quote) quote = 0;
      continue;
    }
    if (c == '"') quote = c;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth-- == 0) {
      entries.back().end = at;
      return entries;
    }
    if (c == ',' && depth == 0) {
      entries.back().end = at;
      entries.push_back({at + 1, at + 1});
    }
  }
  return {};
}

class TextMutation {
 public:
  TextMutation(std::string text, const Dictionary& words, Chance& chance, std::size_t size_max)
      : text_{std::move(text)}, words_{words}, chance_{chance}, size_max_{size_max} {}

  std::string run() {
    if (text_.empty()) text_ = chance_.pick(words_.donors);
    for (std::size_t left = chance_.one_in(3) ? 1 + chance_.below(4) : 1; left > 0; --left) step();
    if (text_.size() > size_max_) {
      text_.resize(size_max_);
      if (const std::size_t end = text_.rfind('\n'); end != std::string::npos)
        text_.resize(end + 1);
    }
    return std::move(text_);
  }

 private:
  void step() {
    switch (chance_.below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return lines();
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
        return entry();
      case 9:
      case 10:
      case 11:
      case 12:
        return pair();
      case 13:
      case 14:
        return transplant();
      case 15:
        return word();
      case 16:
        return token_line();
      case 17:
        return characters();
      case 18:
        return chance_.one_in(4) ? wide() : pair();
      default:
        return chance_.one_in(4) ? deep() : entry();
    }
  }

  std::string value() {
    if (!chance_.one_in(3)) return chance_.pick(words_.values);
    if (chance_.one_in(2)) return chance_.pick(words_.keys);
    // A value that is elsewhere in this file: names of nodes, of events.
    const Lines lines = lines_of(text_);
    if (lines.empty()) return {};
    const std::string& line = chance_.pick(lines);
    Pair pair;
    return find_pair(line, pair) ? line.substr(pair.value, pair.end - pair.value) : line;
  }

  void lines() {
    Lines lines = lines_of(text_);
    if (lines.empty()) return;
    const Block block = block_at(lines, chance_.below(lines.size()));
    const Block single{block.begin, block.begin + 1};
    const Block some = chance_.one_in(2) ? block : single;
    const std::size_t other = chance_.below(lines.size());
    switch (chance_.below(7)) {
      case 0:
        erase(lines, some);
        break;
      case 1:
        insert(lines, some.end, cut(lines, some));
        break;
      case 2: {  // to another place, with the indentation of that place
        Lines moved = cut(lines, some);
        const std::size_t to_indent = indent_of(lines[other]);
        const std::size_t from_indent = indent_of(moved.front());
        indent(moved,
               static_cast<std::ptrdiff_t>(to_indent) - static_cast<std::ptrdiff_t>(from_indent));
        if (chance_.one_in(2)) erase(lines, some);
        insert(lines, std::min(other, lines.size()), moved);
        break;
      }
      case 3: {  // two blocks change places
        const Block second = block_at(lines, other);
        if (second.begin < block.end) break;
        const Lines a = cut(lines, block), b = cut(lines, second);
        erase(lines, second);
        insert(lines, second.begin, a);
        erase(lines, block);
        insert(lines, block.begin, b);
        break;
      }
      case 4:
      case 5: {
        Lines moved = cut(lines, some);
        indent(moved, static_cast<std::ptrdiff_t>(chance_.below(7)) - 3);
        erase(lines, some);
        insert(lines, some.begin, moved);
        break;
      }
      default:  // the end of the line goes, so that the next one follows in it
        while (!lines[block.begin].empty() &&
               (lines[block.begin].back() == '\n' || lines[block.begin].back() == '\r'))
          lines[block.begin].pop_back();
    }
    text_ = text_of(lines);
  }

  /// An entry in brackets.
  void entry() {
    if (text_.empty()) return;
    // Any place inside of brackets: a few tries.
    std::vector<Entry> entries;
    for (int tries = 0; entries.empty() && tries < 8; ++tries)
      entries = entries_around(text_, chance_.below(text_.size()));
    if (entries.empty()) return pair();
    const Entry one = chance_.pick(entries), two = chance_.pick(entries);
    const auto of = [&](Entry entry) { return text_.substr(entry.begin, entry.end - entry.begin); };
    const std::string a = of(one), b = of(two);
    switch (chance_.below(9)) {
      case 0: {
        const bool comma = one.end < text_.size() && text_[one.end] == ',';
        text_.erase(one.begin, one.end - one.begin + (comma ? 1 : 0));
        break;
      }
      case 1:
        text_.insert(one.end, "," + a);
        break;
      case 2:  // once more, with a key that is a path below the first one
        text_.insert(one.end, "," + with_key(a, [&](std::string& key) {
                                return key += chance_.one_in(2) ? ".x" : "." + short_name();
                              }));
        break;
      case 3:
        text_.insert(one.end, "," + with_key(a, [&](std::string& key) {
                                return key = chance_.pick(words_.keys);
                              }));
        break;
      case 4:
        if (one.begin < two.begin) {
          text_.replace(two.begin, b.size(), a);
          text_.replace(one.begin, a.size(), b);
        }
        break;
      case 5:
        text_.replace(one.begin, a.size(), (chance_.one_in(2) ? " " : "") + value());
        break;
      case 6:
        text_.insert(one.end, ", " + chance_.pick(words_.keys) + ": " + value());
        break;
      case 7:
        text_.insert(one.end, ", " + value());
        break;
      default:
        text_.replace(one.begin, a.size(), "{" + a + "}");
    }
  }

  std::string short_name() { return std::string(1, static_cast<char>('a' + chance_.below(26))); }

  template <class Change>
  static std::string with_key(std::string entry, Change change) {
    Pair pair;
    if (!find_pair(entry, pair)) {
      change(entry);
      return entry;
    }
    std::string key = entry.substr(pair.key, pair.colon - pair.key);
    change(key);
    return entry.replace(pair.key, pair.colon - pair.key, key);
  }

  /// A line's key or value.
  void pair() {
    Lines lines = lines_of(text_);
    if (lines.empty()) return;
    const std::size_t at = chance_.below(lines.size());
    std::string& line = lines[at];
    Pair pair;
    if (!find_pair(line, pair)) return;
    switch (chance_.below(8)) {
      case 0:
      case 1:
      case 2:
        line.replace(pair.value, pair.end - pair.value, value());
        break;
      case 3:
        line.replace(pair.key, pair.colon - pair.key, chance_.pick(words_.keys));
        break;
      case 4:  // keys are exchanged
      {
        std::string& other = lines[chance_.below(lines.size())];
        Pair second;
        if (&other == &line || !find_pair(other, second)) return;
        const std::string a = line.substr(pair.key, pair.colon - pair.key);
        const std::string b = other.substr(second.key, second.colon - second.key);
        line.replace(pair.key, a.size(), b);
        other.replace(second.key, b.size(), a);
        break;
      }
      case 5:  // values are exchanged
      {
        std::string& other = lines[chance_.below(lines.size())];
        Pair second;
        if (&other == &line || !find_pair(other, second)) return;
        const std::string a = line.substr(pair.value, pair.end - pair.value);
        const std::string b = other.substr(second.value, second.end - second.value);
        line.replace(pair.value, a.size(), b);
        other.replace(second.value, b.size(), a);
        break;
      }
      case 6: {  // once more, below a path
        std::string copy = line;
        copy.insert(pair.colon, "." + short_name());
        insert(lines, at + 1, {copy});
        break;
      }
      default: {
        std::string added =
            std::string(indent_of(line), ' ') + chance_.pick(words_.keys) + ": " + value() + "\n";
        insert(lines, at, {added});
      }
    }
    text_ = text_of(lines);
  }

  /// A part of another text comes in here.
  void transplant() {
    Lines lines = lines_of(text_);
    const Lines donor = lines_of(chance_.pick(words_.donors));
    if (lines.empty() || donor.empty()) return;
    const std::size_t from = chance_.below(donor.size());
    Lines part = cut(donor, chance_.one_in(3) ? Block{from, from + 1} : block_at(donor, from));
    const std::size_t at = chance_.below(lines.size());
    indent(part, static_cast<std::ptrdiff_t>(indent_of(lines[at])) -
                     static_cast<std::ptrdiff_t>(indent_of(part.front())));
    const Block here = block_at(lines, at);
    if (chance_.one_in(2)) erase(lines, here);
    insert(lines, std::min(at, lines.size()), part);
    text_ = text_of(lines);
  }

  static bool is_word(char c) {
    return std::string_view{" \n\r\t,:{}[]\"'"}.find(c) == std::string_view::npos;
  }
  void word() {
    if (text_.empty()) return;
    std::size_t begin = chance_.below(text_.size());
    std::size_t end = begin;
    while (begin > 0 && is_word(text_[begin - 1])) --begin;
    while (end < text_.size() && is_word(text_[end])) ++end;
    if (chance_.one_in(3))
      text_.insert(end, chance_.one_in(2) ? ".x" : value());
    else
      text_.replace(begin, end - begin, value());
  }

  /// A line of YAML's own signs, with a blank or a break behind it.
  void token_line() {
    static constexpr std::string_view kSigns[] = {
        "-",      "- ", "- -", "?",  "? x", ":",  ": x", "|",   ">",     "\"",    "'",  "{",
        "}",      "[",  "]",   "&a", "*a",  "!x", "#",   "---", "- - -", "x",     "x:", "x: y: z",
        "- x: y", "@",  "`",   "%",  "\t",  "",   "{{",  "}}",  ",",     "- { }", "<<:"};
    Lines lines = lines_of(text_);
    const std::size_t at = chance_.below(lines.size() + 1);
    const std::size_t base = lines.empty() ? 0 : indent_of(lines[std::min(at, lines.size() - 1)]);
    std::string line(base + chance_.below(3), ' ');
    line += chance_.pick(kSigns);
    line += chance_.one_in(3) ? " \n" : "\n";
    insert(lines, at, {line});
    text_ = text_of(lines);
  }

  void characters() {
    if (text_.empty()) return;
    const std::size_t at = chance_.below(text_.size());
    switch (chance_.below(6)) {
      case 0:
        text_.erase(at, 1 + chance_.below(8));
        break;
      case 1:
        text_[at] = static_cast<char>(chance_.next());
        break;
      case 2: {
        static constexpr std::string_view kSigns = ":,-{}[]\"'#&*!|>%@` \n.$|<?~";
        text_.insert(at, 1, kSigns[chance_.below(kSigns.size())]);
        break;
      }
      case 3:
        text_.insert(at, chance_.pick(awkward()));
        break;
      case 4:
        text_.resize(at);
        break;
      default: {
        const std::size_t to = chance_.below(text_.size());
        text_.insert(to, text_.substr(at, chance_.below(40)));
      }
    }
  }

  /// Many copies of an entry, a block or a word: whatever is walked through once per member shows.
  void wide() {
    const std::size_t room = size_max_ > text_.size() ? size_max_ - text_.size() : 0;
    const auto copies_of = [&](std::size_t bytes) {
      const std::size_t most = std::min<std::size_t>(room / (bytes + 6), 4'000);
      return chance_.below(chance_.one_in(4) ? most : std::min<std::size_t>(most, 100));
    };
    std::string made;
    if (chance_.one_in(2)) {
      if (text_.empty()) return;
      const auto entries = entries_around(text_, chance_.below(text_.size()));
      if (entries.empty()) return;
      const Entry one = chance_.pick(entries);
      const std::string a = text_.substr(one.begin, one.end - one.begin);
      const bool names = !chance_.one_in(3);
      for (std::size_t left = copies_of(a.size()); left > 0; --left)
        made += "," +
                (names ? with_key(a, [&](std::string& key) { return key += std::to_string(left); })
                       : a);
      text_.insert(one.end, made);
      return;
    }
    Lines lines = lines_of(text_);
    if (lines.empty()) return;
    const Block block = block_at(lines, chance_.below(lines.size()));
    const std::string a = text_of(cut(lines, block));
    for (std::size_t left = copies_of(a.size()); left > 0; --left)
      made += with_key(a, [&](std::string& key) { return key += std::to_string(left); });
    insert(lines, block.end, {made});
    text_ = text_of(lines);
  }

  /// A value inside of many others.
  void deep() {
    static constexpr std::pair<std::string_view, std::string_view> kShells[] = {
        {"{not: ", "}"}, {"[", "]"},     {"{all: [", "]}"},
        {"{a: ", "}"},   {"{{ ", " }}"}, {"\"", "\""}};
    Lines lines = lines_of(text_);
    if (lines.empty()) return;
    std::string& line = lines[chance_.below(lines.size())];
    Pair pair;
    if (!find_pair(line, pair)) return;
    const auto& [open, close] = chance_.pick(kShells);
    std::string before, behind;
    for (std::size_t left = 1 + chance_.below(chance_.one_in(4) ? 300 : 8); left > 0; --left) {
      before += open;
      behind += close;
    }
    line.insert(pair.end, behind);
    line.insert(pair.value, before);
    text_ = text_of(lines);
  }

  std::string text_;
  const Dictionary& words_;
  Chance& chance_;
  std::size_t size_max_;
};
}  // namespace

std::string mutate_text(std::string text, const Dictionary& dictionary, Chance& chance,
                        std::size_t size_max) {
  return TextMutation{std::move(text), dictionary, chance, size_max}.run();
}

// ---- records ------------------------------------------------------------------------------------
std::string mutate_records(std::string bytes, std::size_t size, Chance& chance,
                           std::size_t size_max) {
  std::vector<std::string> records;
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    records.push_back(bytes.substr(at, size));
    records.back().resize(size, '\0');
  }
  const auto fresh = [&] {
    std::string record(size, '\0');
    for (char& c : record) c = static_cast<char>(chance.next());
    return record;
  };
  const auto place = [&](std::size_t at) {
    return records.begin() + static_cast<std::ptrdiff_t>(at);
  };
  for (std::size_t left = 1 + chance.below(4); left > 0; --left) {
    const std::size_t at = chance.below(records.size());
    switch (records.empty() ? 0 : chance.below(9)) {
      case 0:
      case 1:
        for (std::size_t more = 1 + chance.below(records.empty() ? 12 : 3); more > 0; --more)
          records.insert(place(std::min(at, records.size())), fresh());
        break;
      case 2:
        records.erase(place(at));
        break;
      case 3: {  // a stretch once more
        const std::size_t end = std::min(records.size(), at + 1 + chance.below(4));
        const std::vector<std::string> copy(place(at), place(end));
        records.insert(place(chance.below(records.size() + 1)), copy.begin(), copy.end());
        break;
      }
      case 4:
        std::swap(records[at], records[chance.below(records.size())]);
        break;
      case 5:
        records[at] = fresh();
        break;
      case 6:  // one byte of another record
        records[at][chance.below(size)] = records[chance.below(records.size())][chance.below(size)];
        break;
      case 7:
        records[at][chance.below(size)] ^= static_cast<char>(1u << chance.below(8));
        break;
      default:
        records[at][chance.below(size)] = static_cast<char>(chance.next());
    }
  }
  std::string made;
  for (const std::string& record : records)
    if (made.size() + size <= size_max) made += record;
  return made;
}

std::size_t mutate_in_place(std::uint8_t* data, std::size_t size, std::size_t size_max,
                            unsigned seed,
                            const std::function<std::string(std::string, Chance&)>& mutate) {
  Chance chance{seed};
  std::string text = mutate(std::string{onward::text_of(data, size)}, chance);
  const std::size_t length = std::min(text.size(), size_max);
  std::memcpy(data, text.data(), length);
  return length;
}
}  // namespace onward::fuzz
