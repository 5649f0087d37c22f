#pragma once
// One batch of inputs between reading and committing: who they are about, their states, what
// changes. Thrown away whole when the commit is refused, so nothing outside it is touched before.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/cell/batch_contacts.h"
#include "engine/cell/batch_deliveries.h"
#include "engine/cell/batch_lookups.h"
#include "engine/cell/numbers.h"
#include "engine/cell/work.h"
#include "engine/control/switches.h"
#include "engine/core/journey/advance.h"
#include "engine/store/cell_store.h"

namespace onward {
class Batch {
 public:
  Batch(CellStore& store, const Catalog& catalog, const Counters& counters,
        const Switches& switches, const Numbers& numbers, Instant now, Duration dedupe_for,
        bool certain);

  /// Reads everything the inputs may need, set by set.
  /// The inputs stay where they are as long as the batch lives. Call at most once, first.
  Status prefetch(std::span<const Work> work);
  /// The same in parts, for inputs that are not taken in one step: first the names of all, then
  /// what is known of them until nothing is left, then `load` of each part before it is taken.
  void note_names(std::span<const Work> work) { lookups_.note(work); }
  /// Looks up the next `count` names. False: none is left.
  Result<bool> look_up(std::size_t count) { return lookups_.look_up(count); }
  Status load(std::span<const Work> work) { return contacts_.load(work, lookups_); }
  /// Advances one input. An error is the store's.
  Status take(const Work& work);
  /// Takes one that is set aside: nothing comes of it, but that a timer goes and its run is parked
  /// for `reason`, or not even that.
  enum class Parks : std::uint8_t { Run, Nothing };
  Status take_aside(const Input& input, std::string_view reason, Parks parks = Parks::Run);

  /// What its inputs made, and what else becomes of deliveries.
  BatchDeliveries& deliveries() { return deliveries_; }
  const BatchDeliveries& deliveries() const { return deliveries_; }
  /// Rows that neither inputs nor deliveries make.
  Commit& rows() { return commit_; }
  /// About how much memory the new rows take that inputs and results have made so far.
  std::size_t bytes() const { return contacts_.bytes() + deliveries_.bytes(); }
  /// Steps that its inputs' conditions took, see work_budget.h.
  std::uint64_t steps() const { return steps_; }
  /// As its inputs have left them.
  const Numbers& numbers() const { return numbers_; }
  /// The whole change, ready for the store. Call once, last.
  Commit finish();

 private:
  bool refuse_event(const EventInput& input, WorkAnswer& answer);
  void refuse_full(const Input& input, WorkAnswer& answer);
  void adopt(BatchContacts::Working& working, Changes& changes);

  const Catalog& catalog_;
  const Counters& counters_;
  Numbers numbers_;
  ContactKey contact_before_;  ///< The greatest contact before the input that is taken.
  const Instant now_;
  const Duration dedupe_for_;

  BatchLookups lookups_;
  BatchContacts contacts_;
  BatchDeliveries deliveries_;
  Commit commit_;
  std::uint64_t steps_ = 0;
};
}  // namespace onward
