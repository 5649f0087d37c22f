#include "engine/cell/batch_contacts.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <tuple>
#include <variant>

#include "engine/cell/weight.h"
#include "engine/core/contact/contact_size.h"

namespace onward {
namespace {
/// Into a short list, where it is not in it yet.
template <class T>
bool add_new(std::vector<T>& list, const T& item) {
  if (std::ranges::find(list, item) != list.end()) return false;
  list.push_back(item);
  return true;
}
}  // namespace

Status BatchContacts::load(std::span<const Work> work, const BatchLookups& lookups) {
  working_.reserve(working_.size() + work.size());
  std::vector<LoadQuery> loads;
  for (const Work& item : work) {
    const ContactRef* who = contact_ref_of(*item.input);
    const ContactKey contact = who == nullptr
                                   ? contact_key_of(*item.input)
                                   : lookups.resolve(*who).contact.value_or(ContactKey{});
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

/// Groups whose joining or leaving the input can cause.
std::vector<std::string_view> BatchContacts::groups_of(const Input& input,
                                                       const Contact* contact) const {
  std::vector<std::string_view> groups;
  const ContactPatch* patch = contact_patch_of(input);
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
const BatchContacts::Needs& BatchContacts::needs_of(const Input& input, const Contact* contact) {
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

Status BatchContacts::complete(ContactKey contact, Working& working, const Input& input) {
  if (Status loaded = ensure(contact, working, needs_of(input)); !loaded) return loaded;
  const ContactPatch* patch = contact_patch_of(input);
  if (patch == nullptr || !patch->groups) return {};
  // Replacing all groups can make the contact leave those that it is in.
  return ensure(contact, working, needs_of(input, &working.state.contact));
}

Status BatchContacts::ensure(ContactKey contact, Working& working, const Needs& needs) {
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

bool BatchContacts::fits_with(const Working& working, const Input& input,
                              const ContactPatch& patch) const {
  const Contact& contact = working.state.contact;
  const ContactRef* who = contact_ref_of(input);
  const std::size_t id = !contact.id && who != nullptr && who->id ? who->id->text.size() : 0;
  return fits(contact, working.state.engagement, patch, catalog_.contact_bytes_max(), id);
}

Result<Changes> BatchContacts::advance(Working& working, const Input& input, const Now& now) {
  if (!catalog_.surprises() || working.created)
    return onward::advance(catalog_, working.state, input, now);
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
  Changes changes = onward::advance(catalog_, working.state, input, now, ledger);
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return changes;
}

void BatchContacts::adopt(Working& working, Changes& changes) {
  if (changes.contact_changed && !working.contact_changed)
    bytes_ += weight_of(working.state.contact);
  working.contact_changed |= changes.contact_changed;
  working.engagement_changed |= changes.engagement_changed;
  working.forgotten |= changes.forgotten;
  working.ledger_changed.insert(changes.ledger.begin(), changes.ledger.end());
  working.runs_changed.insert(changes.live.begin(), changes.live.end());
  for (const Timer& timer : changes.timers_cleared) note_timer(timer, false);
  for (const Timer& timer : changes.timers_set) note_timer(timer, true);
  std::ranges::move(changes.ended, std::back_inserter(ended_));
}

void BatchContacts::clear_timer(const TimerInput& timer) {
  note_timer({timer.due, timer.contact, timer.timer}, false);
}

void BatchContacts::note_timer(const Timer& timer, bool is_set) {
  timers_.push_back({.timer = timer, .order = timers_.size(), .is_set = is_set});
}

void BatchContacts::finish(Commit& commit) {
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
    const auto& [timer, order, is_set] = timers_[i];
    if (i + 1 < timers_.size() && timers_[i + 1].timer == timer) continue;
    (is_set ? commit.timers_set : commit.timers_cleared).push_back(timer);
  }
}
}  // namespace onward
