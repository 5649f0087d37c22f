#include "engine/authoring/yaml_reader.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/authoring/source_text.h"
#include "engine/authoring/syntax_error.h"
#include "engine/core/base/clipped.h"
#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/utf8.h"
#include "engine/core/base/value.h"

namespace onward {
namespace {
/// yaml-cpp 0.7 turns the escapes \N (next line) and \_ (no-break space) into the single bytes 85
/// and A0. Since the file is UTF-8, a continuation byte that follows a whole character is one of
/// those: its character is U+0085 or U+00A0.
std::string with_whole_characters(const std::string& text) {
  if (valid_utf8(text)) return text;
  std::string whole;
  std::size_t left = 0;  // bytes of the character that has begun
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = continues_character(c);
    if (continues && left == 0) whole += '\xc2';
    if (continues && left > 0) --left;
    if (!continues) left = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    whole += c;
  }
  return whole;
}

/// Values in one file: what 10,000 nodes with long payloads need, and a bound on memory.
constexpr std::size_t kValuesMax = 400'000;
/// Open brackets after which no file can be meant. Counted roughly, before parsing.
constexpr std::size_t kBracketsMax = 1000;
/// Smaller mappings look for duplicate keys one by one.
constexpr std::size_t kIndexedFrom = 16;

/// Ends the parse from inside a handler; what was wrong is reported already.
struct GiveUp {};

bool is_quote(const std::string& text, std::size_t at) {
  return at < text.size() && (text[at] == '"' || text[at] == '\'');
}

/// Whether the quote at `open` has its counterpart. The parser takes a quoted text that the end of
/// the file cuts off for a whole one.
bool is_closed_quote(const std::string& text, std::size_t open) {
  const char quote = text[open];
  for (std::size_t i = open + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 >= text.size() || text[i + 1] != quote) return true;
      ++i;
    }
  }
  return false;
}

/// Where the text of the unquoted scalar at `pos` begins: in the line below a "|".
Position block_text_place(const SourceText& source, std::size_t pos, Position begin) {
  const std::string& text = source.text();
  if (pos >= text.size() || (text[pos] != '|' && text[pos] != '>')) return begin;
  const std::string_view line = source.line(begin.line + 1);
  const std::size_t first = line.find_first_not_of(' ');
  return {begin.line + 1, first == std::string_view::npos ? 1 : static_cast<int>(first) + 1};
}

