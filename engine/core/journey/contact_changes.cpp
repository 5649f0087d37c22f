#include "engine/core/journey/contact_changes.h"

#include <algorithm>

#include "engine/core/contact/custom_prefix.h"
#include "engine/core/contact/vocabulary.h"

namespace onward {
void ContactChanges::assign_id(const ExternalId& id) {
  snapshot_identity();
  edit({"id", "updated_at"}, [&](Contact& contact) {
    contact.id = id;
    contact.updated_at = scope_.now.at;
  });
}

void ContactChanges::patch(const ContactPatch& patch, PatchOrigin origin,
                           const std::pair<Field, Value>* also) {
  Contact& contact = state_.contact;
  const bool is_new = contact.created_at == Instant{};
  if (is_new)
    edit({"created_at", "updated_at"},
         [&](Contact& created) { created.created_at = created.updated_at = scope_.now.at; });
  if (patch.empty() && also == nullptr) return;
  snapshot_before_change(patch);
  if (also != nullptr) snapshot_before_change(info_of(also->first).name);
  if (std::ranges::find(patch.fields, Field::Email, &std::pair<Field, Value>::first) !=
      patch.fields.end())
    snapshot_identity();
  if (!zone_before_ && !state_.live.empty()) zone_before_ = clock_zone(contact, {});
  const PatchEffect effect = apply_patch(contact, patch, scope_.now.at, also);
  if (!effect.ignored.empty()) changes_.warnings.emplace_back(kContactFull);
  if (!effect.any()) return;
  changes_.contact_changed = true;
  for (const std::string& name : effect.changed) record_change(name);
  record_change("updated_at");
  if (origin == PatchOrigin::Node) scope_.derived.push(nullptr);
  if (origin == PatchOrigin::QuietInput) return;
  for (const std::string& group : effect.joined)
    emit(kGroupJoinedEvent, ValueMap{{"group", group}});
  for (const std::string& group : effect.left) emit(kGroupLeftEvent, ValueMap{{"group", group}});
  if (is_new || !has_listeners(kContactUpdatedEvent)) return;
  ValueList fields;
  for (const std::string& field : effect.changed) fields.emplace_back(field);
  emit(kContactUpdatedEvent, ValueMap{{"fields", std::move(fields)}});
}

void ContactChanges::add_statistic(const Event& event) {
  snapshot_before_change(event.type);
  bool full = false;
  if (state_.engagement.take(event, mailing_bytes_max(scope_.catalog.contact_bytes_max()), &full)) {
    changes_.engagement_changed = true;
    record_change(event.type);
  }
  if (full) changes_.warnings.emplace_back(kContactFull);
}

void ContactChanges::erase() {
  snapshot_identity();
  state_.contact = Contact{.key = state_.contact.key};
  state_.engagement = {};
  changes_.forgotten = true;
}

std::optional<ContactChanges::TriggerChanges> ContactChanges::take_changes_for_triggers() {
  if (for_triggers_.empty()) return std::nullopt;  // the snapshot is equal to the contact
  // A later change takes another snapshot, so that a node entered in between is seen as well.
  TriggerChanges taken{.fields = std::exchange(for_triggers_, {}),
                       .before = *std::exchange(before_change_, std::nullopt)};
  return taken;
}

void ContactChanges::snapshot_identity() {
  const Contact& contact = state_.contact;
  if (!changes_.identity_before)
    changes_.identity_before = {contact.id ? contact.id->text : "", contact.email()};
}

void ContactChanges::snapshot_before_change(std::string_view field) {
  if (!before_change_ && !scope_.catalog.watching(field).empty())
    before_change_ = ContactSnapshot{state_.contact, state_.engagement};
}

void ContactChanges::snapshot_before_change(const ContactPatch& patch) {
  if (!scope_.catalog.watches()) return;
  const auto same = [](const Value* present, const Value& value) {
    return present == nullptr ? value.is_null() : *present == value;
  };
  for (const auto& [field, value] : patch.fields)
    if (!same(state_.contact.get(field), value)) snapshot_before_change(info_of(field).name);
  for (const auto& [name, value] : patch.custom)
    if (!same(state_.contact.get_custom(name), value))
      snapshot_before_change(std::string{kCustom} + name);
  if (patch.groups || !patch.groups_add.empty() || !patch.groups_remove.empty())
    snapshot_before_change("groups");
  snapshot_before_change("updated_at");
}

void ContactChanges::record_change(std::string_view field) {
  if (!state_.live.empty()) for_runs_.add(field);
  if (before_change_) for_triggers_.add(field);
}

bool ContactChanges::has_listeners(std::string_view type) const {
  return !state_.live.empty() || !scope_.catalog.triggers(type).empty();
}

void ContactChanges::emit(std::string_view type, Value data) {
  if (!has_listeners(type)) return;
  scope_.derived.push(std::make_shared<const Event>(
      Event{.type = std::string{type}, .at = scope_.now.at, .data = std::move(data)}));
}
}  // namespace onward
