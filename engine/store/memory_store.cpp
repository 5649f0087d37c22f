#include "engine/store/memory_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>

#include "engine/store/cursor.h"

namespace onward {
namespace {
using LedgerKey = std::tuple<ContactKey, ScenarioKey, EntryKey, bool>;

/// All state, and the lock that lets readers of other threads look at it.
struct State {
  std::mutex mutex;
  std::string epoch;
  Sequence last_seq = 0;
  ContactKey last_contact;
  std::map<ContactKey, Contact> contacts;
  std::map<ContactKey, Engagement> engagements;
  std::map<LedgerKey, LedgerRow> ledger;
  std::map<RunKey, Run> runs;
  std::map<ContactKey, std::set<RunKey>> runs_of;
  std::map<DeliveryKey, Delivery> deliveries;
  std::map<EndpointKey, std::set<DueDelivery>> due;
  std::map<DeliveryKey, std::shared_ptr<const Request>> requests;
  std::map<std::pair<DeliveryKey, std::uint32_t>, Attempt> attempts;
  std::set<Timer> timers;
  std::map<Hash128, SeenEvent> seen;
  std::map<std::string, ContactKey> by_id;
  std::map<std::string, std::set<ContactKey>> by_email;
  Counters counters;
  std::map<ScenarioKey, ScenarioRecord> scenarios;
  std::map<std::pair<ScenarioKey, Version>, VersionRecord> versions;
  std::map<std::string, TokenRecord> tokens;
  std::map<std::pair<AdminKind, std::string>, AdminRecord> admin;
  std::map<std::uint64_t, Activity> activity;
  std::uint64_t last_activity = 0;

  IdentityMatch identify(const IdentityQuery& query) const;
  std::optional<ContactState> load(const LoadQuery& query) const;
  std::shared_ptr<const Request> request_of(DeliveryKey key) const;

  void apply(const Commit& commit);
  void apply(const IdentityChange& change);
  void apply(const Run& run);
  void apply(const Delivery& delivery);
  void erase_bodies(DeliveryKey key);
  void forget(ContactKey contact);
};

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
    const auto contact = contacts.find(holder);
    match.by_email.push_back(
        {.contact = holder, .has_id = contact != contacts.end() && contact->second.id});
  }
  return match;
}

std::optional<ContactState> State::load(const LoadQuery& query) const {
  const auto contact = contacts.find(query.contact);
  if (contact == contacts.end()) return std::nullopt;
  ContactState state{.contact = contact->second};
  if (const auto found = engagements.find(query.contact); found != engagements.end())
    state.engagement = found->second;

  std::set<std::pair<ScenarioKey, EntryKey>> wanted{query.keyed.begin(), query.keyed.end()};
  for (const ScenarioKey scenario : query.ledger) wanted.insert({scenario, {}});
  if (const auto owned = runs_of.find(query.contact); owned != runs_of.end()) {
    for (const RunKey key : owned->second) {
      const Run& run = runs.at(key);
      if (!run.live()) continue;
      state.live.push_back(run);
      wanted.insert({run.scenario, {}});
    }
  }
  for (const auto& [scenario, key] : wanted) {
    for (const bool test : {false, true}) {
      const auto row = ledger.find({query.contact, scenario, key, test});
      if (row != ledger.end()) state.ledger.push_back(row->second);
    }
  }
  return state;
}

std::shared_ptr<const Request> State::request_of(DeliveryKey key) const {
  const auto found = requests.find(key);
  return found == requests.end() ? nullptr : found->second;
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
    by_email[change.value].insert(change.contact);
    return;
  }
  const auto found = by_email.find(change.value);
  if (found == by_email.end()) return;
  found->second.erase(change.contact);
  if (found->second.empty()) by_email.erase(found);
}

void State::apply(const Run& run) {
  Run& row = runs[run.key] = run;
  if (!row.live()) row.event = nullptr;
  runs_of[run.contact].insert(run.key);
}

std::optional<DueDelivery> due_of(const Delivery& delivery) {
  if (!delivery.pending() || delivery.parked || !delivery.due) return std::nullopt;
  return DueDelivery{.due = *delivery.due, .delivery = delivery.key};
}

void State::apply(const Delivery& delivery) {
  const auto [place, added] = deliveries.try_emplace(delivery.key, delivery);
  if (!added) {
    if (const auto old = due_of(place->second)) {
      const auto queue = due.find(place->second.endpoint);
      queue->second.erase(*old);
      if (queue->second.empty()) due.erase(queue);
    }
    place->second = delivery;
  }
  if (const auto now = due_of(delivery)) due[delivery.endpoint].insert(*now);
}

