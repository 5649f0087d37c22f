#include "engine/store/memory/memory_reader.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <mutex>
#include <utility>

#include "engine/store/cursor.h"

namespace onward {
namespace {
/// Looks at the newest state, under the lock.
class MemoryReader final : public ReadModel {
 public:
  explicit MemoryReader(std::shared_ptr<MemoryState> state) : state_{std::move(state)} {}

  Result<IdentityMatch> identify(const IdentityQuery& query) override {
    const std::lock_guard lock{state_->mutex};
    return state_->identify(query);
  }

  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    const std::lock_guard lock{state_->mutex};
    const auto row = state_->control.versions.find({scenario, version});
    if (row == state_->control.versions.end()) return std::nullopt;
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
    const MemoryState::Person* owner = state_->find(contact);
    if (owner == nullptr) return list;
    for (const auto* runs : {&owner->live, &owner->ended})
      for (const Run& run : *runs)
        if (run.key.value < *before) list.runs.push_back(run);
    std::ranges::sort(list.runs, std::greater{}, &Run::key);
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
    const MemoryState::DeliveryRow& row = found->second;
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
    auto place = state_->control.activity.lower_bound(*before);
    while (place != state_->control.activity.begin()) {
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
    if (const MemoryState::Person* owner = state_->find(contact))
      std::ranges::copy_if(owner->ledger, std::back_inserter(rows),
                           [](const LedgerRow& row) { return row.key.empty(); });
    return rows;
  }

  Result<ContactList> contacts(ContactKey after, std::size_t limit) override {
    const std::lock_guard lock{state_->mutex};
    ContactList list;
    for (const ContactKey key : state_->people_in_order.from({after.value + 1})) {
      const MemoryState::Person& person = state_->people.at(key);
      if (!person.contact) continue;
      list.more = list.contacts.size() == limit;
      if (list.more) break;
      list.contacts.emplace_back(*person.contact, person.engagement);
    }
    return list;
  }

 private:
  std::shared_ptr<MemoryState> state_;
};
}  // namespace

std::unique_ptr<ReadModel> make_memory_reader(std::shared_ptr<MemoryState> state) {
  return std::make_unique<MemoryReader>(std::move(state));
}
}  // namespace onward
