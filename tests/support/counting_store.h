#pragma once
// Counts the rows that a step of the engine reads and writes.
//
// A row is a contact (with its runs, ledger rows and timers: an input is one transaction on one
// contact), a delivery (with its request), a run that a scan finds or a purge takes, or a small row
// of AdminRecord. Each counts once a step, however often it is read and written in it. Entries of
// indexes, which only name rows, do not count; a step is what happens between two looks at the
// queue of the engine.
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/store/passing_store.h"

namespace onward {
class CountingStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;

  void begin_step() {
    contacts_.clear();
    deliveries_.clear();
    runs_.clear();
    admin_.clear();
  }
  std::size_t rows() const {
    return contacts_.size() + deliveries_.size() + runs_.size() + admin_.size();
  }
  /// Keys that `deliveries` was ever asked for.
  std::size_t deliveries_loaded() const { return loaded_; }

  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    for (const LoadQuery& query : queries) contacts_.insert(query.contact);
    return store_->load(queries);
  }
  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    loaded_ += keys.size();
    deliveries_.insert(keys.begin(), keys.end());
    return store_->deliveries(keys);
  }
  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    auto found = store_->live_runs(after, contacts);
    if (found)
      for (const Run& run : found->runs) runs_.insert(run.key);
    return found;
  }
  Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) override {
    auto found = store_->ended_runs(scenario, after, limit);
    if (found)
      for (const Run& run : found->runs) runs_.insert(run.key);
    return found;
  }
  Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) override {
    auto found = store_->stored_bodies(after, limit);
    if (found)
      for (const Delivery& delivery : found->deliveries) deliveries_.insert(delivery.key);
    return found;
  }
  Status commit(const Commit& commit) override {
    for (const Contact& contact : commit.contacts) contacts_.insert(contact.key);
    for (const Delivery& delivery : commit.deliveries) deliveries_.insert(delivery.key);
    deliveries_.insert(commit.purged_deliveries.begin(), commit.purged_deliveries.end());
    for (const Commit::PurgedRun& purged : commit.purged_runs) runs_.insert(purged.run);
    for (const AdminRecord& row : commit.control.admin) admin_.emplace(row.kind, row.name);
    return store_->commit(commit);
  }

 private:
  std::set<ContactKey> contacts_;
  std::set<DeliveryKey> deliveries_;
  std::set<RunKey> runs_;
  std::set<std::pair<AdminKind, std::string>> admin_;
  std::size_t loaded_ = 0;
};
}  // namespace onward
