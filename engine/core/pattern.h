#pragma once
// Regular expressions that take linear time whatever they are matched against. The only door to
// RE2.
#include <memory>
#include <string_view>

#include "engine/core/result.h"

namespace re2 {
class RE2;
}

namespace onward {
/// Immutable; copies share; any thread.
class Pattern {
 public:
  /// RE2's syntax, at most 4,096 bytes. The refusal says what is wrong with it.
  static Result<Pattern> compile(std::string_view text, bool ignore_case);
  /// Whether it matches anywhere in `text`: "^" and "$" bind it to the ends.
  /// Instructions of the compiled form: its memory and the work to compile it grow with them.
  std::size_t steps() const;
  bool found_in(std::string_view text) const;

 private:
  std::shared_ptr<const re2::RE2> regex_;
};
}  // namespace onward
