#include "engine/core/pattern.h"

#include <re2/re2.h>

#include <string>

namespace onward {
namespace {
/// A megabyte takes RE2 seconds to refuse.
constexpr std::size_t kLongest = 4096;
}  // namespace

Result<Pattern> Pattern::compile(std::string_view text, bool ignore_case) {
  if (text.size() > kLongest)
    return fail(ErrorKind::Invalid, "bad_pattern",
                "the expression has " + std::to_string(text.size()) + " bytes, at most " +
                    std::to_string(kLongest) + " are allowed");
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!ignore_case);
  options.set_never_capture(true);
  options.set_max_mem(1 << 20);
  Pattern made;
  auto regex = std::make_shared<re2::RE2>(re2::StringPiece{text.data(), text.size()}, options);
  if (!regex->ok()) return fail(ErrorKind::Invalid, "bad_pattern", regex->error());
  made.regex_ = std::move(regex);
  return made;
}

std::size_t Pattern::steps() const { return static_cast<std::size_t>(regex_->ProgramSize()); }

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece{text.data(), text.size()}, *regex_);
}
}  // namespace onward
