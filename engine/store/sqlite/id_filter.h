#pragma once
// Whether an id was certainly never stored, without a look at the tables: Bloom filters in blocks
// of a cache line (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007).
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/time.h"

namespace onward {
/// A set of ids that never forgets one and, for one in a few hundred others, says that it may hold
/// it. 16 bits an id. Each part costs a look-up a cache miss, so it is made for as many ids as are
/// expected. Beyond them it grows by parts, each twice as large as the one before. One thread.
class IdFilter {
 public:
  IdFilter() : IdFilter{0} {}
  explicit IdFilter(std::size_t expected);
  void add(const Hash128& id);
  bool may_contain(const Hash128& id) const;
  /// Of the memory that it takes.
  std::size_t bytes() const { return bytes_; }
  /// What the next `add` may take more.
  std::size_t next_bytes() const;

 private:
  struct Block {
    std::uint64_t words[8] = {};
  };
  struct Part {
    std::vector<Block> blocks;
    std::size_t ids = 0;
  };
  std::size_t blocks_first_;
  std::vector<Part> parts_;  // all but the last are full
  std::size_t bytes_ = 0;
};

/// The ids of each table, by its day. A table of which not all ids are known is always asked. One
/// thread.
class SeenFilter {
 public:
  /// `bytes_max`: the oldest tables go without a filter where all would take more.
  explicit SeenFilter(std::size_t bytes_max) : bytes_max_{bytes_max} {}

  /// A table that stood before: its ids come by `complete`, or never.
  void add_table(Date day) { days_[day].whole = false; }
  /// An id that goes into the table of `day`, now or later.
  void add(Date day, const Hash128& id);
  /// `ids`: all that stood in the table of `day` when it was added, and perhaps more.
  void complete(Date day, IdFilter ids);
  /// False: the table of `day` certainly does not hold it.
  bool may_contain(Date day, const Hash128& id) const;
  void forget_before(Date day) { days_.erase(days_.begin(), days_.lower_bound(day)); }

  std::size_t bytes() const;
  /// Tables that are always asked.
  std::size_t incomplete() const;

 private:
  struct Day {
    IdFilter before, since;  // the start
    bool whole = true;
    bool given_up = false;  // for want of memory
  };
  void make_room();

  std::size_t bytes_max_;
  std::map<Date, Day> days_;
};
}  // namespace onward
