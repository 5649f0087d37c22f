#include "engine/store/memory/memory_store.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "engine/store/cursor.h"
#include "engine/store/memory/memory_reader.h"
#include "engine/store/memory/memory_state.h"

namespace onward {
namespace {
/// The reference: every row at once where it belongs.
class MemoryStore final : public Store {
 public:
  MemoryStore(std::string epoch, Duration dedupe_for, bool history)
      : state_{std::make_shared<MemoryState>()}, dedupe_for_{dedupe_for} {
    state_->epoch = std::move(epoch);
    state_->history = history;
  }

  Result<Snapshot> snapshot() override {
    const std::lock_guard lock{state_->mutex};
    Snapshot snapshot{.epochs = Epochs{state_->epoch},
                      .last_seq = state_->last_seq,
                      .last_contact = state_->last_contact,
                      .counters = state_->counters,
                      .control = state_->control.snapshot()};
    if (state_->newest > Instant{}) snapshot.newest = state_->newest;
    return snapshot;
  }

  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<IdentityMatch> matches;
    matches.reserve(queries.size());
    for (const IdentityQuery& query : queries) matches.push_back(state_->identify(query));
    return matches;
  }

  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    const std::lock_guard lock{state_->mutex};
    const Date from = date_of(now - dedupe_for_);
    std::vector<std::optional<Hash128>> answer(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto found = state_->seen.find(keys[i]);
      if (found != state_->seen.end() && date_of(found->second.at) >= from)
        answer[i] = found->second.fingerprint;
    }
    return answer;
  }

  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<std::optional<ContactState>> states;
    states.reserve(queries.size());
    for (const LoadQuery& query : queries) states.push_back(state_->load(query));
    return states;
  }

  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<std::optional<LoadedDelivery>> answer(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto found = state_->deliveries.find(keys[i]);
      if (found == state_->deliveries.end()) continue;
      answer[i] = LoadedDelivery{found->second.delivery, found->second.request};
    }
    return answer;
  }

  Result<std::vector<DeliveryKey>> pending_of(ContactKey contact) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DeliveryKey> keys;
    for (const auto& [key, row] : state_->deliveries)
      if (row.delivery.contact == contact && row.delivery.pending()) keys.push_back(key);
    std::ranges::sort(keys);
    return keys;
  }

  Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                 DeliveryState state, DeliveryKey after,
                                                 std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DeliveryKey> keys;
    for (const DeliveryKey key : state_->deliveries_in_order.from({after.value + 1})) {
      if (keys.size() == limit) break;
      const auto row = state_->deliveries.find(key);
      if (row == state_->deliveries.end()) continue;
      const Delivery& delivery = row->second.delivery;
      if (delivery.state == state && delivery.endpoint.scenario == scenario &&
          delivery.endpoint.node == node)
        keys.push_back(key);
    }
    return keys;
  }

  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    const std::lock_guard lock{state_->mutex};
    LiveRuns found{.last = after};
    found.end = true;
    for (const ContactKey key : state_->people_in_order.from({after.value + 1})) {
      const MemoryState::Person& owner = state_->people.at(key);
      if (owner.live.empty()) continue;
      found.end = contacts-- > 0 && found.runs.size() < kLiveRunsAtOnce;
      if (!found.end) break;
      found.last = key;
      found.runs.insert(found.runs.end(), owner.live.begin(), owner.live.end());
    }
    return found;
  }

  Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    EndedRuns found{.last = after};
    found.end = true;
    for (const auto& [key, contact] : state_->ended_in_order.from({{after.value + 1}, {}})) {
      const std::vector<Run>& ended = state_->people.at(contact).ended;
      const auto run = std::ranges::lower_bound(ended, key, {}, &Run::key);
      if (run == ended.end() || run->key != key) continue;  // purged
      found.end = limit-- > 0;
      if (!found.end) break;
      found.last = key;
      if (!scenario || run->scenario == scenario) found.runs.push_back(*run);
    }
    return found;
  }

  Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    StoredBodies found{.last = after};
    found.end = true;
    for (const DeliveryKey key : state_->deliveries_in_order.from({after.value + 1})) {
      const auto row = state_->deliveries.find(key);
      if (row == state_->deliveries.end() || !row->second.request) continue;
      found.end = limit-- > 0;
      if (!found.end) break;
      found.last = key;
      found.deliveries.push_back(row->second.delivery);
    }
    return found;
  }

  Status sync() override { return {}; }
  bool is_synced() const override { return true; }
  Status commit(const Commit& commit) override {
    const std::lock_guard lock{state_->mutex};
    state_->apply(commit);
    return {};
  }

  Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<Timer> timers;
    for (const Timer& timer : state_->timers) {
      if (timer.at > until || timers.size() == limit) break;
      timers.push_back(timer);
    }
    return timers;
  }

  std::optional<Instant> next_timer() override {
    const std::lock_guard lock{state_->mutex};
    if (state_->timers.empty()) return std::nullopt;
    return state_->timers.begin()->at;
  }

  Result<std::vector<DueEndpoint>> due_endpoints() override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DueEndpoint> endpoints;
    for (const auto& [endpoint, queue] : state_->due)
      endpoints.push_back({.endpoint = endpoint, .due = queue.begin()->due});
    return endpoints;
  }

  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, const DueDelivery& after,
                                       Instant until, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DueDelivery> answer;
    const auto queue = state_->due.find(endpoint);
    if (queue == state_->due.end()) return answer;
    for (auto due = queue->second.upper_bound(after); due != queue->second.end(); ++due) {
      if (due->due > until || answer.size() == limit) break;
      answer.push_back(*due);
    }
    return answer;
  }

  Result<std::optional<Instant>> next_due(const EndpointKey& endpoint, Instant after) override {
    const std::lock_guard lock{state_->mutex};
    const auto queue = state_->due.find(endpoint);
    if (queue == state_->due.end()) return std::nullopt;
    const auto found = queue->second.lower_bound({.due = after + Duration{1}});
    if (found == queue->second.end()) return std::nullopt;
    return found->due;
  }

  bool fold_pending() const override { return false; }
  Status fold() override { return {}; }
  Status probe() override { return {}; }
  Result<bool> fold_slice() override { return false; }

  Result<bool> forget_seen(Instant before) override {
    const std::lock_guard lock{state_->mutex};
    const Date from = date_of(before);
    std::erase_if(state_->seen, [&](const auto& row) { return date_of(row.second.at) < from; });
    return false;
  }

  Result<ControlSnapshot> control() override {
    const std::lock_guard lock{state_->mutex};
    return state_->control.snapshot();
  }
  Result<std::unique_ptr<ReadModel>> open_reader() override { return make_memory_reader(state_); }
  std::uint64_t size_on_disk() const override { return 0; }

 private:
  std::shared_ptr<MemoryState> state_;
  Duration dedupe_for_;
};
}  // namespace

std::unique_ptr<Store> make_memory_store(std::string epoch, Duration dedupe_for, bool history) {
  return std::make_unique<MemoryStore>(std::move(epoch), dedupe_for, history);
}
}  // namespace onward
