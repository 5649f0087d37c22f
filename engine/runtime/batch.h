#pragma once
// One batch of inputs between reading and committing: who they are about, their states, what
// changes. Thrown away whole when the commit is refused, so nothing outside it is touched before.
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/core/delivery/settle.h"
#include "engine/core/journey/advance.h"
#include "engine/runtime/runtime.h"
#include "engine/runtime/switches.h"
#include "engine/store/store.h"

namespace onward {
/// What became of one input.
struct WorkAnswer {
  EventAnswer event;
  ContactKey contact;
  bool created = false;
  bool found = true;                   ///< false: no such contact, and none was to be made.
  std::optional<ContactAnswer> state;  ///< The contact after the input, where it was asked for.
  bool changed = false;                ///< The input made the contact or changed a value of it.
};
/// One input to take. Nothing is owned.
struct Work {
  const Input* input = nullptr;
  WorkAnswer* answer = nullptr;  ///< Null where nobody waits for one.
  bool create = true;            ///< Make the contact where there is none.
  bool want_state = false;
};

/// A settled attempt that awaits its commit.
struct Settled {
  Settlement settlement;
  AttemptResult result;
};

class Batch {
 public:
  Batch(Store& store, const Catalog& catalog, const Counters& counters, const Switches& switches,
        Sequence last_seq, ContactKey last_contact, Instant now, Duration dedupe_for, bool certain);

  /// Reads everything the inputs may need, set by set.
  /// The inputs stay where they are as long as the batch lives. Call at most once, first.
  Status prefetch(std::span<const Work> work);
  /// The same in parts, for inputs that are not taken in one step: first the names of all, then
  /// what is known of them until nothing is left, then `load` of each part before it is taken.
  void note_names(std::span<const Work> work);
  /// Looks up the next `count` names. False: none is left.
  Result<bool> look_up(std::size_t count);
  Status load(std::span<const Work> work);
  /// Advances one input. An error is the store's.
  Status take(const Work& work);
  /// Takes one that is set aside: nothing comes of it, but that a timer goes and its run is parked
  /// for `reason`, or not even that.
  enum class Parks : std::uint8_t { Run, Nothing };
  Status take_aside(const Input& input, std::string_view reason, Parks parks = Parks::Run);
  /// Of one that carries a batch, its end is the end of all members. An error is the store's.
  Status settle_attempt(const Delivery& delivery, const AttemptResult& result,
                        const RetryPolicy& policy);
  /// Takes a pending delivery out of the race.
  void cancel(const Delivery& delivery, std::string_view reason);
  /// Takes a failed or cancelled delivery back to pending: a new window, the next series.
  void retry(const Delivery& delivery, const RetryPolicy& policy, bool due);
  /// Parks a pending delivery: its window stands still from `since` on.
  void park(const Delivery& delivery, Instant since);
  /// And lets it go on.
  void unpark(const Delivery& delivery);
  /// Makes the next attempt of a pending delivery due now.
  void make_due(const Delivery& delivery);
  Commit& rows() { return commit_; }
  /// About how much memory the new rows take that inputs and results have made so far.
  std::size_t bytes() const { return bytes_; }
  /// Steps that its inputs' conditions took, see work_budget.h.
  std::uint64_t steps() const { return steps_; }
  /// The whole change, ready for the store. Call once, last.
  Commit finish();

  const std::vector<NewDelivery>& deliveries() const { return deliveries_; }
  const std::vector<Settled>& settled() const { return settled_; }
  const std::vector<Delivery>& cancelled() const { return cancelled_; }
  bool is_cancelled(DeliveryKey delivery) const { return cancelled_keys_.contains(delivery); }
  /// Rows that changed for other reasons than an attempt or a cancellation.
  const std::map<DeliveryKey, Delivery>& changed() const { return changed_; }
  Sequence last_seq() const { return last_seq_; }
  ContactKey last_contact() const { return last_contact_; }

