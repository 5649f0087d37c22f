#include "engine/core/journey/ledger.h"

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
}  // namespace onward
