#pragma once
// A store that passes every call on to another one. Derive from it to change some of them.
#include <memory>
#include <utility>

#include "engine/store/store.h"

namespace onward {
/// Passes every call on.
class PassingStore : public Store {
 public:
  explicit PassingStore(std::shared_ptr<Store> store) : store_{std::move(store)} {}

  Result<Snapshot> snapshot() override { return store_->snapshot(); }
  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    return store_->identify(queries);
  }
  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    return store_->seen(keys, now);
  }
  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    return store_->load(queries);
  }
  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    return store_->deliveries(keys);
  }
  Result<std::vector<DeliveryKey>> pending_of(ContactKey contact) override {
    return store_->pending_of(contact);
  }
  Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                 DeliveryState state, DeliveryKey after,
                                                 std::size_t limit) override {
    return store_->deliveries_of(scenario, node, state, after, limit);
  }
  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    return store_->live_runs(after, contacts);
  }
  Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) override {
    return store_->ended_runs(scenario, after, limit);
  }
  Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) override {
    return store_->stored_bodies(after, limit);
  }
  Status commit(const Commit& commit) override { return store_->commit(commit); }
  Status sync() override { return store_->sync(); }
  bool is_synced() const override { return store_->is_synced(); }
  Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) override {
    return store_->timers_due(until, limit);
  }
  std::optional<Instant> next_timer() override { return store_->next_timer(); }
  Result<std::vector<DueEndpoint>> due_endpoints() override { return store_->due_endpoints(); }
  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, const DueDelivery& after,
                                       Instant until, std::size_t limit) override {
    return store_->due(endpoint, after, until, limit);
  }
  Result<std::optional<Instant>> next_due(const EndpointKey& endpoint, Instant after) override {
    return store_->next_due(endpoint, after);
  }
  Result<bool> forget_seen(Instant before) override { return store_->forget_seen(before); }
  std::uint64_t seen_look_ups() const override { return store_->seen_look_ups(); }
  bool fold_pending() const override { return store_->fold_pending(); }
  Status fold() override { return store_->fold(); }
  Result<bool> fold_slice() override { return store_->fold_slice(); }
  Status probe() override { return store_->probe(); }
  std::uint64_t size_on_disk() const override { return store_->size_on_disk(); }
  std::uint64_t log_bytes() const override { return store_->log_bytes(); }
  Result<ControlSnapshot> control() override { return store_->control(); }
  Result<std::unique_ptr<ReadModel>> open_reader() override { return store_->open_reader(); }

 protected:
  std::shared_ptr<Store> store_;
};
}  // namespace onward