/// What a delivery sent, and what it was answered.
void State::erase_bodies(DeliveryKey key) {
  requests.erase(key);
  if (const auto delivery = deliveries.find(key);
      delivery != deliveries.end() && delivery->second.last)
    delivery->second.last->response.clear();
  for (auto at = attempts.lower_bound({key, 0}); at != attempts.end() && at->first.first == key;
       ++at)
    at->second.response.clear();
}

void State::forget(ContactKey contact) {
  contacts.erase(contact);
  engagements.erase(contact);
  std::erase_if(ledger, [&](const auto& row) { return std::get<0>(row.first) == contact; });
  std::erase_if(by_id, [&](const auto& row) { return row.second == contact; });
  for (auto& [email, holders] : by_email) holders.erase(contact);
  std::erase_if(by_email, [](const auto& row) { return row.second.empty(); });
  for (const RunKey key : runs_of[contact]) {
    Run& run = runs.at(key);
    run.path.clear();
    run.event = nullptr;
    run.entry_key.clear();
  }
  for (const auto& [key, delivery] : deliveries)
    if (delivery.contact == contact) erase_bodies(key);
}

void State::apply(const Commit& commit) {
  last_seq = std::max(last_seq, commit.last_seq);
  last_contact = std::max(last_contact, commit.last_contact);
  for (const Contact& row : commit.contacts) contacts[row.key] = row;
  for (const EngagementRow& row : commit.engagements) engagements[row.contact] = row.engagement;
  for (const LedgerEntry& entry : commit.ledger)
    ledger[{entry.contact, entry.row.scenario, entry.row.key, entry.row.test}] = entry.row;
  for (const Run& row : commit.runs) apply(row);
  for (const Delivery& row : commit.deliveries) apply(row);
  for (const RequestRow& row : commit.requests) {
    if (row.request)
      requests[row.delivery] = row.request;
    else
      requests.erase(row.delivery);
  }
  for (const AttemptRow& row : commit.attempts)
    attempts[{row.delivery, row.attempt.number}] = row.attempt;
  for (const Timer& timer : commit.timers_cleared) timers.erase(timer);
  timers.insert(commit.timers_set.begin(), commit.timers_set.end());
  for (const SeenEvent& event : commit.seen) seen[event.key] = event;
  for (const IdentityChange& change : commit.identities) apply(change);
  for (const auto& [key, row] : commit.counters) counters[key] = row;
  for (const ScenarioRecord& row : commit.scenarios) scenarios[row.key] = row;
  for (const VersionRecord& row : commit.versions) versions[{row.scenario, row.version}] = row;
  for (const TokenRecord& row : commit.tokens) tokens[row.sha256] = row;
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
  for (const Commit::PurgedRun& purged : commit.purged_runs) {
    runs.erase(purged.run);
    runs_of[purged.contact].erase(purged.run);
  }
  for (const DeliveryKey key : commit.purged_deliveries) erase_bodies(key);
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
    const auto owned = state_->runs_of.find(contact);
    if (owned == state_->runs_of.end()) return list;
    for (auto key = owned->second.rbegin(); key != owned->second.rend(); ++key) {
      if (key->value >= *before) continue;
      if (list.runs.size() == limit) {
        if (limit > 0) list.next = to_base32(list.runs.back().key.value);
        break;
      }
      list.runs.push_back(state_->runs.at(*key));
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
    auto place = state_->deliveries.lower_bound(DeliveryKey{*before});
    while (place != state_->deliveries.begin()) {
      const Delivery& delivery = (--place)->second;
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
    std::vector<Attempt> superseded;
    for (auto at = state_->attempts.lower_bound({key, 0});
         at != state_->attempts.end() && at->first.first == key; ++at)
      superseded.push_back(at->second);
    return DeliveryDetail{.delivery = found->second,
                          .request = state_->request_of(key),
                          .attempts = all_attempts(std::move(superseded), found->second.last)};
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
    for (auto owned = state_->runs_of.lower_bound(after->first); owned != state_->runs_of.end();
         ++owned) {
      for (const RunKey key : owned->second) {
        const Run& run = state_->runs.at(key);
        if (!run.live() || std::pair{owned->first, key} <= *after) continue;
        if (!search.take(run)) return search.list();
      }
    }
    return search.list();
  }

  Result<std::vector<LedgerRow>> ledger(ContactKey contact) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<LedgerRow> rows;
    for (const auto& [key, row] : state_->ledger)
      if (std::get<0>(key) == contact && row.key.empty()) rows.push_back(row);
    return rows;
  }

  Result<ContactList> contacts(ContactKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    ContactList list;
    auto at = state_->contacts.upper_bound(after);
    for (; at != state_->contacts.end() && list.contacts.size() < limit; ++at) {
      const auto engagement = state_->engagements.find(at->first);
      list.contacts.emplace_back(
          at->second, engagement == state_->engagements.end() ? Engagement{} : engagement->second);
    }
    list.more = at != state_->contacts.end();
    return list;
  }

 private:
  std::shared_ptr<State> state_;
};

