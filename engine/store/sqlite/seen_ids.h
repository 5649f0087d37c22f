#pragma once
// The events of the last days by their ids: what was committed and is not folded, the tables, and
// filters that spare a look at them. Throws what `guarded` catches.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "engine/core/base/hash.h"
#include "engine/core/base/log_record.h"
#include "engine/core/base/time.h"
#include "engine/store/rows.h"
#include "engine/store/sqlite/id_filter.h"
#include "engine/store/sqlite/overlay.h"
#include "engine/store/sqlite/seen_scan.h"
#include "engine/store/sqlite/seen_tables.h"

namespace onward {
class SeenIds {
 public:
  /// All must outlive this object.
  SeenIds(const Overlay& overlay, SeenTables& tables) : overlay_{overlay}, tables_{tables} {}

  /// Makes filters, of `memory` bytes; 0: none. The tables of `file` are read beside the work.
  void begin_filter(const std::filesystem::path& file, std::size_t memory, const LogSink& log);
  /// Takes what was read of the tables by now.
  void take_filters();

  /// The fingerprint of an event on the days from `from` on. Looks into the newest table first, but
  /// not into those that certainly do not hold the key.
  std::optional<Hash128> find(const Hash128& key, Date from);
  /// Before the commit: where it fails, the filter knows an id too many.
  void add(std::span<const SeenEvent> events);
  /// Whether rows that are not folded belong to days before `day`.
  bool unfolded_before(Date day) const;
  /// Whether a table is of a day before `day`.
  bool folded_before(Date day) const;
  void drop_filters_before(Date day) {
    if (filter_) filter_->forget_before(day);
  }

  /// Tables that were asked for an id so far.
  std::uint64_t look_ups() const { return look_ups_; }

 private:
  const Overlay& overlay_;
  SeenTables& tables_;
  std::optional<SeenFilter> filter_;  ///< None where there is no memory for it.
  std::unique_ptr<SeenScan> scan_;    ///< While it reads.
  std::uint64_t look_ups_ = 0;
};
}  // namespace onward
