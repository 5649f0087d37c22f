#pragma once
// What an author wrote, as a tree with positions. Independent of YAML: authoring/ builds it, the
// core and the node kinds read it.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
/// One value with its place. Scalars keep their text: the reader's schema decides the type, never a
/// guess (so `no`, `012` and `1e3` stay what was written).
struct Tree {
  enum class Kind : std::uint8_t { Null, Scalar, List, Map };
  struct Entry;

  Kind kind = Kind::Null;
  Position at;
  Position text_at;            ///< Where a scalar's text begins: behind its quote, in its block.
  std::string text;            ///< Of a scalar.
  bool quoted = false;         ///< A scalar in quotes or a block: text, whatever it looks like.
  std::vector<Tree> items;     ///< Of a list.
  std::vector<Entry> entries;  ///< Of a map, in the order of the file; keys are unique.
  /// Of a wide map: places in `entries` in the order of the keys. Made by `index`.
  std::vector<std::uint32_t> by_key = {};

  bool is_scalar() const { return kind == Kind::Scalar; }
  bool is_map() const { return kind == Kind::Map; }
  bool is_list() const { return kind == Kind::List; }
  bool is_null() const { return kind == Kind::Null; }
  const Entry* find(std::string_view key) const;
  /// Lets `find` search a wide map by halves. Whoever builds a tree calls it when `entries` are
  /// complete; without it `find` looks at one entry after the other.
  void index();
};
struct Tree::Entry {
  std::string key;
  Position key_at;
  Tree value;
};

/// How a message names what was found: `"soon"`, `a list`, `an empty mapping`,
/// `nothing`.
std::string describe(const Tree& tree);

/// The tree as a value, scalars by YAML 1.2's core schema (quoted ones are text): for constants in
/// `payload`, `additional` and `tests`. `no` and `yes` stay text.
Value to_value(const Tree& tree);
}  // namespace onward
