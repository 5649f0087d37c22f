// Deliveries that people retry or cancel: one, or all that fit a filter, a chunk at a time.
#include <fmt/format.h>

#include <algorithm>

#include "engine/core/clipped.h"
#include "engine/runtime/engine.h"

namespace onward {
namespace {
/// Deliveries that one chunk loads, and that it deals with at most: a batch is dealt with whole.
constexpr std::size_t kHandChunk = 250;
constexpr std::size_t kDealtAtOnce = 750;

bool settled_badly(const Delivery& delivery) {
  return delivery.state == DeliveryState::Failed || delivery.state == DeliveryState::Cancelled;
}

/// Born failed: it cannot be rendered, or may not be sent, and never will.
bool was_never_sendable(const Delivery& delivery) {
  return delivery.state == DeliveryState::Failed && delivery.attempts == 0;
}

std::string_view verb(ByHand act) { return act == ByHand::Retry ? "retried" : "cancelled"; }

std::string describe(const DeliveryQuery& query) {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  };
  if (query.state) add("state", std::string{to_string(*query.state)});
  if (query.since) add("since", format_instant(*query.since));
  if (query.until) add("until", format_instant(*query.until));
  add("code", query.code);
  return text;
}
}  // namespace

bool fits(const DeliveryQuery& query, const Delivery& delivery) {
  if (query.state && delivery.state != *query.state) return false;
  if (query.since && delivery.created < *query.since) return false;
  if (query.until && delivery.created >= *query.until) return false;
  if (query.code.empty()) return true;
  // "bad_header: X-Name" tells more than the word.
  if (std::string_view{delivery.reason}.substr(0, delivery.reason.find(':')) == query.code ||
      delivery.reason == query.code)
    return true;
  return delivery.last &&
         (delivery.last->code == query.code ||
          (delivery.last->status != 0 && std::to_string(delivery.last->status) == query.code));
}

/// Whether the bodies of a scenario are going away right now.
bool Engine::purging(ScenarioKey scenario) const {
  const ScenarioRecord* record = book_.find(scenario);
  return record != nullptr &&
         scenario_passes_.contains(pass_name(ScenarioPass::Kind::Purge, record->id));
}

Result<bool> Engine::has_room_for(const Batch& batch, const Delivery& delivery) {
  const std::size_t rows = batch.changed().size() + batch.cancelled().size();
  if (rows == 0 || batch.changed().contains(delivery.key) || batch.is_cancelled(delivery.key))
    return true;
  std::size_t members = 1;
  if (delivery.batch == delivery.key) {
    members = delivery.members.size();
  } else if (delivery.batch) {
    const auto first = store_->deliveries({&*delivery.batch, 1});
    if (!first) return tl::make_unexpected(first.error());
    if (first->front()) members = first->front()->delivery.members.size();
  }
  return rows + members <= kDealtAtOnce;
}

/// A batch is retried or cancelled whole: its bytes stay what they were.
Result<ByHandAnswer> Engine::act_on_unit(Batch& batch, ByHand act, const Delivery& delivery,
                                         std::string_view reason) {
  ByHandAnswer answer;
  if (batch.changed().contains(delivery.key) || batch.is_cancelled(delivery.key)) return answer;
  const auto unit = unit_of(*store_, delivery);
  if (!unit) return tl::make_unexpected(unit.error());
  if (act == ByHand::Cancel) {
    for (const LoadedDelivery& one : *unit) {
      if (!one.delivery.pending()) continue;
      batch.cancel(one.delivery, reason);
      ++answer.changed;
    }
    return answer;
  }
  bool carried = false;
  for (const LoadedDelivery& one : *unit) {
    if (!settled_badly(one.delivery)) continue;
    if (one.request == nullptr || was_never_sendable(one.delivery)) {
      ++answer.skipped;
      continue;
    }
    batch.retry(one.delivery, policy_of(one.delivery), /*due=*/!std::exchange(carried, true));
    ++answer.changed;
  }
  return answer;
}

Result<ByHandAnswer> Engine::by_hand(ByHand act, DeliveryKey key, const std::string& who) {
  const auto loaded = store_->deliveries({&key, 1});
  if (!loaded) return tl::make_unexpected(loaded.error());
  if (!loaded->front())
    return fail(ErrorKind::NotFound, "unknown_delivery", "there is no such delivery");
  const LoadedDelivery& found = *loaded->front();
  const Delivery& delivery = found.delivery;
  if (act == ByHand::Cancel && !delivery.pending())
    return fail(ErrorKind::Conflict, "not_pending",
                fmt::format("only a pending delivery can be cancelled; this one is {}",
                            to_string(delivery.state)));
  if (act == ByHand::Retry && !settled_badly(delivery))
    return fail(ErrorKind::Conflict, "not_settled",
                fmt::format("only a failed or cancelled delivery can be retried; this one is {}",
                            to_string(delivery.state)));
  if (act == ByHand::Retry && was_never_sendable(delivery))
    return fail(ErrorKind::Conflict, "never_sendable",
                fmt::format("this delivery could never be sent ({}); a new visit of the node makes "
                            "another one",
                            delivery.reason));
  if (act == ByHand::Retry && (found.request == nullptr || purging(delivery.endpoint.scenario)))
    return fail(ErrorKind::Conflict, "body_purged",
                "the body of this delivery is not kept any more, so it cannot be sent again");
  Batch batch = new_batch();
  auto answer = act_on_unit(batch, act, delivery, "by_hand");
  if (!answer) return answer;
  const ScenarioRecord* record = book_.find(delivery.endpoint.scenario);
  Activity activity = activity_of(fmt::format("deliveries.{}", verb(act)),
                                  record == nullptr ? std::string{} : record->id, who,
                                  format_delivery(epochs_, key));
  activity.node = name_of({delivery.endpoint.scenario, delivery.endpoint.node}).value_or("");
  batch.rows().activity.push_back(std::move(activity));
  if (Status done = commit_and_adopt(batch); !done) return tl::make_unexpected(done.error());
  // A version that had nothing under way may be needed again.
  if (act == ByHand::Retry && policy_at(delivery.endpoint) == nullptr) rebuild_catalog();
  return answer;
}

