#pragma once
// A JSON-like value that keeps what JSON libraries lose: integers of 64 bits, the order of members,
// and the difference between text, days and instants.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
class Value;
using ValueList = std::vector<Value>;
/// Members in the order in which they were written; names are unique.
using ValueMap = std::vector<std::pair<std::string, Value>>;

class Value {
 public:
  using Rep = std::variant<std::monostate, bool, std::int64_t, double, std::string, Date, Instant,
                           ValueList, ValueMap>;

  Value() = default;
  Value(bool flag) : rep_{flag} {}                           // NOLINT(google-explicit-constructor)
  Value(int number) : rep_{std::int64_t{number}} {}          // NOLINT(google-explicit-constructor)
  Value(std::int64_t number) : rep_{number} {}               // NOLINT(google-explicit-constructor)
  Value(double number) : rep_{number} {}                     // NOLINT(google-explicit-constructor)
  Value(std::string text) : rep_{std::move(text)} {}         // NOLINT(google-explicit-constructor)
  Value(std::string_view text) : rep_{std::string{text}} {}  // NOLINT(google-explicit-constructor)
  Value(const char* text) : rep_{std::string{text}} {}       // NOLINT(google-explicit-constructor)
  Value(Date date) : rep_{date} {}                           // NOLINT(google-explicit-constructor)
  Value(Instant instant) : rep_{instant} {}                  // NOLINT(google-explicit-constructor)
  Value(ValueList list) : rep_{std::move(list)} {}           // NOLINT(google-explicit-constructor)
  Value(ValueMap map) : rep_{std::move(map)} {}              // NOLINT(google-explicit-constructor)

  const Rep& rep() const { return rep_; }
  bool is_null() const { return std::holds_alternative<std::monostate>(rep_); }
  /// The alternative, or null where the value is another one.
  template <class T>
  const T* get_if() const {
    return std::get_if<T>(&rep_);
  }
  template <class T>
  T* get_if() {
    return std::get_if<T>(&rep_);
  }
  const std::string* text() const { return get_if<std::string>(); }
  const ValueList* list() const { return get_if<ValueList>(); }
  const ValueMap* map() const { return get_if<ValueMap>(); }
  /// An integer or a double, as a double.
  bool is_number() const;
  double number() const;

  /// The member `name` of a map; null where there is none or the value is no map.
  const Value* find(std::string_view name) const;
  /// The member at a dotted path ("order.total"; list items by number); null where there is none.
  /// Adds to `looked_at`, if it is given, the members that were compared.
  const Value* find_path(std::string_view path, std::size_t* looked_at = nullptr) const;
  /// Sets member `name` of a map, which a null value first becomes.
  Value& set(std::string_view name, Value value);

  bool operator==(const Value&) const = default;

 private:
  Rep rep_;
};

/// Finds members of one map by name, for code that asks for many of them: in a wide map
/// `Value::find` looks at one member after the other. The map outlives this object and does not
/// change meanwhile.
class MemberIndex {
 public:
  explicit MemberIndex(const ValueMap& members);
  const Value* find(std::string_view name) const;

 private:
  const ValueMap* members_;
  std::vector<std::uint32_t> by_name_;  ///< Places in the order of the names; of wide maps only.
};

/// Builds a map from members whose names may repeat, in about linear time.
class MapBuilder {
 public:
  MapBuilder() = default;
  explicit MapBuilder(ValueMap members);
  /// Adds a member behind the others. False, without effect, where one of this name exists.
  bool add(std::string_view name, Value value);
  /// The member `name`; null where there is none. Valid until the next `add`.
  Value* find(std::string_view name);
  bool empty() const { return members_.empty(); }
  ValueMap take() { return std::move(members_); }

 private:
  ValueMap members_;
  std::unordered_map<std::string, std::size_t> places_;  ///< By name; of wide maps only.
};

/// What a parser is to accept. Depth counts nested lists and maps.
struct JsonLimits {
  int depth = 32;
};

/// Parses one JSON text (RFC 8259, UTF-8). Refused with the byte offset: bad syntax, bad UTF-8, a
/// duplicate member, a lone surrogate, NUL in a string, too deep, a number that no double holds.
/// Integers beyond 64 bits become doubles only where that loses nothing, else they are refused.
Result<Value> parse_json(std::string_view text, JsonLimits limits = {});

/// Compact JSON. Days and instants are written as text, numbers in the shortest form that reads
/// back, text is escaped as RFC 8259 asks and otherwise left as it is.
std::string to_json(const Value& value);
void append_json(std::string& out, const Value& value);
/// The same, but stops when `out` becomes longer than `most` bytes: by at most kLimitSlack,
/// whatever the value is. False if it stopped; `out` is of no use then.
[[nodiscard]] bool append_json(std::string& out, const Value& value, std::size_t most);
inline constexpr std::size_t kLimitSlack = 32 * 1024;
/// The same with two spaces of indentation a level, for people.
std::string to_pretty_json(const Value& value);
/// Appends `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);
/// The same with a limit, as append_json has one.
[[nodiscard]] bool append_json_string(std::string& out, std::string_view text, std::size_t most);

/// The plain text of a scalar, as placeholders show it: no quotes; null is empty; lists are joined
/// with ", "; a map is compact JSON.
std::string to_text(const Value& value);
/// Appends the same with a limit, as append_json has one.
[[nodiscard]] bool append_text(std::string& out, const Value& value, std::size_t most);
/// Appends `text` where `out` stays within `most` bytes; else does nothing, and is false.
[[nodiscard]] inline bool append_within(std::string& out, std::string_view text, std::size_t most) {
  if (out.size() > most || text.size() > most - out.size()) return false;
  out += text;
  return true;
}

/// Whether `text` is well-formed UTF-8 without surrogates; where not, the offset of the first
/// fault.
bool valid_utf8(std::string_view text, std::size_t* fault = nullptr);
}  // namespace onward
