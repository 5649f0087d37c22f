#include "engine/store/codec.h"

#include <bit>
#include <limits>
#include <utility>
#include <variant>

namespace onward {
namespace {
/// Values nest less deep than this wherever they come from (parsers stop at 32).
constexpr int kDepthMax = 100;

enum class ValueTag : std::uint8_t {
  Null,
  False,
  True,
  Integer,
  Double,
  Text,
  Date,
  Instant,
  List,
  Map,
};
}  // namespace

void Encoder::number(std::uint64_t value) {
  while (value >= 0x80) {
    byte(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  byte(static_cast<std::uint8_t>(value));
}

void Encoder::signed_number(std::int64_t value) {
  number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

void Encoder::text(std::string_view value) {
  number(value.size());
  raw(value);
}

void Encoder::value(const Value& value) {
  const auto tag = [this](ValueTag t) { byte(static_cast<std::uint8_t>(t)); };
  struct Visitor {
    Encoder& out;
    decltype(tag)& put;
    void operator()(std::monostate) { put(ValueTag::Null); }
    void operator()(bool flag) { put(flag ? ValueTag::True : ValueTag::False); }
    void operator()(std::int64_t number) {
      put(ValueTag::Integer);
      out.signed_number(number);
    }
    void operator()(double number) {
      put(ValueTag::Double);
      const auto bits = std::bit_cast<std::uint64_t>(number);
      for (int shift = 0; shift < 64; shift += 8)
        out.byte(static_cast<std::uint8_t>(bits >> shift));
    }
    void operator()(const std::string& text) {
      put(ValueTag::Text);
      out.text(text);
    }
    void operator()(Date date) {
      put(ValueTag::Date);
      out.signed_number(date.time_since_epoch().count());
    }
    void operator()(Instant instant) {
      put(ValueTag::Instant);
      out.instant(instant);
    }
    void operator()(const ValueList& list) {
      put(ValueTag::List);
      out.number(list.size());
      for (const Value& item : list) out.value(item);
    }
    void operator()(const ValueMap& map) {
      put(ValueTag::Map);
      out.number(map.size());
      for (const auto& [name, item] : map) {
        out.text(name);
        out.value(item);
      }
    }
  };
  std::visit(Visitor{*this, tag}, value.rep());
}

std::uint8_t Decoder::byte() {
  if (rest_.empty()) {
    fail();
    return 0;
  }
  const auto value = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return value;
}

std::uint64_t Decoder::number() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t next = byte();
    value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
    if (next < 0x80) return ok_ ? value : 0;
  }
  fail();
  return 0;
}

std::uint32_t Decoder::small_number() {
  const std::uint64_t value = number();
  if (value <= std::numeric_limits<std::uint32_t>::max()) return static_cast<std::uint32_t>(value);
  fail();
  return 0;
}

std::int64_t Decoder::signed_number() {
  const std::uint64_t value = number();
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

std::size_t Decoder::count() {
  const std::uint64_t value = number();
  if (value <= rest_.size()) return value;
  fail();
  return 0;
}

std::string_view Decoder::raw(std::size_t size) {
  if (size > rest_.size()) {
    fail();
    return {};
  }
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

std::string_view Decoder::text() { return raw(count()); }

Instant Decoder::instant() {
  const Instant read{Duration{signed_number()}};
  if (is_sound(read)) return read;
  fail();
  return {};
}

Value Decoder::value(int depth) {
  if (depth > kDepthMax) {
    fail();
    return {};
  }
  switch (static_cast<ValueTag>(byte())) {
    case ValueTag::Null:
      return {};
    case ValueTag::False:
      return false;
    case ValueTag::True:
      return true;
    case ValueTag::Integer:
      return signed_number();
    case ValueTag::Double: {
      std::uint64_t bits = 0;
      for (int shift = 0; shift < 64; shift += 8)
        bits |= static_cast<std::uint64_t>(byte()) << shift;
      return std::bit_cast<double>(bits);
    }
    case ValueTag::Text:
      return string();
    case ValueTag::Date: {
      const std::int64_t days = signed_number();
      if (days != static_cast<std::int32_t>(days)) fail();
      return Date{std::chrono::days{static_cast<std::int32_t>(days)}};
    }
    case ValueTag::Instant:
      return instant();
    case ValueTag::List: {
      ValueList list;  // Grows as it is read: damaged counts cost no memory.
      for (std::size_t left = count(); left > 0 && ok_; --left) list.push_back(value(depth + 1));
      return list;
    }
    case ValueTag::Map: {
      ValueMap map;
      for (std::size_t left = count(); left > 0 && ok_; --left) {
        std::string name = string();
        map.emplace_back(std::move(name), value(depth + 1));
      }
      return map;
    }
  }
  fail();
  return {};
}
}  // namespace onward
