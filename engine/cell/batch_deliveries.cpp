#include "engine/cell/batch_deliveries.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/cell/weight.h"

namespace onward {
Result<std::vector<LoadedDelivery>> unit_of(CellStore& store, const Delivery& delivery) {
  std::vector<DeliveryKey> keys{delivery.key};
  if (delivery.batch && *delivery.batch == delivery.key) {
    keys = delivery.members;
  } else if (delivery.batch) {
    const auto first = store.deliveries({&*delivery.batch, 1});
    if (!first) return tl::make_unexpected(first.error());
    if (first->front()) keys = first->front()->delivery.members;
  }
  auto loaded = store.deliveries(keys);
  if (!loaded) return tl::make_unexpected(std::move(loaded.error()));
  std::vector<LoadedDelivery> members;
  for (auto& one : *loaded)
    if (one) members.push_back(std::move(*one));
  return members;
}

void BatchDeliveries::add(NewDelivery& made) {
  Delivery& delivery = made.delivery;
  if (delivery.pending() && made.policy != nullptr && made.policy->batch)
    delivery.due = now_ + made.policy->batch->linger;
  if (delivery.pending() &&
      is_paused(switches_, {delivery.endpoint.scenario, delivery.endpoint.node})) {
    delivery.parked = true;
    delivery.parked_since = now_;
    count(delivery, Counter::PendingParked, 1);
  }
  bytes_ += sizeof(made) + (made.request ? weight_of(*made.request) : 0);
  made_.push_back(std::move(made));
}

void BatchDeliveries::count(const Delivery& delivery, Counter counter, std::int32_t delta) {
  const EndpointKey& endpoint = delivery.endpoint;
  counters_.add({.key = {.scenario = endpoint.scenario,
                         .node = endpoint.node,
                         .version = endpoint.version,
                         .test = delivery.test},
                 .name = {},
                 .counter = counter,
                 .delta = delta});
}

Status BatchDeliveries::settle_attempt(const Delivery& known, const AttemptResult& result,
                                       const RetryPolicy& policy) {
  // One that was withdrawn in flight and handed out again can be answered twice at once.
  const auto before = settled_at_.find(known.key);
  const auto ended = changed_.find(known.key);
  const Delivery& delivery = before != settled_at_.end()
                                 ? settled_[before->second].settlement.delivery
                             : ended != changed_.end() ? ended->second
                                                       : known;
  Settlement settlement = settle({delivery}, result, policy, {.at = now_, .certain = certain_});
  if (settlement.delivery == delivery) return {};
  AttemptResult known_result = result;
  if (delivery.batch) {
    const auto erased = lost_a_contact(delivery);
    if (!erased) return tl::make_unexpected(erased.error());
    // The request may have left before the contact was forgotten, and a receiver may repeat it.
    if (*erased) {
      known_result.response.clear();
      known_result.error.clear();
      if (settlement.delivery.last) {
        settlement.delivery.last->response.clear();
        settlement.delivery.last->error.clear();
      }
    }
  }
  if (settlement.accepted || settlement.failed) {
    if (delivery.batch)
      if (Status done = settle_members(settlement); !done) return done;
    count(delivery, Counter::Pending, -1);
    count(delivery, settlement.accepted ? Counter::Accepted : Counter::Failed, 1);
    if (delivery.parked) count(delivery, Counter::PendingParked, -1);
  }
  if (settlement.superseded)
    superseded_.push_back({.delivery = delivery.key, .attempt = *settlement.superseded});
  bytes_ += sizeof(Settled) + settlement.delivery.reason.size() + known_result.response.size() +
            known_result.error.size();
  settled_at_[known.key] = settled_.size();
  settled_.push_back({.settlement = std::move(settlement), .result = std::move(known_result)});
  return {};
}

/// Whether a member of the delivery's batch belonged to a contact that was forgotten.
Result<bool> BatchDeliveries::lost_a_contact(const Delivery& carrier) {
  const auto members = unit_of(store_, carrier);
  if (!members) return tl::make_unexpected(members.error());
  return std::ranges::any_of(*members, [&](const LoadedDelivery& one) {
    return one.delivery.reason == kForgotten || forgotten_.contains(one.delivery.contact);
  });
}

/// The others of a batch end as the one that carried it. What the receiver said stays with that
/// one.
Status BatchDeliveries::settle_members(const Settlement& settlement) {
  const Delivery& carrier = settlement.delivery;
  const auto members = unit_of(store_, carrier);
  if (!members) return tl::make_unexpected(members.error());
  for (const LoadedDelivery& one : *members) {
    if (one.delivery.key == carrier.key || !one.delivery.pending()) continue;
    count(one.delivery, Counter::Pending, -1);
    count(one.delivery, settlement.accepted ? Counter::Accepted : Counter::Failed, 1);
    if (one.delivery.parked) count(one.delivery, Counter::PendingParked, -1);
    Delivery& ended = changed_[one.delivery.key] = one.delivery;
    ended.state = carrier.state;
    ended.reason = carrier.reason;
    ended.settled = carrier.settled;
    ended.attempts = carrier.attempts;
    ended.last = carrier.last;
    if (ended.last) ended.last->response.clear();
    ended.due.reset();
    ended.parked = false;
    ended.parked_since.reset();
  }
  return {};
}

void BatchDeliveries::cancel(const Delivery& delivery, std::string_view reason) {
  assert(delivery.pending());
  changed_.erase(delivery.key);
  count(delivery, Counter::Pending, -1);
  count(delivery, Counter::Cancelled, 1);
  if (delivery.parked) count(delivery, Counter::PendingParked, -1);
  cancelled_keys_.insert(delivery.key);
  Delivery& ended = cancelled_.emplace_back(delivery);
  ended.state = DeliveryState::Cancelled;
  ended.reason = reason;
  ended.due.reset();
  ended.settled = now_;
  ended.parked = false;
  ended.parked_since.reset();
}

void BatchDeliveries::retry(const Delivery& delivery, const RetryPolicy& policy, bool due) {
  assert(!delivery.pending() && delivery.state != DeliveryState::Accepted);
  count(delivery, delivery.state == DeliveryState::Failed ? Counter::Failed : Counter::Cancelled,
        -1);
  count(delivery, Counter::Pending, 1);
  Delivery& again = changed_[delivery.key] = delivery;
  again.state = DeliveryState::Pending;
  again.reason.clear();
  again.settled.reset();
  again.deadline = now_ + policy.window;
  ++again.series;
  again.series_from = again.attempts;
  if (due) again.due = now_;
  if (!is_paused(switches_, {delivery.endpoint.scenario, delivery.endpoint.node})) return;
  again.parked = true;
  again.parked_since = now_;
  count(delivery, Counter::PendingParked, 1);
}

void BatchDeliveries::park(const Delivery& delivery, Instant since) {
  assert(delivery.pending() && !delivery.parked);
  Delivery& parked = changed_[delivery.key] = delivery;
  parked.parked = true;
  parked.parked_since = std::max(since, delivery.created);
  count(delivery, Counter::PendingParked, 1);
}

void BatchDeliveries::unpark(const Delivery& delivery) {
  assert(delivery.pending() && delivery.parked);
  Delivery& free = changed_[delivery.key] = delivery;
  free.parked = false;
  const Instant since = std::exchange(free.parked_since, {}).value_or(now_);
  free.deadline += std::max(now_ - since, Duration::zero());
  if (free.due) free.due = std::max(*free.due, now_);
  count(delivery, Counter::PendingParked, -1);
}

void BatchDeliveries::make_due(const Delivery& delivery) {
  assert(delivery.pending() && !delivery.parked && delivery.due);
  Delivery& due = changed_[delivery.key] = delivery;
  due.due = std::min(*due.due, now_);
}

/// The batch of a member that is taken out goes on with the others: the next one carries it, under
/// the same webhook-id.
Status BatchDeliveries::hand_over(const Delivery& carrier) {
  const auto members = unit_of(store_, carrier);
  if (!members) return tl::make_unexpected(members.error());
  for (const LoadedDelivery& one : *members) {
    if (one.delivery.key == carrier.key || !one.delivery.pending() ||
        is_cancelled(one.delivery.key))
      continue;
    Delivery& next = changed_[one.delivery.key] = one.delivery;
    next.due = carrier.due;
    next.deadline = carrier.deadline;
    next.attempts = carrier.attempts;
    next.series = carrier.series;
    next.series_from = carrier.series_from;
    next.last = carrier.last;
    return {};
  }
  return {};
}

Status BatchDeliveries::forget(ContactKey contact) {
  forgotten_.insert(contact);
  const auto keys = store_.pending_of(contact);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = store_.deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (const auto& one : *loaded) {
    if (!one) continue;
    const auto changed = changed_.find(one->delivery.key);
    const Delivery delivery = changed == changed_.end() ? one->delivery : changed->second;
    if (!delivery.pending()) continue;
    cancel(delivery, kForgotten);
    if (delivery.batch && delivery.due)
      if (Status done = hand_over(delivery); !done) return done;
  }
  for (const NewDelivery& made : made_)
    if (made.delivery.contact == contact && made.delivery.pending())
      cancel(made.delivery, kForgotten);
  return {};
}

void BatchDeliveries::finish(Commit& commit) {
  commit.attempts = std::move(superseded_);
  commit.deliveries.reserve(made_.size() + settled_.size() + cancelled_.size());
  commit.requests.reserve(made_.size());
  for (const NewDelivery& made : made_) {
    commit.deliveries.push_back(made.delivery);
    commit.requests.push_back({.delivery = made.delivery.key, .request = made.request});
  }
  for (const Settled& settled : settled_) commit.deliveries.push_back(settled.settlement.delivery);
  for (const Delivery& delivery : cancelled_) commit.deliveries.push_back(delivery);
  for (const auto& [key, delivery] : changed_) commit.deliveries.push_back(delivery);
}
}  // namespace onward
