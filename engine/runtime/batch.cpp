#include "engine/runtime/batch.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <utility>

#include "engine/core/base/sorted.h"
#include "engine/runtime/poison.h"
#include "engine/runtime/weight.h"
#include "engine/store/unreadable.h"

namespace onward {
Hash128 seen_key(const SourceId& source, const EventId& id) {
  std::string bytes;
  bytes.reserve(source.size() + 1 + id.size());
  bytes += source;
  bytes += '\0';
  bytes += id;
  return hash128(bytes);
}

namespace {
const ContactRef* ref_of(const Input& input) {
  if (const auto* event = std::get_if<EventInput>(&input)) return &event->who;
  if (const auto* patch = std::get_if<PatchInput>(&input)) return &patch->who;
  return nullptr;
}

const ContactPatch* patch_of(const Input& input) {
  if (const auto* event = std::get_if<EventInput>(&input)) return &event->patch;
  if (const auto* patch = std::get_if<PatchInput>(&input)) return &patch->patch;
  return nullptr;
}

ContactKey key_of(const Input& input) {
  if (const auto* timer = std::get_if<TimerInput>(&input)) return timer->contact;
  if (const auto* command = std::get_if<CommandInput>(&input)) return command->contact;
  return {};
}

/// Into a short list, where it is not in it yet.
template <class T>
bool add_new(std::vector<T>& list, const T& item) {
  if (std::ranges::find(list, item) != list.end()) return false;
  list.push_back(item);
  return true;
}
}  // namespace

Result<std::vector<LoadedDelivery>> unit_of(Store& store, const Delivery& delivery) {
  std::vector<DeliveryKey> keys{delivery.key};
  if (delivery.batch && *delivery.batch == delivery.key) {
    keys = delivery.members;
  } else if (delivery.batch) {
    const auto first = store.deliveries({&*delivery.batch, 1});
    if (!first) return tl::make_unexpected(first.error());
    if (first->front()) keys = first->front()->delivery.members;
  }
  auto loaded = store.deliveries(keys);
  if (!loaded) return tl::make_unexpected(std::move(loaded.error()));
  std::vector<LoadedDelivery> members;
  for (auto& one : *loaded)
    if (one) members.push_back(std::move(*one));
  return members;
}

Batch::Batch(Store& store, const Catalog& catalog, const Counters& counters,
             const Switches& switches, Sequence last_seq, ContactKey last_contact, Instant now,
             Duration dedupe_for, bool certain)
    : store_{store},
      catalog_{catalog},
      counters_{counters},
      switches_{switches},
      last_seq_{last_seq},
      last_contact_{last_contact},
      now_{now},
      dedupe_for_{dedupe_for},
      certain_{certain} {}

// ---- reading ----

namespace {
/// Puts what was asked for into order, each once.
template <class Asked>
void put_in_order(Asked& asked) {
  sort_unique(asked, &Asked::value_type::first);
}

/// The place of `key`; null where it was not asked for.
template <class Asked, class Key>
auto* found_in(Asked& asked, const Key& key) {
  const auto place = std::ranges::lower_bound(asked, key, {}, &Asked::value_type::first);
  return place == asked.end() || place->first != key ? nullptr : &place->second;
}
}  // namespace

Status Batch::prefetch(std::span<const Work> work) {
  note_names(work);
  if (const auto known = look_up(SIZE_MAX); !known) return tl::make_unexpected(known.error());
  return load(work);
}

void Batch::note_names(std::span<const Work> work) {
  for (const Work& item : work) {
    if (const ContactRef* who = ref_of(*item.input)) {
      if (who->id) by_id_.push_back({who->id->text, {}});
      if (!who->email.empty()) by_email_.push_back({who->email, {}});
    }
    const auto* event = std::get_if<EventInput>(item.input);
    if (event != nullptr && !event->id.empty())
      seen_.push_back({seen_key(event->source, event->id), {}});
  }
  put_in_order(by_id_);
  put_in_order(by_email_);
  put_in_order(seen_);
}

Status Batch::load(std::span<const Work> work) {
  working_.reserve(working_.size() + work.size());
  std::vector<LoadQuery> loads;
  for (const Work& item : work) {
    const ContactRef* who = ref_of(*item.input);
    const ContactKey contact =
        who == nullptr ? key_of(*item.input) : resolve(*who).contact.value_or(ContactKey{});
    if (!contact) continue;
    const auto [place, fresh] = working_.try_emplace(contact);
    if (fresh) {
      place->second.load = loads.size();
      loads.push_back({.contact = contact});
    }
    const std::size_t at = place->second.load;
    if (at >= loads.size() || loads[at].contact != contact) continue;  // loaded with another part
    const Needs& needs = needs_of(*item.input);
    LoadQuery& load = loads[at];
    for (const ScenarioKey key : needs.ledger) add_new(load.ledger, key);
    for (const auto& key : needs.keyed) add_new(load.keyed, key);
  }
  if (loads.empty()) return {};
  auto states = store_.load(loads);
  if (!states) return tl::make_unexpected(std::move(states.error()));
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const auto place = working_.find(loads[i].contact);
    if (!(*states)[i]) {
      working_.erase(place);
      continue;
    }
    Working& working = place->second;
    working.state = std::move(*(*states)[i]);
    working.loaded = {.ledger = std::move(loads[i].ledger), .keyed = std::move(loads[i].keyed)};
  }
  return {};
}

