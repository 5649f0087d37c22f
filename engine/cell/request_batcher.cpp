#include "engine/cell/request_batcher.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "engine/cell/batch_deliveries.h"
#include "engine/core/delivery/events_body.h"

namespace onward {
namespace {
/// Deliveries that are fixed, or looked for, between two batches. One batch is never divided.
constexpr std::size_t kSealedAtOnce = 500;
constexpr std::size_t kSealedBytes = 4 << 20;
constexpr std::size_t kFoundAtOnce = 250;

/// Requests that may share one body.
using Address = std::tuple<std::string, std::string, std::vector<Header>>;
Address address_of(const Request& request) {
  return {request.method, request.url, request.headers};
}

/// Of the address. Requests that share it are compared byte for byte before they share a body.
Hash128 hash_of(const Request& request) {
  std::string bytes;
  const auto add = [&](std::string_view part) {
    bytes += std::to_string(part.size());
    bytes += ':';
    bytes += part;
  };
  add(request.method);
  add(request.url);
  for (const auto& [name, value] : request.headers) {
    add(name);
    add(value);
  }
  return hash128(bytes);
}

Gathered::Member member_of(const Delivery& delivery, const Request& request) {
  return {.delivery = delivery.key,
          .address = hash_of(request),
          .bytes = events_in(request.body).value_or(std::string_view{}).size(),
          .due = delivery.due.value_or(delivery.created)};
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

/// A delivery that waits for others. What has no room in memory is looked for in the store.
void RequestBatcher::add(const Delivery& delivery, const Request* request,
                         const BatchPolicy& policy) {
  window_.settled(delivery);
  const EndpointKey& endpoint = delivery.endpoint;
  if (waiting_.contains(endpoint, delivery.key)) return;
  const bool searched = searches_.contains(endpoint);
  if (!searched && request != nullptr &&
      waiting_.add(endpoint, member_of(delivery, *request), policy))
    return;
  look_for(endpoint, delivery.key);
}

void RequestBatcher::recover(const Delivery& delivery) {
  window_.settled(delivery);
  if (!waiting_.contains(delivery.endpoint, delivery.key))
    look_for(delivery.endpoint,
             searches_.contains(delivery.endpoint) ? delivery.key : DeliveryKey{1});
}

/// The store is searched for `delivery` and what was made after it.
void RequestBatcher::look_for(const EndpointKey& endpoint, DeliveryKey delivery) {
  const auto [search, fresh] =
      searches_.try_emplace(endpoint, Search{.after = {delivery.value - 1}});
  if (fresh)
    waiting_.expect_more(endpoint, true);
  else if (delivery <= search->second.after)
    search->second.again = true;  // it has passed it
}

/// Looks for deliveries that wait in the store and are not known here: after a restart, or where
/// there was no room. Each search reads a delivery once.
Status RequestBatcher::search() {
  if (searches_.empty() || writer_.read_only()) return {};
  auto place = searches_.upper_bound(searched_);
  if (place == searches_.end()) place = searches_.begin();
  const EndpointKey endpoint = searched_ = place->first;
  Search& search = place->second;
  const DeliveryPolicy* policy = cell_.policy_at(endpoint);
  if (policy == nullptr || !policy->batch) {
    waiting_.forget(endpoint);
    searches_.erase(place);
    return {};
  }
  const auto keys = cell_.store->deliveries_of(endpoint.scenario, endpoint.node,
                                               DeliveryState::Pending, search.after, kFoundAtOnce);
  if (!keys) return tl::make_unexpected(keys.error());
  std::vector<DeliveryKey> unknown;
  for (const DeliveryKey key : *keys)
    if (!waiting_.contains(endpoint, key)) unknown.push_back(key);
  const auto loaded = cell_.store->deliveries(unknown);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (const auto& one : *loaded) {
    if (!one) continue;
    const Delivery& delivery = one->delivery;
    if (delivery.endpoint == endpoint && delivery.pending() && !delivery.batch &&
        !delivery.parked && window_.find(delivery.key) == nullptr) {
      static const Request kNone;
      const Request& request = one->request == nullptr ? kNone : *one->request;
      if (!waiting_.add(endpoint, member_of(delivery, request), *policy->batch)) {
        waiting_.expect_more(endpoint, false);
        return {};
      }
    }
    search.after = delivery.key;
  }
  if (keys->size() == kFoundAtOnce) {
    search.after = keys->back();
    waiting_.expect_more(endpoint, true);
  } else if (search.again) {
    search = {};
  } else {
    searches_.erase(place);
    waiting_.expect_more(endpoint, false);
  }
  return {};
}

/// Seals batches that are full, or whose oldest member has waited long enough.
Status RequestBatcher::seal() {
  if (writer_.read_only()) return {};
  std::vector<Gathered::Group> groups;
  for (std::size_t rows = 0, bytes = 0; rows < kSealedAtOnce && bytes < kSealedBytes;) {
    auto group = waiting_.take(cell_.now());
    if (!group) break;
    if (!groups.empty() && rows + group->members.size() > 2 * kSealedAtOnce) {
      put_back(*group);
      break;
    }
    rows += group->members.size();
    for (const Gathered::Member& member : group->members) bytes += member.bytes;
    groups.push_back(std::move(*group));
  }
  if (groups.empty()) return {};
  Status done = seal(groups);
  if (!done)
    for (const Gathered::Group& group : groups) put_back(group);
  return done;
}

void RequestBatcher::put_back(const Gathered::Group& group) {
  const DeliveryPolicy* policy = cell_.policy_at(group.endpoint);
  if (policy == nullptr || !policy->batch) return;
  for (const Gathered::Member& member : group.members)
    waiting_.add(group.endpoint, member, *policy->batch);
}

/// In one commit.
Status RequestBatcher::seal(const std::vector<Gathered::Group>& groups) {
  std::vector<DeliveryKey> keys;
  for (const Gathered::Group& one : groups)
    for (const Gathered::Member& member : one.members) keys.push_back(member.delivery);
  auto loaded = cell_.store->deliveries(keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  Commit commit = cell_.new_commit();
  std::vector<LoadedDelivery> left;
  auto next = loaded->begin();
  for (const Gathered::Group& one : groups) {
    const auto end = next + static_cast<std::ptrdiff_t>(one.members.size());
    seal_group(one, {next, end}, commit, left);
    next = end;
  }
  if (!commit.deliveries.empty())
    if (Status done = writer_.commit(commit); !done) return done;
  for (const Delivery& delivery : commit.deliveries) window_.settled(delivery);
  for (const LoadedDelivery& one : left)
    if (const DeliveryPolicy* policy = cell_.policy_at(one.delivery.endpoint);
        policy && policy->batch)
      waiting_.add(one.delivery.endpoint, member_of(one.delivery, *one.request), *policy->batch);
  return {};
}

/// Adds to `commit` what becomes of the members of one group; to `left` those that wait further.
void RequestBatcher::seal_group(const Gathered::Group& gathered,
                                std::span<std::optional<LoadedDelivery>> loaded, Commit& commit,
                                std::vector<LoadedDelivery>& left) const {
  const DeliveryPolicy* policy = cell_.policy_at(gathered.endpoint);
  if (policy == nullptr || !policy->batch) return;
  std::vector<LoadedDelivery> waiting;
  for (auto& one : loaded) {
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
  // Where some have gone meanwhile, there is room for others again.
  const bool whole = gathered.early || (gathered.full && waiting.size() == gathered.members.size());
  for (const Group& group : group(waiting, *policy->batch)) {
    std::optional<Instant> due;
    for (const LoadedDelivery* one : group.members)
      due = std::min(due.value_or(Instant::max()), one->delivery.due.value_or(commit.at));
    if (!whole && !group.full && *due > commit.at) {
      for (const LoadedDelivery* one : group.members) left.push_back(*one);
      continue;
    }
    Delivery first = group.members.front()->delivery;
    first.batch = first.key;
    first.due = commit.at;
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
}

/// The request of a batch: the events of its members that still have theirs, in order of creation.
/// One whose contact was forgotten is left out. Null where none has any.
Result<std::shared_ptr<const Request>> RequestBatcher::merged_request(const Delivery& carrier) {
  const auto members = unit_of(*cell_.store, carrier);
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
