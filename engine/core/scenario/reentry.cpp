#include "engine/core/scenario/reentry.h"

#include "engine/core/base/enum_words.h"

namespace onward {
namespace {
constexpr EnumWords<ReentryMode, 4> kReentryModes{{{ReentryMode::Never, "never"},
                                                   {ReentryMode::AfterExit, "after_exit"},
                                                   {ReentryMode::Restart, "restart"},
                                                   {ReentryMode::Parallel, "parallel"}}};
}  // namespace

std::string_view to_string(ReentryMode mode) { return kReentryModes.of(mode); }
std::optional<ReentryMode> parse_reentry_mode(std::string_view text) {
  return kReentryModes.find(text);
}
std::span<const std::string_view> reentry_mode_words() { return kReentryModes.all(); }

Entry decide_entry(const Reentry& reentry, std::uint32_t entries, Instant last_entry,
                   std::uint32_t live, Instant now) {
  // Of all keys together.
  if (reentry.mode == ReentryMode::Parallel && live >= kParallelRuns) return Entry::TooMany;
  if (entries == 0) return Entry::Enter;
  if (reentry.mode == ReentryMode::Never) return Entry::AlreadyEntered;
  if (reentry.mode == ReentryMode::AfterExit && live > 0) return Entry::Inside;
  if (reentry.min_gap && now < last_entry + *reentry.min_gap) return Entry::TooSoon;
  if (reentry.mode == ReentryMode::Restart && live > 0) return Entry::EnterAndEndLive;
  return Entry::Enter;
}

std::string_view refusal_of(Entry entry) {
  switch (entry) {
    case Entry::Enter:
    case Entry::EnterAndEndLive:
      return "";
    case Entry::AlreadyEntered:
      return "already_entered";
    case Entry::Inside:
      return "inside";
    case Entry::TooSoon:
      return "too_soon";
    case Entry::TooMany:
      return "too_many";
  }
  return "";
}
}  // namespace onward