/// Who is known by the names, and which events were seen.
Result<bool> Batch::look_up(std::size_t count) {
  const std::size_t from = looked_up_;
  const auto part = [from, count](auto& asked) {
    const std::size_t first = std::min(from, asked.size());
    return std::span{asked}.subspan(first, std::min(count, asked.size() - first));
  };
  const auto by_id = part(by_id_);
  const auto by_email = part(by_email_);
  const auto seen = part(seen_);
  if (!by_id.empty() || !by_email.empty()) {
    std::vector<IdentityQuery> queries(std::max(by_id.size(), by_email.size()));
    for (std::size_t i = 0; i < by_id.size(); ++i) queries[i].id = by_id[i].first;
    for (std::size_t i = 0; i < by_email.size(); ++i) queries[i].email = by_email[i].first;
    auto matches = store_.identify(queries);
    if (!matches) return tl::make_unexpected(std::move(matches.error()));
    for (std::size_t i = 0; i < by_id.size(); ++i) by_id[i].second = (*matches)[i].by_id;
    for (std::size_t i = 0; i < by_email.size(); ++i)
      by_email[i].second = std::move((*matches)[i].by_email);
  }
  if (!seen.empty()) {
    std::vector<Hash128> keys;
    keys.reserve(seen.size());
    for (const auto& [key, fingerprint] : seen) keys.push_back(key);
    auto fingerprints = store_.seen(keys, now_);
    if (!fingerprints) return tl::make_unexpected(std::move(fingerprints.error()));
    for (std::size_t i = 0; i < keys.size(); ++i) seen[i].second = (*fingerprints)[i];
  }
  const std::size_t all = std::max({by_id_.size(), by_email_.size(), seen_.size()});
  looked_up_ = count >= all - std::min(from, all) ? all : from + count;
  return looked_up_ < all;
}

/// Groups whose joining or leaving the input can cause.
std::vector<std::string_view> Batch::groups_of(const Input& input, const Contact* contact) const {
  std::vector<std::string_view> groups;
  const ContactPatch* patch = patch_of(input);
  if (patch == nullptr) return groups;
  const auto add = [&](const std::vector<std::string>& some) {
    groups.insert(groups.end(), some.begin(), some.end());
  };
  add(patch->groups_add);
  add(patch->groups_remove);
  if (patch->groups) add(*patch->groups);
  if (patch->groups && contact != nullptr) add(contact->groups);
  return groups;
}

