#pragma once
// Rows that cannot be read: each is reported once and left as it is, and the rest goes on.
#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "engine/core/base/error_codes.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"

namespace onward {
/// An id or an address leads to a contact that is not stored, or that has another one: the input
/// would be lost, or change somebody else.
inline Error damaged_name_error() {
  return {.kind = ErrorKind::Internal,
          .code = kUnreadableRow,
          .message =
              "the database is damaged: this id or address leads to a contact that is not "
              "stored or has another one"};
}

/// A row by its table and its key, as people read it: "runs_live", "contact 3, run 770".
struct RowName {
  std::string table, key;
  auto operator<=>(const RowName&) const = default;
};

/// Of one thread, but for `count`.
class UnreadableRows {
 public:
  /// Rows that are remembered; further ones are counted and reported each time they are met.
  static constexpr std::size_t kRowsMax = 100'000;
  using Report = std::function<void(const RowName&)>;
  explicit UnreadableRows(Report report = {}) : report_{std::move(report)} {}

  void add(RowName row) {
    if (rows_.size() < kRowsMax && !rows_.insert(row).second) return;
    count_.fetch_add(1, std::memory_order_relaxed);
    if (report_) report_(row);
  }
  /// A delivery: it is in no list from now on.
  void add(DeliveryKey key) {
    if (deliveries_.size() < kRowsMax) deliveries_.insert(key);
    add({"deliveries", std::to_string(key.value)});
  }
  bool contains(DeliveryKey key) const { return !deliveries_.empty() && deliveries_.contains(key); }
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  Report report_;
  std::set<RowName> rows_;
  std::set<DeliveryKey> deliveries_;
  std::atomic<std::uint64_t> count_{0};
};
}  // namespace onward
