#include "engine/cell/attempt_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
/// Whether an attempt that ended so may have reached its receiver.
bool is_unknown(std::string_view code) { return code == "timeout" || code == "reset"; }

/// Whether somebody has to change something: here, or at the receiver.
bool needs_a_person(const AttemptResult& result) {
  constexpr std::string_view kCodes[] = {"blocked_policy", "redirect", "tls_cert",
                                         "tls_client_cert"};
  if (std::ranges::find(kCodes, result.code) != std::end(kCodes)) return true;
  constexpr int kPassing[] = {408, 425, 429};
  return result.status >= 400 && result.status < 500 &&
         std::ranges::find(kPassing, result.status) == std::end(kPassing);
}
}  // namespace

void AttemptLog::add(std::span<const Settled> settled) {
  for (const Settled& one : settled) {
    if (one.settlement.superseded && is_unknown(one.settlement.superseded->code))
      ++cell_.figures.attempts_after_unknown;
    if (one.result.local)
      ++cell_.figures.attempts_local;
    else if (one.settlement.accepted)
      ++cell_.figures.attempts_accepted;
    else
      ++cell_.figures.attempts_refused;
    if (one.settlement.accepted) continue;
    if (one.result.local)
      log_deferred(one.result);
    else
      log_attempt(one);
    add_recent(one);
  }
}

void AttemptLog::log_attempt(const Settled& settled) {
  if (!cell_.options.log) return;
  const Delivery& delivery = settled.settlement.delivery;
  const AttemptResult& result = settled.result;
  const ScenarioRecord* record = cell_.control.scenarios.find(delivery.endpoint.scenario);
  LogRecord line{"delivery.attempted",
                 {{"delivery", format_delivery(cell_.epochs, delivery.key)},
                  {"scenario", record == nullptr ? "?" : record->id},
                  {"attempt", count_value(result.number)},
                  {"status", result.status},
                  {"code", result.code.empty() ? "-" : result.code},
                  {"took_ms", count_value(result.took.count())},
                  {"state", to_string(delivery.state)}}};
  if (delivery.due) line.fields.emplace_back("next_at", *delivery.due);
  if (!delivery.reason.empty()) line.fields.emplace_back("reason", delivery.reason);
  if (settled.settlement.failed || is_news(delivery.endpoint, result))
    line.level = LogLevel::Warning;
  cell_.log(line);
}

/// True at the first attempt that meets what a retry will not cure: once an hour for each endpoint.
bool AttemptLog::is_news(const EndpointKey& endpoint, const AttemptResult& result) {
  constexpr Duration kPause = std::chrono::hours{1};
  if (!needs_a_person(result)) return false;
  std::optional<Instant>& logged = mishaps_logged_[endpoint];
  const Instant now = cell_.now();
  // A clock that was set back keeps nothing from being logged.
  if (logged && now >= *logged && now - *logged < kPause) return false;
  logged = now;
  return true;
}

/// A local fault postpones the attempts of all receivers: each kind is logged once a minute, with
/// how many attempts met it since it was last logged.
void AttemptLog::log_deferred(const AttemptResult& result) {
  constexpr Duration kPause = std::chrono::minutes{1};
  Deferred& kind = deferred_[result.code];
  ++kind.attempts;
  const Instant now = cell_.now();
  // A clock that was set back keeps nothing from being logged.
  if (kind.logged && now >= *kind.logged && now - *kind.logged < kPause) return;
  cell_.log(
      {"delivery.deferred",
       {{"code", result.code}, {"attempts", count_value(kind.attempts)}, {"error", result.error}},
       LogLevel::Warning});
  kind = {.logged = now, .attempts = 0};
}

void AttemptLog::add_recent(const Settled& settled) {
  const Delivery& delivery = settled.settlement.delivery;
  const AttemptResult& result = settled.result;
  std::string text = fmt::format("attempt {}: {}", result.number,
                                 result.status != 0 ? std::to_string(result.status) : result.code);
  if (!result.error.empty()) text += ", " + result.error;
  if (!delivery.members.empty()) text += fmt::format(", batch of {}", delivery.members.size());
  if (settled.settlement.failed) text += ", failed for good: " + delivery.reason;
  if (delivery.due) text += ", next at " + format_instant(*delivery.due);
  const char* what = settled.settlement.failed ? "delivery.failed"
                     : result.local            ? "delivery.deferred"
                                               : "delivery.refused";
  recent_->add(
      {.at = cell_.now(),
       .what = what,
       .scenario = cell_.scenario_id(delivery.endpoint.scenario),
       .node = cell_.node_name({delivery.endpoint.scenario, delivery.endpoint.node}).value_or(""),
       .who = "engine",
       .text = std::move(text),
       .delivery = delivery.key});
}

void AttemptLog::add_failed(const Delivery& delivery) {
  recent_->add(
      {.at = cell_.now(),
       .what = "delivery.failed",
       .scenario = cell_.scenario_id(delivery.endpoint.scenario),
       .node = cell_.node_name({delivery.endpoint.scenario, delivery.endpoint.node}).value_or(""),
       .who = "engine",
       .text = "never sent: " + delivery.reason,
       .delivery = delivery.key});
}
}  // namespace onward