/// The ledger rows that an input can touch: its own event's scenarios, and those of events it
/// causes.
const Batch::Needs& Batch::needs_of(const Input& input, const Contact* contact) {
  const auto* event = std::get_if<EventInput>(&input);
  const auto touched =
      catalog_.touched_by(event == nullptr ? std::string_view{} : event->event.type);
  Needs& needs = needs_;
  needs.keyed.clear();
  needs.ledger.assign(touched.begin(), touched.end());
  if (const auto* timer = std::get_if<TimerInput>(&input);
      timer != nullptr &&
      (timer->timer.kind == TimerKind::SegmentRecheck || timer->timer.kind == TimerKind::Date))
    needs.ledger.push_back({static_cast<std::uint32_t>(timer->timer.subject >> 32)});
  if (const auto* command = std::get_if<CommandInput>(&input))
    if (const auto* armed = std::get_if<ArmTrigger>(&command->command))
      needs.ledger.push_back(armed->scenario);
  for (const ScenarioKey key : needs.ledger) {
    const CatalogScenario* scenario = catalog_.find(key);
    if (scenario == nullptr || scenario->version(scenario->newest) == nullptr) continue;
    const std::string& path = scenario->current().reentry.key_path;
    if (path.empty()) continue;
    needs.keyed.emplace_back(key, entry_key(""));
    const Value* value = event == nullptr ? nullptr : event->event.data.find_path(path);
    if (value != nullptr) needs.keyed.emplace_back(key, entry_key(to_text(*value)));
    if (path == "group")
      for (const std::string_view group : groups_of(input, contact))
        add_new(needs.keyed, std::pair{key, entry_key(group)});
  }
  return needs;
}

/// The rule of identity: by id if given; an unknown id goes to the one holder of the address
/// that has none; an address alone with several holders means the oldest.
Batch::Resolved Batch::resolve(const ContactRef& who) const {
  using Holder = IdentityMatch::Holder;
  static const std::vector<Holder> kNobody;
  const auto* held = who.email.empty() ? nullptr : found_in(by_email_, who.email);
  const std::vector<Holder>& holders = held == nullptr ? kNobody : *held;
  if (who.id) {
    const auto* found = found_in(by_id_, who.id->text);
    if (found != nullptr && *found) return {.contact = *found, .by_id = true};
    if (std::ranges::count(holders, false, &Holder::has_id) != 1) return {};
    return {.contact = std::ranges::find(holders, false, &Holder::has_id)->contact};
  }
  if (holders.empty()) return {};
  return {.contact = holders.front().contact, .ambiguous = holders.size() > 1};
}

/// Loads what an earlier input of the batch made necessary; mostly there is nothing to do.
Status Batch::ensure(ContactKey contact, Working& working, const Needs& needs) {
  const bool fresh = !working.state.contact.key;
  LoadQuery query{.contact = contact};
  for (const ScenarioKey key : needs.ledger)
    if (add_new(working.loaded.ledger, key)) query.ledger.push_back(key);
  for (const auto& key : needs.keyed)
    if (add_new(working.loaded.keyed, key)) query.keyed.push_back(key);
  if (!fresh && query.ledger.empty() && query.keyed.empty()) return {};
  auto loaded = store_.load({&query, 1});
  if (!loaded) return tl::make_unexpected(std::move(loaded.error()));
  if (!loaded->front()) return {};
  ContactState& state = *loaded->front();
  if (fresh) {
    working.state = std::move(state);
    return {};
  }
  // Rows that the batch has changed already are newer than the store's.
  for (LedgerRow& row : state.ledger) {
    const bool known = std::ranges::any_of(working.state.ledger, [&](const LedgerRow& have) {
      return have.scenario == row.scenario && have.key == row.key && have.test == row.test;
    });
    if (!known) working.state.ledger.push_back(std::move(row));
  }
  return {};
}

// ---- taking ----

