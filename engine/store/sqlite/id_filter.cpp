#include "engine/store/sqlite/id_filter.h"

#include <algorithm>

namespace onward {
namespace {
constexpr std::size_t kIdsABlock = 32;       // 512 bits
constexpr std::size_t kBlocksFirst = 1'024;  // at least
constexpr int kBits = 8;                     // of each id

/// Where in a block the bits of an id stand: 9 bits of its hash each.
template <class Call>
void each_bit(std::uint64_t hash, Call call) {
  // The last takes what 64 bits leave, and a mixture of the others.
  const std::uint64_t mixed = hash ^ (hash >> 29);
  for (int i = 0; i < kBits - 1; ++i) call((hash >> (9 * i)) & 511);
  call((mixed * 0x9e3779b97f4a7c15U) >> 55);
}

/// `hash` as a number below `size`.
std::size_t below(std::size_t size, std::uint64_t hash) {
  return static_cast<std::size_t>((static_cast<unsigned __int128>(hash) * size) >> 64);
}
}  // namespace

IdFilter::IdFilter(std::size_t expected)
    : blocks_first_{std::max(kBlocksFirst, (expected + kIdsABlock - 1) / kIdsABlock)} {}

void IdFilter::add(const Hash128& id) {
  if (parts_.empty() || parts_.back().ids >= parts_.back().blocks.size() * kIdsABlock) {
    const std::size_t blocks = parts_.empty() ? blocks_first_ : parts_.back().blocks.size() * 2;
    parts_.push_back({.blocks = std::vector<Block>(blocks)});
    bytes_ += blocks * sizeof(Block);
  }
  Part& part = parts_.back();
  Block& block = part.blocks[below(part.blocks.size(), id.high)];
  each_bit(id.low,
           [&](std::uint64_t bit) { block.words[bit / 64] |= std::uint64_t{1} << bit % 64; });
  ++part.ids;
}

bool IdFilter::may_contain(const Hash128& id) const {
  return std::ranges::any_of(parts_, [&](const Part& part) {
    const Block& block = part.blocks[below(part.blocks.size(), id.high)];
    bool all = true;
    each_bit(id.low,
             [&](std::uint64_t bit) { all = all && (block.words[bit / 64] >> bit % 64 & 1) != 0; });
    return all;
  });
}

std::size_t IdFilter::next_bytes() const {
  if (parts_.empty()) return blocks_first_ * sizeof(Block);
  const Part& last = parts_.back();
  return last.ids < last.blocks.size() * kIdsABlock ? 0 : 2 * last.blocks.size() * sizeof(Block);
}

void SeenFilter::add(Date day, const Hash128& id) {
  Day& of = days_[day];
  if (of.given_up) return;
  if (of.since.next_bytes() > 0 && bytes() + of.since.next_bytes() > bytes_max_) {
    make_room();
    if (of.given_up) return;
  }
  of.since.add(id);
}

/// Gives up the oldest table that has a filter: its ids are asked for least.
void SeenFilter::make_room() {
  for (auto& [day, of] : days_) {
    if (of.given_up) continue;
    of = {.before = {}, .since = {}, .whole = false, .given_up = true};
    return;
  }
}

void SeenFilter::complete(Date day, IdFilter ids) {
  const auto found = days_.find(day);
  if (found == days_.end() || found->second.given_up) return;
  found->second.before = std::move(ids);
  found->second.whole = true;
  while (bytes() > bytes_max_ &&
         std::ranges::any_of(days_, [](const auto& one) { return !one.second.given_up; }))
    make_room();
}

bool SeenFilter::may_contain(Date day, const Hash128& id) const {
  const auto found = days_.find(day);
  return found == days_.end() || !found->second.whole || found->second.since.may_contain(id) ||
         found->second.before.may_contain(id);
}

std::size_t SeenFilter::bytes() const {
  std::size_t sum = 0;
  for (const auto& [day, of] : days_) sum += of.before.bytes() + of.since.bytes();
  return sum;
}

std::size_t SeenFilter::incomplete() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(days_, [](const auto& one) { return !one.second.whole; }));
}
}  // namespace onward
