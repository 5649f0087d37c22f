#include "engine/store/sqlite/newest.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/cursor.h"

namespace onward {
namespace {
/// More are not looked for one by one.
constexpr std::uint32_t kAttemptsMax = 100'000;

/// Both in order and without a common element; at most `limit` of the merged.
template <class T>
std::vector<T> merged(const std::vector<T>& a, const std::vector<T>& b, std::size_t limit) {
  std::vector<T> both;
  both.reserve(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  if (both.size() > limit) both.resize(limit);
  return both;
}

/// The first `limit` keys greater than `after`.
template <class Key>
std::vector<Key> first_of(const std::set<Key>& keys, const Key& after, std::size_t limit) {
  std::vector<Key> first;
  for (auto place = keys.upper_bound(after); place != keys.end() && first.size() < limit; ++place)
    first.push_back(*place);
  return first;
}
}  // namespace

/// Of an unfolded row of a contact.
template <class T>
T Newest::whole(Result<T> row, const char* table, ContactKey contact) {
  if (!row) unreadable_.add({table, "contact " + std::to_string(contact.value)});
  return intact(std::move(row));
}

bool Newest::has_id(ContactKey contact) {
  if (const auto* row = overlay_.contacts.find(contact)) return encoded_has_id(row->body);
  return tables_.has_id(contact);
}

std::optional<ContactKey> Newest::holder_of_id(const std::string& id) {
  const Overlay::IdRow* row = overlay_.ids.find(id);
  if (row && row->decided) {
    if (!row->holder) return std::nullopt;
    return row->holder;
  }
  const auto holder = tables_.holder_of_id(id);
  if (holder && row &&
      std::find(row->removed.begin(), row->removed.end(), *holder) != row->removed.end())
    return std::nullopt;
  return holder;
}

bool Newest::holds_email(ContactKey contact, const std::string& email) {
  if (const Overlay::EmailRow* changed = overlay_.emails.find(email))
    if (const auto holder = changed->holders.find(contact); holder != changed->holders.end())
      return holder->second;
  return tables_.holds_email(contact, email);
}

IdentityMatch Newest::identify(const IdentityQuery& query) {
  IdentityMatch match;
  if (!query.id.empty()) match.by_id = holder_of_id(query.id);
  if (query.email.empty()) return match;

  std::set<ContactKey> holders;
  const Overlay::EmailRow* changed = overlay_.emails.find(query.email);
  const std::size_t extra = changed ? changed->holders.size() : 0;
  for (const ContactKey holder : tables_.holders_of_email(query.email, kHoldersMax + extra))
    holders.insert(holder);
  if (changed) {
    for (const auto& [contact, holds] : changed->holders) {
      if (holds)
        holders.insert(contact);
      else
        holders.erase(contact);
    }
  }
  for (const ContactKey holder : holders) {
    if (match.by_email.size() == kHoldersMax) break;
    match.by_email.push_back({.contact = holder, .has_id = has_id(holder)});
  }
  return match;
}

std::vector<Run> Newest::live_runs(ContactKey contact) {
  std::vector<Run> runs = tables_.live_runs(contact);
  const auto owned = overlay_.runs.of_contact.find(contact);
  if (owned == overlay_.runs.of_contact.end()) return runs;
  std::erase_if(runs, [&](const Run& run) { return overlay_.runs.find(run.key) != nullptr; });
  for (const RunKey key : owned->second) {
    const Overlay::RunRow* row = overlay_.runs.find(key);
    if (!row->live) continue;
    runs.push_back(whole(decode_run(key, contact, row->body), "runs_live", contact));
    if (!runs.back().live()) throw_unreadable("the state of a run");
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.key < b.key; });
  return runs;
}

LiveRuns Newest::live_runs_after(ContactKey after, std::size_t contacts) {
  LiveRuns found{.last = after};
  // One more than asked for tells whether there is more.
  std::vector<ContactKey> folded = tables_.contacts_with_live_runs(after, contacts + 1);
  std::vector<ContactKey> unfolded;
  for (auto place = overlay_.runs.live_of.upper_bound(after);
       place != overlay_.runs.live_of.end() && unfolded.size() <= contacts; ++place)
    unfolded.push_back(place->first);
  rows_scanned_ += folded.size() + unfolded.size();
  std::vector<ContactKey> both;
  std::set_union(folded.begin(), folded.end(), unfolded.begin(), unfolded.end(),
                 std::back_inserter(both));
  found.end = both.size() <= contacts;
  if (!found.end) both.resize(contacts);
  for (const ContactKey contact : both) {
    if (found.runs.size() >= kLiveRunsAtOnce) {
      found.end = false;
      break;
    }
    found.last = contact;
    read_row(
        [&] {
          for (Run& run : live_runs(contact)) found.runs.push_back(std::move(run));
        },
        [] {});
  }
  return found;
}

EndedRuns Newest::ended_runs(ScenarioKey scenario, RunKey after, std::size_t limit) {
  EndedRuns found{.last = after};
  std::map<RunKey, Run> stretch = tables_.ended_runs_after(after, limit + 1);
  bool more = stretch.size() > limit;
  std::size_t unfolded = 0;
  for (auto place = overlay_.runs.ended.upper_bound(after); place != overlay_.runs.ended.end();
       ++place) {
    if (unfolded++ == limit) {
      more = true;
      break;
    }
    stretch.try_emplace(*place);
  }
  rows_scanned_ += stretch.size();
  for (auto& item : stretch) {
    const RunKey key = item.first;
    Run& run = item.second;
    if (limit-- == 0) {
      more = true;
      break;
    }
    found.last = key;
    if (const Overlay::RunRow* row = overlay_.runs.find(key)) {
      if (row->body.empty()) continue;  // purged
      run = {};
      read_row([&] { run = intact(decode_run(key, row->contact, row->body)); },
               [&] {
                 unreadable_.add({"runs", "run " + std::to_string(key.value)});
               });
    }
    if (!run.key) continue;  // It cannot be read.
    if ((!scenario || run.scenario == scenario) && !run.live())
      found.runs.push_back(std::move(run));
  }
  found.end = !more;
  return found;
}

StoredBodies Newest::stored_bodies(DeliveryKey after, std::size_t limit) {
  StoredBodies found{.last = after};
  // One more than asked for tells whether there is more.
  const std::vector<DeliveryKey> folded = tables_.requests_after(after, limit + 1);
  const std::vector<DeliveryKey> unfolded = first_of(overlay_.requests.bodies, after, limit + 1);
  rows_scanned_ += folded.size() + unfolded.size();
  std::vector<DeliveryKey> both;
  std::set_union(folded.begin(), folded.end(), unfolded.begin(), unfolded.end(),
                 std::back_inserter(both));
  found.end = both.size() <= limit;
  if (!found.end) both.resize(limit);
  for (const DeliveryKey key : both) {
    found.last = key;
    const Overlay::Bytes* request = overlay_.requests.find(key);
    if (request && request->body.empty()) continue;  // purged
    if (const auto* row = overlay_.deliveries.find(key))
      read_row([&] { found.deliveries.push_back(intact(decode_delivery(key, row->body))); },
               [&] { unreadable_.add(key); });
    else if (auto delivery = tables_.delivery(key))
      found.deliveries.push_back(std::move(*delivery));
  }
  return found;
}

void Newest::ledger(ContactKey contact, ScenarioKey scenario, const EntryKey& key,
                    std::vector<LedgerRow>& rows) {
  const Overlay::Bytes* unfolded[2];
  LedgerKey name{.contact = contact, .scenario = scenario, .key = key};
  for (const bool test : {false, true}) {
    name.test = test;
    unfolded[test ? 1 : 0] = overlay_.ledger.find(name);
  }
  std::vector<LedgerRow> folded;
  if (!unfolded[0] || !unfolded[1]) folded = tables_.ledger(contact, scenario, key);
  for (const bool test : {false, true}) {
    if (const Overlay::Bytes* row = unfolded[test ? 1 : 0]) {
      if (!row->body.empty())
        rows.push_back(whole(decode_ledger(scenario, key, test, row->body), "ledger", contact));
      continue;
    }
    for (LedgerRow& row : folded)
      if (row.test == test) rows.push_back(std::move(row));
  }
}

std::optional<Contact> Newest::contact(ContactKey key, Engagement& engagement) {
  std::optional<Contact> contact;
  const Overlay::Bytes* unfolded = overlay_.engagements.find(key);
  if (const Overlay::Bytes* row = overlay_.contacts.find(key)) {
    if (row->body.empty()) return std::nullopt;
    contact = whole(decode_contact(key, row->body), "contacts", key);
    if (!unfolded) engagement = tables_.engagement(key).value_or(Engagement{});
  } else {
    contact = tables_.contact(key, unfolded ? nullptr : &engagement);
    if (!contact) return std::nullopt;
  }
  if (unfolded && !unfolded->body.empty())
    engagement = whole(decode_engagement(unfolded->body), "contacts", key);
  return contact;
}

std::optional<ContactState> Newest::load(const LoadQuery& query) {
  ContactState state;
  auto found = contact(query.contact, state.engagement);
  if (!found) return std::nullopt;
  state.contact = std::move(*found);
  state.live = live_runs(query.contact);

  std::vector<std::pair<ScenarioKey, EntryKey>> wanted = query.keyed;
  for (const ScenarioKey scenario : query.ledger) wanted.emplace_back(scenario, EntryKey{});
  for (const Run& run : state.live) wanted.emplace_back(run.scenario, EntryKey{});
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  for (const auto& [scenario, key] : wanted) ledger(query.contact, scenario, key, state.ledger);
  return state;
}

std::optional<LoadedDelivery> Newest::delivery(DeliveryKey key) {
  LoadedDelivery loaded;
  if (const auto* row = overlay_.deliveries.find(key)) {
    if (!read_row([&] { loaded.delivery = intact(decode_delivery(key, row->body)); },
                  [&] { unreadable_.add(key); }))
      return std::nullopt;
  } else {
    auto delivery = tables_.delivery(key);
    if (!delivery) return std::nullopt;
    loaded.delivery = std::move(*delivery);
  }
  if (const Overlay::Bytes* row = overlay_.requests.find(key)) {
    const auto read = [&] {
      if (!row->body.empty())
        loaded.request = std::make_shared<const Request>(intact(decode_request(row->body)));
    };
    read_row(read, [&] { unreadable_.add({"requests", "delivery " + std::to_string(key.value)}); });
  } else {
    loaded.request = tables_.request(key);
  }
  return loaded;
}

std::vector<Attempt> Newest::attempts(const Delivery& delivery) {
  std::vector<Attempt> attempts = tables_.attempts(delivery.key);
  if (overlay_.attempts.map.empty()) return attempts;
  std::erase_if(attempts, [&](const Attempt& attempt) {
    return overlay_.attempts.find({delivery.key, attempt.number}) != nullptr;
  });
  const std::uint32_t made = std::max(delivery.attempts, delivery.last ? delivery.last->number : 0);
  for (std::uint32_t number = 1; number <= std::min(made, kAttemptsMax); ++number) {
    const Overlay::Bytes* row = overlay_.attempts.find({delivery.key, number});
    if (row == nullptr || row->body.empty()) continue;
    read_row([&] { attempts.push_back(intact(decode_attempt(row->body))); },
             [&] {
               unreadable_.add({"attempts", "delivery " + std::to_string(delivery.key.value) +
                                                ", number " + std::to_string(number)});
             });
  }
  std::ranges::sort(attempts, {}, &Attempt::number);
  return attempts;
}

std::vector<DeliveryKey> Newest::pending_of(ContactKey contact) {
  std::vector<DeliveryKey> keys = tables_.pending_of(contact);
  std::erase_if(keys, [&](DeliveryKey key) { return overlay_.deliveries.find(key) != nullptr; });
  for (auto place = overlay_.deliveries.pending_of.lower_bound({contact, DeliveryKey{}});
       place != overlay_.deliveries.pending_of.end() && place->first == contact; ++place)
    if (!unreadable_.contains(place->second)) keys.push_back(place->second);
  rows_scanned_ += keys.size();
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::vector<DeliveryKey> Newest::deliveries_of(ScenarioKey scenario, NodeNumber node,
                                               DeliveryState state, DeliveryKey after,
                                               std::size_t limit) {
  std::vector<DeliveryKey> folded, unfolded;
  if (limit == 0) return folded;
  tables_.deliveries_of(scenario, node, state, after, [&](DeliveryKey key) {
    ++rows_scanned_;
    if (overlay_.deliveries.find(key) == nullptr) folded.push_back(key);
    return folded.size() < limit;
  });
  const auto place = overlay_.deliveries.at.find({scenario, node, state});
  if (place != overlay_.deliveries.at.end())
    for (auto next = place->second.upper_bound(after);
         next != place->second.end() && unfolded.size() < limit; ++next)
      if (!unreadable_.contains(*next)) unfolded.push_back(*next);
  rows_scanned_ += unfolded.size();
  return merged(folded, unfolded, limit);
}

/// Of the tables, without those that the overlay sets or clears.
std::vector<Timer> Newest::folded_timers(Instant until, std::size_t limit) {
  std::vector<Timer> timers;
  if (limit == 0) return timers;
  std::optional<Timer> overlaid;  // The last of those at the beginning.
  const Timer from = timers_from_.value_or(Timer{.at = Instant::min()});
  tables_.timers(from, [&](const Timer& timer) {
    if (timer.at > until) return false;
    if (overlay_.timers.find(timer) == nullptr)
      timers.push_back(timer);
    else if (timers.empty())
      overlaid = timer;
    return timers.size() < limit;
  });
  if (overlaid) timers_from_ = overlaid;
  return timers;
}

std::vector<Timer> Newest::timers(Instant until, std::size_t limit) {
  std::vector<Timer> unfolded;
  for (const Timer& timer : overlay_.timers.armed) {
    if (timer.at > until || unfolded.size() == limit) break;
    unfolded.push_back(timer);
  }
  return merged(folded_timers(until, limit), unfolded, limit);
}

std::optional<Instant> Newest::next_timer() {
  const bool known =
      first_timer_ && (!*first_timer_ || overlay_.timers.find(**first_timer_) == nullptr);
  if (!known) {
    const auto first = folded_timers(Instant::max(), 1);
    first_timer_ = first.empty() ? std::optional<Timer>{} : std::optional{first.front()};
  }
  std::optional<Instant> next;
  if (*first_timer_) next = (*first_timer_)->at;
  if (!overlay_.timers.armed.empty()) {
    const Instant unfolded = overlay_.timers.armed.begin()->at;
    next = std::min(next.value_or(unfolded), unfolded);
  }
  return next;
}

std::vector<DueDelivery> Newest::due(const EndpointKey& endpoint, const DueDelivery& after,
                                     Instant until, std::size_t limit) {
  std::vector<DueDelivery> folded, unfolded;
  if (limit == 0) return folded;
  tables_.due(endpoint, after, [&](const DueDelivery& due) {
    if (due.due > until) return false;
    if (overlay_.deliveries.find(due.delivery) == nullptr) folded.push_back(due);
    return folded.size() < limit;
  });
  if (const auto queue = overlay_.deliveries.due.find(endpoint);
      queue != overlay_.deliveries.due.end()) {
    for (auto due = queue->second.upper_bound(after); due != queue->second.end(); ++due) {
      if (due->due > until || unfolded.size() == limit) break;
      if (!unreadable_.contains(due->delivery)) unfolded.push_back(*due);
    }
  }
  return merged(folded, unfolded, limit);
}

std::vector<DueEndpoint> Newest::due_endpoints() {
  std::map<EndpointKey, Instant> dues;
  for (const auto& [endpoint, queue] : overlay_.deliveries.due) dues[endpoint] = queue.begin()->due;
  for (auto endpoint = tables_.next_endpoint({}); endpoint;
       endpoint = tables_.next_endpoint(*endpoint)) {
    const auto first = due(*endpoint, kBeforeAllDue, Instant::max(), 1);
    if (!first.empty()) dues[*endpoint] = first.front().due;
  }
  std::vector<DueEndpoint> endpoints;
  endpoints.reserve(dues.size());
  for (const auto& [endpoint, at] : dues) endpoints.push_back({.endpoint = endpoint, .due = at});
  return endpoints;
}

}  // namespace onward