/// Repeats, conflicts and events that are too old take no effect.
bool Batch::refuse_event(const EventInput& input, WorkAnswer& answer) {
  EventAnswer& event = answer.event;
  if (!input.history && input.event.at < now_ - dedupe_for_) {
    event = {.kind = EventAnswer::Kind::Rejected,
             .code = "too_old",
             .message =
                 "the event is older than events are remembered, so a repeat could not be "
                 "told from it; send it with ?mode=history to update the contact only"};
    return true;
  }
  if (input.id.empty()) return false;
  const Hash128 key = seen_key(input.source, input.id);
  auto* seen = found_in(seen_, key);
  assert(seen != nullptr && "it was looked up");
  if (!*seen) {
    *seen = input.fingerprint;
    commit_.seen.push_back({.key = key, .fingerprint = input.fingerprint, .at = now_});
    return false;
  }
  if (**seen == input.fingerprint)
    event.kind = EventAnswer::Kind::Duplicate;
  else
    event = {.kind = EventAnswer::Kind::Conflict,
             .code = "id_reused",
             .message = "an event with this id was accepted before with another body"};
  return true;
}

bool Batch::fits_contact(const Working& working, const Input& input,
                         const ContactPatch& patch) const {
  const Contact& contact = working.state.contact;
  const ContactRef* who = ref_of(input);
  const std::size_t id = !contact.id && who != nullptr && who->id ? who->id->text.size() : 0;
  return fits(contact, working.state.engagement, patch, catalog_.contact_bytes_max(), id);
}

/// As if the input had never come: nothing is remembered of it.
void Batch::refuse_full(const Input& input, WorkAnswer& answer) {
  if (answer.created) {
    working_.erase(answer.contact);
    --last_contact_.value;
  }
  if (const auto* event = std::get_if<EventInput>(&input); event != nullptr && !event->id.empty()) {
    if (auto* seen = found_in(seen_, seen_key(event->source, event->id))) seen->reset();
    commit_.seen.pop_back();
  }
  answer = {};
  answer.event = {
      .kind = EventAnswer::Kind::Rejected,
      .code = std::string{kContactFull},
      .message = "the contact would take more than " +
                 std::to_string(catalog_.contact_bytes_max()) +
                 " bytes as it is stored; shorten or clear fields, groups or mailings of it"};
}

Status Batch::take(const Work& work) {
  const Input& input = *work.input;
  WorkAnswer unasked;
  WorkAnswer& answer = work.answer == nullptr ? unasked : *work.answer;
  answer = {};
  if (const auto* event = std::get_if<EventInput>(&input); event && refuse_event(*event, answer))
    return {};

  ContactKey contact = key_of(input);
  const ContactRef* who = ref_of(input);
  Resolved resolved;
  if (who != nullptr) {
    resolved = resolve(*who);
    if (resolved.ambiguous) answer.event.warnings.emplace_back("ambiguous_contact");
    if (!resolved.contact && !work.create) {
      answer.found = false;
      return {};
    }
    answer.created = !resolved.contact;
    contact = resolved.contact ? *resolved.contact : ContactKey{++last_contact_.value};
  }
  answer.contact = contact;
  Working& working = working_[contact];
  if (answer.created) {
    working.state.contact.key = contact;
    working.created = true;
  } else if (Status loaded = ensure(contact, working, needs_of(input)); !loaded) {
    return loaded;
  } else if (const ContactPatch* patch = patch_of(input); patch != nullptr && patch->groups) {
    // Replacing all groups can make the contact leave those that it is in.
    loaded = ensure(contact, working, needs_of(input, &working.state.contact));
    if (!loaded) return loaded;
  }
  if (who != nullptr && !answer.created && !working.forgotten) {
    const std::string_view id = resolved.by_id ? std::string_view{who->id->text} : "";
    if (!working.state.contact.key || !goes_by(working.state.contact, id, who->email))
      return tl::make_unexpected(damaged_name_error());
  }
  // A timer or command of a contact that is gone, perhaps by an earlier input of this batch.
  if (!working.state.contact.key || working.forgotten) {
    answer.found = false;
    if (!working.forgotten) working_.erase(contact);
    if (const auto* timer = std::get_if<TimerInput>(&input))
      note_timer({timer->due, timer->contact, timer->timer}, false);
    return {};
  }
  if (const ContactPatch* patch = patch_of(input);
      patch != nullptr && !patch->empty() && !fits_contact(working, input, *patch)) {
    refuse_full(input, answer);
    return {};
  }
  const Now now{.at = now_, .seq = ++last_seq_, .seed = last_seq_};
  auto advanced = advance_loaded(working, input, now);
  if (!advanced) return tl::make_unexpected(std::move(advanced.error()));
  Changes changes = std::move(*advanced);
  if (changes.forgotten)
    if (Status done = cancel_pending_of(contact); !done) return done;
  adopt(working, changes);
  answer.changed = changes.contact_changed;
  for (std::string& warning : changes.warnings) answer.event.warnings.push_back(std::move(warning));
  if (work.want_state)
    answer.state = {.contact = working.state.contact,
                    .engagement = working.state.engagement,
                    .created = answer.created,
                    .warnings = answer.event.warnings};
  for (NewDelivery& made : changes.deliveries) take_over(made);
  return {};
}

