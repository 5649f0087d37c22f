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
  if (queued || all_held_ || !has_room(endpoint)) {
    if (!queued) expect(delivery.endpoint, endpoint, delivery.due);
    return;
  }
  take_out(delivery, endpoint);
  out.push_back({.delivery = delivery, .request = std::move(request)});
}

void Dispatcher::take_out(const Delivery& delivery, Endpoint& endpoint) {
  ++endpoint.out;
  deadlines_.emplace(delivery.deadline, delivery.key);
  out_.emplace(delivery.key, delivery);
}

std::vector<DeliveryKey> Dispatcher::overdue(Instant now) {
  std::vector<DeliveryKey> keys;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    keys.push_back(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
  }
  return keys;
}

/// Endpoints come and go with versions: one that nothing waits for costs nothing.
void Dispatcher::forget_if_done(const EndpointKey& key) {
  const auto endpoint = endpoints_.find(key);
  if (endpoint != endpoints_.end() && endpoint->second.out == 0 && !endpoint->second.next)
    endpoints_.erase(endpoint);
}

void Dispatcher::settled(const Delivery& delivery) {
  Endpoint& endpoint = endpoints_[delivery.endpoint];
  if (const auto out = out_.find(delivery.key); out != out_.end()) {
    deadlines_.erase({out->second.deadline, delivery.key});
    out_.erase(out);
    --endpoint.out;
  }
  if (delivery.pending() && !delivery.parked && delivery.due &&
      (!endpoint.next || *delivery.due < *endpoint.next))
    expect(delivery.endpoint, endpoint, delivery.due);
  forget_if_done(delivery.endpoint);
}

void Dispatcher::hold(ScenarioKey scenario, NodeNumber node, bool held) {
  if (held)
    held_.emplace(scenario, node);
  else
    held_.erase({scenario, node});
}

std::vector<DeliveryKey> Dispatcher::recall(ScenarioKey scenario, NodeNumber node) {
  std::vector<Delivery> out;
  for (const auto& [key, delivery] : out_)
    if (delivery.endpoint.scenario == scenario && delivery.endpoint.node == node)
      out.push_back(delivery);
  std::vector<DeliveryKey> keys;
  for (const Delivery& delivery : out) {
    settled(delivery);
    keys.push_back(delivery.key);
  }
  return keys;
}

std::vector<EndpointKey> Dispatcher::due(Instant now) const {
  std::vector<EndpointKey> endpoints;
  for (const auto& [at, key] : queue_) {
    if (at > now) break;
    if (!is_held(key)) endpoints.push_back(key);
  }
  return endpoints;
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
    if (at > now) break;
    if (!is_held(key) && wants_more(endpoints_[key])) ready.push_back(key);
  }
  for (const EndpointKey& key : ready)
    if (Status done = refill_one(store, key, endpoints_[key], now, out); !done) return done;
  return {};
}

Status Dispatcher::refill_one(Store& store, const EndpointKey& key, Endpoint& endpoint, Instant now,
                              std::vector<Handout>& out) {
  // Those that are out stand in the store as well, until they are settled.
  if (!has_room(endpoint)) return {};
  const std::size_t room = window() - endpoint.out;
  const std::size_t limit = room + endpoint.out;
  const auto due = store.due(key, now, limit);
  if (!due) return tl::make_unexpected(due.error());
  std::vector<DeliveryKey> wanted;
  for (const DueDelivery& row : *due)
    if (!out_.contains(row.delivery) && wanted.size() < room) wanted.push_back(row.delivery);

  auto loaded = store.deliveries(wanted);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (auto& one : *loaded) {
    if (!one || !one->delivery.pending()) continue;
    take_out(one->delivery, endpoint);
    out.push_back({.delivery = std::move(one->delivery), .request = std::move(one->request)});
  }
  if (due->size() >= limit) {
    expect(key, endpoint, now);  // more of the same wait for room
    return {};
  }
  const auto next = store.next_due(key, now);
  if (!next) return tl::make_unexpected(next.error());
  expect(key, endpoint, *next);
  forget_if_done(key);
  return {};
}

std::optional<Instant> Dispatcher::next() const {
  std::optional<Instant> next;
  if (!deadlines_.empty()) next = deadlines_.begin()->first;
  for (const auto& [at, key] : queue_) {
    if (next && at >= *next) break;
    if (!is_held(key) && wants_more(endpoints_.at(key))) return at;
  }
  return next;
}

std::optional<Instant> Dispatcher::oldest_due() const {
  std::optional<Instant> oldest;
  for (const auto& [at, key] : queue_) {
    if (is_held(key)) continue;
    oldest = at;
    break;
  }
  for (const auto& [key, delivery] : out_)
    if (delivery.due && (!oldest || *delivery.due < *oldest)) oldest = delivery.due;
  return oldest;
}
}  // namespace onward
