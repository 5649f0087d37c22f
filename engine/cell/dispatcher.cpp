#include "engine/cell/dispatcher.h"

#include <algorithm>
#include <utility>

namespace onward {
namespace {
/// Rows that are looked at for the ends of their windows between two batches: about a millisecond.
constexpr std::size_t kQueueRowsMax = 100;
/// Between two looks at rows that wait since before the start: there may be a million, and others
/// are not to notice.
constexpr Duration kLookUpPause = std::chrono::milliseconds{8};
constexpr std::size_t kLookUpRows = 10;
constexpr std::size_t kEndpointsAtOnce = 4;

/// In the queue of its endpoint.
DueDelivery place_of(const Delivery& delivery) {
  return {.due = *delivery.due, .delivery = delivery.key};
}
}  // namespace

void Dispatcher::restore(std::span<const DueEndpoint> endpoints) {
  for (const DueEndpoint& due : endpoints) {
    Endpoint& endpoint = endpoints_[due.endpoint];
    endpoint.looked_up = DeliveryKey{};
    expect(due.endpoint, endpoint, due.due);
  }
}

void Dispatcher::created(const Delivery& delivery, std::shared_ptr<const Request> request,
                         std::vector<Handout>& out) {
  Endpoint& endpoint = endpoints_[delivery.endpoint];
  // Older ones that wait in the store go first.
  const bool queued = endpoint.next && *endpoint.next <= *delivery.due;
  if (queued || holds_.all() || !has_room(endpoint)) {
    if (!queued) expect(delivery.endpoint, endpoint, delivery.due);
    waits(delivery);
    return;
  }
  // Nothing before it waits.
  endpoint.cursor = std::max(endpoint.cursor, place_of(delivery));
  take_out(delivery, endpoint);
  out.push_back({.delivery = delivery, .request = std::move(request)});
}

void Dispatcher::take_out(const Delivery& delivery, Endpoint& endpoint, HandedOut::Turn turn) {
  ++endpoint.out;
  if (turn == HandedOut::Turn::Late) ++endpoint.late;
  out_.add(delivery, turn);
}

/// Endpoints come and go with versions: one that nothing waits for costs nothing.
void Dispatcher::forget_if_done(const EndpointKey& key) {
  const auto endpoint = endpoints_.find(key);
  if (endpoint == endpoints_.end() || endpoint->second.out > 0 || endpoint->second.next) return;
  ends_.forget(key);
  unknown_.erase(key);
  endpoints_.erase(endpoint);
}

void Dispatcher::settled(const Delivery& delivery) {
  Endpoint& endpoint = endpoints_[delivery.endpoint];
  const HandedOut::Removed removed = out_.remove(delivery.key);
  if (removed.was_out) --endpoint.out;
  if (removed.was_late) --endpoint.late;
  waits(delivery);
  if (delivery.pending() && !delivery.parked && delivery.due &&
      (!endpoint.next || *delivery.due < *endpoint.next))
    expect(delivery.endpoint, endpoint, delivery.due);
  forget_if_done(delivery.endpoint);
}

/// Of what is left to the store: notes when its window ends, and that it is still to be looked at.
void Dispatcher::waits(const Delivery& delivery) {
  if (!delivery.pending() || delivery.parked || !delivery.due) return;
  ends_.note(delivery.endpoint, window_end(delivery), delivery.key);
  DueDelivery& cursor = endpoints_.at(delivery.endpoint).cursor;
  if (place_of(delivery) <= cursor)
    cursor = {.due = *delivery.due, .delivery = {delivery.key.value - 1}};
}

std::optional<DeliveryKey> Dispatcher::recall_batch(DeliveryKey batch) {
  const Delivery* carrier = out_.carrier_of(batch);
  if (carrier == nullptr) return std::nullopt;
  const Delivery delivery = *carrier;
  settled(delivery);
  return delivery.key;
}

template <class Wanted>
std::vector<DeliveryKey> Dispatcher::recall_if(Wanted wanted) {
  std::vector<Delivery> out;
  for (const auto& [key, delivery] : out_.rows())
    if (wanted(delivery.endpoint)) out.push_back(delivery);
  std::vector<DeliveryKey> keys;
  for (const Delivery& delivery : out) {
    settled(delivery);
    keys.push_back(delivery.key);
  }
  return keys;
}

std::vector<DeliveryKey> Dispatcher::recall(ScenarioKey scenario, NodeNumber node) {
  return recall_if(
      [&](const EndpointKey& of) { return of.scenario == scenario && of.node == node; });
}

std::vector<DeliveryKey> Dispatcher::recall(ScenarioKey scenario) {
  return recall_if([&](const EndpointKey& of) { return of.scenario == scenario; });
}

std::vector<EndpointKey> Dispatcher::due(Instant now) const {
  std::vector<EndpointKey> endpoints;
  for (const auto& [at, key] : queue_) {
    if (at > now) break;
    if (!holds_.contains(key)) endpoints.push_back(key);
  }
  return endpoints;
}

void Dispatcher::expect(const EndpointKey& key, Endpoint& endpoint, std::optional<Instant> at) {
  if (endpoint.next) queue_.erase({*endpoint.next, key});
  endpoint.next = at;
  if (at) queue_.emplace(*at, key);
}

Status Dispatcher::refill(CellStore& store, Instant now, std::vector<Handout>& out) {
  std::vector<EndpointKey> ready;
  for (const auto& [at, key] : queue_) {
    if (at > now) break;
    if (holds_.contains(key)) continue;
    Endpoint& endpoint = endpoints_[key];
    if (wants_more(endpoint))
      ready.push_back(key);
    else if (endpoint.looked_up)
      unknown_.insert(key);  // What has no room may be late.
  }
  // The one that has waited longest goes first; what is left has its turn in the next refill.
  std::size_t rows = kRefillRows;
  for (const EndpointKey& key : ready) {
    if (rows == 0) break;
    if (Status done = refill_one(store, key, endpoints_[key], now, rows, out); !done) return done;
  }
  if (Status done = look_up_ends(store, now); !done) return done;
  return take_ended(store, now, out);
}

/// A window may be full of deliveries that wait for long, such as for a `Retry-After`: whoever's
/// time is up meanwhile goes out beside it.
Status Dispatcher::take_ended(CellStore& store, Instant now, std::vector<Handout>& out) {
  std::vector<EndpointKey> ended;
  for (const auto& [first, key] : ends_.queue()) {
    if (first > now || ended.size() == kEndpointsAtOnce) break;
    if (!holds_.contains(key) && has_late_room(endpoints_.at(key))) ended.push_back(key);
  }
  std::size_t members = kRefillRows;
  for (const EndpointKey& key : ended) {
    Endpoint& endpoint = endpoints_.at(key);
    if (!endpoint.next)
      ends_.forget(key);
    else if (*endpoint.next > now)
      ends_.defer(key, *endpoint.next);
    else if (Status done = look_at_ends(store, key, endpoint, now, members, out); !done)
      return done;
  }
  return {};
}

Status Dispatcher::look_at_ends(CellStore& store, const EndpointKey& key, Endpoint& endpoint,
                                Instant now, std::size_t& members, std::vector<Handout>& out) {
  const WindowEnds::Stretch stretch = *ends_.take(key, now);
  const auto undone = [&](Error error) {
    ends_.put_back(key, stretch);
    return tl::make_unexpected(std::move(error));
  };
  const DeliveryKey after{stretch.least.value - 1};
  auto keys =
      store.deliveries_of(key.scenario, key.node, DeliveryState::Pending, after, kQueueRowsMax);
  if (!keys) return undone(std::move(keys.error()));
  const bool whole = keys->size() < kQueueRowsMax || keys->back() >= stretch.greatest;
  const DeliveryKey last = keys->empty() ? stretch.greatest : keys->back();
  std::erase_if(*keys,
                [&](DeliveryKey one) { return one > stretch.greatest || out_.contains(one); });
  auto loaded = store.deliveries(*keys);
  if (!loaded) return undone(std::move(loaded.error()));

  WindowEnds::Stretch left;
  for (auto& one : *loaded) {
    if (!one || one->delivery.endpoint != key) continue;
    const Delivery& delivery = one->delivery;
    if (!delivery.pending() || delivery.parked || !delivery.due) continue;
    const Instant end = window_end(delivery);
    if (end > stretch.last) continue;  // Of another stretch.
    if (end > now || !has_late_room(endpoint) ||
        (delivery.members.size() > members && !out.empty())) {
      left.add(end, delivery.key);
      continue;
    }
    members -= std::min(members, delivery.members.size());
    take_out(delivery, endpoint, HandedOut::Turn::Late);
    out.push_back({.delivery = std::move(one->delivery), .request = std::move(one->request)});
  }
  if (!left.empty()) ends_.put_back(key, left);
  if (!whole)
    ends_.put_back(key, {.first = stretch.first,
                         .last = stretch.last,
                         .least = {last.value + 1},
                         .greatest = stretch.greatest});
  return {};
}

/// A piece of one endpoint's rows that wait since before the start.
Status Dispatcher::look_up_ends(CellStore& store, Instant now) {
  // A clock that was set back is not waited for.
  if (unknown_.empty() || (now < look_up_at_ && look_up_at_ <= now + kLookUpPause)) return {};
  look_up_at_ = now + kLookUpPause;
  const EndpointKey key = *unknown_.begin();
  Endpoint& endpoint = endpoints_.at(key);
  const auto keys = store.deliveries_of(key.scenario, key.node, DeliveryState::Pending,
                                        *endpoint.looked_up, kLookUpRows);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = store.deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (const auto& one : *loaded)
    if (one && one->delivery.endpoint == key && !out_.contains(one->delivery.key))
      waits(one->delivery);
  if (keys->size() == kLookUpRows) {
    endpoint.looked_up = keys->back();
    return {};
  }
  endpoint.looked_up.reset();
  unknown_.erase(key);
  return {};
}

Status Dispatcher::refill_one(CellStore& store, const EndpointKey& key, Endpoint& endpoint,
                              Instant now, std::size_t& rows, std::vector<Handout>& out) {
  if (!has_room(endpoint)) return {};
  const std::size_t limit = std::min({window() - endpoint.out, kRefill, rows});
  const auto due = store.due(key, endpoint.cursor, now, limit);
  if (!due) return tl::make_unexpected(due.error());
  // Some may be out already: those that went out late, and what was passed before the cursor went
  // back.
  std::vector<DeliveryKey> wanted;
  for (const DueDelivery& row : *due)
    if (!out_.contains(row.delivery)) wanted.push_back(row.delivery);

  auto loaded = store.deliveries(wanted);
  if (!loaded) return tl::make_unexpected(loaded.error());
  rows -= wanted.size();
  for (auto& one : *loaded) {
    if (!one || !one->delivery.pending()) continue;
    // The members of a batch are loaded when it is handed out.
    const std::size_t members = one->delivery.members.size();
    if (members > rows && !out.empty()) {
      rows = 0;
      const DeliveryKey left = one->delivery.key;
      const auto place = std::ranges::find(*due, left, &DueDelivery::delivery);
      endpoint.cursor = {.due = place->due, .delivery = {left.value - 1}};
      expect(key, endpoint, now);
      return {};
    }
    rows -= std::min(rows, members);
    take_out(one->delivery, endpoint);
    out.push_back({.delivery = std::move(one->delivery), .request = std::move(one->request)});
  }
  if (!due->empty()) endpoint.cursor = due->back();
  if (due->size() == limit) {
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
  if (!unknown_.empty()) next = look_up_at_;
  if (const auto deadline = out_.next_deadline())
    next = std::min(next.value_or(Instant::max()), *deadline);
  for (const auto& [first, key] : ends_.queue()) {
    if (next && first >= *next) break;
    if (holds_.contains(key) || !has_late_room(endpoints_.at(key))) continue;
    next = first;
    break;
  }
  for (const auto& [at, key] : queue_) {
    if (next && at >= *next) break;
    if (!holds_.contains(key) && wants_more(endpoints_.at(key))) return at;
  }
  return next;
}

std::optional<Instant> Dispatcher::oldest_due() const {
  std::optional<Instant> oldest;
  for (const auto& [at, key] : queue_) {
    if (holds_.contains(key)) continue;
    oldest = at;
    break;
  }
  for (const auto& [key, delivery] : out_.rows())
    if (delivery.due && (!oldest || *delivery.due < *oldest)) oldest = delivery.due;
  return oldest;
}
}  // namespace onward