 private:
  struct Needs {
    std::vector<ScenarioKey> ledger;
    std::vector<std::pair<ScenarioKey, EntryKey>> keyed;
  };
  /// A contact, and what was loaded of it and changed. The lists are short, each item stands once.
  struct Working {
    ContactState state;
    Needs loaded;
    bool contact_changed = false, engagement_changed = false, forgotten = false;
    bool created = false;  ///< In this batch: there is nothing to load.
    std::set<std::size_t> ledger_changed;
    std::set<RunKey> runs_changed;  ///< Those that live.
    std::size_t load = 0;           ///< Its query, while the batch is prefetched.
  };
  /// What was looked up of one name, or one event. Views into the inputs.
  template <class Key, class Found>
  using Asked = std::vector<std::pair<Key, Found>>;  // sorted
  struct StandingTimer {
    Timer timer;
    std::size_t order = 0;
    bool stands = false;
  };
  struct Resolved {
    std::optional<ContactKey> contact;
    bool by_id = false;  ///< Else by the address.
    bool ambiguous = false;
  };

  /// Valid until the next call.
  const Needs& needs_of(const Input& input, const Contact* contact = nullptr);
  std::vector<std::string_view> groups_of(const Input& input, const Contact* contact) const;
  Resolved resolve(const ContactRef& who) const;
  Status ensure(ContactKey contact, Working& working, const Needs& needs);
  Result<Changes> advance_loaded(Working& working, const Input& input, const Now& now);
  void adopt(Working& working, Changes& changes);
  void note_timer(const Timer& timer, bool stands);
  void note_identity(IdentityChange::Kind kind, const std::string& before, const std::string& after,
                     ContactKey contact, bool has_id);
  bool refuse_event(const EventInput& input, WorkAnswer& answer);
  bool fits_contact(const Working& working, const Input& input, const ContactPatch& patch) const;
  void refuse_full(const Input& input, WorkAnswer& answer);
  Status cancel_pending_of(ContactKey contact);
  void take_over(NewDelivery& made);
  void count(const Delivery& delivery, Counter counter, std::int32_t delta);
  Status settle_members(const Settlement& settlement);
  Result<bool> lost_a_contact(const Delivery& carrier);
  Status hand_over(const Delivery& carrier);

  Store& store_;
  const Catalog& catalog_;
  const Counters& counters_;
  const Switches& switches_;
  Sequence last_seq_;
  ContactKey last_contact_;
  const Instant now_;
  const Duration dedupe_for_;
  const bool certain_;

  std::size_t looked_up_ = 0;  ///< Of each of the three, from the beginning.
  Asked<std::string_view, std::optional<ContactKey>> by_id_;
  Asked<std::string_view, std::vector<IdentityMatch::Holder>> by_email_;
  Asked<Hash128, std::optional<Hash128>> seen_;
  std::unordered_map<ContactKey, Working> working_;
  Needs needs_;
  std::vector<Run> ended_;
  std::vector<StandingTimer> timers_;  ///< The last word counts.
  std::vector<NewDelivery> deliveries_;
  std::vector<Settled> settled_;
  std::unordered_map<DeliveryKey, std::size_t> settled_at_;  ///< The newest of each.
  std::vector<Delivery> cancelled_;
  std::unordered_set<DeliveryKey> cancelled_keys_;
  std::map<DeliveryKey, Delivery> changed_;
  CounterDeltas deltas_;
  Commit commit_;
  std::size_t bytes_ = 0;
  std::uint64_t steps_ = 0;
};

/// The members of the fixed batch that `delivery` belongs to, oldest first, with their requests;
/// of one that belongs to none, itself.
Result<std::vector<LoadedDelivery>> unit_of(Store& store, const Delivery& delivery);

/// The key under which an event is remembered.
Hash128 seen_key(const SourceId& source, const EventId& id);
}  // namespace onward
