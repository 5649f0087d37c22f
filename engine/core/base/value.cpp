#include "engine/core/base/value.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>

#include "engine/core/base/clipped.h"
#include "engine/core/base/json_reader.h"
#include "engine/core/base/utf8.h"

namespace onward {
namespace {
/// Walks over the text and tells where it is, so that refusals of our own have a place too.
struct Cursor {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** reached = nullptr;

  const char& operator*() const { return *at; }
  Cursor& operator++() {
    *reached = ++at;
    return *this;
  }
  bool operator==(const Cursor& other) const { return at == other.at; }
  bool operator!=(const Cursor& other) const { return at != other.at; }
};

/// Turns the events of nlohmann's parser into a Value and refuses what JSON allows but Onward would
/// silently change. A method that answers false stops the parser.
class Builder {
 public:
  Builder(JsonLimits limits, const char* begin) : limits_{limits}, begin_{begin}, reached_{begin} {}

  const char** reached() { return &reached_; }
  Value take() { return std::move(root_); }
  Error error() const {
    return {ErrorKind::Invalid, "bad_json", "byte " + std::to_string(offset_) + ": " + message_};
  }

  // The interface that nlohmann's parser calls.
  using number_integer_t = std::int64_t;
  using number_unsigned_t = std::uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = nlohmann::json::binary_t;

  bool null() { return put(Value{}); }
  bool boolean(bool flag) { return put(flag); }
  bool number_integer(std::int64_t number) { return put(number); }
  bool number_unsigned(std::uint64_t number) {
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return put(static_cast<std::int64_t>(number));
    return wide_integer(static_cast<double>(number), std::to_string(number));
  }
  bool number_float(double number, const std::string& text) {
    if (text.find_first_of(".eE") == std::string::npos) return wide_integer(number, text);
    return put(number);
  }
  bool string(std::string& text) {
    if (text.find('\0') != std::string::npos) return refuse("NUL in a string");
    return put(std::move(text));
  }
  bool binary(binary_t&) { return refuse("binary data"); }
  bool start_object(std::size_t) { return open(ValueMap{}); }
  bool start_array(std::size_t) { return open(ValueList{}); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (name.find('\0') != std::string::npos) return refuse("NUL in a member's name");
    Frame& frame = frames_.back();
    if (frame.knows(name)) return refuse("the member \"" + clipped(name) + "\" occurs twice");
    frame.key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    // Of "[json…] parse error at line 1, column 2: syntax error … - what; last read: '…'" people
    // need the middle; the tail would repeat input that may not even be UTF-8.
    std::string_view what = e.what();
    what = what.substr(0, what.find("; last read"));
    if (const auto dash = what.find(" - "); dash != what.npos) what.remove_prefix(dash + 3);
    if (const auto bracket = what.find("] "); bracket != what.npos) what.remove_prefix(bracket + 2);
    if (what.starts_with("number overflow")) what = "a number too large for a double";
    message_ = what;
    offset_ = position == 0 ? here() : position - 1;
    return false;
  }

 private:
  /// A list or map that is not closed yet.
  struct Frame {
    Value value;
    std::string key;
    std::unordered_set<std::string> names;  // of large maps only, where searching would be slow

    bool knows(const std::string& name) {
      constexpr std::size_t kFew = 24;
      const ValueMap& map = *value.map();
      if (map.size() < kFew) return value.find(name) != nullptr;
      if (names.empty())
        for (const auto& member : map) names.insert(member.first);
      return !names.insert(name).second;
    }
  };