/// All that fit, node by node and state by state, oldest first.
struct Engine::HandWork {
  ByHand act = ByHand::Retry;
  DeliveryQuery which;
  bool dry_run = false;
  std::string who;
  ScenarioKey scenario;
  std::vector<std::pair<NodeNumber, DeliveryState>> left;
  DeliveryKey after;
  ByHandAnswer answer;
  Done<Result<ByHandAnswer>> done;
};

void Engine::by_hand(ByHand act, const DeliveryQuery& which, bool dry_run, const std::string& who,
                     Done<Result<ByHandAnswer>> done) {
  if (const auto known = book_.info(which.scenario); !known)
    return done(tl::make_unexpected(known.error()));
  const ScenarioRecord* record = book_.find(which.scenario);
  std::vector<DeliveryState> states{DeliveryState::Failed, DeliveryState::Cancelled};
  if (act == ByHand::Cancel) states = {DeliveryState::Pending};
  if (which.state && std::ranges::find(states, *which.state) == states.end())
    return done(fail(ErrorKind::Invalid, "bad_state",
                     act == ByHand::Cancel ? "only pending deliveries can be cancelled"
                                           : "only failed or cancelled deliveries can be retried"));
  // What was cancelled was meant to be; whoever wants it back says so.
  states = {which.state.value_or(states.front())};
  auto work = std::make_shared<HandWork>(HandWork{.act = act,
                                                  .which = which,
                                                  .dry_run = dry_run,
                                                  .who = who,
                                                  .scenario = record->key,
                                                  .done = std::move(done)});
  for (const auto& [id, number] : record->nodes)
    if (which.node.empty() || which.node == id)
      for (const DeliveryState state : states) work->left.emplace_back(number, state);
  if (work->left.empty())
    return work->done(fail(
        ErrorKind::NotFound, "unknown_node",
        fmt::format("scenario \"{}\" has no node \"{}\"", which.scenario, clipped(which.node))));
  chores_.push_back(
      {.step = [work](Engine& engine) { return engine.by_hand_some(*work); },
       .refused = [work](const Error& error) { work->done(tl::make_unexpected(error)); },
       .admission = take_admission()});
}

Result<bool> Engine::by_hand_some(HandWork& work) {
  const auto [node, state] = work.left.back();
  const auto keys = store_->deliveries_of(work.scenario, node, state, work.after, kHandChunk);
  if (!keys) return tl::make_unexpected(keys.error());
  const auto loaded = store_->deliveries(*keys);
  if (!loaded) return tl::make_unexpected(loaded.error());
  Batch batch = new_batch();
  ByHandAnswer chunk;
  bool missing_version = false, full = false;
  DeliveryKey after = work.after;
  for (const auto& one : *loaded) {
    if (!one) continue;
    if (!work.dry_run && fits(work.which, one->delivery)) {
      const auto room = has_room_for(batch, one->delivery);
      if (!room) return tl::make_unexpected(room.error());
      full = !*room;
      if (full) break;
    }
    after = one->delivery.key;
    if (!fits(work.which, one->delivery)) continue;
    const bool hopeless =
        work.act == ByHand::Retry &&
        (was_never_sendable(one->delivery) || one->request == nullptr || purging(work.scenario));
    if (hopeless) {
      ++chunk.skipped;
      continue;
    }
    if (work.dry_run) {
      ++chunk.changed;
      continue;
    }
    const auto done = act_on_unit(batch, work.act, one->delivery, "by_hand");
    if (!done) return tl::make_unexpected(done.error());
    chunk.changed += done->changed;
    missing_version |= policy_at(one->delivery.endpoint) == nullptr;
  }
  const bool node_done = !full && keys->size() < kHandChunk;
  const bool all_done = node_done && work.left.size() == 1;
  const std::size_t total = work.answer.changed + chunk.changed;
  if (all_done && !work.dry_run && total > 0) {
    Activity activity =
        activity_of(fmt::format("deliveries.{}", verb(work.act)), work.which.scenario, work.who,
                    fmt::format("{} deliveries", total));
    activity.node = work.which.node;
    if (const std::string filter = describe(work.which); !filter.empty())
      activity.text += " (" + filter + ")";
    batch.rows().activity.push_back(std::move(activity));
  }
  // Refused as a whole: the chunk is taken again when there is room.
  if (Status done = commit_and_adopt(batch); !done) {
    // After an error that ends the engine the answer comes from `abandon`.
    if (done.error().kind == ErrorKind::Unavailable || done.error().kind == ErrorKind::Io)
      return tl::make_unexpected(done.error());
    work.done(tl::make_unexpected(done.error()));
    return true;
  }
  if (missing_version && work.act == ByHand::Retry) rebuild_catalog();
  work.answer.changed = total;
  work.answer.skipped += chunk.skipped;
  if (node_done) {
    work.left.pop_back();
    work.after = {};
  } else {
    work.after = full ? after : keys->back();
  }
  if (all_done) work.done(work.answer);
  return all_done;
}
}  // namespace onward
