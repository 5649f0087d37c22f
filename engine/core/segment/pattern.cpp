#include "engine/core/segment/pattern.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace onward {
namespace {
/// A megabyte takes RE2 seconds to refuse.
constexpr std::size_t kPatternBytesMax = 4096;
/// What RE2 may use for one expression: its program, and states that it finds while it matches and
/// keeps. Most expressions need no more than the first; the others get room for their states by the
/// size of their program.
constexpr std::size_t kPatternMemoryUsual = 64 * 1024;
constexpr std::size_t kBytesPerStep = 1024;
constexpr std::size_t kMostBytes = 1024 * 1024;
/// Programs for whose states the usual room suffices.
constexpr std::size_t kFewSteps = 64;

std::shared_ptr<re2::RE2> compiled(std::string_view text, bool ignore_case, std::size_t bytes) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!ignore_case);
  options.set_never_capture(true);
  options.set_max_mem(static_cast<std::int64_t>(bytes));
  return std::make_shared<re2::RE2>(re2::StringPiece{text.data(), text.size()}, options);
}

std::size_t size_of(const re2::RE2& regex) { return static_cast<std::size_t>(regex.ProgramSize()); }
}  // namespace

Result<Pattern> Pattern::compile(std::string_view text, bool ignore_case) {
  if (text.size() > kPatternBytesMax)
    return fail(ErrorKind::Invalid, "bad_pattern",
                "the expression has " + std::to_string(text.size()) + " bytes, at most " +
                    std::to_string(kPatternBytesMax) + " are allowed");
  std::size_t bytes = kPatternMemoryUsual;
  auto regex = compiled(text, ignore_case, bytes);
  const bool too_large = regex->error_code() == re2::RE2::ErrorPatternTooLarge;
  if (too_large || (regex->ok() && size_of(*regex) > kFewSteps)) {
    bytes = too_large ? kMostBytes
                      : std::min(kMostBytes, kPatternMemoryUsual + kBytesPerStep * size_of(*regex));
    regex = compiled(text, ignore_case, bytes);
  }
  if (!regex->ok()) return fail(ErrorKind::Invalid, "bad_pattern", regex->error());
  Pattern made;
  made.steps_ = size_of(*regex);
  made.bytes_ = bytes;
  made.regex_ = std::move(regex);
  return made;
}

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece{text.data(), text.size()}, *regex_);
}
}  // namespace onward