Status Batch::take_aside(const Input& input, std::string_view reason, Parks parks) {
  const auto* timer = std::get_if<TimerInput>(&input);
  if (timer == nullptr) return {};
  note_timer({timer->due, timer->contact, timer->timer}, false);
  const RunKey run = run_of(work_item(input));
  if (!run || parks == Parks::Nothing) return {};
  const Input park = CommandInput{.contact = timer->contact,
                                  .command = ParkRun{.run = run, .reason = std::string{reason}}};
  return take({.input = &park});
}

/// A new delivery waits for its batch, or for its node's switch.
void Batch::take_over(NewDelivery& made) {
  Delivery& delivery = made.delivery;
  if (delivery.pending() && made.policy != nullptr && made.policy->batch)
    delivery.due = now_ + made.policy->batch->linger;
  if (delivery.pending() &&
      is_paused(switches_, {delivery.endpoint.scenario, delivery.endpoint.node})) {
    delivery.parked = true;
    delivery.parked_since = now_;
    count(delivery, Counter::PendingParked, 1);
  }
  bytes_ += sizeof(made) + (made.request ? weight_of(*made.request) : 0);
  deliveries_.push_back(std::move(made));
}

/// Advances, and loads what ledger rows nobody could foresee when they are asked for.
Result<Changes> Batch::advance_loaded(Working& working, const Input& input, const Now& now) {
  if (!catalog_.surprises() || working.created) return advance(catalog_, working.state, input, now);
  Status done;
  const LedgerSource ledger = [&](ScenarioKey scenario, const EntryKey& key) {
    const bool fresh = key.empty() ? add_new(working.loaded.ledger, scenario)
                                   : add_new(working.loaded.keyed, std::pair{scenario, key});
    if (!fresh || !done) return std::vector<LedgerRow>{};
    LoadQuery query{.contact = working.state.contact.key};
    if (key.empty())
      query.ledger.push_back(scenario);
    else
      query.keyed.emplace_back(scenario, key);
    auto loaded = store_.load({&query, 1});
    if (!loaded) done = tl::make_unexpected(std::move(loaded.error()));
    if (!done || !loaded->front()) return std::vector<LedgerRow>{};
    std::vector<LedgerRow> rows = std::move(loaded->front()->ledger);
    std::erase_if(rows, [&](const LedgerRow& row) {  // those of live runs came along, then and now
      return std::ranges::any_of(working.state.ledger, [&](const LedgerRow& have) {
        return have.scenario == row.scenario && have.key == row.key && have.test == row.test;
      });
    });
    return rows;
  };
  Changes changes = advance(catalog_, working.state, input, now, ledger);
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return changes;
}

