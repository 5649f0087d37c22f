#include "engine/core/template/template.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/text.h"
#include "engine/core/base/utf8.h"
#include "engine/core/template/lookup.h"

namespace onward {
/// A piece of the text: as written, or where a value goes.
struct Template::Part {
  enum class Kind : std::uint8_t { Literal, Value, Run, Scenario, ScenarioTitle, Secret };

  Kind kind = Kind::Literal;
  std::string text = {};  ///< Of a literal; a secret's name.
  Lookup lookup = {};
  std::optional<onward::Value> fallback = std::nullopt;
  bool keep_slash = false;
};

namespace {
using Part = Template::Part;
using Parts = std::vector<Part>;

constexpr std::size_t kSecretMax = 64;
/// Bytes of a text that stands where "|" or "}}" should, in a message.
constexpr std::size_t kFoundMax = 40;
constexpr std::array<std::string_view, 5> kRoots{"contact", "event", "run", "scenario", "secret"};
constexpr std::array<std::string_view, 2> kFilters{"default", "path"};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_placeholder_char(char c) {
  return !is_space(c) && c != '|' && c != '}' && c != '{' && c != '"';
}

bool is_secret_name(std::string_view name) {
  return !name.empty() && name.size() <= kSecretMax &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

/// The places of bytes of a text that begins at `begin`. Linear for all of them together, as long
/// as offsets grow, or go back no further than the last `keep`.
class Places {
 public:
  Places(std::string_view text, Position begin)
      : text_{text}, begin_{0, begin}, kept_{begin_}, last_{begin_} {}

  Position at(std::size_t offset) {
    if (offset < last_.offset) last_ = offset < kept_.offset ? begin_ : kept_;
    for (const char c : text_.substr(last_.offset, offset - last_.offset)) {
      if (c == '\n') {
        ++last_.at.line;
        last_.at.column = begin_.at.column;
      } else if (!continues_character(c)) {
        ++last_.at.column;
      }
    }
    last_.offset = offset;
    return last_.at;
  }
  /// Remembers a place to which later questions may go back.
  void keep(std::size_t offset) {
    (void)at(offset);
    kept_ = last_;
  }

 private:
  struct Place {
    std::size_t offset = 0;
    Position at;
  };
  std::string_view text_;
  Place begin_;
  Place kept_;
  Place last_;
};

/// Reads a text into parts, once, from left to right.
class TemplateCompiler {
 public:
  TemplateCompiler(std::string_view text, Position at, TemplateUse use, std::string_view what,
                   Diagnostics& diagnostics)
      : text_{text}, places_{text, at}, use_{use}, what_{what}, diagnostics_{diagnostics} {}

  const std::vector<PlaceholderSpan>& spans() const { return spans_; }

  Parts compile() {
    while (pos_ < text_.size()) {
      const std::size_t open = std::min(find_placeholder(text_, pos_), text_.size());
      literal(open);
      if (open == text_.size()) break;
      places_.keep(open);
      const bool closed = placeholder(open);
      spans_.push_back({open, closed ? pos_ : text_.size()});
      if (!closed) break;
    }
    return std::move(parts_);
  }

 private:
  void literal(std::size_t end) {
    const std::string_view text = text_.substr(pos_, end - pos_);
    if (use_ != TemplateUse::Body) {
      const auto control = std::find_if(text.begin(), text.end(), is_control);
      if (control != text.end())
        error(pos_ + static_cast<std::size_t>(control - text.begin()), "control_character",
              "a control character cannot stand here");
    }
    add_literal(text);
    pos_ = end;
  }

  void add_literal(std::string_view text) {
    if (text.empty()) return;
    if (!parts_.empty() && parts_.back().kind == Part::Kind::Literal) {
      parts_.back().text += text;
    } else {
      parts_.push_back({.text = std::string{text}});
    }
  }

  /// One "{{ … }}"; false where its end cannot be found.
  bool placeholder(std::size_t open) {
    pos_ = open + kPlaceholderOpen.size();
    skip_space();
    Part part;
    const bool constant = pos_ < text_.size() && (text_[pos_] == '"' || text_[pos_] == '\'');
    bool good = constant ? constant_text(part) : name(part);
    for (skip_space(); pos_ < text_.size() && text_[pos_] == '|'; skip_space())
      good = filter(part) && good;
    if (!text_.substr(pos_).starts_with(kPlaceholderClose)) return unclosed(open);
    pos_ += kPlaceholderClose.size();
    if (!good) return true;
    if (part.kind == Part::Kind::Literal) {
      add_literal(part.text);
    } else {
      parts_.push_back(std::move(part));
    }
    return true;
  }

  /// Behind what could be read there is no "}}": none at all, or something else comes first.
  bool unclosed(std::size_t open) {
    if (open_quote_) return false;  // which hides the end, and has been reported
    const std::size_t close = find_placeholder_end(text_, pos_);
    if (close == std::string_view::npos || has_placeholder(text_.substr(pos_, close - pos_))) {
      error(open, "unclosed_placeholder", "\"{{\" is not closed by \"}}\"");
      return false;
    }
    error(pos_, "bad_placeholder",
          "expected \"|\" or \"}}\", found \"" +
              clipped(text_.substr(pos_, close - pos_), kFoundMax) + "\"");
    pos_ = close + kPlaceholderClose.size();
    return true;
  }

  /// `{{ "{{" }}`: text as it is.
  bool constant_text(Part& part) {
    const auto text = quoted_text();
    if (!text) return false;
    part.text = *text;
    return true;
  }

  bool name(Part& part) {
    const std::size_t begin = pos_;
    while (pos_ < text_.size() && is_placeholder_char(text_[pos_])) ++pos_;
    const std::string_view name = text_.substr(begin, pos_ - begin);
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string_view root = name.substr(0, dot);
    const std::string_view rest = name.substr(std::min(dot + 1, name.size()));
    if (root == "contact" && is_path(rest)) return contact(part, begin + dot + 1, rest);
    if (root == "secret" && is_secret_name(rest)) return secret(part, begin, rest);
    if (root == "event" && is_path(rest)) {
      part.kind = Part::Kind::Value;
      part.lookup = event_lookup(rest);
      return true;
    }
    if (name == "run.id") part.kind = Part::Kind::Run;
    if (name == "scenario.id") part.kind = Part::Kind::Scenario;
    if (name == "scenario.title") part.kind = Part::Kind::ScenarioTitle;
    return part.kind != Part::Kind::Literal || unknown_name(begin, name, root);
  }

  bool contact(Part& part, std::size_t begin, std::string_view field) {
    const auto lookup = find_contact_lookup(field);
    if (!lookup) {
      return error(
          begin, "unknown_placeholder",
          "a contact has no field " + quoted(field) + "; fields of your own are contact.custom.…",
          diagnostics_.nearest(field, contact_names()));
    }
    note_custom_field(*lookup, places_.at(begin), diagnostics_);
    part.kind = Part::Kind::Value;
    part.lookup = *lookup;
    return true;
  }

  bool secret(Part& part, std::size_t begin, std::string_view name) {
    if (use_ == TemplateUse::Body)
      return error(begin, "secret_not_allowed",
                   "a secret cannot stand in a body; headers, auth and the URL's path and query "
                   "can name it");
    part.kind = Part::Kind::Secret;
    part.text = name;
    return true;
  }

  bool unknown_name(std::size_t begin, std::string_view name, std::string_view root) {
    std::string near;
    std::string sentence;
    if (name.empty()) {
      sentence = "a placeholder names a value: contact.first_name, event.order.total, run.id";
    } else if (root == "event" || root == "contact" || root == "secret") {
      sentence =
          quoted(name) + " names no value; " + std::string{root} + ".… is followed by a name";
    } else if (root == "run" || root == "scenario") {
      sentence = quoted(name) + " is not known; there are run.id, scenario.id and scenario.title";
      near = root == "run" ? "run.id" : "scenario.id";
    } else {
      // "first_name" alone is the likeliest slip.
      if (find_contact_lookup(name)) {
        near = "contact." + std::string{name};
      } else {
        near = diagnostics_.nearest(root, kRoots);
        if (!near.empty()) near += name.substr(root.size());
      }
      sentence = quoted(name) +
                 " is not known; placeholders begin with contact., event., run., "
                 "scenario. or secret.";
    }
    return error(begin, "unknown_placeholder", sentence, near);
  }

  bool filter(Part& part) {
    ++pos_;  // the "|"
    skip_space();
    const std::size_t begin = pos_;
    while (pos_ < text_.size() && is_placeholder_char(text_[pos_]) && text_[pos_] != ':') ++pos_;
    const std::string_view name = text_.substr(begin, pos_ - begin);
    skip_space();
    const bool argument = pos_ < text_.size() && text_[pos_] == ':';
    if (name == "default") return default_filter(part, begin, argument);
    if (argument) {
      ++pos_;  // the ":"
      skip_argument();
    }
    if (name != "path")
      return error(begin, "unknown_filter",
                   quoted(name) + " is no filter; there are default: \"…\" and path",
                   diagnostics_.nearest(name, kFilters));
    if (use_ != TemplateUse::UrlPath)
      return error(begin, "bad_filter", "\"path\" has a meaning in the path of a URL only");
    part.keep_slash = true;
    return true;
  }

  bool default_filter(Part& part, std::size_t begin, bool argument) {
    if (!argument)
      return error(begin, "bad_filter", "\"default\" wants a value: default: \"there\"");
    ++pos_;  // the ":"
    skip_space();
    if (part.kind == Part::Kind::Secret) {
      skip_argument();
      return error(begin, "bad_filter", "a secret has no default");
    }
    if (pos_ < text_.size() && (text_[pos_] == '"' || text_[pos_] == '\'')) {
      auto text = quoted_text();
      if (!text) return false;
      part.fallback = Value{*std::move(text)};
      return true;
    }
    const std::size_t value = pos_;
    while (pos_ < text_.size() && is_placeholder_char(text_[pos_])) ++pos_;
    const auto scalar = parse_json(text_.substr(value, pos_ - value), {.depth = 0});
    if (!scalar)
      return error(value, "bad_filter",
                   "\"default\" wants a text in quotes, a number, true, false or null");
    part.fallback = *scalar;
    return true;
  }

  void skip_argument() {
    skip_space();
    if (pos_ < text_.size() && (text_[pos_] == '"' || text_[pos_] == '\'')) {
      quoted_text();
    } else {
      while (pos_ < text_.size() && is_placeholder_char(text_[pos_])) ++pos_;
    }
  }

  /// Text in quotes of either sort; a backslash keeps the character behind it from ending it.
  std::optional<std::string> quoted_text() {
    const std::size_t begin = pos_;
    const char quote = text_[pos_++];
    std::string text;
    for (; pos_ < text_.size() && text_[pos_] != quote; ++pos_) {
      if (text_[pos_] == '\\' && pos_ + 1 < text_.size()) ++pos_;
      text += text_[pos_];
    }
    if (pos_ == text_.size()) {
      open_quote_ = true;
      error(begin, "bad_placeholder", "the quote is not closed");
      return std::nullopt;
    }
    ++pos_;
    if (use_ != TemplateUse::Body && std::any_of(text.begin(), text.end(), is_control)) {
      error(begin, "control_character", "a control character cannot stand here");
      return std::nullopt;
    }
    return text;
  }

  void skip_space() {
    while (pos_ < text_.size() && is_space(text_[pos_])) ++pos_;
  }

  bool error(std::size_t offset, std::string code, const std::string& sentence,
             std::string nearest = {}) {
    std::string message{what_};
    message += ": ";
    message += sentence;
    diagnostics_.error(places_.at(offset), std::move(code), std::move(message), std::move(nearest));
    return false;
  }

  std::string_view text_;
  Places places_;
  TemplateUse use_;
  std::string_view what_;
  Diagnostics& diagnostics_;
  std::size_t pos_ = 0;
  bool open_quote_ = false;
  Parts parts_;
  std::vector<PlaceholderSpan> spans_;
};

/// The value that a part stands for, perhaps in `scratch`; its default where it is missing or an
/// empty text.
const Value& value_of(const Part& part, const TemplateSubject& subject, Value& scratch) {
  static const Value kNull;
  const Value* value = &kNull;
  const auto text = [&](std::string_view of) {
    scratch = of;
    return &scratch;
  };
  switch (part.kind) {
    case Part::Kind::Value: {
      std::size_t looked_at = 0;
      const Value* found = part.lookup.find(subject.contact, subject.engagement, subject.event,
                                            scratch, subject.room ? &looked_at : nullptr);
      if (found) value = found;
      charge_lookup(subject.room, looked_at);
      break;
    }
    case Part::Kind::Run:
      value = text(subject.run);
      break;
    case Part::Kind::Scenario:
      value = text(subject.scenario);
      break;
    case Part::Kind::ScenarioTitle:
      value = text(subject.scenario_title);
      break;
    case Part::Kind::Literal:
    case Part::Kind::Secret:
      assert(false && "has no value");
  }
  const bool missing = value->is_null() || (value->text() && value->text()->empty());
  return missing && part.fallback ? *part.fallback : *value;
}

/// A path segment that is "." or ".." would be taken as a way up, encoded or not by most clients;
/// written as %2E it is a name to those that keep what is encoded, libcurl among them.
bool append_path(std::string& out, std::string_view text, bool keep_slash, std::size_t most) {
  while (true) {
    const std::size_t slash = keep_slash ? text.find('/') : std::string_view::npos;
    const std::string_view segment = text.substr(0, slash);
    if (segment == "." || segment == "..") {
      for (std::size_t i = 0; i < segment.size(); ++i) out += "%2E";
    } else if (!append_percent_encoded(out, segment, /*keep_slash=*/false, most)) {
      return false;
    }
    if (out.size() > most) return false;
    if (slash == std::string_view::npos) return true;
    out += '/';
    text.remove_prefix(slash + 1);
  }
}

bool append_json_escaped(std::string& out, std::string_view text, TemplateUse use, bool keep_slash,
                         std::size_t most) {
  switch (use) {
    case TemplateUse::Body:
      return append_within(out, text, most);
    case TemplateUse::Header: {
      // A value must not pass itself off as a secret's reference; any control character will do to
      // have the header refused.
      const std::size_t begin = out.size();
      if (!append_within(out, text, most)) return false;
      for (std::size_t i = begin; i < out.size(); ++i)
        if (out[i] == kSecretOpen || out[i] == kSecretClose) out[i] = '\x7f';
      return true;
    }
    case TemplateUse::UrlPath:
      return append_path(out, text, keep_slash, most);
    case TemplateUse::UrlQuery:
      return append_percent_encoded(out, text, /*keep_slash=*/false, most);
  }
  return true;
}
}  // namespace

Template Template::compile(std::string_view text, Position at, TemplateUse use,
                           std::string_view what, Diagnostics& diagnostics) {
  Template made;
  made.use_ = use;
  made.parts_ =
      std::make_shared<const Parts>(TemplateCompiler{text, at, use, what, diagnostics}.compile());
  return made;
}

std::vector<PlaceholderSpan> placeholder_spans(std::string_view text) {
  Diagnostics ignored;
  TemplateCompiler compiler{text, {1, 1}, TemplateUse::Header, {}, ignored};
  (void)compiler.compile();
  return compiler.spans();
}

std::string Template::render(const TemplateSubject& subject) const {
  std::string out;
  (void)render_to(out, subject, std::string::npos);
  return out;
}

bool Template::render_to(std::string& out, const TemplateSubject& subject, std::size_t most) const {
  if (!parts_) return true;
  for (const Part& part : *parts_) {
    if (part.kind == Part::Kind::Literal) {
      if (!append_within(out, part.text, most)) return false;
    } else if (part.kind == Part::Kind::Secret) {
      out += kSecretOpen;
      out += part.text;
      out += kSecretClose;
    } else {
      Value scratch;
      const Value& value = value_of(part, subject, scratch);
      // Escaped, a text is never shorter.
      const std::string* text = value.text();
      std::string made;
      if (!text && !append_text(made, value, most)) return false;
      if (!append_json_escaped(out, text ? *text : made, use_, part.keep_slash, most)) return false;
    }
    if (out.size() > most || (subject.room && subject.room->left() == 0)) return false;
  }
  return true;
}

Value Template::render_value(const TemplateSubject& subject, bool typed) const {
  if (!typed || !is_value()) return render(subject);
  Value scratch;
  const Value& value = find_value(subject, scratch);
  return &value == &scratch ? std::move(scratch) : Value{value};
}

bool Template::is_value() const {
  return parts_ && parts_->size() == 1 && parts_->front().kind != Part::Kind::Literal &&
         parts_->front().kind != Part::Kind::Secret;
}

const Value& Template::find_value(const TemplateSubject& subject, Value& scratch) const {
  assert(is_value());
  return value_of(parts_->front(), subject, scratch);
}

bool Template::constant() const {
  return !parts_ || std::all_of(parts_->begin(), parts_->end(),
                                [](const Part& part) { return part.kind == Part::Kind::Literal; });
}

std::vector<std::string> Template::secrets() const {
  std::vector<std::string> names;
  if (!parts_) return names;
  for (const Part& part : *parts_)
    if (part.kind == Part::Kind::Secret) names.push_back(part.text);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool has_control_characters(std::string_view header) {
  bool inside = false;  // a secret's reference
  for (const char c : header) {
    if (c == (inside ? kSecretClose : kSecretOpen)) {
      inside = !inside;
    } else if (is_control(c)) {
      return true;
    }
  }
  return inside;
}

namespace {
void encode_percent(std::string& out, std::string_view text, bool keep_slash) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = is_name_character(c) || c == '.' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}
}  // namespace

std::string percent_encode(std::string_view text, bool keep_slash) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  encode_percent(out, text, keep_slash);
  return out;
}

bool append_percent_encoded(std::string& out, std::string_view text, bool keep_slash,
                            std::size_t most) {
  constexpr std::size_t kPieceBytes = kLimitSlack / 3;
  for (; out.size() <= most && text.size() > kPieceBytes; text.remove_prefix(kPieceBytes))
    encode_percent(out, text.substr(0, kPieceBytes), keep_slash);
  if (out.size() > most) return false;
  encode_percent(out, text, keep_slash);
  return out.size() <= most;
}

void charge_lookup(WorkBudget* room, std::size_t looked_at) {
  constexpr std::size_t kBytesPerCompared = 4;  // copying that many takes about as long
  if (room) room->charge(looked_at * kBytesPerCompared);
}

std::string with_secret_references(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == kSecretOpen && text.substr(i + 1).starts_with(kCredentialPrefix)) {
      out += "{{ credential.";
      i += kCredentialPrefix.size();
    } else if (c == kSecretOpen) {
      out += "{{ secret.";
    } else if (c == kSecretClose) {
      out += " }}";
    } else if (c == kBase64Open) {
      out += "base64(";
    } else if (c == kBase64Close) {
      out += ")";
    } else {
      out += c;
    }
  }
  return out;
}
}  // namespace onward