  bool put(Value value) {
    if (frames_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& frame = frames_.back();
    if (auto* list = frame.value.get_if<ValueList>()) {
      list->push_back(std::move(value));
    } else {
      frame.value.get_if<ValueMap>()->emplace_back(std::move(frame.key), std::move(value));
    }
    return true;
  }
  bool open(Value container) {
    if (frames_.size() >= static_cast<std::size_t>(limits_.depth))
      return refuse("nested deeper than " + std::to_string(limits_.depth) + " levels");
    frames_.push_back({std::move(container), {}, {}});
    return true;
  }
  bool close() {
    Value value = std::move(frames_.back().value);
    frames_.pop_back();
    return put(std::move(value));
  }
  /// An integer that 64 bits with a sign do not hold, and the double nearest to it.
  bool wide_integer(double number, std::string_view text) {
    std::array<char, 512> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                                   std::chars_format::fixed, 0);
    if (end.ec != std::errc{} ||
        std::string_view{digits.data(), static_cast<std::size_t>(end.ptr - digits.data())} != text)
      return refuse("an integer beyond 64 bits that a double would change");
    return put(number);
  }
  bool refuse(std::string message) {
    message_ = std::move(message);
    offset_ = here();
    return false;
  }
  /// The last byte read.
  std::size_t here() const {
    return reached_ == begin_ ? 0 : static_cast<std::size_t>(reached_ - begin_) - 1;
  }

  JsonLimits limits_;
  const char* begin_;
  const char* reached_;
  std::vector<Frame> frames_;
  Value root_;
  std::string message_;
  std::size_t offset_ = 0;
};

/// Bytes of a text that are written before the limit is looked at again; escaped they are at most
/// six times as many, which is within kLimitSlack.
constexpr std::size_t kPiece = 4096;
static_assert(kPiece * 6 + 2 <= kLimitSlack);

void append_number(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end.ptr);
}

/// The shortest decimal that reads back as the same double.
void append_number(std::string& out, double number) {
  std::array<char, 40> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end.ptr);
}

void append_json_number(std::string& out, double number) {
  if (!std::isfinite(number)) {  // JSON has no word for it
    out += "null";
    return;
  }
  const std::size_t begin = out.size();
  append_number(out, number);
  // "1" would read back as an integer.
  if (out.find_first_of(".e", begin) == std::string::npos) out += ".0";
}

/// Writes JSON until `out` is longer than `most`.
class Writer {
 public:
  Writer(std::string& out, bool pretty, std::size_t most = SIZE_MAX)
      : out_{out}, most_{most}, pretty_{pretty} {}

  void write(const Value& value, int depth = 0) {
    if (out_.size() > most_) return;
    std::visit([&](const auto& v) { put(v, depth); }, value.rep());
  }

 private:
  void put(std::monostate, int) { out_ += "null"; }
  void put(bool flag, int) { out_ += flag ? "true" : "false"; }
  void put(std::int64_t number, int) { append_number(out_, number); }
  void put(double number, int) { append_json_number(out_, number); }
  void put(const std::string& text, int) { put_text(text); }
  void put(Date date, int) { append_json_string(out_, format_date(date)); }
  void put(Instant instant, int) { append_json_string(out_, format_instant(instant)); }
  void put(const ValueList& list, int depth) {
    out_ += '[';
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (out_.size() > most_) return;
      next(i, depth + 1);
      write(list[i], depth + 1);
    }
    if (!list.empty()) line(depth);
    out_ += ']';
  }
  void put(const ValueMap& map, int depth) {
    out_ += '{';
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (out_.size() > most_) return;
      next(i, depth + 1);
      put_text(map[i].first);
      out_ += pretty_ ? ": " : ":";
      write(map[i].second, depth + 1);
    }
    if (!map.empty()) line(depth);
    out_ += '}';
  }
  void put_text(std::string_view text) {
    if (text.size() <= kPiece)
      append_json_string(out_, text);
    else
      (void)append_json_string(out_, text, most_);
  }
  void next(std::size_t index, int depth) {
    if (index > 0) out_ += ',';
    line(depth);
  }
  void line(int depth) {
    if (!pretty_) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(depth) * 2, ' ');
  }

  std::string& out_;
  std::size_t most_;
  bool pretty_;
};
}  // namespace

bool Value::is_number() const {
  return std::holds_alternative<std::int64_t>(rep_) || std::holds_alternative<double>(rep_);
}

double Value::number() const {
  if (const auto* integer = get_if<std::int64_t>()) return static_cast<double>(*integer);
  if (const auto* real = get_if<double>()) return *real;
  return 0;
}

