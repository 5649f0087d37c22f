// Deliveries that people retry or cancel: one, or all that fit a filter, a chunk at a time.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/core/base/clipped.h"
#include "engine/runtime/delivery_walk.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/json_members.h"

namespace onward {
namespace {
/// Deliveries that one step deals with at most: a batch is dealt with whole.
constexpr std::size_t kDealtAtOnce = 750;
/// Rows of jobs of many deliveries: "bulk/17".
constexpr std::string_view kBulk = "bulk/";

bool settled_badly(const Delivery& delivery) {
  return delivery.state == DeliveryState::Failed || delivery.state == DeliveryState::Cancelled;
}

/// Born failed: it cannot be rendered, or may not be sent, and never will.
bool was_never_sendable(const Delivery& delivery) {
  return delivery.state == DeliveryState::Failed && delivery.attempts == 0;
}

std::string_view verb(ByHand act) { return act == ByHand::Retry ? "retried" : "cancelled"; }

/// Of deliveries that are to be retried or cancelled, where no state is named: what was cancelled
/// was meant to be.
DeliveryState usual_state(ByHand act) {
  return act == ByHand::Cancel ? DeliveryState::Pending : DeliveryState::Failed;
}

bool may_be(ByHand act, DeliveryState state) {
  return state == usual_state(act) || (act == ByHand::Retry && state == DeliveryState::Cancelled);
}

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

/// All that match a filter, node by node, oldest first.
class Engine::BulkDeliveries final : public BackgroundJob {
 public:
  /// Its row holds what was asked for, and how far it came.
  struct State {
    ByHand act = ByHand::Retry;
    DeliveryQuery which;  ///< With a state.
    std::string who;
    ScenarioKey scenario;
    WalkPlace place;  ///< Among the nodes as the scenario's record has them.
    ByHandAnswer answer;
  };

  BulkDeliveries(Engine& engine, std::string name, State state, bool dry_run = false,
                 Done<Result<ByHandAnswer>> done = {}, LoadShare admission = {})
      : engine_{engine},
        name_{std::move(name)},
        dry_run_{dry_run},
        done_{std::move(done)},
        admission_{std::move(admission)},
        state_{std::move(state)},
        next_{state_} {}

  std::string name() const override { return name_; }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override;
  std::optional<std::string> cursor() const override;
  std::uint64_t done() const override { return state_.answer.changed; }
  void fail(const Error& error) override;

  static std::optional<State> read(std::string_view cursor);

 private:
  Result<bool> take(Batch& batch, const LoadedDelivery& one);
  void note_end(Batch& batch) const;

