#include "engine/store/memory/memory_state.h"

#include <functional>
#include <string_view>
#include <tuple>

#include "engine/store/cursor.h"

namespace onward {
namespace {
/// Puts a row into a list that is sorted by key, over one with the same key. Whether it is new.
template <class Row, class KeyOf>
bool put(std::vector<Row>& rows, const Row& row, KeyOf key_of) {
  const auto place = std::ranges::lower_bound(rows, key_of(row), {}, key_of);
  if (place != rows.end() && key_of(*place) == key_of(row)) {
    *place = row;
    return false;
  }
  rows.insert(place, row);
  return true;
}

auto ledger_key(const LedgerRow& row) { return std::tie(row.scenario, row.key, row.test); }
auto run_key(const Run& run) { return run.key; }
auto attempt_key(const Attempt& attempt) { return attempt.number; }

std::optional<DueDelivery> due_of(const Delivery& delivery) {
  if (!delivery.pending() || delivery.parked || !delivery.due) return std::nullopt;
  return DueDelivery{.due = *delivery.due, .delivery = delivery.key};
}
}  // namespace

void MemoryControl::apply(const ControlChange& change) {
  for (const ScenarioRecord& row : change.scenarios) scenarios[row.key] = row;
  for (const VersionRecord& row : change.versions) versions[{row.scenario, row.version}] = row;
  for (const TokenRecord& row : change.tokens) {
    if (row.removed)
      tokens.erase(row.sha256);
    else
      tokens[row.sha256] = row;
  }
  for (const AdminRecord& row : change.admin) {
    if (row.removed)
      admin.erase({row.kind, row.name});
    else
      admin[{row.kind, row.name}] = row;
  }
  for (const Activity& row : change.activity) {
    activity[++last_activity] = row;
    if (activity.size() > kActivityMax) activity.erase(activity.begin());
  }
}

ControlSnapshot MemoryControl::snapshot() const {
  ControlSnapshot snapshot;
  for (const auto& [key, row] : scenarios) snapshot.scenarios.push_back(row);
  for (const auto& [key, row] : versions) {
    snapshot.versions.push_back(row);
    snapshot.last_text = std::max(snapshot.last_text, row.apart);
    snapshot.versions.back().text.clear();
  }
  for (const auto& [key, row] : tokens) snapshot.tokens.push_back(row);
  for (const auto& [key, row] : admin) snapshot.admin.push_back(row);
  return snapshot;
}

const MemoryState::Person* MemoryState::find(ContactKey contact) const {
  const auto found = people.find(contact);
  return found == people.end() ? nullptr : &found->second;
}

MemoryState::Person& MemoryState::person(ContactKey contact) {
  const auto [place, fresh] = people.try_emplace(contact);
  if (fresh) people_in_order.add(contact);
  return place->second;
}

IdentityMatch MemoryState::identify(const IdentityQuery& query) const {
  IdentityMatch match;
  if (!query.id.empty()) {
    const auto found = by_id.find(query.id);
    if (found != by_id.end()) match.by_id = found->second;
  }
  const auto holders = query.email.empty() ? by_email.end() : by_email.find(query.email);
  if (holders == by_email.end()) return match;
  for (const ContactKey holder : holders->second) {
    if (match.by_email.size() == kHoldersMax) break;
    const Person* known = find(holder);
    match.by_email.push_back(
        {.contact = holder, .has_id = known && known->contact && known->contact->id});
  }
  return match;
}

std::optional<ContactState> MemoryState::load(const LoadQuery& query) const {
  const Person* known = find(query.contact);
  if (known == nullptr || !known->contact) return std::nullopt;
  ContactState state{
      .contact = *known->contact, .engagement = known->engagement, .live = known->live};
  std::vector<std::pair<ScenarioKey, std::string_view>> wanted;
  wanted.reserve(query.keyed.size() + query.ledger.size() + known->live.size());
  for (const auto& [scenario, key] : query.keyed) wanted.emplace_back(scenario, key);
  for (const ScenarioKey scenario : query.ledger) wanted.emplace_back(scenario, "");
  for (const Run& run : known->live) wanted.emplace_back(run.scenario, "");
  sort_unique(wanted);
  const auto place_of = [](const LedgerRow& row) {
    return std::pair{row.scenario, std::string_view{row.key}};
  };
  for (const auto& place : wanted) {
    const auto end = known->ledger.end();
    for (auto row = std::ranges::lower_bound(known->ledger, place, {}, place_of);
         row != end && place_of(*row) == place; ++row)
      state.ledger.push_back(*row);
  }
  return state;
}

void MemoryState::apply(const IdentityChange& change) {
  if (change.kind == IdentityChange::Kind::Id) {
    if (!change.removed)
      by_id[change.value] = change.contact;
    else if (const auto found = by_id.find(change.value);
             found != by_id.end() && found->second == change.contact)
      by_id.erase(found);
    return;
  }
  if (!change.removed) {
    put(by_email[change.value], change.contact, std::identity{});
    return;
  }
  const auto found = by_email.find(change.value);
  if (found == by_email.end()) return;
  std::erase(found->second, change.contact);
  if (found->second.empty()) by_email.erase(found);
}

void MemoryState::apply(const Run& run) {
  Person& owner = person(run.contact);
  if (run.live()) {
    put(owner.live, run, run_key);
    return;
  }
  const auto live = std::ranges::lower_bound(owner.live, run.key, {}, run_key);
  if (live != owner.live.end() && live->key == run.key) owner.live.erase(live);
  if (!history) return;
  if (put(owner.ended, run, run_key)) ended_in_order.add({run.key, run.contact});
  std::ranges::lower_bound(owner.ended, run.key, {}, run_key)->event = nullptr;
}

void MemoryState::leave_queue(const Delivery& delivery) {
  const auto old = due_of(delivery);
  if (!old) return;
  const auto queue = due.find(delivery.endpoint);
  queue->second.erase(*old);
  if (queue->second.empty()) due.erase(queue);
}

void MemoryState::apply(const Delivery& delivery) {
  const auto [place, added] = deliveries.try_emplace(delivery.key);
  if (!added) leave_queue(place->second.delivery);
  if (!history && !delivery.pending()) {
    deliveries.erase(place);
    return;
  }
  if (added) deliveries_in_order.add(delivery.key);
  place->second.delivery = delivery;
  if (const auto now = due_of(delivery)) due[delivery.endpoint].insert(*now);
}

void MemoryState::apply(const RequestRow& row) {
  const auto found = deliveries.find(row.delivery);
  if (found != deliveries.end()) found->second.request = row.request;
}

void MemoryState::apply(const AttemptRow& row) {
  const auto found = deliveries.find(row.delivery);
  if (found != deliveries.end()) put(found->second.superseded, row.attempt, attempt_key);
}

/// Most are later than all others.
void MemoryState::set(const Timer& timer) {
  if (!timers.empty() && *timers.rbegin() < timer)
    timers.emplace_hint(timers.end(), timer);
  else
    timers.insert(timer);
}

/// What a delivery sent, and what it was answered.
void MemoryState::erase_bodies(DeliveryKey key) {
  const auto found = deliveries.find(key);
  if (found == deliveries.end()) return;
  found->second.request = nullptr;
  if (found->second.delivery.last) found->second.delivery.last->response.clear();
  for (Attempt& attempt : found->second.superseded) attempt.response.clear();
}

void MemoryState::erase(const Commit::PurgedRun& purged) {
  Person& owner = person(purged.contact);
  for (auto* runs : {&owner.live, &owner.ended})
    std::erase_if(*runs, [&](const Run& run) { return run.key == purged.run; });
}

void MemoryState::forget(ContactKey contact) {
  Person& gone = person(contact);
  gone.contact.reset();
  gone.engagement = {};
  gone.ledger.clear();
  std::erase_if(by_id, [&](const auto& row) { return row.second == contact; });
  for (auto& [email, holders] : by_email) std::erase(holders, contact);
  std::erase_if(by_email, [](const auto& row) { return row.second.empty(); });
  for (auto* runs : {&gone.live, &gone.ended}) {
    for (Run& run : *runs) {
      run.path.clear();
      run.event = nullptr;
      run.entry_key.clear();
    }
  }
  for (const auto& [key, row] : deliveries)
    if (row.delivery.contact == contact) erase_bodies(key);
}

void MemoryState::apply(const Commit& commit) {
  last_seq = std::max(last_seq, commit.last_seq);
  newest = std::max(newest, commit.at);
  last_contact = std::max(last_contact, commit.last_contact);
  for (const Contact& row : commit.contacts) person(row.key).contact = row;
  for (const EngagementRow& row : commit.engagements)
    person(row.contact).engagement = row.engagement;
  for (const LedgerEntry& entry : commit.ledger)
    put(person(entry.contact).ledger, entry.row, ledger_key);
  for (const Run& row : commit.runs) apply(row);
  for (const Delivery& row : commit.deliveries) apply(row);
  for (const RequestRow& row : commit.requests) apply(row);
  for (const AttemptRow& row : commit.attempts) apply(row);
  for (const Timer& timer : commit.timers_cleared) timers.erase(timer);
  for (const Timer& timer : commit.timers_set) set(timer);
  for (const SeenEvent& event : commit.seen) seen[event.key] = event;
  for (const IdentityChange& change : commit.identities) apply(change);
  for (const auto& [key, row] : commit.counters) counters[key] = row;
  control.apply(commit.control);
  for (const Commit::PurgedRun& purged : commit.purged_runs) erase(purged);
  for (const DeliveryKey key : commit.purged_deliveries) erase_bodies(key);
  for (const DeliveryKey key : commit.purged_attempts)
    if (const auto row = deliveries.find(key); row != deliveries.end())
      row->second.superseded.clear();
  for (const ContactKey contact : commit.forgotten) forget(contact);
}
}  // namespace onward