void Batch::adopt(Working& working, Changes& changes) {
  steps_ += changes.steps;
  const Contact& contact = working.state.contact;
  if (changes.contact_changed && !working.contact_changed) bytes_ += weight_of(contact);
  working.contact_changed |= changes.contact_changed;
  working.engagement_changed |= changes.engagement_changed;
  working.forgotten |= changes.forgotten;
  working.ledger_changed.insert(changes.ledger.begin(), changes.ledger.end());
  working.runs_changed.insert(changes.live.begin(), changes.live.end());
  if (const auto& before = changes.identity_before) {
    const std::string id = contact.id ? contact.id->text : std::string{};
    const std::string email = contact.email();
    note_identity(IdentityChange::Kind::Id, before->id, id, contact.key, !id.empty());
    note_identity(IdentityChange::Kind::Email, before->email, email, contact.key, !id.empty());
    if (before->id.empty() && !id.empty())
      if (auto* held = found_in(by_email_, email))
        for (auto& holder : *held)
          if (holder.contact == contact.key) holder.has_id = true;
  }
  for (const Timer& timer : changes.timers_cleared) note_timer(timer, false);
  for (const Timer& timer : changes.timers_set) note_timer(timer, true);
  for (const CounterChange& change : changes.counters) deltas_.add(change);
  std::ranges::move(changes.ended, std::back_inserter(ended_));
}

void Batch::note_timer(const Timer& timer, bool stands) {
  timers_.push_back({.timer = timer, .order = timers_.size(), .stands = stands});
}

/// Keeps what this batch looked up true, and tells the store.
void Batch::note_identity(IdentityChange::Kind kind, const std::string& before,
                          const std::string& after, ContactKey contact, bool has_id) {
  if (before == after) return;
  const bool is_id = kind == IdentityChange::Kind::Id;
  if (!before.empty()) {
    commit_.identities.push_back(
        {.kind = kind, .value = before, .contact = contact, .removed = true});
    if (is_id) {
      if (auto* found = found_in(by_id_, before)) found->reset();
    } else if (auto* held = found_in(by_email_, before)) {
      std::erase_if(*held, [&](const auto& holder) { return holder.contact == contact; });
    }
  }
  if (after.empty()) return;
  commit_.identities.push_back({.kind = kind, .value = after, .contact = contact});
  if (is_id) {
    if (auto* found = found_in(by_id_, after)) *found = contact;
  } else if (auto* held = found_in(by_email_, after)) {
    held->push_back({.contact = contact, .has_id = has_id});
    std::ranges::sort(*held, {}, &IdentityMatch::Holder::contact);
  }
}

// ---- deliveries ----

void Batch::count(const Delivery& delivery, Counter counter, std::int32_t delta) {
  const EndpointKey& endpoint = delivery.endpoint;
  deltas_.add({.key = {.scenario = endpoint.scenario,
                       .node = endpoint.node,
                       .version = endpoint.version,
                       .test = delivery.test},
               .name = {},
               .counter = counter,
               .delta = delta});
}

Status Batch::settle_attempt(const Delivery& known, const AttemptResult& result,
                             const RetryPolicy& policy) {
  // One that was withdrawn in flight and handed out again can be answered twice at once.
  const auto before = settled_at_.find(known.key);
  const auto ended = changed_.find(known.key);
  const Delivery& delivery = before != settled_at_.end()
                                 ? settled_[before->second].settlement.delivery
                             : ended != changed_.end() ? ended->second
                                                       : known;
  Settlement settlement = settle({delivery}, result, policy, {.at = now_, .certain = certain_});
  if (settlement.delivery == delivery) return {};
  AttemptResult known_result = result;
  if (delivery.batch) {
    const auto erased = lost_a_contact(delivery);
    if (!erased) return tl::make_unexpected(erased.error());
    // The request may have left before the contact was forgotten, and a receiver may repeat it.
    if (*erased) {
      known_result.response.clear();
      known_result.error.clear();
      if (settlement.delivery.last) {
        settlement.delivery.last->response.clear();
        settlement.delivery.last->error.clear();
      }
    }
  }
  if (settlement.accepted || settlement.failed) {
    if (delivery.batch)
      if (Status done = settle_members(settlement); !done) return done;
    count(delivery, Counter::Pending, -1);
    count(delivery, settlement.accepted ? Counter::Accepted : Counter::Failed, 1);
    if (delivery.parked) count(delivery, Counter::PendingParked, -1);
  }
  if (settlement.superseded)
    commit_.attempts.push_back({.delivery = delivery.key, .attempt = *settlement.superseded});
  bytes_ += sizeof(Settled) + settlement.delivery.reason.size() + known_result.response.size() +
            known_result.error.size();
  settled_at_[known.key] = settled_.size();
  settled_.push_back({.settlement = std::move(settlement), .result = std::move(known_result)});
  return {};
}