/// Builds the tree from the parser's events.
class Builder final : public YAML::EventHandler {
 public:
  Builder(const SourceText& source, const YamlLimits& limits, Diagnostics& diagnostics)
      : source_{source}, limits_{limits}, diagnostics_{diagnostics} {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    // After a value that is complete the parser begins a new document without being told to.
    if (source_.text().compare(static_cast<std::size_t>(mark.pos), 3, "---") == 0)
      diagnostics_.error(at(mark), "second_document",
                         "a second document begins here (\"---\"); a file holds one scenario");
    else
      diagnostics_.error(at(mark), "not_a_mapping",
                         "this does not belong to what stands above; a scenario is one mapping of "
                         "\"key: value\" lines");
    throw GiveUp{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (awaits_key()) return take_null_key(mark);
    check_colon();
    // The parser stands at the next token by now: an empty value is where its key is.
    Tree null;
    null.at = open_.empty() || !open_.back().tree.is_map() ? at(mark) : open_.back().key_at;
    add(std::move(null), mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    diagnostics_.error(at(mark), "alias",
                       "aliases (*name) are not supported; write the value out, or put it in "
                       "quotes");
    misleading_ = true;
    if (awaits_key()) return take_key("*", /*plain=*/false, mark);
    add({}, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& as_parsed) override {
    const std::string value = with_whole_characters(as_parsed);
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    const bool quoted = tag == "!";
    state_.last_scalar = at(mark);
    const auto pos = static_cast<std::size_t>(mark.pos);
    state_.last_quoted = quoted && is_quote(source_.text(), pos);
    if (state_.last_quoted && !is_closed_quote(source_.text(), pos)) {
      diagnostics_.error(at(mark), "unclosed_quote",
                         "the quote that opens here is not closed on this line");
      throw GiveUp{};
    }
    if (awaits_key()) return take_key(value, !quoted, mark);
    Tree scalar;
    scalar.kind = Tree::Kind::Scalar;
    scalar.at = state_.last_scalar;
    scalar.text_at = state_.last_quoted ? Position{scalar.at.line, scalar.at.column + 1}
                                        : block_text_place(source_, pos, scalar.at);
    scalar.text = value;
    scalar.quoted = quoted;
    add(std::move(scalar), mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(Tree::Kind::List, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(Tree::Kind::Map, mark, tag, anchor, style);
  }
  void OnMapEnd() override { close(); }

  int documents() const { return documents_; }
  Tree take_root() { return std::move(root_); }
  const ParseState& state() const { return state_; }
  Position at(const YAML::Mark& mark) const {
    return source_.position(static_cast<std::size_t>(mark.pos < 0 ? 0 : mark.pos));
  }

 private:
  /// A list or mapping that is not closed yet.
  struct Frame {
    Tree tree;
    bool has_key = false;  // a key waits for its value
    bool dropped = false;  // what this key has is reported and left out
    std::string key;
    Position key_at;
    std::size_t key_pos = 0;
    bool key_plain = false;
    std::unordered_map<std::string, int> lines;  // of keys, once there are many

    /// The line in which the mapping has `name` already, or 0.
    int line_of(const std::string& name) {
      const auto& entries = tree.entries;
      if (entries.size() < kIndexedFrom) {
        for (const Tree::Entry& entry : entries)
          if (entry.key == name) return entry.key_at.line;
        return 0;
      }
      if (lines.empty())
        for (const Tree::Entry& entry : entries) lines.emplace(entry.key, entry.key_at.line);
      const auto found = lines.find(name);
      return found == lines.end() ? 0 : found->second;
    }
  };

  /// A key, as bytes of the text.
  struct Key {
    Position at;
    std::size_t pos = 0, length = 0;
  };

  bool awaits_key() const {
    return !open_.empty() && open_.back().tree.is_map() && !open_.back().has_key;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == 0) return;
    diagnostics_.error(at(mark), "anchor",
                       "anchors (&name) are not supported; remove it, or put the value in quotes");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    diagnostics_.error(at(mark), "tag",
                       "tags (!name) are not supported; remove it, or put the value in quotes");
  }

  void open(Tree::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    const Position place = at(mark);
    if (awaits_key()) refuse_key(place, mark);
    if (open_.size() >= static_cast<std::size_t>(limits_.depth)) {
      diagnostics_.error(
          place, "too_deep",
          fmt::format("lists and mappings are nested more than {} deep", limits_.depth));
      throw GiveUp{};
    }
    Frame frame;
    frame.tree.kind = kind;
    frame.tree.at = place;
    open_.push_back(std::move(frame));
    state_.open.push_back(
        {.at = place, .flow = style == YAML::EmitterStyle::Flow, .map = kind == Tree::Kind::Map});
    state_.last_quoted = false;
  }

  /// A list or mapping in the place of a key; most often an unquoted placeholder.
  [[noreturn]] void refuse_key(Position place, const YAML::Mark& mark) {
    const std::string& text = source_.text();
    const auto pos = static_cast<std::size_t>(mark.pos);
    if (pos > 0 && text.compare(pos - 1, kPlaceholderOpen.size(), kPlaceholderOpen) == 0) {
      Diagnostic found = explain_unquoted_placeholder({place.line, place.column - 1});
      diagnostics_.error(found.at, std::move(found.code), std::move(found.message));
    } else if ((text[pos] == '[' || text[pos] == '{') && !closes_bracket(text, pos)) {
      // At the end of the file the parser takes what is inside an unclosed bracket for a key.
      Diagnostic found = explain_unclosed_bracket(text[pos], place);
      diagnostics_.error(found.at, std::move(found.code), std::move(found.message));
    } else {
      diagnostics_.error(place, "bad_key", "a key must be a plain text, found a list or mapping");
    }
    throw GiveUp{};
  }

  void close() {
    Tree tree = std::move(open_.back().tree);
    tree.index();
    open_.pop_back();
    state_.open.pop_back();
    state_.last_quoted = false;
    add(std::move(tree), {});
  }

  void add(Tree tree, const YAML::Mark& mark) {
    if (++values_ > kValuesMax) {
      diagnostics_.error(at(mark), "too_large",
                         fmt::format("the file holds more than {} values", kValuesMax));
      throw GiveUp{};
    }
    if (open_.empty()) {
      root_ = std::move(tree);
      return;
    }
    Frame& frame = open_.back();
    frame.has_key = false;
    if (frame.dropped || only_counts()) return;
    if (frame.tree.is_list()) {
      frame.tree.items.push_back(std::move(tree));
      return;
    }
    frame.tree.entries.push_back({std::move(frame.key), frame.key_at, std::move(tree)});
  }

  void take_null_key(const YAML::Mark& mark) {
    const auto pos = static_cast<std::size_t>(mark.pos);
    const bool written = pos < source_.text().size() && source_.text()[pos] != ':';
    diagnostics_.error(
        at(mark), "bad_key",
        written ? "a key must be a text; put it in quotes" : "a key is missing before this colon");
    take_key("", /*plain=*/false, mark);
  }

  void take_key(const std::string& key, bool plain, const YAML::Mark& mark) {
    Frame& frame = open_.back();
    frame.has_key = true;
    frame.key = key;
    frame.key_at = at(mark);
    frame.key_pos = static_cast<std::size_t>(mark.pos);
    frame.key_plain = plain;
    if (plain && key == "<<")
      diagnostics_.error(frame.key_at, "merge_key",
                         "merge keys (\"<<\") are not supported; write the keys out");
    const int earlier = only_counts() ? 0 : frame.line_of(key);
    frame.dropped = earlier > 0 || (plain && key == "<<");
    if (earlier > 0) {
      diagnostics_.error(
          frame.key_at, "duplicate_key",
          diagnostics_.full()
              ? std::string{}
              : fmt::format("\"{}\" is given twice: here and in line {}", clipped(key), earlier));
    } else if (frame.tree.entries.size() >= kIndexedFrom && !only_counts()) {
      frame.lines.emplace(key, frame.key_at.line);
    }
  }

  /// The parser takes a key without a colon for one with an empty value.
  void check_colon() {
    if (open_.empty() || !open_.back().tree.is_map() || !open_.back().key_plain) return;
    const Frame& frame = open_.back();
    const std::string& text = source_.text();
    if (text.compare(frame.key_pos, frame.key.size(), frame.key) != 0) return;
    std::size_t next = frame.key_pos + frame.key.size();
    next = text.find_first_not_of(" \t", next);
    if (next != std::string::npos && text[next] == ':') return;
    without_colon_.push_back({frame.key_at, frame.key_pos, frame.key.size()});
    misleading_ = true;
  }

  /// Whether the tree is not used any more, and further findings are only counted.
  bool only_counts() const {
    return misleading_ && (diagnostics_.full() || without_colon_.size() >= kFindingsMax);
  }

 public:
  /// Reports the keys without a colon that stand before `end`: behind a syntax error they are its
  /// consequence.
  void report_missing_colons(Position end) {
    const std::string_view text{source_.text()};
    for (const Key& key : without_colon_) {
      if (key.at >= end) continue;
      if (diagnostics_.full()) {
        diagnostics_.error(key.at, {}, {});  // It is only counted.
        continue;
      }
      Diagnostic found = explain_missing_colon(text.substr(key.pos, key.length), key.at);
      diagnostics_.error(found.at, std::move(found.code), std::move(found.message));
    }
    without_colon_.clear();
  }
  /// Something was read that is not what the author means: findings about it would mislead.
  bool misleading() const { return misleading_; }

 private:
  const SourceText& source_;
  const YamlLimits& limits_;
  Diagnostics& diagnostics_;
  ParseState state_;
  std::vector<Frame> open_;
  Tree root_;
  std::size_t values_ = 0;
  int documents_ = 0;
  bool misleading_ = false;
  std::vector<Key> without_colon_;
};

/// The first bracket of those that stand open beyond `allowed`, where they are so many that parsing
/// would only burn time. Quotes and comments are not told apart: the bound is far beyond what any
/// text has by chance.
std::optional<Position> hopelessly_nested(const SourceText& source, std::size_t allowed) {
  std::size_t depth = 0;
  std::size_t first = 0;
  const std::string& text = source.text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[' || text[i] == '{') {
      if (++depth == allowed + 1) first = i;
      if (depth > std::max(kBracketsMax, allowed)) return source.position(first);
    } else if ((text[i] == ']' || text[i] == '}') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

std::optional<Tree> parse(const SourceText& source, const YamlLimits& limits,
                          Diagnostics& diagnostics) {
  Builder builder{source, limits, diagnostics};
  try {
    std::istringstream stream{source.text()};
    YAML::Parser parser{stream};
    while (parser.HandleNextDocument(builder)) continue;
  } catch (const GiveUp&) {
    return std::nullopt;
  } catch (const YAML::ParserException& complaint) {
    const auto offset = static_cast<std::size_t>(complaint.mark.pos < 0 ? 0 : complaint.mark.pos);
    Diagnostic found =
        explain_syntax_error(source, builder.state(), complaint.msg, source.position(offset));
    builder.report_missing_colons(found.at);
    diagnostics.error(found.at, std::move(found.code), std::move(found.message));
    return std::nullopt;
  } catch (const std::exception& complaint) {
    // The parser's faults of other kinds are the author's text as well: no text ends the process.
    diagnostics.error({1, 1}, "syntax", fmt::format("this is not YAML: {}", complaint.what()));
    return std::nullopt;
  }
  builder.report_missing_colons({std::numeric_limits<int>::max(), 1});
  if (builder.misleading()) return std::nullopt;
  Tree root = builder.take_root();
  if (builder.documents() == 0 || root.is_null()) {
    diagnostics.error({1, 1}, "empty_file",
                      "the file is empty; a scenario begins with \"scenario: its-id\"");
    return std::nullopt;
  }
  return root;
}
}  // namespace

namespace {
thread_local int may_not_read = 0;
std::atomic<std::uint64_t> read_nevertheless{0};
}  // namespace

NoReading::NoReading() { ++may_not_read; }
NoReading::~NoReading() { --may_not_read; }
std::uint64_t NoReading::broken() { return read_nevertheless.load(); }

std::optional<Tree> read_yaml(std::string_view text, Diagnostics& diagnostics,
                              const YamlLimits& limits) {
  if (may_not_read > 0) ++read_nevertheless;
  if (text.size() > limits.bytes) {
    diagnostics.error({}, "too_large",
                      fmt::format("the file has more than {:.1f} MiB, the most that a scenario may "
                                  "have",
                                  static_cast<double>(limits.bytes) / (1 << 20)));
    return std::nullopt;
  }
  const auto source = SourceText::check(text, diagnostics);
  if (!source) return std::nullopt;
  if (const auto where = hopelessly_nested(*source, static_cast<std::size_t>(limits.depth))) {
    diagnostics.error(*where, "too_deep",
                      fmt::format("lists and mappings are nested more than {} deep", limits.depth));
    return std::nullopt;
  }
  return parse(*source, limits, diagnostics);
}
}  // namespace onward
