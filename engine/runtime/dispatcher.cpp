#include "engine/runtime/dispatcher.h"

#include <algorithm>
#include <utility>

namespace onward {
void Dispatcher::restore(std::span<const DueEndpoint> endpoints) {
  for (const DueEndpoint& due : endpoints) expect(due.endpoint, endpoints_[due.endpoint], due.due);
}

void Dispatcher::created(const Delivery& delivery, std::shared_ptr<const Request> request,
                         std::vector<Handout>& out) {
  Endpoint& endpoint = endpoints_[delivery.endpoint];
  // Older ones that wait in the store go first.
  const bool queued = endpoint.next && *endpoint.next <= *delivery.due;
  if (queued || !has_room(endpoint)) {
    if (!queued) expect(delivery.endpoint, endpoint, delivery.due);
    return;
  }
  ++endpoint.out;
  out_.emplace(delivery.key, delivery);
  out.push_back({.delivery = delivery, .request = std::move(request)});
}

void Dispatcher::settled(const Delivery& delivery) {
  Endpoint& endpoint = endpoints_[delivery.endpoint];
  if (out_.erase(delivery.key) != 0) --endpoint.out;
  if (delivery.pending() && delivery.due && (!endpoint.next || *delivery.due < *endpoint.next))
    expect(delivery.endpoint, endpoint, delivery.due);
}

const Delivery* Dispatcher::find(DeliveryKey delivery) const {
  const auto found = out_.find(delivery);
  return found == out_.end() ? nullptr : &found->second;
}

void Dispatcher::expect(const EndpointKey& key, Endpoint& endpoint, std::optional<Instant> at) {
  if (endpoint.next) queue_.erase({*endpoint.next, key});
  endpoint.next = at;
  if (at) queue_.emplace(*at, key);
}

Status Dispatcher::refill(Store& store, Instant now, std::vector<Handout>& out) {
  std::vector<EndpointKey> ready;
  for (const auto& [at, key] : queue_) {
    if (at > now || out_.size() >= limits_.total) break;
    // Refilled by halves, so that the store is asked once for many.
    if (endpoints_[key].out <= limits_.endpoint / 2) ready.push_back(key);
  }
  for (const EndpointKey& key : ready)
    if (Status done = refill_one(store, key, endpoints_[key], now, out); !done) return done;
  return {};
}

Status Dispatcher::refill_one(Store& store, const EndpointKey& key, Endpoint& endpoint, Instant now,
                              std::vector<Handout>& out) {
  // Those that are out stand in the store as well, until they are settled.
  const std::size_t room = std::min(limits_.endpoint - endpoint.out,
                                    limits_.total - std::min(out_.size(), limits_.total));
  const std::size_t limit = room + endpoint.out;
  const auto due = store.due(key, now, limit);
  if (!due) return tl::make_unexpected(due.error());
  std::vector<DeliveryKey> wanted;
  for (const DueDelivery& row : *due)
    if (!out_.contains(row.delivery) && wanted.size() < room) wanted.push_back(row.delivery);

  auto loaded = store.deliveries(wanted);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (auto& one : *loaded) {
    if (!one || !one->delivery.pending() || one->request == nullptr) continue;
    ++endpoint.out;
    out_.emplace(one->delivery.key, one->delivery);
    out.push_back({.delivery = std::move(one->delivery), .request = std::move(one->request)});
  }
  if (due->size() >= limit) {
    expect(key, endpoint, now);  // more of the same wait for room
    return {};
  }
  const auto next = store.next_due(key, now);
  if (!next) return tl::make_unexpected(next.error());
  expect(key, endpoint, *next);
  return {};
}

std::optional<Instant> Dispatcher::next() const {
  if (out_.size() >= limits_.total) return std::nullopt;
  for (const auto& [at, key] : queue_)
    if (endpoints_.at(key).out <= limits_.endpoint / 2) return at;
  return std::nullopt;
}

std::optional<Instant> Dispatcher::oldest_due() const {
  std::optional<Instant> oldest;
  if (!queue_.empty()) oldest = queue_.begin()->first;
  for (const auto& [key, delivery] : out_)
    if (delivery.due && (!oldest || *delivery.due < *oldest)) oldest = delivery.due;
  return oldest;
}
}  // namespace onward
