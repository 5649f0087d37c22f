#include "engine/cell/handed_out.h"

namespace onward {
void HandedOut::add(const Delivery& delivery, Turn turn) {
  deadlines_.emplace(delivery.deadline, delivery.key);
  rows_.emplace(delivery.key, delivery);
  if (delivery.batch) carriers_[*delivery.batch] = delivery.key;
  if (turn == Turn::Late) late_.insert(delivery.key);
}

HandedOut::Removed HandedOut::remove(DeliveryKey delivery) {
  const auto row = rows_.find(delivery);
  if (row == rows_.end()) return {};
  deadlines_.erase({row->second.deadline, delivery});
  if (row->second.batch) carriers_.erase(*row->second.batch);
  rows_.erase(row);
  return {.was_out = true, .was_late = late_.erase(delivery) > 0};
}

const Delivery* HandedOut::find(DeliveryKey delivery) const {
  const auto found = rows_.find(delivery);
  return found == rows_.end() ? nullptr : &found->second;
}

const Delivery* HandedOut::carrier_of(DeliveryKey batch) const {
  const auto carrier = carriers_.find(batch);
  return carrier == carriers_.end() ? nullptr : &rows_.at(carrier->second);
}

std::vector<DeliveryKey> HandedOut::take_overdue(Instant now) {
  std::vector<DeliveryKey> keys;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    keys.push_back(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
  }
  return keys;
}

std::optional<Instant> HandedOut::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}
}  // namespace onward
