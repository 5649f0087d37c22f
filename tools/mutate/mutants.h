#pragma once
// Mutants: small wrong changes of the sources, each of which a test must find. All are compiled
// into one program, and ONWARD_MUTANT chooses at run time which one is on.
//
// A list is a text file of entries with a blank line between them; a line that starts with "#" is a
// comment:
//   mutant: what is wrong with it, as a sentence
//   file: engine/store/sqlite/fold.cpp
//   in: text that is in the file exactly once, where the next line alone is not (optional)
//   original: an expression, or a statement with its semicolon
//   becomes: the wrong expression; "nothing" where the original is a statement that is left out
// White space of any length stands for white space of any length, so that formatting changes
// nothing.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"

namespace onward::mutate {
struct Mutant {
  std::size_t number = 0;  ///< In the list, from 1: what ONWARD_MUTANT is set to.
  std::string name, file, in, original, becomes;
};

/// The replacement of a statement that is left out.
inline constexpr std::string_view kNothing = "nothing";

/// Invalid with the line where an entry is not as above, or repeats a name.
Result<std::vector<Mutant>> parse_mutants(std::string_view list);

/// `source` with every one of `mutants`, which are all of its file, behind a test of the number.
/// The place of an error in it stays that of `source`. Invalid where an original is not in `source`
/// exactly once, or overlaps another one that is not the same.
Result<std::string> with_mutants(std::string_view source, std::span<const Mutant> mutants);
}  // namespace onward::mutate