/// Whether a member of the delivery's batch belonged to a contact that was forgotten.
Result<bool> Batch::lost_a_contact(const Delivery& carrier) {
  const auto members = unit_of(store_, carrier);
  if (!members) return tl::make_unexpected(members.error());
  return std::ranges::any_of(*members, [&](const LoadedDelivery& one) {
    const auto contact = working_.find(one.delivery.contact);
    return one.delivery.reason == kForgotten ||
           (contact != working_.end() && contact->second.forgotten);
  });
}

/// The others of a batch end as the one that carried it. What the receiver said stays with that
/// one.
Status Batch::settle_members(const Settlement& settlement) {
  const Delivery& carrier = settlement.delivery;
  const auto members = unit_of(store_, carrier);
  if (!members) return tl::make_unexpected(members.error());
  for (const LoadedDelivery& one : *members) {
    if (one.delivery.key == carrier.key || !one.delivery.pending()) continue;
    count(one.delivery, Counter::Pending, -1);
    count(one.delivery, settlement.accepted ? Counter::Accepted : Counter::Failed, 1);
    if (one.delivery.parked) count(one.delivery, Counter::PendingParked, -1);
    Delivery& ended = changed_[one.delivery.key] = one.delivery;
    ended.state = carrier.state;
    ended.reason = carrier.reason;
    ended.settled = carrier.settled;
    ended.attempts = carrier.attempts;
    ended.last = carrier.last;
    if (ended.last) ended.last->response.clear();
    ended.due.reset();
    ended.parked = false;
    ended.parked_since.reset();
  }
  return {};
}

void Batch::cancel(const Delivery& delivery, std::string_view reason) {
  assert(delivery.pending());
  changed_.erase(delivery.key);
  count(delivery, Counter::Pending, -1);
  count(delivery, Counter::Cancelled, 1);
  if (delivery.parked) count(delivery, Counter::PendingParked, -1);
  cancelled_keys_.insert(delivery.key);
  Delivery& ended = cancelled_.emplace_back(delivery);
  ended.state = DeliveryState::Cancelled;
  ended.reason = reason;
  ended.due.reset();
  ended.settled = now_;
  ended.parked = false;
  ended.parked_since.reset();
}

void Batch::retry(const Delivery& delivery, const RetryPolicy& policy, bool due) {
  assert(!delivery.pending() && delivery.state != DeliveryState::Accepted);
  count(delivery, delivery.state == DeliveryState::Failed ? Counter::Failed : Counter::Cancelled,
        -1);
  count(delivery, Counter::Pending, 1);
  Delivery& again = changed_[delivery.key] = delivery;
  again.state = DeliveryState::Pending;
  again.reason.clear();
  again.settled.reset();
  again.deadline = now_ + policy.window;
  ++again.series;
  again.series_from = again.attempts;
  if (due) again.due = now_;
  if (!is_paused(switches_, {delivery.endpoint.scenario, delivery.endpoint.node})) return;
  again.parked = true;
  again.parked_since = now_;
  count(delivery, Counter::PendingParked, 1);
}

void Batch::park(const Delivery& delivery, Instant since) {
  assert(delivery.pending() && !delivery.parked);
  Delivery& parked = changed_[delivery.key] = delivery;
  parked.parked = true;
  parked.parked_since = std::max(since, delivery.created);
  count(delivery, Counter::PendingParked, 1);
}

void Batch::unpark(const Delivery& delivery) {
  assert(delivery.pending() && delivery.parked);
  Delivery& free = changed_[delivery.key] = delivery;
  free.parked = false;
  const Instant since = std::exchange(free.parked_since, {}).value_or(now_);
  free.deadline += std::max(now_ - since, Duration::zero());
  if (free.due) free.due = std::max(*free.due, now_);
  count(delivery, Counter::PendingParked, -1);
}

