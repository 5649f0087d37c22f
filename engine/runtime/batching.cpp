// Deliveries that go out together (BatchPolicy). What waits for others is grouped from the store,
// so that a restart groups it again; once a batch is fixed its members never change.
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "engine/core/events_body.h"
#include "engine/runtime/engine.h"

namespace onward {
namespace {
/// Deliveries of an endpoint that are looked at together.
constexpr std::size_t kGather = 5'000;

/// Requests that may share one body.
using Address = std::tuple<std::string, std::string, std::vector<Header>>;
Address address_of(const Request& request) {
  return {request.method, request.url, request.headers};
}

/// Neighbours in order of creation, as many as fit.
struct Group {
  std::vector<const LoadedDelivery*> members;
  EventsBody body;
  bool full = false;
};

std::vector<Group> group(const std::vector<LoadedDelivery>& waiting, const BatchPolicy& policy) {
  std::vector<Group> groups;
  std::map<Address, std::size_t> open;  // address -> index of its group that still takes members
  for (const LoadedDelivery& one : waiting) {
    const std::string_view events = events_in(one.request->body).value_or(std::string_view{});
    const auto [place, fresh] = open.try_emplace(address_of(*one.request), groups.size());
    if (!fresh && groups[place->second].body.size_with(events) > kRequestBodyMax) {
      groups[place->second].full = true;
      place->second = groups.size();
    }
    if (place->second == groups.size()) groups.emplace_back();
    Group& to = groups[place->second];
    to.members.push_back(&one);
    to.body.add(events);
    if (to.members.size() < policy.max) continue;
    to.full = true;
    open.erase(place);
  }
  return groups;
}
}  // namespace

/// A delivery that waits for others.
void Engine::gathered(const Delivery& delivery, const BatchPolicy& policy) {
  dispatcher_.settled(delivery);
  Gathering& gathering = gathering_[delivery.endpoint];
  gathering.waiting.insert(delivery.key);
  gathering.due = std::min(gathering.due.value_or(*delivery.due), *delivery.due);
  gathering.enough = std::max(gathering.enough, policy.max);
}

/// What waits in the store since before a restart.
Status Engine::gather_again() {
  for (const EndpointKey& endpoint : std::exchange(ungathered_, {})) {
    const DeliveryPolicy* policy = policy_at(endpoint);
    if (policy == nullptr || !policy->batch) continue;
    const auto due = store_->due(endpoint, clock_.now() + policy->batch->linger, kGather);
    if (!due) return tl::make_unexpected(due.error());
    std::vector<DeliveryKey> keys;
    for (const DueDelivery& row : *due)
      if (dispatcher_.find(row.delivery) == nullptr) keys.push_back(row.delivery);
    const auto loaded = store_->deliveries(keys);
    if (!loaded) return tl::make_unexpected(loaded.error());
    for (const auto& one : *loaded)
      if (one && one->delivery.pending() && !one->delivery.batch)
        gathered(one->delivery, *policy->batch);
  }
  return {};
}

/// Fixes batches that are full, or whose oldest member has waited long enough.
Status Engine::fix_batches() {
  if (unwritable_ || gathering_.empty()) return {};
  std::vector<EndpointKey> ripe;
  for (const auto& [endpoint, gathering] : gathering_)
    if (gathering.waiting.size() >= gathering.enough || gathering.due <= clock_.now())
      ripe.push_back(endpoint);
  for (const EndpointKey& endpoint : ripe) {
    const DeliveryPolicy* policy = policy_at(endpoint);
    if (policy == nullptr || !policy->batch) {
      gathering_.erase(endpoint);
      continue;
    }
    if (Status done = fix_batches_of(endpoint, *policy->batch); !done) return done;
  }
  return {};
}

Status Engine::fix_batches_of(const EndpointKey& endpoint, const BatchPolicy& policy) {
  const Instant now = clock_.now();
  Gathering& gathering = gathering_[endpoint];
  const std::vector<DeliveryKey> keys{gathering.waiting.begin(), gathering.waiting.end()};
  auto loaded = store_->deliveries(keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  std::vector<LoadedDelivery> waiting;
  Commit commit{.at = now, .last_seq = last_seq_, .last_contact = last_contact_};
  for (auto& one : *loaded) {
    // Parked ones come back when their node is resumed.
    if (!one || !one->delivery.pending() || one->delivery.batch || one->delivery.parked) continue;
    if (one->request != nullptr) {
      waiting.push_back(std::move(*one));
      continue;
    }
    // Its body is gone, so it can only fail, by itself.
    one->delivery.batch = one->delivery.key;
    one->delivery.members = {one->delivery.key};
    commit.deliveries.push_back(one->delivery);
  }
  Gathering left;
  for (const Group& group : group(waiting, policy)) {
    std::optional<Instant> due;
    for (const LoadedDelivery* one : group.members)
      due = std::min(due.value_or(Instant::max()), one->delivery.due.value_or(now));
    if (!group.full && *due > now) {
      for (const LoadedDelivery* one : group.members) left.waiting.insert(one->delivery.key);
      left.due = std::min(left.due.value_or(*due), *due);
      continue;
    }
    Delivery first = group.members.front()->delivery;
    first.batch = first.key;
    first.due = now;
    for (const LoadedDelivery* one : group.members) {
      first.members.push_back(one->delivery.key);
      first.deadline = std::min(first.deadline, one->delivery.deadline);
      if (one == group.members.front()) continue;
      Delivery member = one->delivery;
      member.batch = first.key;
      member.due.reset();
      commit.deliveries.push_back(std::move(member));
    }
    commit.deliveries.push_back(std::move(first));
  }
  if (!commit.deliveries.empty())
    if (Status done = commit_rows(commit); !done) return done;
  for (const Delivery& delivery : commit.deliveries) dispatcher_.settled(delivery);
  // Looked at again when as much has come as was left, so that many small groups cost no more
  // than one.
  left.enough = left.waiting.size() < policy.max ? policy.max : 2 * left.waiting.size();
  if (left.waiting.empty())
    gathering_.erase(endpoint);
  else
    gathering = std::move(left);
  return {};
}

/// The request of a batch: the events of its members that still have theirs, in order of creation.
/// One whose contact was forgotten is left out. Null where none has any.
Result<std::shared_ptr<const Request>> Engine::whole_request(const Delivery& carrier) {
  const auto members = unit_of(*store_, carrier);
  if (!members) return tl::make_unexpected(members.error());
  std::shared_ptr<Request> whole;
  EventsBody body;
  for (const LoadedDelivery& one : *members) {
    if (one.request == nullptr || !one.delivery.pending()) continue;
    if (!whole) whole = std::make_shared<Request>(*one.request);
    if (const auto events = events_in(one.request->body)) body.add(*events);
  }
  if (whole) whole->body = body.text();
  return std::shared_ptr<const Request>{std::move(whole)};
}
}  // namespace onward
