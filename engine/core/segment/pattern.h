#pragma once
// Regular expressions that take linear time whatever they are matched against. The only door to
// RE2.
#include <memory>
#include <string_view>

#include "engine/core/base/result.h"

namespace re2 {
class RE2;
}

namespace onward {
/// Immutable; copies share; any thread.
class Pattern {
 public:
  /// RE2's syntax, at most 4,096 bytes. The refusal says what is wrong with it.
  static Result<Pattern> compile(std::string_view text, bool ignore_case);
  /// Instructions of the compiled form: the work to compile it grows with them, and the worst work
  /// to match a byte.
  std::size_t steps() const { return steps_; }
  /// The most memory that it takes while it is used.
  std::size_t bytes() const { return bytes_; }
  /// Whether it matches anywhere in `text`: "^" and "$" bind it to the ends.
  bool found_in(std::string_view text) const;

 private:
  std::shared_ptr<const re2::RE2> regex_;
  std::size_t steps_ = 0;
  std::size_t bytes_ = 0;
};
}  // namespace onward