void Batch::make_due(const Delivery& delivery) {
  assert(delivery.pending() && !delivery.parked && delivery.due);
  Delivery& due = changed_[delivery.key] = delivery;
  due.due = std::min(*due.due, now_);
}

/// The batch of a member that is taken out goes on with the others: the next one carries it, under
/// the same webhook-id.
Status Batch::hand_over(const Delivery& carrier) {
  const auto members = unit_of(store_, carrier);
  if (!members) return tl::make_unexpected(members.error());
  for (const LoadedDelivery& one : *members) {
    if (one.delivery.key == carrier.key || !one.delivery.pending() ||
        is_cancelled(one.delivery.key))
      continue;
    Delivery& next = changed_[one.delivery.key] = one.delivery;
    next.due = carrier.due;
    next.deadline = carrier.deadline;
    next.attempts = carrier.attempts;
    next.series = carrier.series;
    next.series_from = carrier.series_from;
    next.last = carrier.last;
    return {};
  }
  return {};
}

/// Of a contact that is forgotten: those on disk, and those of this very batch.
Status Batch::cancel_pending_of(ContactKey contact) {
  const auto keys = store_.pending_of(contact);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = store_.deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  for (const auto& one : *loaded) {
    if (!one) continue;
    const auto changed = changed_.find(one->delivery.key);
    const Delivery delivery = changed == changed_.end() ? one->delivery : changed->second;
    if (!delivery.pending()) continue;
    cancel(delivery, kForgotten);
    if (delivery.batch && delivery.due)
      if (Status done = hand_over(delivery); !done) return done;
  }
  for (const NewDelivery& made : deliveries_)
    if (made.delivery.contact == contact && made.delivery.pending())
      cancel(made.delivery, kForgotten);
  return {};
}

// ---- the whole ----

Commit Batch::finish() {
  Commit commit = std::move(commit_);
  commit.at = now_;
  commit.last_seq = last_seq_;
  commit.last_contact = last_contact_;
  commit.runs.reserve(working_.size() + ended_.size());
  commit.timers_set.reserve(timers_.size());
  commit.timers_cleared.reserve(timers_.size());
  for (auto& [key, working] : working_) {
    if (working.forgotten) {
      commit.forgotten.push_back(key);
      continue;
    }
    if (working.contact_changed) commit.contacts.push_back(std::move(working.state.contact));
    if (working.engagement_changed)
      commit.engagements.push_back(
          {.contact = key, .engagement = std::move(working.state.engagement)});
    for (const std::size_t index : working.ledger_changed)
      commit.ledger.push_back({.contact = key, .row = std::move(working.state.ledger[index])});
    for (Run& run : working.state.live)
      if (working.runs_changed.contains(run.key)) commit.runs.push_back(std::move(run));
  }
  std::ranges::move(ended_, std::back_inserter(commit.runs));
  std::ranges::sort(commit.runs, {}, &Run::key);
  std::ranges::sort(timers_, {}, [](const auto& one) { return std::tie(one.timer, one.order); });
  for (std::size_t i = 0; i < timers_.size(); ++i) {
    const auto& [timer, order, stands] = timers_[i];
    if (i + 1 < timers_.size() && timers_[i + 1].timer == timer) continue;
    (stands ? commit.timers_set : commit.timers_cleared).push_back(timer);
  }
  commit.deliveries.reserve(deliveries_.size() + settled_.size() + cancelled_.size());
  commit.requests.reserve(deliveries_.size());
  for (const NewDelivery& made : deliveries_) {
    commit.deliveries.push_back(made.delivery);
    commit.requests.push_back({.delivery = made.delivery.key, .request = made.request});
  }
  for (const Settled& settled : settled_) commit.deliveries.push_back(settled.settlement.delivery);
  for (const Delivery& delivery : cancelled_) commit.deliveries.push_back(delivery);
  for (const auto& [key, delivery] : changed_) commit.deliveries.push_back(delivery);
  commit.counters = deltas_.added_to(counters_);
  return commit;
}
}  // namespace onward