/// The reference: every row at once where it belongs.
class MemoryStore final : public Store {
 public:
  MemoryStore(std::string epoch, Duration dedupe_for)
      : state_{std::make_shared<State>()}, dedupe_for_{dedupe_for} {
    state_->epoch = std::move(epoch);
  }

  Result<Snapshot> snapshot() override {
    const std::lock_guard lock{state_->mutex};
    Snapshot snapshot{.epoch = state_->epoch,
                      .last_seq = state_->last_seq,
                      .last_contact = state_->last_contact,
                      .counters = state_->counters};
    for (const auto& [key, row] : state_->scenarios) snapshot.scenarios.push_back(row);
    for (const auto& [key, row] : state_->versions) snapshot.versions.push_back(row);
    for (const auto& [key, row] : state_->tokens) snapshot.tokens.push_back(row);
    for (const auto& [key, row] : state_->admin) snapshot.admin.push_back(row);
    return snapshot;
  }

  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<IdentityMatch> matches;
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
      answer[i] = LoadedDelivery{found->second, state_->request_of(keys[i])};
    }
    return answer;
  }

  Result<std::vector<DeliveryKey>> pending_of(ContactKey contact) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DeliveryKey> keys;
    for (const auto& [key, delivery] : state_->deliveries)
      if (delivery.contact == contact && delivery.pending()) keys.push_back(key);
    return keys;
  }

  Result<std::vector<DeliveryKey>> deliveries_of(ScenarioKey scenario, NodeNumber node,
                                                 DeliveryState state, DeliveryKey after,
                                                 std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DeliveryKey> keys;
    for (auto row = state_->deliveries.upper_bound(after);
         row != state_->deliveries.end() && keys.size() < limit; ++row) {
      const Delivery& delivery = row->second;
      if (delivery.state == state && delivery.endpoint.scenario == scenario &&
          delivery.endpoint.node == node)
        keys.push_back(row->first);
    }
    return keys;
  }

  Result<LiveRuns> live_runs(ContactKey after, std::size_t contacts) override {
    const std::lock_guard lock{state_->mutex};
    LiveRuns found{.last = after};
    auto owner = state_->runs_of.upper_bound(after);
    for (; owner != state_->runs_of.end() && contacts > 0; ++owner, --contacts) {
      found.last = owner->first;
      for (const RunKey key : owner->second)
        if (const Run& run = state_->runs.at(key); run.live()) found.runs.push_back(run);
    }
    found.end = owner == state_->runs_of.end();
    return found;
  }

  Result<EndedRuns> ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    EndedRuns found{.last = after};
    auto place = state_->runs.upper_bound(after);
    for (; place != state_->runs.end() && limit > 0; ++place, --limit) {
      const Run& run = place->second;
      found.last = run.key;
      if (!run.live() && run.scenario == scenario) found.runs.push_back(run);
    }
    found.end = place == state_->runs.end();
    return found;
  }

  Status sync() override { return {}; }
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

  Result<std::vector<DueDelivery>> due(const EndpointKey& endpoint, Instant until,
                                       std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    std::vector<DueDelivery> answer;
    const auto queue = state_->due.find(endpoint);
    if (queue == state_->due.end()) return answer;
    for (const DueDelivery& due : queue->second) {
      if (due.due > until || answer.size() == limit) break;
      answer.push_back(due);
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

  Status forget_seen(Instant before) override {
    const std::lock_guard lock{state_->mutex};
    const Date from = date_of(before);
    std::erase_if(state_->seen, [&](const auto& row) { return date_of(row.second.at) < from; });
    return {};
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

std::unique_ptr<Store> make_memory_store(std::string epoch, Duration dedupe_for) {
  return std::make_unique<MemoryStore>(std::move(epoch), dedupe_for);
}
}  // namespace onward
