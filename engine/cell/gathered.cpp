#include "engine/cell/gathered.h"

#include "engine/core/delivery/events_body.h"

namespace onward {
namespace {
/// What need not wait for its due instant is in the queue so much before it: always ready, also
/// where the clock was set back, and the oldest first.
constexpr Duration kAtOnce = std::chrono::hours{24 * 365 * 100};

std::size_t body_bytes(std::size_t events, std::size_t members) {
  return kEventsOpen.size() + events + (members == 0 ? 0 : members - 1) + kEventsClose.size();
}
}  // namespace

bool Gathered::Waiting::full() const {
  return members.size() >= max || body_bytes(bytes, members.size()) > kRequestBodyMax;
}

Gathered::Order Gathered::order_of(const Hash128& address, const Waiting& waiting) {
  const bool full = waiting.full();
  const Instant due = waiting.dues.begin()->first;
  return {!full, full ? due - kAtOnce : due, address};
}

void Gathered::leave_order(Endpoint& endpoint, const Hash128& address) {
  const auto group = endpoint.groups.find(address);
  if (group != endpoint.groups.end() && !group->second.members.empty())
    endpoint.order.erase(order_of(address, group->second));
}

/// Puts the endpoint where its first group belongs, or lets go of an empty one.
void Gathered::enqueue(const EndpointKey& key, Endpoint& endpoint) {
  if (endpoint.ready) queue_.erase({*endpoint.ready, key});
  endpoint.ready.reset();
  if (endpoint.order.empty()) {
    if (!endpoint.more) endpoints_.erase(key);
    return;
  }
  const auto& [not_full, at, address] = *endpoint.order.begin();
  if (not_full && endpoint.address_of.size() >= limits_.endpoint)
    endpoint.ready = at - kAtOnce;
  else if (!not_full || !endpoint.more)
    endpoint.ready = at;
  if (endpoint.ready) queue_.emplace(*endpoint.ready, key);
}

bool Gathered::add(const EndpointKey& key, const Member& member, const BatchPolicy& policy) {
  Endpoint& endpoint = endpoints_[key];
  if (endpoint.address_of.contains(member.delivery)) return true;
  if (endpoint.address_of.size() >= limits_.endpoint || total_ >= limits_.total) {
    enqueue(key, endpoint);
    return false;
  }
  leave_order(endpoint, member.address);
  Waiting& waiting = endpoint.groups[member.address];
  waiting.max = policy.max;
  waiting.members.emplace(member.delivery, member);
  waiting.dues.emplace(member.due, member.delivery);
  waiting.bytes += member.bytes;
  endpoint.address_of.emplace(member.delivery, member.address);
  ++total_;
  endpoint.order.insert(order_of(member.address, waiting));
  enqueue(key, endpoint);
  return true;
}

/// The group must have left the order; it goes when it is empty.
void Gathered::erase(Endpoint& endpoint, std::map<Hash128, Waiting>::iterator group,
                     DeliveryKey delivery) {
  Waiting& waiting = group->second;
  const auto member = waiting.members.find(delivery);
  waiting.dues.erase({member->second.due, delivery});
  waiting.bytes -= member->second.bytes;
  waiting.members.erase(member);
  endpoint.address_of.erase(delivery);
  --total_;
}

void Gathered::remove(const EndpointKey& key, DeliveryKey delivery) {
  const auto endpoint = endpoints_.find(key);
  if (endpoint == endpoints_.end()) return;
  const auto known = endpoint->second.address_of.find(delivery);
  if (known == endpoint->second.address_of.end()) return;
  const Hash128 address = known->second;
  leave_order(endpoint->second, address);
  const auto group = endpoint->second.groups.find(address);
  erase(endpoint->second, group, delivery);
  if (group->second.members.empty())
    endpoint->second.groups.erase(group);
  else
    endpoint->second.order.insert(order_of(address, group->second));
  enqueue(key, endpoint->second);
}

bool Gathered::contains(const EndpointKey& key, DeliveryKey delivery) const {
  const auto endpoint = endpoints_.find(key);
  return endpoint != endpoints_.end() && endpoint->second.address_of.contains(delivery);
}

void Gathered::forget(const EndpointKey& key) {
  const auto endpoint = endpoints_.find(key);
  if (endpoint == endpoints_.end()) return;
  if (endpoint->second.ready) queue_.erase({*endpoint->second.ready, key});
  total_ -= endpoint->second.address_of.size();
  endpoints_.erase(endpoint);
}

void Gathered::expect_more(const EndpointKey& key, bool more) {
  Endpoint& endpoint = endpoints_[key];
  endpoint.more = more;
  enqueue(key, endpoint);
}

bool Gathered::any_ready(Instant now) const {
  return !queue_.empty() && (queue_.begin()->first <= now || total_ >= limits_.total);
}

std::optional<Gathered::Group> Gathered::take(Instant now) {
  if (!any_ready(now)) return std::nullopt;
  const EndpointKey key = queue_.begin()->second;
  Endpoint& endpoint = endpoints_.at(key);
  const auto [not_full, at, address] = *endpoint.order.begin();
  endpoint.order.erase(endpoint.order.begin());
  const auto group = endpoint.groups.find(address);
  Waiting& waiting = group->second;

  Group taken{.endpoint = key, .early = not_full && at > now};
  std::size_t bytes = 0;
  for (const auto& [delivery, member] : waiting.members) {
    if (taken.members.size() == waiting.max) break;
    bytes += member.bytes;
    if (!taken.members.empty() && body_bytes(bytes, taken.members.size() + 1) > kRequestBodyMax) {
      taken.full = true;
      break;
    }
    taken.members.push_back(member);
  }
  taken.full = taken.full || taken.members.size() >= waiting.max;
  for (const Member& member : taken.members) erase(endpoint, group, member.delivery);
  if (waiting.members.empty())
    endpoint.groups.erase(group);
  else
    endpoint.order.insert(order_of(address, waiting));
  enqueue(key, endpoint);
  return taken;
}
}  // namespace onward
