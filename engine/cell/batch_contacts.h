#pragma once
// The contacts of a batch: their states, loaded from the store and advanced by its inputs, and the
// rows that changed.
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/cell/batch_lookups.h"
#include "engine/cell/work.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/now.h"
#include "engine/core/base/result.h"
#include "engine/core/journey/advance.h"
#include "engine/core/scenario/catalog.h"
#include "engine/store/cell_store.h"

namespace onward {
class BatchContacts {
 public:
  /// Ledger rows, as they are loaded with a contact.
  struct Needs {
    std::vector<ScenarioKey> ledger;
    std::vector<std::pair<ScenarioKey, EntryKey>> keyed;
  };
  /// A contact, and what was loaded of it and changed. The lists are short, without repetitions.
  struct Working {
    ContactState state;
    Needs loaded;
    bool contact_changed = false, engagement_changed = false, forgotten = false;
    bool created = false;  ///< In this batch: there is nothing to load.
    std::set<std::size_t> ledger_changed;
    std::set<RunKey> runs_changed;  ///< Those that live.
    std::size_t load = 0;           ///< Its query, while the batch is prefetched.
  };

  BatchContacts(CellStore& store, const Catalog& catalog) : store_{store}, catalog_{catalog} {}

  /// Loads the contacts of `work` in one query, with the ledger rows that the inputs may need.
  Status load(std::span<const Work> work, const BatchLookups& lookups);
  /// The contact as the batch has it so far; an empty state where it was not loaded. Valid until it
  /// is dropped.
  Working& open(ContactKey contact) { return working_[contact]; }
  /// Loads what `input` needs and what is not loaded yet, since an earlier input of the batch made
  /// it necessary; mostly there is nothing to do. The key of a contact that does not exist stays 0.
  Status complete(ContactKey contact, Working& working, const Input& input);
  void drop(ContactKey contact) { working_.erase(contact); }

  /// Whether the contact would fit with what `input` changes of it.
  bool fits_with(const Working& working, const Input& input, const ContactPatch& patch) const;
  /// Advances, and loads ledger rows that could not be foreseen when they are asked for.
  Result<Changes> advance(Working& working, const Input& input, const Now& now);
  /// Takes over the rows of `changes`, without its deliveries, counters and names.
  void adopt(Working& working, Changes& changes);
  /// Clears a timer that found no contact, or no run.
  void clear_timer(const TimerInput& timer);

  /// About how much memory the changed rows take.
  std::size_t bytes() const { return bytes_; }
  /// Moves the changed rows to `commit`. Call once, last.
  void finish(Commit& commit);

 private:
  struct TimerChange {
    Timer timer;
    std::size_t order = 0;
    bool is_set = false;
  };

  /// Valid until the next call.
  const Needs& needs_of(const Input& input, const Contact* contact = nullptr);
  std::vector<std::string_view> groups_of(const Input& input, const Contact* contact) const;
  Status ensure(ContactKey contact, Working& working, const Needs& needs);
  void note_timer(const Timer& timer, bool is_set);

  CellStore& store_;
  const Catalog& catalog_;
  std::unordered_map<ContactKey, Working> working_;
  Needs needs_;
  std::vector<Run> ended_;
  std::vector<TimerChange> timers_;  ///< The last one of a timer counts.
  std::size_t bytes_ = 0;
};
}  // namespace onward