const Value* Value::find(std::string_view name) const {
  const ValueMap* members = map();
  if (!members) return nullptr;
  for (const auto& [key, value] : *members)
    if (key == name) return &value;
  return nullptr;
}

namespace {
/// How many members were compared to find `found`, or to find nothing.
std::size_t compared(const ValueMap& members, const Value* found) {
  if (!found || members.size() < 2) return members.size();
  const auto distance =
      reinterpret_cast<const char*>(found) - reinterpret_cast<const char*>(&members.front().second);
  return static_cast<std::size_t>(distance) / sizeof(ValueMap::value_type) + 1;
}
}  // namespace

const Value* Value::find_path(std::string_view path, std::size_t* looked_at) const {
  const Value* value = this;
  for (bool more = true; more && value;) {
    const std::size_t dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    if (const ValueList* items = value->list()) {
      std::size_t index = 0;
      const auto end = std::from_chars(name.data(), name.data() + name.size(), index);
      const bool whole =
          !name.empty() && end.ec == std::errc{} && end.ptr == name.data() + name.size();
      value = whole && index < items->size() ? &(*items)[index] : nullptr;
      if (looked_at) ++*looked_at;
    } else {
      const ValueMap* members = value->map();
      value = value->find(name);
      if (looked_at && members) *looked_at += compared(*members, value);
    }
    more = dot != std::string_view::npos;
    if (more) path.remove_prefix(dot + 1);
  }
  return value;
}

Value& Value::set(std::string_view name, Value value) {
  if (is_null()) rep_ = ValueMap{};
  auto* members = get_if<ValueMap>();
  assert(members && "only a map has members");
  for (auto& [key, present] : *members)
    if (key == name) return present = std::move(value);
  return members->emplace_back(std::string{name}, std::move(value)).second;
}

namespace {
/// Members among which one search after the other is quick.
constexpr std::size_t kFewMembers = 24;
}  // namespace

MemberIndex::MemberIndex(const ValueMap& members) : members_{&members} {
  if (members.size() <= kFewMembers) return;
  by_name_.resize(members.size());
  std::iota(by_name_.begin(), by_name_.end(), 0U);
  std::ranges::sort(by_name_, {},
                    [&](std::uint32_t at) { return std::string_view{members[at].first}; });
}

const Value* MemberIndex::find(std::string_view name) const {
  if (by_name_.empty()) {
    for (const auto& [key, value] : *members_)
      if (key == name) return &value;
    return nullptr;
  }
  const auto place = std::ranges::lower_bound(by_name_, name, {}, [this](std::uint32_t at) {
    return std::string_view{(*members_)[at].first};
  });
  if (place == by_name_.end() || (*members_)[*place].first != name) return nullptr;
  return &(*members_)[*place].second;
}

MapBuilder::MapBuilder(ValueMap members) : members_{std::move(members)} {
  if (members_.size() <= kFewMembers) return;
  for (std::size_t i = 0; i < members_.size(); ++i) places_.emplace(members_[i].first, i);
}

bool MapBuilder::add(std::string_view name, Value value) {
  if (find(name) != nullptr) return false;
  members_.emplace_back(std::string{name}, std::move(value));
  if (!places_.empty()) {
    places_.emplace(std::string{name}, members_.size() - 1);
  } else if (members_.size() > kFewMembers) {
    for (std::size_t i = 0; i < members_.size(); ++i) places_.emplace(members_[i].first, i);
  }
  return true;
}

Value* MapBuilder::find(std::string_view name) {
  if (!places_.empty()) {
    const auto place = places_.find(std::string{name});
    return place == places_.end() ? nullptr : &members_[place->second].second;
  }
  for (auto& [key, value] : members_)
    if (key == name) return &value;
  return nullptr;
}

Result<Value> parse_json(std::string_view text, JsonLimits limits) {
  const auto refuse = [](std::size_t offset, const char* what) {
    return fail(ErrorKind::Invalid, "bad_json", "byte " + std::to_string(offset) + ": " + what);
  };
  if (text.empty()) return refuse(0, "nothing where a value should be");
  // The parser would take a NUL byte for the end of its input.
  if (const auto nul = text.find('\0'); nul != text.npos) return refuse(nul, "a NUL byte");
  if (auto value = read_sound_json(text, limits)) return std::move(*value);
  Builder builder{limits, text.data()};
  const Cursor begin{text.data(), builder.reached()};
  const Cursor end{text.data() + text.size(), builder.reached()};
  if (!nlohmann::json::sax_parse(begin, end, &builder)) return tl::make_unexpected(builder.error());
  return builder.take();
}

