#include "engine/cell/delivery_commands.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "engine/cell/bulk_deliveries_job.h"
#include "engine/cell/delivery_actions.h"
#include "engine/cell/sending.h"
#include "engine/cell/small_jobs.h"
#include "engine/control/scenario_stats.h"
#include "engine/core/base/clipped.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
/// Rows of jobs of many deliveries: "bulk/17".
constexpr std::string_view kBulk = "bulk/";

bool may_be(ByHand act, DeliveryState state) {
  return state == usual_state(act) || (act == ByHand::Retry && state == DeliveryState::Cancelled);
}
}  // namespace

Result<ByHandAnswer> DeliveryCommands::by_hand(ByHand act, DeliveryKey key,
                                               const std::string& who) {
  const auto loaded = cell_.store->deliveries({&key, 1});
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
  if (act == ByHand::Retry &&
      (found.request == nullptr || is_purging(cell_, parts_.jobs, delivery.endpoint.scenario)))
    return fail(ErrorKind::Conflict, "body_purged",
                "the body of this delivery is not kept any more, so it cannot be sent again");
  Batch batch = cell_.new_batch();
  auto answer = act_on_batch_of(cell_, batch.deliveries(), act, delivery, "by_hand");
  if (!answer) return answer;
  Activity activity = cell_.activity(fmt::format("deliveries.{}", verb(act)),
                                     cell_.scenario_id(delivery.endpoint.scenario), who,
                                     format_delivery(cell_.epochs, key));
  activity.node =
      cell_.node_name({delivery.endpoint.scenario, delivery.endpoint.node}).value_or("");
  batch.rows().control.activity.push_back(std::move(activity));
  if (Status done = parts_.inputs.commit(batch); !done) return tl::make_unexpected(done.error());
  // A version that had nothing under way may be needed again.
  if (act == ByHand::Retry && cell_.policy_at(delivery.endpoint) == nullptr)
    parts_.builder.rebuild();
  return answer;
}

void DeliveryCommands::by_hand(ByHand act, const DeliveryQuery& which, bool dry_run,
                               const std::string& who, Done<Result<ByHandAnswer>> done,
                               LoadShare admission) {
  if (const auto known = cell_.control.scenarios.info(which.scenario); !known)
    return done(tl::make_unexpected(known.error()));
  const ScenarioRecord* record = cell_.control.scenarios.find(which.scenario);
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
  BulkDeliveriesJob::State state{.act = act, .which = which, .who = who, .scenario = record->key};
  state.which.state = which.state.value_or(usual_state(act));
  const std::string name = std::string{kBulk} + std::to_string(++last_bulk_);
  const BulkDeliveriesJob::Parts parts{cell_, parts_.builder, parts_.jobs};
  if (!dry_run) {
    const BulkDeliveriesJob first{parts, name, state, BulkDeliveriesJob::Caller{}};
    if (Status begun = parts_.writer.commit({*row_of(first)}, {}); !begun)
      return done(tl::make_unexpected(std::move(begun.error())));
  }
  parts_.jobs.add(std::make_unique<BulkDeliveriesJob>(
      parts, name, std::move(state),
      BulkDeliveriesJob::Caller{
          .dry_run = dry_run, .done = std::move(done), .admission = std::move(admission)}));
}

Result<SwitchAnswer> DeliveryCommands::switch_node(const std::string& scenario,
                                                   const std::string& node, bool pause,
                                                   const std::string& who) {
  if (const auto known = cell_.control.scenarios.info(scenario); !known)
    return tl::make_unexpected(known.error());
  const ScenarioRecord* record = cell_.control.scenarios.find(scenario);
  std::optional<NodePlace> place;
  for (const auto& [id, number] : record->nodes)
    if (id == node) place = NodePlace{record->key, number};
  if (!place || (!cell_.control.switches.contains(*place) &&
                 !is_sending(cell_.control.scenarios, *record, place->second, cell_.counters))) {
    const std::string nearest = nearest_name(node, sending_nodes(cell_.control.scenarios, *record));
    return fail(ErrorKind::NotFound, place ? "not_sending" : "unknown_node",
                fmt::format("scenario \"{}\" has no node \"{}\" that sends webhooks{}", scenario,
                            node, nearest == node ? "" : did_you_mean(nearest)));
  }

  SwitchAnswer answer{.scenario = scenario, .node = node, .paused = pause};
  answer.pending = sum_of(cell_.counters, record->key, place->second, Counter::Pending);
  const auto found = cell_.control.switches.find(*place);
  const bool changes = pause ? !is_paused(cell_.control.switches, *place)
                             : found != cell_.control.switches.end() && found->second.paused;
  if (!changes) return answer;
  const NodeSwitch now{.paused = pause, .since = cell_.now()};
  Activity activity = cell_.activity(pause ? "node.paused" : "node.resumed", scenario, who,
                                     fmt::format("{} pending", answer.pending));
  activity.node = node;
  // Memory follows the record by itself (NodePauses).
  if (Status done = parts_.control.commit(
          Change{{.admin = {record_of(scenario + "/" + node, now)}, .activity = {activity}}});
      !done)
    return tl::make_unexpected(done.error());
  return answer;
}

Result<bool> DeliveryCommands::resume_sending(const std::string& who) {
  if (!cell_.control.held_since) return false;
  const Status done = parts_.control.commit(Change{
      {.admin = {sending_resumed()}, .activity = {cell_.activity("sending.resumed", {}, who)}},
      [](ControlState& state, ControlChange&) { state.held_since.reset(); }});
  if (!done) return tl::make_unexpected(done.error());
  parts_.outbox.hold_all(false);
  cell_.log({"sending.resumed", {{"by", who}}});
  return true;
}

void DeliveryCommands::recheck_blocked() {
  parts_.jobs.add(recheck_blocked_job(cell_, parts_.outbox));
}

void DeliveryCommands::restore(const std::vector<AdminRecord>& rows) {
  for (const AdminRecord& row : rows) {
    if (row.kind != AdminKind::Pass || row.removed || !row.name.starts_with(kBulk)) continue;
    std::uint64_t number = 0;
    const std::string_view digits = std::string_view{row.name}.substr(kBulk.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    last_bulk_ = std::max(last_bulk_, number);
    if (auto state = BulkDeliveriesJob::read(row.content))
      parts_.jobs.add(std::make_unique<BulkDeliveriesJob>(
          BulkDeliveriesJob::Parts{cell_, parts_.builder, parts_.jobs}, row.name, std::move(*state),
          BulkDeliveriesJob::Caller{}));
  }
}

/// Nothing is handed out, and no timer fires: what was due is due when sending is resumed, as after
/// a time in which the server was down.
void DeliveryCommands::restore_sending(const std::vector<AdminRecord>& rows) {
  const auto since = held_since(rows);
  if (!since) return;
  cell_.control.held_since = since;
  parts_.outbox.hold_all(true);
  cell_.log({"sending.held",
             {{"since", *since},
              {"hint",
               "this folder was restored: nothing is sent and no timer fires until `onward "
               "resume-sending`"}},
             LogLevel::Warning});
}
}  // namespace onward
