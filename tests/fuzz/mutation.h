#pragma once
// Structure-aware mutations, shared by the fuzz targets. A mutation is a pure function of its input
// and a seed, so the same code serves libFuzzer (as its custom mutator) and the replay under any
// compiler, which makes inputs of its own from the corpus.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/target.h"

namespace onward::fuzz {
/// Choices that follow from a seed (splitmix64).
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_{seed} {}
  std::uint64_t next();
  /// In [0, sides); 0 where `sides` is 0.
  std::size_t below(std::size_t sides) { return sides == 0 ? 0 : next() % sides; }
  bool one_in(std::size_t sides) { return below(sides) == 0; }
  template <class List>
  const auto& pick(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  std::uint64_t state_;
};

/// An input read as choices, a byte or two each. Behind the end every choice is 0.
class Choices {
 public:
  explicit Choices(std::span<const std::uint8_t> bytes) : bytes_{bytes} {}
  bool more() const { return at_ < bytes_.size(); }
  std::uint8_t byte() { return more() ? bytes_[at_++] : std::uint8_t{0}; }
  std::size_t below(std::size_t sides);
  bool one_in(std::size_t sides) { return below(sides) == 0; }
  std::uint32_t word();
  template <class List>
  const auto& pick(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

/// What mutations of texts put in: names and values of the domain, and whole texts whose parts are
/// transplanted.
struct Dictionary {
  std::vector<std::string> keys;
  std::vector<std::string> values;
  std::vector<std::string> donors;  ///< Whole texts.
};
/// The scenario language: every key and listed value of its schema, the seeds (the samples and the
/// wrong files of tests/authoring), and values that have broken programs before. Made once.
const Dictionary& scenario_dictionary();
/// Odd numbers, dates, paths, placeholders, characters.
std::span<const std::string> awkward_values();

/// Changes `text`, a YAML-like file, by one to four mutations: of lines and indented blocks
/// (delete, duplicate, swap, move, transplant), of entries in { } and [ ] (the same, and many
/// copies: wide lists), of keys and values (exchanged, replaced, extended to a path), of
/// indentation, and of characters. Never longer than `size_max`; what would be is cut at a line.
std::string mutate_text(std::string text, const Dictionary& dictionary, Chance& chance,
                        std::size_t size_max);

/// A sequence of records of `size` bytes: records are inserted, deleted, duplicated, swapped and
/// transplanted as a whole, and bytes inside of them are changed.
std::string mutate_records(std::string bytes, std::size_t size, Chance& chance,
                           std::size_t size_max);

/// For a target's LLVMFuzzerCustomMutator: applies `mutate` to the buffer.
std::size_t mutate_in_place(std::uint8_t* data, std::size_t size, std::size_t size_max,
                            unsigned seed,
                            const std::function<std::string(std::string, Chance&)>& mutate);

/// A file of the source tree; empty where there is none.
std::string source_file(std::string_view path);
}  // namespace onward::fuzz
