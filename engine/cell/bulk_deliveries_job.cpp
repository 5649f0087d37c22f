#include "engine/cell/bulk_deliveries_job.h"

#include <utility>

#include <fmt/format.h>

#include "engine/cell/delivery_actions.h"
#include "engine/core/base/json_members.h"

namespace onward {
namespace {
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

/// Of deliveries that are to be retried or cancelled, where no state is named: what was cancelled
/// was meant to be.
DeliveryState usual_state(ByHand act) {
  return act == ByHand::Cancel ? DeliveryState::Pending : DeliveryState::Failed;
}

BulkDeliveriesJob::BulkDeliveriesJob(const Parts& parts, std::string name, State state,
                                     Caller caller)
    : cell_{parts.cell},
      builder_{parts.builder},
      jobs_{parts.jobs},
      name_{std::move(name)},
      caller_{std::move(caller)},
      state_{std::move(state)},
      next_{state_} {}

std::optional<std::string> BulkDeliveriesJob::cursor() const {
  if (caller_.dry_run) return std::nullopt;
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

std::optional<BulkDeliveriesJob::State> BulkDeliveriesJob::read(std::string_view cursor) {
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
Result<bool> BulkDeliveriesJob::take(BatchDeliveries& changes, const LoadedDelivery& one) {
  const Delivery& delivery = one.delivery;
  if (!fits(next_.which, delivery)) return true;
  if (!caller_.dry_run) {
    const auto room = has_room_for(cell_, changes, delivery);
    if (!room || !*room) return room;
  }
  if (next_.act == ByHand::Retry && (was_never_sendable(delivery) || one.request == nullptr ||
                                     is_purging(cell_, jobs_, next_.scenario))) {
    ++next_.answer.skipped;
  } else if (caller_.dry_run) {
    ++next_.answer.changed;
  } else {
    const auto done = act_on_batch_of(cell_, changes, next_.act, delivery, "by_hand");
    if (!done) return tl::make_unexpected(done.error());
    next_.answer.changed += done->changed;
    missing_version_ |= cell_.policy_at(delivery.endpoint) == nullptr;
  }
  return true;
}

Result<JobStep> BulkDeliveriesJob::step(std::size_t rows) {
  next_ = state_;
  missing_version_ = false;
  JobStep step{.changes = cell_.new_batch()};
  const ScenarioRecord* record = cell_.control.scenarios.find(next_.scenario);
  const WalkRange range{.nodes = record == nullptr ? 0 : record->nodes.size(),
                        .node_at = [&](std::size_t i) -> std::optional<NodePlace> {
                          const auto& [id, number] = record->nodes[i];
                          if (!next_.which.node.empty() && next_.which.node != id) return {};
                          return NodePlace{next_.scenario, number};
                        },
                        .state = *next_.which.state};
  const auto ended = walk_deliveries(
      *cell_.store, range, rows, next_.place,
      [&](const LoadedDelivery& one) { return take(step.changes->deliveries(), one); });
  if (!ended) return tl::make_unexpected(ended.error());
  step.ended = ended_ = *ended;
  if (step.ended && !caller_.dry_run && next_.answer.changed > 0) note_end(*step.changes);
  return step;
}

void BulkDeliveriesJob::note_end(Batch& batch) const {
  Activity activity = cell_.activity(
      fmt::format("deliveries.{}", verb(next_.act)), next_.which.scenario, next_.who,
      fmt::format("{} deliver{}", next_.answer.changed, next_.answer.changed == 1 ? "y" : "ies"));
  activity.node = next_.which.node;
  DeliveryQuery named = next_.which;
  if (*named.state == usual_state(next_.act)) named.state.reset();
  if (const std::string filter = describe(named); !filter.empty())
    activity.text += " (" + filter + ")";
  batch.rows().control.activity.push_back(std::move(activity));
}

void BulkDeliveriesJob::fail(const Error& error) {
  if (!caller_.done) return;
  Error told = error;
  if (told.kind == ErrorKind::Unavailable && !caller_.dry_run)
    told.message +=
        fmt::format("; {} of the deliveries are {}, and the others follow after the next start",
                    state_.answer.changed, verb(state_.act));
  std::exchange(caller_.done, nullptr)(tl::make_unexpected(std::move(told)));
}

void BulkDeliveriesJob::committed() {
  state_ = next_;
  // A version that had nothing under way may be needed again.
  if (missing_version_ && state_.act == ByHand::Retry) builder_.rebuild();
  if (ended_ && caller_.done) std::exchange(caller_.done, nullptr)(state_.answer);
}
}  // namespace onward
