#include "engine/cell/outbox.h"

#include <algorithm>
#include <set>
#include <utility>

namespace onward {
namespace {
constexpr Duration kVersionPause = std::chrono::minutes{5};
}  // namespace

Outbox::Outbox(const Parts& parts)
    : cell_{parts.cell},
      writer_{parts.writer},
      builder_{parts.builder},
      backlog_{parts.backlog},
      quarantine_{parts.quarantine},
      log_{parts.log},
      window_{{.endpoint = cell_.options.endpoint_window, .total = cell_.options.window}},
      batcher_{cell_, writer_, window_} {}

void Outbox::follow(const BatchDeliveries& batch) {
  std::vector<DeliveryKey> withdrawn;
  std::set<DeliveryKey> batches;  // that lost a member
  for (const Delivery& delivery : batch.cancelled()) {
    window_.settled(delivery);
    batcher_.remove(delivery);
    withdrawn.push_back(delivery.key);
    if (delivery.batch) batches.insert(*delivery.batch);
  }
  for (const Settled& settled : batch.settled()) window_.settled(settled.settlement.delivery);
  for (const auto& [key, delivery] : batch.changed()) {
    window_.settled(delivery);
    if (delivery.parked) batcher_.remove(delivery);
  }
  // What has not left yet is made once more, without them.
  for (const DeliveryKey lost : batches)
    if (const auto carrier = window_.recall_batch(lost)) withdrawn.push_back(*carrier);
  withdraw(withdrawn);
  follow_changed(batch);
  log_.add(batch.settled());

  std::vector<Dispatcher::Handout> handouts;
  for (const NewDelivery& made : batch.made()) {
    const bool cancelled = batch.is_cancelled(made.delivery.key);
    if (made.delivery.state == DeliveryState::Failed) log_.add_failed(made.delivery);
    if (!made.delivery.pending() || made.delivery.parked || cancelled) continue;
    if (made.policy != nullptr && made.policy->batch)
      batcher_.add(made.delivery, made.request.get(), *made.policy->batch);
    else
      window_.created(made.delivery, made.request, handouts);
  }
  hand_out(handouts);
}

/// What was unparked, or is retried, waits for others again where it never belonged to a batch.
void Outbox::follow_changed(const BatchDeliveries& batch) {
  std::vector<const Delivery*> some;
  std::vector<DeliveryKey> keys;
  for (const auto& [key, delivery] : batch.changed()) {
    if (!delivery.pending() || delivery.parked || delivery.batch) continue;
    const DeliveryPolicy* policy = cell_.policy_at(delivery.endpoint);
    if (policy == nullptr || !policy->batch) continue;
    some.push_back(&delivery);
    keys.push_back(key);
  }
  if (some.empty()) return;
  const auto loaded = cell_.store->deliveries(keys);
  for (std::size_t i = 0; i < some.size(); ++i) {
    // The store's fault shows in its next call; the search finds what it hides now.
    const bool found = loaded && (*loaded)[i];
    batcher_.add(*some[i], found ? (*loaded)[i]->request.get() : nullptr,
                 *cell_.policy_at(some[i]->endpoint)->batch);
  }
}

Status Outbox::refill() {
  if (Status sealed = ignore_transient(batcher_.seal()); !sealed) return sealed;
  std::vector<Dispatcher::Handout> handouts;
  // What could not be recorded is not sent.
  const bool writable = !writer_.read_only();
  Status done = writable ? window_.refill(*cell_.store, cell_.now(), handouts) : Status{};
  hand_out(handouts);
  if (done && batcher_.is_searching() && !writer_.read_only()) {
    handouts.clear();
    done = batcher_.search();
    if (done) done = batcher_.seal();
    if (done) done = window_.refill(*cell_.store, cell_.now(), handouts);
    hand_out(handouts);
  }
  const std::vector<DeliveryKey> late = window_.overdue(cell_.now());
  cell_.effects.expedited.insert(cell_.effects.expedited.end(), late.begin(), late.end());
  return ignore_transient(std::move(done));
}

std::optional<Instant> Outbox::next() const {
  const Instant now = cell_.now();
  if (batcher_.is_searching() || batcher_.any_ready(now)) return now;
  return window_.next();
}

void Outbox::retry_waiting() {
  std::vector<Dispatcher::Handout> waiting = std::exchange(waiting_for_version_, {});
  hand_out(waiting);
}

void Outbox::hand_out(std::vector<Dispatcher::Handout>& handouts) {
  for (Dispatcher::Handout& handout : handouts) {
    const Delivery& delivery = handout.delivery;
    if (quarantine_.holds(delivery.key)) {
      backlog_.add(quarantine_.failure_of(delivery));
      continue;
    }
    if (handout.request == nullptr) {
      backlog_.add({.delivery = delivery.key,
                    .number = delivery.attempts + 1,
                    .started = cell_.now(),
                    .code = "request_missing",
                    .error = "what was to be sent is not stored any more",
                    .permanent = true});
      continue;
    }
    const CatalogScenario* home = cell_.catalog.find(delivery.endpoint.scenario);
    const bool in_memory = home != nullptr && home->versions.contains(delivery.endpoint.version);
    if (home != nullptr && !in_memory && builder_.awaits({home->id, delivery.endpoint.version})) {
      waiting_for_version_.push_back(std::move(handout));
      continue;
    }
    hand_out(handout, in_memory ? home->versions.at(delivery.endpoint.version) : nullptr);
  }
}

/// `version`: of its scenario; null where it cannot be read.
void Outbox::hand_out(Dispatcher::Handout& handout, std::shared_ptr<const Scenario> version) {
  const Delivery& delivery = handout.delivery;
  const Instant now = cell_.now();
  const bool over = cell_.certain() && now >= delivery.deadline;
  const ScenarioNode* node = version == nullptr ? nullptr : version->find(delivery.endpoint.node);
  const DeliveryPolicy* policy = node == nullptr ? nullptr : node->node->delivery_policy();
  if (policy == nullptr) {
    backlog_.add({.delivery = delivery.key,
                  .number = delivery.attempts + 1,
                  .started = now,
                  .code = "version_missing",
                  .error = "the scenario version that asked for it cannot be read any more",
                  .retry_after = kVersionPause,
                  .permanent = over,
                  .local = !over});
    return;
  }
  if (policy->batch) {
    // After a restart, or while the disk is full: what is not sealed is not sent.
    if (!delivery.batch) return batcher_.recover(delivery);
    auto merged = merged_request(delivery);
    if (!merged) {
      // The store's fault shows in its next call; until then the batch stays where it is.
      cell_.log({"batch.unreadable", {{"message", merged.error().message}}, LogLevel::Error});
      window_.settled(delivery);
      return;
    }
    if (*merged) handout.request = std::move(*merged);
  }
  cell_.effects.tasks.push_back(
      {.delivery = delivery.key,
       .endpoint = delivery.endpoint,
       .number = delivery.attempts + 1,
       .last = over,
       .request = std::move(handout.request),
       .owner = std::move(version),
       .policy = policy,
       .webhook_id = format_delivery(cell_.epochs, delivery.batch.value_or(delivery.key))});
}

/// Also of those that have not left yet.
void Outbox::withdraw(const std::vector<DeliveryKey>& deliveries) {
  if (deliveries.empty()) return;
  const std::set<DeliveryKey> gone{deliveries.begin(), deliveries.end()};
  std::erase_if(cell_.effects.tasks,
                [&](const DeliveryTask& task) { return gone.contains(task.delivery); });
  std::erase_if(waiting_for_version_, [&](const Dispatcher::Handout& handout) {
    return gone.contains(handout.delivery.key);
  });
  cell_.effects.withdrawn.insert(cell_.effects.withdrawn.end(), deliveries.begin(),
                                 deliveries.end());
}

/// Marked while it is made: a crash may come from it.
Result<std::shared_ptr<const Request>> Outbox::merged_request(const Delivery& carrier) {
  WorkingFile* file = quarantine_.file();
  if (file != nullptr) file->begin(work_item(carrier.key));
  auto merged = batcher_.merged_request(carrier);
  if (file != nullptr) file->end();
  return merged;
}
}  // namespace onward
