#include "engine/store/memory/memory_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "engine/core/base/sorted.h"
#include "engine/store/cursor.h"

namespace onward {
namespace {
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

/// All state, and the lock that lets readers of other threads look at it.
struct State {
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
  std::map<ScenarioKey, ScenarioRecord> scenarios;
  std::map<std::pair<ScenarioKey, Version>, VersionRecord> versions;
  std::map<std::string, TokenRecord> tokens;
  std::map<std::pair<AdminKind, std::string>, AdminRecord> admin;
  std::map<std::uint64_t, Activity> activity;
  std::uint64_t last_activity = 0;

  const Person* find(ContactKey contact) const;
  IdentityMatch identify(const IdentityQuery& query) const;
  std::optional<ContactState> load(const LoadQuery& query) const;

  Person& person(ContactKey contact);
  void apply(const Commit& commit);
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

const Person* State::find(ContactKey contact) const {
  const auto found = people.find(contact);
  return found == people.end() ? nullptr : &found->second;
}

Person& State::person(ContactKey contact) {
  const auto [place, fresh] = people.try_emplace(contact);
  if (fresh) people_in_order.add(contact);
  return place->second;
}

IdentityMatch State::identify(const IdentityQuery& query) const {
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

std::optional<ContactState> State::load(const LoadQuery& query) const {
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

void State::apply(const IdentityChange& change) {
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

void State::apply(const Run& run) {
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

std::optional<DueDelivery> due_of(const Delivery& delivery) {
  if (!delivery.pending() || delivery.parked || !delivery.due) return std::nullopt;
  return DueDelivery{.due = *delivery.due, .delivery = delivery.key};
}

void State::leave_queue(const Delivery& delivery) {
  const auto old = due_of(delivery);
  if (!old) return;
  const auto queue = due.find(delivery.endpoint);
  queue->second.erase(*old);
  if (queue->second.empty()) due.erase(queue);
}

void State::apply(const Delivery& delivery) {
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

void State::apply(const RequestRow& row) {
  const auto found = deliveries.find(row.delivery);
  if (found != deliveries.end()) found->second.request = row.request;
}

void State::apply(const AttemptRow& row) {
  const auto found = deliveries.find(row.delivery);
  if (found != deliveries.end()) put(found->second.superseded, row.attempt, attempt_key);
}

/// Most are later than all others.
void State::set(const Timer& timer) {
  if (!timers.empty() && *timers.rbegin() < timer)
    timers.emplace_hint(timers.end(), timer);
  else
    timers.insert(timer);
}

/// What a delivery sent, and what it was answered.
void State::erase_bodies(DeliveryKey key) {
  const auto found = deliveries.find(key);
  if (found == deliveries.end()) return;
  found->second.request = nullptr;
  if (found->second.delivery.last) found->second.delivery.last->response.clear();
  for (Attempt& attempt : found->second.superseded) attempt.response.clear();
}

void State::erase(const Commit::PurgedRun& purged) {
  Person& owner = person(purged.contact);
  for (auto* runs : {&owner.live, &owner.ended})
    std::erase_if(*runs, [&](const Run& run) { return run.key == purged.run; });
}

void State::forget(ContactKey contact) {
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

void State::apply(const Commit& commit) {
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
  for (const ScenarioRecord& row : commit.scenarios) scenarios[row.key] = row;
  for (const VersionRecord& row : commit.versions) versions[{row.scenario, row.version}] = row;
  for (const TokenRecord& row : commit.tokens) {
    if (row.removed)
      tokens.erase(row.sha256);
    else
      tokens[row.sha256] = row;
  }
  for (const AdminRecord& row : commit.admin) {
    if (row.removed)
      admin.erase({row.kind, row.name});
    else
      admin[{row.kind, row.name}] = row;
  }
  for (const Activity& row : commit.activity) {
    activity[++last_activity] = row;
    if (activity.size() > kActivityMax) activity.erase(activity.begin());
  }
  for (const Commit::PurgedRun& purged : commit.purged_runs) erase(purged);
  for (const DeliveryKey key : commit.purged_deliveries) erase_bodies(key);
  for (const DeliveryKey key : commit.purged_attempts)
    if (const auto row = deliveries.find(key); row != deliveries.end())
      row->second.superseded.clear();
  for (const ContactKey contact : commit.forgotten) forget(contact);
}

/// Looks at the newest state, under the lock.
class MemoryReader final : public StoreReader {
 public:
  explicit MemoryReader(std::shared_ptr<State> state) : state_{std::move(state)} {}

  Result<IdentityMatch> identify(const IdentityQuery& query) override {
    const std::lock_guard lock{state_->mutex};
    return state_->identify(query);
  }

  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    const std::lock_guard lock{state_->mutex};
    const auto row = state_->versions.find({scenario, version});
    if (row == state_->versions.end()) return std::nullopt;
    return row->second.text;
  }

  Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey key) override {
    const std::lock_guard lock{state_->mutex};
    auto state = state_->load({.contact = key});
    if (!state) return std::nullopt;
    return std::pair{std::move(state->contact), std::move(state->engagement)};
  }

  Result<RunList> runs(ContactKey contact, std::size_t limit, std::string_view cursor) override {
    const auto before = read_cursor(cursor);
    if (!before) return tl::make_unexpected(before.error());
    const std::lock_guard lock{state_->mutex};
    RunList list;
    const Person* owner = state_->find(contact);
    if (owner == nullptr) return list;
    for (const auto* runs : {&owner->live, &owner->ended})
      for (const Run& run : *runs)
        if (run.key.value < *before) list.runs.push_back(run);
    std::ranges::sort(list.runs, std::greater{}, run_key);
    if (list.runs.size() > limit) {
      list.runs.resize(limit);
      if (limit > 0) list.next = to_base32(list.runs.back().key.value);
    }
    return list;
  }

  Result<DeliveryList> deliveries(ScenarioKey scenario, NodeNumber node,
                                  std::optional<DeliveryState> state, std::size_t limit,
                                  std::string_view cursor) override {
    const auto before = read_cursor(cursor);
    if (!before) return tl::make_unexpected(before.error());
    const std::lock_guard lock{state_->mutex};
    DeliveryList list;
    const auto keys = state_->deliveries_in_order.from({});
    auto place = std::ranges::lower_bound(keys, DeliveryKey{*before});
    while (place != keys.begin()) {
      const auto row = state_->deliveries.find(*--place);
      if (row == state_->deliveries.end()) continue;
      const Delivery& delivery = row->second.delivery;
      if (delivery.endpoint.scenario != scenario || delivery.endpoint.node != node) continue;
      if (state && delivery.state != *state) continue;
      if (list.deliveries.size() == limit) {
        if (limit > 0) list.next = to_base32(list.deliveries.back().key.value);
        break;
      }
      list.deliveries.push_back(delivery);
    }
    return list;
  }

  Result<std::optional<DeliveryDetail>> delivery(DeliveryKey key) override {
    const std::lock_guard lock{state_->mutex};
    const auto found = state_->deliveries.find(key);
    if (found == state_->deliveries.end()) return std::nullopt;
    const DeliveryRow& row = found->second;
    return DeliveryDetail{.delivery = row.delivery,
                          .request = row.request,
                          .attempts = all_attempts(row.superseded, row.delivery.last)};
  }

  Result<ActivityList> activity(std::string_view scenario, std::size_t limit,
                                std::string_view cursor) override {
    const auto before = read_cursor(cursor);
    if (!before) return tl::make_unexpected(before.error());
    const std::lock_guard lock{state_->mutex};
    ActivityList list;
    auto place = state_->activity.lower_bound(*before);
    while (place != state_->activity.begin()) {
      --place;
      if (!scenario.empty() && place->second.scenario != scenario) continue;
      if (list.rows.size() == limit) {
        if (limit > 0) list.next = to_base32(list.rows.back().first);
        break;
      }
      list.rows.emplace_back(*place);
    }
    return list;
  }

  Result<RunList> live_runs(const RunFilter& filter, std::size_t limit,
                            std::string_view cursor) override {
    const auto after = read_run_cursor(cursor);
    if (!after) return tl::make_unexpected(after.error());
    const std::lock_guard lock{state_->mutex};
    RunSearch search{filter, limit};
    for (const ContactKey owner : state_->people_in_order.from(after->first))
      for (const Run& run : state_->people.at(owner).live)
        if (std::pair{owner, run.key} > *after && !search.take(run)) return search.list();
    return search.list();
  }

  Result<std::vector<LedgerRow>> ledger(ContactKey contact) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<LedgerRow> rows;
    if (const Person* owner = state_->find(contact))
      std::ranges::copy_if(owner->ledger, std::back_inserter(rows),
                           [](const LedgerRow& row) { return row.key.empty(); });
    return rows;
  }

  Result<ContactList> contacts(ContactKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    ContactList list;
    for (const ContactKey key : state_->people_in_order.from({after.value + 1})) {
      const Person& person = state_->people.at(key);
      if (!person.contact) continue;
      list.more = list.contacts.size() == limit;
      if (list.more) break;
      list.contacts.emplace_back(*person.contact, person.engagement);
    }
    return list;
  }

 private:
  std::shared_ptr<State> state_;
};

/// The reference: every row at once where it belongs.
class MemoryStore final : public Store {
 public:
  MemoryStore(std::string epoch, Duration dedupe_for, bool history)
      : state_{std::make_shared<State>()}, dedupe_for_{dedupe_for} {
    state_->epoch = std::move(epoch);
    state_->history = history;
  }

  Result<Snapshot> snapshot() override {
    const std::lock_guard lock{state_->mutex};
    Snapshot snapshot{.epochs = Epochs{state_->epoch},
                      .last_seq = state_->last_seq,
                      .last_contact = state_->last_contact,
                      .counters = state_->counters};
    if (state_->newest > Instant{}) snapshot.newest = state_->newest;
    for (const auto& [key, row] : state_->scenarios) snapshot.scenarios.push_back(row);
    for (const auto& [key, row] : state_->versions) {
      snapshot.versions.push_back(row);
      snapshot.last_text = std::max(snapshot.last_text, row.apart);
      snapshot.versions.back().text.clear();
    }
    for (const auto& [key, row] : state_->tokens) snapshot.tokens.push_back(row);
    for (const auto& [key, row] : state_->admin) snapshot.admin.push_back(row);
    return snapshot;
  }

  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<IdentityMatch> matches;
    matches.reserve(queries.size());
    for (const IdentityQuery& query : queries) matches.push_back(state_->identify(query));
    return matches;
  }

  Result<std::vector<std::optional<Hash128>>> seen(std::span<const Hash128> keys,
                                                   Instant now) override {
    const std::lock_guard lock{state_->mutex};
    const Date from = date_of(now - dedupe_for_);
    std::vector<std::optional<Hash128>> answer(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto found = state_->seen.find(keys[i]);
      if (found != state_->seen.end() && date_of(found->second.at) >= from)
        answer[i] = found->second.fingerprint;
    }
    return answer;
  }

  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<std::optional<ContactState>> states;
    states.reserve(queries.size());
    for (const LoadQuery& query : queries) states.push_back(state_->load(query));
    return states;
  }

  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<std::optional<LoadedDelivery>> answer(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto found = state_->deliveries.find(keys[i]);
      if (found == state_->deliveries.end()) continue;
      answer[i] = LoadedDelivery{found->second.delivery, found->second.request};
    }
    return answer;
  }

  Result<std::vector<DeliveryKey>> pending_of(ContactKey contact) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DeliveryKey> keys;
    for (const auto& [key, row] : state_->deliveries)
      if (row.delivery.contact == contact && row.delivery.pending()) keys.push_back(key);
    std::ranges::sort(keys);
    return keys;
  }

  Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                 DeliveryState state, DeliveryKey after,
                                                 std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DeliveryKey> keys;
    for (const DeliveryKey key : state_->deliveries_in_order.from({after.value + 1})) {
      if (keys.size() == limit) break;
      const auto row = state_->deliveries.find(key);
      if (row == state_->deliveries.end()) continue;
      const Delivery& delivery = row->second.delivery;
      if (delivery.state == state && delivery.endpoint.scenario == scenario &&
          delivery.endpoint.node == node)
        keys.push_back(key);
    }
    return keys;
  }

  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    const std::lock_guard lock{state_->mutex};
    LiveRuns found{.last = after};
    found.end = true;
    for (const ContactKey key : state_->people_in_order.from({after.value + 1})) {
      const Person& owner = state_->people.at(key);
      if (owner.live.empty()) continue;
      found.end = contacts-- > 0 && found.runs.size() < kLiveRunsAtOnce;
      if (!found.end) break;
      found.last = key;
      found.runs.insert(found.runs.end(), owner.live.begin(), owner.live.end());
    }
    return found;
  }

  Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    EndedRuns found{.last = after};
    found.end = true;
    for (const auto& [key, contact] : state_->ended_in_order.from({{after.value + 1}, {}})) {
      const std::vector<Run>& ended = state_->people.at(contact).ended;
      const auto run = std::ranges::lower_bound(ended, key, {}, run_key);
      if (run == ended.end() || run->key != key) continue;  // purged
      found.end = limit-- > 0;
      if (!found.end) break;
      found.last = key;
      if (!scenario || run->scenario == scenario) found.runs.push_back(*run);
    }
    return found;
  }

  Result<StoredBodies> stored_bodies(DeliveryKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    StoredBodies found{.last = after};
    found.end = true;
    for (const DeliveryKey key : state_->deliveries_in_order.from({after.value + 1})) {
      const auto row = state_->deliveries.find(key);
      if (row == state_->deliveries.end() || !row->second.request) continue;
      found.end = limit-- > 0;
      if (!found.end) break;
      found.last = key;
      found.deliveries.push_back(row->second.delivery);
    }
    return found;
  }

  Status sync() override { return {}; }
  bool is_synced() const override { return true; }
  Status commit(const Commit& commit) override {
    const std::lock_guard lock{state_->mutex};
    state_->apply(commit);
    return {};
  }

  Result<std::vector<Timer>> timers_due(Instant until, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<Timer> timers;
    for (const Timer& timer : state_->timers) {
      if (timer.at > until || timers.size() == limit) break;
      timers.push_back(timer);
    }
    return timers;
  }

  std::optional<Instant> next_timer() override {
    const std::lock_guard lock{state_->mutex};
    if (state_->timers.empty()) return std::nullopt;
    return state_->timers.begin()->at;
  }

  Result<std::vector<DueEndpoint>> due_endpoints() override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DueEndpoint> endpoints;
    for (const auto& [endpoint, queue] : state_->due)
      endpoints.push_back({.endpoint = endpoint, .due = queue.begin()->due});
    return endpoints;
  }

  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, const DueDelivery& after,
                                       Instant until, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DueDelivery> answer;
    const auto queue = state_->due.find(endpoint);
    if (queue == state_->due.end()) return answer;
    for (auto due = queue->second.upper_bound(after); due != queue->second.end(); ++due) {
      if (due->due > until || answer.size() == limit) break;
      answer.push_back(*due);
    }
    return answer;
  }

  Result<std::optional<Instant>> next_due(const EndpointKey& endpoint, Instant after) override {
    const std::lock_guard lock{state_->mutex};
    const auto queue = state_->due.find(endpoint);
    if (queue == state_->due.end()) return std::nullopt;
    const auto found = queue->second.lower_bound({.due = after + Duration{1}});
    if (found == queue->second.end()) return std::nullopt;
    return found->due;
  }

  bool fold_pending() const override { return false; }
  Status fold() override { return {}; }
  Status probe() override { return {}; }
  Result<bool> fold_slice() override { return false; }

  Result<bool> forget_seen(Instant before) override {
    const std::lock_guard lock{state_->mutex};
    const Date from = date_of(before);
    std::erase_if(state_->seen, [&](const auto& row) { return date_of(row.second.at) < from; });
    return false;
  }

  Result<std::unique_ptr<StoreReader>> open_reader() override {
    return std::make_unique<MemoryReader>(state_);
  }
  std::uint64_t size_on_disk() const override { return 0; }

 private:
  std::shared_ptr<State> state_;
  Duration dedupe_for_;
};
}  // namespace

std::unique_ptr<Store> make_memory_store(std::string epoch, Duration dedupe_for, bool history) {
  return std::make_unique<MemoryStore>(std::move(epoch), dedupe_for, history);
}
}  // namespace onward
