#pragma once
// All edits of the contact and its statistics by one input. For the files of this folder only.
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/core/journey/advance.h"
#include "engine/core/journey/changed_fields.h"
#include "engine/core/journey/input_scope.h"

namespace onward {
struct ContactSnapshot {
  Contact contact;
  Engagement engagement;
};
struct ContactView {
  const Contact& contact;
  const Engagement& engagement;
};

/// Who changes a contact, which decides what the change causes.
enum class PatchOrigin : std::uint8_t {
  Input,       ///< Events such as group_joined.
  QuietInput,  ///< An import or history: nothing.
  Node,        ///< Events, and rules and waits of runs are checked again.
};

/// Each edit takes a snapshot first, where a trigger compares with it, and records what changed.
class ContactChanges {
 public:
  /// All arguments must outlive it.
  ContactChanges(InputScope& scope, ContactState& state, Changes& changes)
      : scope_{scope}, state_{state}, changes_{changes} {}

  void assign_id(const ExternalId& id);
  /// `also`: one more field to set.
  void patch(const ContactPatch& patch, PatchOrigin origin,
             const std::pair<Field, Value>* also = nullptr);
  /// Whether the contact stays within its limit.
  bool fits(const ContactPatch& patch) const {
    return onward::fits(state_.contact, state_.engagement, patch,
                        scope_.catalog.contact_bytes_max());
  }
  /// Adds the event to the statistics, if it is of a kind that feeds them.
  void add_statistic(const Event& event);
  /// GDPR erasure: only the key remains.
  void erase();

  /// What runs have not seen yet; it counts as seen from now on.
  ChangedFields take_changes_for_runs() { return std::exchange(for_runs_, {}); }
  /// The time zone before a change that runs have not seen yet; "": the contact had none.
  const std::optional<std::string>& zone_before() const { return zone_before_; }
  void forget_zone_before() { zone_before_.reset(); }
  struct TriggerChanges {
    ChangedFields fields;
    ContactSnapshot before;
  };
  /// What triggers have not seen yet; nothing if all that they watch is as it was.
  std::optional<TriggerChanges> take_changes_for_triggers();
  ContactView current_view() const { return {state_.contact, state_.engagement}; }

 private:
  /// Changes `fields` of the contact by `change(contact)`.
  template <class Change>
  void edit(std::initializer_list<std::string_view> fields, const Change& change) {
    for (const std::string_view field : fields) snapshot_before_change(field);
    change(state_.contact);
    changes_.contact_changed = true;
    for (const std::string_view field : fields) record_change(field);
  }
  void snapshot_identity();
  void snapshot_before_change(std::string_view field);
  void snapshot_before_change(const ContactPatch& patch);
  void record_change(std::string_view field);
  /// Queues an event that a change causes, if a run or a trigger may listen to it.
  void emit(std::string_view type, Value data);
  bool has_listeners(std::string_view type) const;

  InputScope& scope_;
  ContactState& state_;
  Changes& changes_;
  /// As triggers saw the contact last; nothing where all that they watch is as it was.
  std::optional<ContactSnapshot> before_change_;
  std::optional<std::string> zone_before_;
  ChangedFields for_runs_;
  ChangedFields for_triggers_;
};
}  // namespace onward
