#pragma once
// What a store in memory holds.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/sorted.h"
#include "engine/core/base/time.h"
#include "engine/core/journey/advance.h"
#include "engine/store/control_rows.h"
#include "engine/store/rows.h"

namespace onward {
/// Keys in their order, which is mostly the one in which they come.
template <class Key>
class KeyList {
 public:
  void add(const Key& key) {
    in_order_ = in_order_ && (keys_.empty() || keys_.back() < key);
    keys_.push_back(key);
  }
  /// From `first` on.
  std::span<const Key> from(const Key& first) {
    if (!in_order_) {
      sort_unique(keys_);
      in_order_ = true;
    }
    return {std::ranges::lower_bound(keys_, first), keys_.end()};
  }

 private:
  std::vector<Key> keys_;
  bool in_order_ = true;
};

/// What people set up.
struct MemoryControl {
  std::map<ScenarioKey, ScenarioRecord> scenarios;
  std::map<std::pair<ScenarioKey, Version>, VersionRecord> versions;
  std::map<std::string, TokenRecord> tokens;
  std::map<std::pair<AdminKind, std::string>, AdminRecord> admin;
  std::map<std::uint64_t, Activity> activity;
  std::uint64_t last_activity = 0;

  void apply(const ControlChange& change);
  ControlSnapshot snapshot() const;
};

/// All state, and the lock that lets readers of other threads look at it.
struct MemoryState {
  /// A contact and all that hangs on it; of one that is forgotten its runs alone.
  struct Person {
    std::optional<Contact> contact;
    Engagement engagement;
    std::vector<LedgerRow> ledger;
    std::vector<Run> live, ended;
  };

  struct DeliveryRow {
    Delivery delivery;
    std::shared_ptr<const Request> request;
    std::vector<Attempt> superseded;
  };

  std::mutex mutex;
  bool history = true;
  std::string epoch;
  Sequence last_seq = 0;
  Instant newest{};
  ContactKey last_contact;
  std::unordered_map<ContactKey, Person> people;
  KeyList<ContactKey> people_in_order;
  KeyList<std::pair<RunKey, ContactKey>> ended_in_order;
  std::unordered_map<DeliveryKey, DeliveryRow> deliveries;
  KeyList<DeliveryKey> deliveries_in_order;
  std::map<EndpointKey, std::set<DueDelivery>> due;
  std::set<Timer> timers;
  std::unordered_map<Hash128, SeenEvent> seen;
  std::unordered_map<std::string, ContactKey> by_id;
  std::unordered_map<std::string, std::vector<ContactKey>> by_email;  // sorted
  Counters counters;
  MemoryControl control;

  const Person* find(ContactKey contact) const;
  IdentityMatch identify(const IdentityQuery& query) const;
  std::optional<ContactState> load(const LoadQuery& query) const;
  void apply(const Commit& commit);

 private:
  Person& person(ContactKey contact);
  void apply(const IdentityChange& change);
  void apply(const Run& run);
  void apply(const Delivery& delivery);
  void apply(const RequestRow& row);
  void apply(const AttemptRow& row);
  void leave_queue(const Delivery& delivery);
  void set(const Timer& timer);
  void erase_bodies(DeliveryKey key);
  void erase(const Commit::PurgedRun& purged);
  void forget(ContactKey contact);
};
}  // namespace onward
