// More of the engine: what it counts and tells of its work.
#include "engine/runtime/engine.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace onward {
namespace {
/// Whether an attempt that ended so may have reached its receiver.
bool is_unknown(std::string_view code) { return code == "timeout" || code == "reset"; }

/// Whether somebody has to change something: here, or at the receiver.
bool wants_a_person(const AttemptResult& result) {
  constexpr std::string_view kCodes[] = {"blocked_policy", "redirect", "tls_cert",
                                         "tls_client_cert"};
  if (std::ranges::find(kCodes, result.code) != std::end(kCodes)) return true;
  constexpr int kPassing[] = {408, 425, 429};
  return result.status >= 400 && result.status < 500 &&
         std::ranges::find(kPassing, result.status) == std::end(kPassing);
}
}  // namespace

void Engine::count(std::span<const Work> work) {
  for (const Work& item : work) {
    ++figures_.inputs;
    if (item.answer != nullptr && item.answer->event.code == kContactFull) ++figures_.contacts_full;
    if (!std::holds_alternative<EventInput>(*item.input) || item.answer == nullptr) continue;
    switch (item.answer->event.kind) {
      case EventAnswer::Kind::Accepted:
        ++figures_.events_accepted;
        break;
      case EventAnswer::Kind::Duplicate:
        ++figures_.events_duplicate;
        break;
      case EventAnswer::Kind::Conflict:
      case EventAnswer::Kind::Rejected:
      case EventAnswer::Kind::Unavailable:
        ++figures_.events_rejected;
        break;
    }
  }
}

void Engine::count(std::span<const Settled> settled) {
  for (const Settled& one : settled) {
    if (one.settlement.superseded && is_unknown(one.settlement.superseded->code))
      ++figures_.attempts_after_unknown;
    if (one.result.local)
      ++figures_.attempts_local;
    else if (one.settlement.accepted)
      ++figures_.attempts_accepted;
    else
      ++figures_.attempts_refused;
    if (one.settlement.accepted) continue;
    if (one.result.local)
      log_deferred(one.result);
    else
      log_attempt(one);
    note_settled(one);
  }
}

void Engine::log_attempt(const Settled& settled) {
  if (!options_.log) return;
  const Delivery& delivery = settled.settlement.delivery;
  const AttemptResult& result = settled.result;
  const ScenarioRecord* record = book_.find(delivery.endpoint.scenario);
  LogRecord line{"delivery.attempted",
                 {{"delivery", format_delivery(epochs_, delivery.key)},
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
  log(line);
}

/// What waiting will not mend, at the first attempt that meets it: once an hour for each endpoint.
bool Engine::is_news(const EndpointKey& endpoint, const AttemptResult& result) {
  constexpr Duration kPause = std::chrono::hours{1};
  if (!wants_a_person(result)) return false;
  std::optional<Instant>& told = mishaps_told_[endpoint];
  const Instant now = clock_.now();
  // A clock that was set back keeps nothing from being told.
  if (told && now >= *told && now - *told < kPause) return false;
  told = now;
  return true;
}

/// Trouble of our own meets everybody alike: each kind is told of once a minute, with how many
/// attempts met it since it was told of last.
void Engine::log_deferred(const AttemptResult& result) {
  constexpr Duration kPause = std::chrono::minutes{1};
  Deferred& kind = deferred_[result.code];
  ++kind.attempts;
  const Instant now = clock_.now();
  // A clock that was set back keeps nothing from being told.
  if (kind.told && now >= *kind.told && now - *kind.told < kPause) return;
  log({"delivery.deferred",
       {{"code", result.code}, {"attempts", count_value(kind.attempts)}, {"error", result.error}},
       LogLevel::Warning});
  kind = {.told = now, .attempts = 0};
}

void Engine::note_settled(const Settled& settled) {
  const Delivery& delivery = settled.settlement.delivery;
  const AttemptResult& result = settled.result;
  const ScenarioRecord* record = book_.find(delivery.endpoint.scenario);
  std::string text = fmt::format("attempt {}: {}", result.number,
                                 result.status != 0 ? std::to_string(result.status) : result.code);
  if (!result.error.empty()) text += ", " + result.error;
  if (!delivery.members.empty()) text += fmt::format(", batch of {}", delivery.members.size());
  if (settled.settlement.failed) text += ", failed for good: " + delivery.reason;
  if (delivery.due) text += ", next at " + format_instant(*delivery.due);
  const char* what = settled.settlement.failed ? "delivery.failed"
                     : result.local            ? "delivery.deferred"
                                               : "delivery.refused";
  recent_->add({.at = clock_.now(),
                .what = what,
                .scenario = record == nullptr ? "" : record->id,
                .node = name_of({delivery.endpoint.scenario, delivery.endpoint.node}).value_or(""),
                .who = "engine",
                .text = std::move(text),
                .delivery = delivery.key});
}

void Engine::note_born_failed(const Delivery& delivery) {
  const ScenarioRecord* record = book_.find(delivery.endpoint.scenario);
  recent_->add({.at = clock_.now(),
                .what = "delivery.failed",
                .scenario = record == nullptr ? "" : record->id,
                .node = name_of({delivery.endpoint.scenario, delivery.endpoint.node}).value_or(""),
                .who = "engine",
                .text = "never sent: " + delivery.reason,
                .delivery = delivery.key});
}

/// Without their texts: those may name people.
void Engine::log_changes(const std::vector<Activity>& changes) const {
  for (const Activity& change : changes)
    log({change.what, {{"scenario", change.scenario}, {"by", change.who}}});
}

void Engine::log(const LogRecord& record) const {
  if (options_.log) options_.log(record);
}
}  // namespace onward
