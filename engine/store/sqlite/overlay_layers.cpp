#include "engine/store/sqlite/overlay_layers.h"

#include <algorithm>
#include <functional>

namespace onward {
DeliveryColumns columns_of(const Delivery& delivery) {
  DeliveryColumns columns{
      .endpoint = delivery.endpoint, .state = delivery.state, .contact = delivery.contact};
  if (delivery.pending() && !delivery.parked) columns.due = delivery.due;
  return columns;
}

std::size_t OverlayHash::mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t k = (a ^ 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL ^ b;
  k ^= k >> 32;
  k *= 0xc4ceb9fe1a85ec53ULL;
  return k ^ k >> 29;
}
std::size_t OverlayHash::operator()(const LedgerKey& key) const {
  const std::size_t place = mix(key.contact.value, key.scenario.value << 1 | (key.test ? 1 : 0));
  return key.key.empty() ? place : mix(place, std::hash<std::string>{}(key.key));
}
std::size_t OverlayHash::operator()(const CounterKey& key) const {
  return mix(mix(key.scenario.value, key.node.value), key.version << 1 | (key.test ? 1 : 0));
}
std::size_t OverlayHash::operator()(const Timer& timer) const {
  const auto at = static_cast<std::uint64_t>(timer.at.time_since_epoch().count());
  return mix(mix(at, timer.contact.value),
             timer.key.subject << 2 | static_cast<std::uint64_t>(timer.key.kind));
}
std::size_t OverlayHash::operator()(const std::pair<DeliveryKey, std::uint32_t>& attempt) const {
  return mix(attempt.first.value, attempt.second);
}

namespace {
/// New keys are the greatest: they go to the end without a search.
template <class Key>
void insert_last(std::set<Key>& keys, const Key& key) {
  keys.emplace_hint(keys.end(), key);
}
}  // namespace

void ContactLayer::put(ContactKey key, std::string_view body, PutContext& context) {
  touch(key, context).row = {body};
  if (context.lists_only) insert_last(keys, key);
}

void LedgerLayer::put(const LedgerKey& key, std::string_view body, PutContext& context) {
  touch(key, context).row = {body};
  scenarios.insert(key.scenario);
}

void RunLayer::index(RunKey key, const OverlayRun& row, bool lists_only) {
  if (row.live)
    ++live_of[row.contact];
  else if (!lists_only)
    insert_last(ended, key);
}

void RunLayer::unindex(RunKey key, const OverlayRun& row) {
  if (!row.live) {
    ended.erase(key);
    return;
  }
  const auto live = live_of.find(row.contact);
  if (--live->second == 0) live_of.erase(live);
}

void RunLayer::put(RunKey key, const OverlayRun& row, PutContext& context) {
  const bool known = map.contains(key);
  Entry& entry = touch(key, context);
  const bool stored = known ? entry.row.stored : context.replaying || key <= last;
  if (known)
    unindex(key, entry.row);
  else
    of_contact[row.contact].push_back(key);
  entry.row = row;
  entry.row.stored = stored;
  index(key, row, context.lists_only);
  last = std::max(last, key);
}

void RunLayer::drop(RunKey key) {
  const auto found = map.find(key);
  unindex(key, found->second.row);
  const auto owned = of_contact.find(found->second.row.contact);
  std::erase(owned->second, key);
  if (owned->second.empty()) of_contact.erase(owned);
  map.erase(found);
}

void DeliveryLayer::index(DeliveryKey key, const DeliveryColumns& columns, bool lists_only) {
  const EndpointKey& endpoint = columns.endpoint;
  insert_last(at[{endpoint.scenario, endpoint.node, columns.state}], key);
  if (lists_only) return;
  if (columns.state == DeliveryState::Pending) pending_of.emplace(columns.contact, key);
  if (columns.due) due[endpoint].insert({.due = *columns.due, .delivery = key});
}

/// What `lists_only` left out is not there to be erased.
void DeliveryLayer::unindex(DeliveryKey key, const DeliveryColumns& columns) {
  const EndpointKey& endpoint = columns.endpoint;
  const auto place = at.find({endpoint.scenario, endpoint.node, columns.state});
  place->second.erase(key);
  if (place->second.empty()) at.erase(place);
  if (columns.state == DeliveryState::Pending) pending_of.erase({columns.contact, key});
  if (!columns.due) return;
  const auto queue = due.find(endpoint);
  if (queue == due.end()) return;
  queue->second.erase({.due = *columns.due, .delivery = key});
  if (queue->second.empty()) due.erase(queue);
}

void DeliveryLayer::put(DeliveryKey key, const OverlayDelivery& row, PutContext& context) {
  const bool known = map.contains(key);
  Entry& entry = touch(key, context);
  if (known) unindex(key, entry.row.columns);
  entry.row = row;
  index(key, row.columns, context.lists_only);
}

void DeliveryLayer::drop(DeliveryKey key) {
  const auto found = map.find(key);
  unindex(key, found->second.row.columns);
  map.erase(found);
}

void RequestLayer::put(DeliveryKey key, std::string_view body, PutContext& context) {
  touch(key, context).row = {body};
  if (context.lists_only) return;
  if (body.empty())
    bodies.erase(key);
  else
    insert_last(bodies, key);
}

void RequestLayer::drop(DeliveryKey key) {
  bodies.erase(key);
  map.erase(key);
}

void TimerLayer::put(const Timer& timer, bool set, PutContext& context) {
  touch(timer, context).row.set = set;
  if (set)
    armed.insert(timer);
  else
    armed.erase(timer);
}

void TimerLayer::drop(const Timer& timer) {
  armed.erase(timer);
  map.erase(timer);
}

void IdLayer::put(const IdentityChange& change, PutContext& context) {
  // A removal names the contact that loses the id: it may have moved on to another one before.
  OverlayId& row = touch(change.value, context).row;
  if (!change.removed)
    row = {.decided = true, .holder = change.contact, .removed = {}};
  else if (!row.decided)
    row.removed.push_back(change.contact);
  else if (row.holder == change.contact)
    row.holder = {};
}

void EmailLayer::put(const IdentityChange& change, PutContext& context) {
  touch(change.value, context).row.holders[change.contact] = !change.removed;
}
}  // namespace onward
