#pragma once
// A parser's complaint in words that an author can act on.
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/authoring/source_text.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
/// What the parser had seen when it stopped.
struct ParseState {
  struct Open {
    Position at;
    bool flow = false;  ///< In brackets.
    bool map = false;
  };
  std::vector<Open> open;    ///< The lists and mappings around the place, outermost first.
  Position last_scalar;      ///< Where the newest scalar begins.
  bool last_quoted = false;  ///< It is one in quotes.
};

/// `complaint` and `at` are the parser's. The result stands where the author must act, which is
/// often before the place at which the parser noticed.
Diagnostic explain_syntax_error(const SourceText& source, const ParseState& state,
                                std::string_view complaint, Position at);

/// A text with a placeholder that is not in quotes, which YAML reads as a mapping. `at` is the
/// place of its "{{".
Diagnostic explain_unquoted_placeholder(Position at);
/// A line or member without a colon, or without a space after it: `kind trigger`, `kind:trigger`.
Diagnostic explain_missing_colon(std::string_view text, Position at);
/// The finding for the `bracket` at `at` that nothing closes.
Diagnostic explain_unclosed_bracket(char bracket, Position at);
/// Whether the text closes the bracket at `pos`; quotes and comments hide what is inside them.
bool closes_bracket(std::string_view text, std::size_t pos);
/// How often `explain_missing_colon` was called in the whole process, for tests of what large files
/// cost.
std::uint64_t missing_colons_explained();
}  // namespace onward