  Engine& engine_;
  const std::string name_;
  const bool dry_run_;
  Done<Result<ByHandAnswer>> done_;  ///< Empty after a restart: nobody waits any more.
  const LoadShare admission_;        ///< Of the call that began it.
  State state_, next_;               ///< As committed, and as the step leaves it.
  bool ended_ = false, missing_version_ = false;
};

std::optional<std::string> Engine::BulkDeliveries::cursor() const {
  if (dry_run_) return std::nullopt;
  const DeliveryQuery& which = next_.which;
  ValueMap row{{"act", std::string{next_.act == ByHand::Retry ? "retry" : "cancel"}},
               {"scenario", which.scenario},
               {"key", static_cast<std::int64_t>(next_.scenario.value)},
               {"state", std::string{to_string(*which.state)}},
               {"who", next_.who},
               {"at", static_cast<std::int64_t>(next_.place.node)},
               {"after", static_cast<std::int64_t>(next_.place.after.value)},
               {"changed", static_cast<std::int64_t>(next_.answer.changed)},
               {"skipped", static_cast<std::int64_t>(next_.answer.skipped)}};
  if (!which.node.empty()) row.emplace_back("node", which.node);
  if (!which.code.empty()) row.emplace_back("code", which.code);
  if (which.since) row.emplace_back("since", format_instant(*which.since));
  if (which.until) row.emplace_back("until", format_instant(*which.until));
  return to_json(std::move(row));
}

std::optional<Engine::BulkDeliveries::State> Engine::BulkDeliveries::read(std::string_view cursor) {
  const auto row = parse_json(cursor);
  if (!row) return std::nullopt;
  const std::string act = text_member(*row, "act");
  const auto state = parse_delivery_state(text_member(*row, "state"));
  if ((act != "retry" && act != "cancel") || !state) return std::nullopt;
  return State{.act = act == "retry" ? ByHand::Retry : ByHand::Cancel,
               .which = {.scenario = text_member(*row, "scenario"),
                         .node = text_member(*row, "node"),
                         .state = state,
                         .since = parse_instant(text_member(*row, "since")),
                         .until = parse_instant(text_member(*row, "until")),
                         .code = text_member(*row, "code")},
               .who = text_member(*row, "who"),
               .scenario = {static_cast<std::uint32_t>(int_member(*row, "key"))},
               .place = {.node = static_cast<std::size_t>(int_member(*row, "at")),
                         .after = {static_cast<std::uint64_t>(int_member(*row, "after"))}},
               .answer = {.changed = static_cast<std::size_t>(int_member(*row, "changed")),
                          .skipped = static_cast<std::size_t>(int_member(*row, "skipped"))}};
}

/// Whether the step has room for it.
Result<bool> Engine::BulkDeliveries::take(Batch& batch, const LoadedDelivery& one) {
  const Delivery& delivery = one.delivery;
  if (!fits(next_.which, delivery)) return true;
  if (!dry_run_) {
    const auto room = engine_.has_room_for(batch, delivery);
    if (!room || !*room) return room;
  }
  if (next_.act == ByHand::Retry &&
      (was_never_sendable(delivery) || one.request == nullptr || engine_.purging(next_.scenario))) {
    ++next_.answer.skipped;
  } else if (dry_run_) {
    ++next_.answer.changed;
  } else {
    const auto done = engine_.act_on_unit(batch, next_.act, delivery, "by_hand");
    if (!done) return tl::make_unexpected(done.error());
    next_.answer.changed += done->changed;
    missing_version_ |= engine_.policy_at(delivery.endpoint) == nullptr;
  }
  return true;
}

Result<JobStep> Engine::BulkDeliveries::step(std::size_t rows) {
  next_ = state_;
  missing_version_ = false;
  JobStep step{.changes = engine_.new_batch()};
  const ScenarioRecord* record = engine_.book_.find(next_.scenario);
  const WalkRange range{.nodes = record == nullptr ? 0 : record->nodes.size(),
                        .node_at = [&](std::size_t i) -> std::optional<NodePlace> {
                          const auto& [id, number] = record->nodes[i];
                          if (!next_.which.node.empty() && next_.which.node != id) return {};
                          return NodePlace{next_.scenario, number};
                        },
                        .state = *next_.which.state};
  const auto ended =
      walk_deliveries(*engine_.store_, range, rows, next_.place,
                      [&](const LoadedDelivery& one) { return take(*step.changes, one); });
  if (!ended) return tl::make_unexpected(ended.error());
  step.ended = ended_ = *ended;
  if (step.ended && !dry_run_ && next_.answer.changed > 0) note_end(*step.changes);
  return step;
}

void Engine::BulkDeliveries::note_end(Batch& batch) const {
  Activity activity = engine_.activity_of(
      fmt::format("deliveries.{}", verb(next_.act)), next_.which.scenario, next_.who,
      fmt::format("{} deliver{}", next_.answer.changed, next_.answer.changed == 1 ? "y" : "ies"));
  activity.node = next_.which.node;
  DeliveryQuery named = next_.which;
  if (*named.state == usual_state(next_.act)) named.state.reset();
  if (const std::string filter = describe(named); !filter.empty())
    activity.text += " (" + filter + ")";
  batch.rows().activity.push_back(std::move(activity));
}

void Engine::BulkDeliveries::fail(const Error& error) {
  if (!done_) return;
  Error told = error;
  if (told.kind == ErrorKind::Unavailable && !dry_run_)
    told.message +=
        fmt::format("; {} of the deliveries are {}, and the others follow after the next start",
                    state_.answer.changed, verb(state_.act));
  std::exchange(done_, nullptr)(tl::make_unexpected(std::move(told)));
}

void Engine::BulkDeliveries::committed() {
  state_ = next_;
  // A version that had nothing under way may be needed again.
  if (missing_version_ && state_.act == ByHand::Retry) engine_.rebuild_catalog();
  if (ended_ && done_) std::exchange(done_, nullptr)(state_.answer);
}

void Engine::by_hand(ByHand act, const DeliveryQuery& which, bool dry_run, const std::string& who,
                     Done<Result<ByHandAnswer>> done) {
  if (const auto known = book_.info(which.scenario); !known)
    return done(tl::make_unexpected(known.error()));
  const ScenarioRecord* record = book_.find(which.scenario);
  if (which.state && !may_be(act, *which.state))
    return done(fail(ErrorKind::Invalid, "bad_state",
                     act == ByHand::Cancel ? "only pending deliveries can be cancelled"
                                           : "only failed or cancelled deliveries can be retried"));
  if (!which.node.empty() && std::ranges::find(record->nodes, which.node, [](const auto& node) {
                               return node.first;
                             }) == record->nodes.end())
    return done(fail(
        ErrorKind::NotFound, "unknown_node",
        fmt::format("scenario \"{}\" has no node \"{}\"", which.scenario, clipped(which.node))));
  BulkDeliveries::State state{.act = act, .which = which, .who = who, .scenario = record->key};
  state.which.state = which.state.value_or(usual_state(act));
  const std::string name = std::string{kBulk} + std::to_string(++last_bulk_);
  if (!dry_run) {
    const BulkDeliveries first{*this, name, state};
    if (Status begun =
            commit_admin({{.kind = AdminKind::Pass, .name = name, .content = *first.cursor()}}, {});
        !begun)
      return done(tl::make_unexpected(std::move(begun.error())));
  }
  jobs_.add(std::make_unique<BulkDeliveries>(*this, name, std::move(state), dry_run,
                                             std::move(done), take_admission()));
}

void Engine::restore_bulk(const AdminRecord& row) {
  if (row.kind != AdminKind::Pass || row.removed || !row.name.starts_with(kBulk)) return;
  std::uint64_t number = 0;
  const std::string_view digits = std::string_view{row.name}.substr(kBulk.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  last_bulk_ = std::max(last_bulk_, number);
  if (auto state = BulkDeliveries::read(row.content))
    jobs_.add(std::make_unique<BulkDeliveries>(*this, row.name, std::move(*state)));
}
}  // namespace onward
