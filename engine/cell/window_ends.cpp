#include "engine/cell/window_ends.h"

#include <algorithm>

namespace onward {
namespace {
constexpr Duration kTogether = std::chrono::minutes{10};
}  // namespace

void WindowEnds::Stretch::add(Instant end, DeliveryKey key) {
  least = empty() ? key : std::min(least, key);
  greatest = empty() ? key : std::max(greatest, key);
  first = std::min(first, end);
  last = std::max(last, end);
}

void WindowEnds::note(const EndpointKey& key, Instant end, DeliveryKey delivery) {
  Endpoint& endpoint = endpoints_[key];
  endpoint.noted[end.time_since_epoch() / kTogether].add(end, delivery);
  enqueue(key, endpoint);
}

void WindowEnds::forget(const EndpointKey& key) {
  const auto known = endpoints_.find(key);
  if (known == endpoints_.end()) return;
  if (known->second.first) queue_.erase({*known->second.first, key});
  endpoints_.erase(known);
}

void WindowEnds::defer(const EndpointKey& key, Instant at) {
  // Into one: of an endpoint that is never full they would only grow in number.
  Stretch all;
  while (const auto stretch = take(key, at - Duration{1})) {
    all.add(stretch->last, stretch->least);
    all.add(std::max(stretch->last, at), stretch->greatest);
  }
  if (all.empty()) return;
  all.first = at;
  put_back(key, all);
}

std::optional<WindowEnds::Stretch> WindowEnds::take(const EndpointKey& key, Instant now) {
  const auto known = endpoints_.find(key);
  if (known == endpoints_.end() || known->second.first > now) return std::nullopt;
  Endpoint& endpoint = known->second;
  const auto noted = endpoint.noted.begin();
  const auto looked = endpoint.looked.begin();
  std::optional<Stretch> stretch;
  if (looked != endpoint.looked.end() &&
      (noted == endpoint.noted.end() || looked->first <= noted->second.first)) {
    stretch = looked->second;
    endpoint.looked.erase(looked);
  } else {
    stretch = noted->second;
    endpoint.noted.erase(noted);
  }
  enqueue(key, endpoint);
  return stretch;
}

void WindowEnds::put_back(const EndpointKey& key, const Stretch& stretch) {
  Endpoint& endpoint = endpoints_[key];
  endpoint.looked.emplace(stretch.first, stretch);
  enqueue(key, endpoint);
}

void WindowEnds::enqueue(const EndpointKey& key, Endpoint& endpoint) {
  std::optional<Instant> first;
  if (!endpoint.noted.empty()) first = endpoint.noted.begin()->second.first;
  if (!endpoint.looked.empty())
    first = std::min(first.value_or(Instant::max()), endpoint.looked.begin()->first);
  if (first == endpoint.first && first) return;
  if (endpoint.first) queue_.erase({*endpoint.first, key});
  endpoint.first = first;
  if (first)
    queue_.emplace(*first, key);
  else
    endpoints_.erase(key);
}
}  // namespace onward
