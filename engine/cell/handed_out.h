#pragma once
// The deliveries that are out: handed to the deliver thread, and in memory until their outcome is
// committed.
#include <cstddef>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
class HandedOut {
 public:
  enum class Turn { Regular, Late };
  struct Removed {
    bool was_out = false;
    bool was_late = false;  ///< Added out of turn.
  };

  /// `turn`: late where it is out only because its window has ended.
  void add(const Delivery& delivery, Turn turn);
  Removed remove(DeliveryKey delivery);

  /// The row of a delivery; null where it is not out.
  const Delivery* find(DeliveryKey delivery) const;
  bool contains(DeliveryKey delivery) const { return rows_.contains(delivery); }
  /// The one that carries `batch`; null where it is not out.
  const Delivery* carrier_of(DeliveryKey batch) const;
  std::size_t size() const { return rows_.size(); }
  const std::unordered_map<DeliveryKey, Delivery>& rows() const { return rows_; }

  /// Those whose window has ended by `now`, each once.
  std::vector<DeliveryKey> take_overdue(Instant now);
  /// When `take_overdue` finds the next one.
  std::optional<Instant> next_deadline() const;

 private:
  std::unordered_map<DeliveryKey, Delivery> rows_;
  std::unordered_map<DeliveryKey, DeliveryKey> carriers_;  ///< By their batch.
  std::set<std::pair<Instant, DeliveryKey>> deadlines_;    ///< Until overdue.
  std::set<DeliveryKey> late_;
};
}  // namespace onward
