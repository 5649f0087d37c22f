#include "engine/core/ledger.h"

#include <utility>

namespace onward {
namespace {
constexpr std::size_t kBits = 64;
}

bool VisitedNodes::insert(NodeNumber node) {
  const std::size_t word = node.value / kBits;
  const std::uint64_t bit = std::uint64_t{1} << node.value % kBits;
  if (word >= words_.size()) words_.resize(word + 1);
  if ((words_[word] & bit) != 0) return false;
  words_[word] |= bit;
  return true;
}

bool VisitedNodes::contains(NodeNumber node) const {
  const std::size_t word = node.value / kBits;
  return word < words_.size() && (words_[word] >> node.value % kBits & 1) != 0;
}

VisitedNodes VisitedNodes::from_words(std::vector<std::uint64_t> words) {
  VisitedNodes visited;
  visited.words_ = std::move(words);
  return visited;
}

std::string_view to_string(ReentryMode mode) {
  switch (mode) {
    case ReentryMode::Never:
      return "never";
    case ReentryMode::AfterExit:
      return "after_exit";
    case ReentryMode::Restart:
      return "restart";
    case ReentryMode::Parallel:
      return "parallel";
  }
  return "";
}

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
