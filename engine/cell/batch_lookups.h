#pragma once
// What a batch looks up before it takes its inputs: contacts by their names, and events by their
// ids. Each input changes it, so that the next one finds what the store would after the commit.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cell/work.h"
#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/contact/contact.h"
#include "engine/core/journey/advance.h"
#include "engine/store/cell_store.h"

namespace onward {
class BatchLookups {
 public:
  struct Match {
    std::optional<ContactKey> contact;
    bool by_id = false;  ///< Else by the address.
    bool ambiguous = false;
  };
  enum class Sighting : std::uint8_t { New, Duplicate, Conflict };

  BatchLookups(CellStore& store, Instant now) : store_{store}, now_{now} {}

  /// Collects the names and event ids of `work`. The inputs must outlive the lookups. Call at most
  /// once, before all else.
  void note(std::span<const Work> work);
  /// Looks up the next `count` of each kind. False: none is left.
  Result<bool> look_up(std::size_t count);

  /// The rule of identity: by id if given; an unknown id goes to the one holder of the address
  /// that has none; an address alone with several holders means the oldest.
  Match resolve(const ContactRef& who) const;
  /// Follows an input that may have changed the names of `contact`.
  void rename(const Changes::Identity& before, const Contact& contact);

  /// Compares an event that has an id with the earlier one of that id, and remembers a new one.
  Sighting remember(const EventInput& event);
  /// Undoes the last `remember`, which was of this event and found it new.
  void forget(const EventInput& event);

  /// Moves the changed rows to `commit`. Call once, last.
  void finish(Commit& commit);

 private:
  /// What was looked up of one name, or one event. Views into the inputs.
  template <class Key, class Found>
  using Asked = std::vector<std::pair<Key, Found>>;  // sorted

  void change(IdentityChange::Kind kind, const std::string& before, const std::string& after,
              ContactKey contact, bool has_id);

  CellStore& store_;
  const Instant now_;
  std::size_t looked_up_ = 0;  ///< Of each of the three, from the beginning.
  Asked<std::string_view, std::optional<ContactKey>> by_id_;
  Asked<std::string_view, std::vector<IdentityMatch::Holder>> by_email_;
  Asked<Hash128, std::optional<Hash128>> seen_;
  std::vector<IdentityChange> identity_rows_;
  std::vector<SeenEvent> seen_rows_;
};

/// The key under which an event is remembered.
Hash128 seen_key(const SourceId& source, const EventId& id);
}  // namespace onward
