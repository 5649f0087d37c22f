#include "engine/control/filters.h"

namespace onward {
bool fits(const DeliveryQuery& query, const Delivery& delivery) {
  if (query.state && delivery.state != *query.state) return false;
  if (query.since && delivery.created < *query.since) return false;
  if (query.until && delivery.created >= *query.until) return false;
  if (query.code.empty()) return true;
  // "bad_header: X-Name" tells more than the word.
  if (std::string_view{delivery.reason}.substr(0, delivery.reason.find(':')) == query.code ||
      delivery.reason == query.code)
    return true;
  return delivery.last &&
         (delivery.last->code == query.code ||
          (delivery.last->status != 0 && std::to_string(delivery.last->status) == query.code));
}
}  // namespace onward