namespace {
/// Bytes that stand in a JSON string in another form.
constexpr auto kEscaped = [] {
  std::array<bool, 256> escaped{};
  for (std::size_t c = 0; c < 0x20; ++c) escaped[c] = true;
  escaped['"'] = escaped['\\'] = true;
  return escaped;
}();

/// Whether the eight bytes at `text` certainly stand in a JSON string as they are.
bool eight_plain(const char* text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  std::uint64_t bytes;
  std::memcpy(&bytes, text, sizeof bytes);
  // The high bit of a byte is set where it is zero; rarely, where the one below it is.
  const auto zeros = [](std::uint64_t of) { return (of - kOnes) & ~of; };
  const std::uint64_t controls = (bytes - kOnes * 0x20) & ~bytes;
  return ((controls | zeros(bytes ^ kOnes * '"') | zeros(bytes ^ kOnes * '\\')) & kOnes * 0x80) ==
         0;
}
}  // namespace

namespace {
void append_escaped_json(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::size_t plain = 0;  // everything before it is written
  for (std::size_t i = 0; i < text.size(); ++i) {
    while (text.size() - i >= 8 && eight_plain(text.data() + i)) i += 8;
    if (i == text.size()) break;
    const auto c = static_cast<unsigned char>(text[i]);
    if (!kEscaped[c]) continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    out += '\\';
    switch (c) {
      case '"':
        out += '"';
        break;
      case '\\':
        out += '\\';
        break;
      case '\b':
        out += 'b';
        break;
      case '\f':
        out += 'f';
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      default:
        out += "u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out.append(text, plain);
}
}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped_json(out, text);
  out += '"';
}

bool append_json_string(std::string& out, std::string_view text, std::size_t most) {
  out += '"';
  for (; out.size() <= most && text.size() > kPiece; text.remove_prefix(kPiece))
    append_escaped_json(out, text.substr(0, kPiece));
  if (out.size() > most) return false;
  append_escaped_json(out, text);
  out += '"';
  return out.size() <= most;
}

void append_json(std::string& out, const Value& value) {
  Writer{out, /*pretty=*/false}.write(value);
}

bool append_json(std::string& out, const Value& value, std::size_t most) {
  Writer{out, /*pretty=*/false, most}.write(value);
  return out.size() <= most;
}

std::string to_json(const Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string to_pretty_json(const Value& value) {
  std::string out;
  Writer{out, /*pretty=*/true}.write(value);
  return out;
}

std::string to_text(const Value& value) {
  if (const auto* text = value.text()) return *text;
  if (value.is_null()) return {};
  if (const auto* date = value.get_if<Date>()) return format_date(*date);
  if (const auto* instant = value.get_if<Instant>()) return format_instant(*instant);
  if (const auto* number = value.get_if<double>(); number && std::isfinite(*number)) {
    std::string out;
    append_number(out, *number);
    return out;
  }
  if (const auto* list = value.list()) {
    std::string out;
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += ", ";
      out += to_text((*list)[i]);
    }
    return out;
  }
  return to_json(value);
}

bool append_text(std::string& out, const Value& value, std::size_t most) {
  if (const auto* text = value.text()) return append_within(out, *text, most);
  if (const auto* list = value.list()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += ", ";
      if (!append_text(out, (*list)[i], most)) return false;
    }
    return out.size() <= most;
  }
  if (value.map()) return append_json(out, value, most);
  return append_within(out, to_text(value), most);
}

bool valid_utf8(std::string_view text, std::size_t* fault) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = character_length(text.substr(i));
    if (length == 0) {
      if (fault) *fault = i;
      return false;
    }
    i += length;
  }
  return true;
}
}  // namespace onward
