#include "engine/simulation/trace.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/core/template/template.h"

namespace onward {
namespace {
using Kind = TraceStep::Kind;

std::string outcome_of(const Delivery& delivery) {
  if (!delivery.last) return delivery.reason;
  const Attempt& last = *delivery.last;
  return last.status != 0 ? std::to_string(last.status) : last.code;
}

std::string with_reason(std::string_view state, const std::string& reason) {
  return reason.empty() ? std::string{state} : fmt::format("{} ({})", state, reason);
}
}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::Enters:
      return "enters";
    case Kind::NotLetIn:
      return "not_let_in";
    case Kind::Leaves:
      return "leaves";
    case Kind::Waits:
      return "waits";
    case Kind::Asks:
      return "asks";
    case Kind::Accepted:
      return "accepted";
    case Kind::Refused:
      return "refused";
    case Kind::Failed:
      return "failed";
    case Kind::Ends:
      return "ends";
    case Kind::Parks:
      return "parks";
  }
  return "";
}

Value to_value(const TraceStep& step) {
  Value value = ValueMap{{"at", format_instant(step.at)},
                         {"contact", step.contact},
                         {"scenario", step.scenario},
                         {"what", to_string(step.kind)}};
  for (const auto& [name, text] :
       {std::pair{"run", &step.run}, std::pair{"node", &step.node}, std::pair{"port", &step.port},
        std::pair{"detail", &step.detail}})
    if (!text->empty()) value.set(name, *text);
  if (step.until) value.set("until", format_instant(*step.until));
  return value;
}

std::string to_text(const TraceStep& step) {
  const auto what = [&]() -> std::string {
    const std::string until = step.until ? format_instant(*step.until) : "";
    switch (step.kind) {
      case Kind::Enters:
        return "enters by " + step.node;
      case Kind::NotLetIn:
        return "not let in: " + step.detail;
      case Kind::Leaves:
        return fmt::format("{}: {}{}", step.node, step.port,
                           step.detail.empty() ? "" : ", " + step.detail);
      case Kind::Waits:
        return fmt::format("{}: waits{}", step.node, until.empty() ? "" : " until " + until);
      case Kind::Asks:
        return fmt::format("{}: asks for {}", step.node, step.detail);
      case Kind::Accepted:
        return fmt::format("{}: accepted, {}", step.node, step.detail);
      case Kind::Refused:
        return fmt::format("{}: refused, {}; again at {}", step.node, step.detail, until);
      case Kind::Failed:
        return fmt::format("{}: failed, {}", step.node, step.detail);
      case Kind::Ends:
        return step.detail;
      case Kind::Parks:
        return fmt::format("{}: parked, {}", step.node, step.detail);
    }
    return {};
  }();
  return fmt::format("{} {} {}: {}", format_instant(step.at),
                     step.contact.empty() ? "?" : step.contact, step.scenario, what);
}

void Trace::take(const Commit& commit) {
  for (const Contact& contact : commit.contacts)
    contacts_[contact.key] = contact.id ? contact.id->text : contact.email();
  if (engine_ == nullptr) return;
  Requests requests;
  for (const RequestRow& row : commit.requests) requests.emplace(row.delivery, row.request.get());
  for (const Run& run : commit.runs) take_run(run, requests, commit.at);
  for (const Delivery& delivery : commit.deliveries) take_delivery(delivery, commit.at);
  take_refusals(commit);
}

void Trace::take_run(const Run& run, const Requests& requests, Instant now) {
  const auto [place, fresh] = runs_.try_emplace(run.key);
  Progress& told = place->second;
  if (fresh) {
    TraceStep step = step_of(Kind::Enters, run, run.started);
    if (!run.path.empty()) name_node(step, run.scenario, run.path.front().node);
    tell_(step);
  }
  for (std::size_t i = told.left; i < run.path.size(); ++i) {
    const PathStep& at = run.path[i];
    const bool arrived = i >= told.come;
    told.come = std::max(told.come, i + 1);
    const auto tell = [&](Kind kind, std::string port, std::string detail,
                          std::optional<Instant> until = {}) {
      // What a node does when it is reached is then; when it is left, is now.
      TraceStep step = step_of(kind, run, kind == Kind::Asks ? at.at : now);
      name_node(step, run.scenario, at.node);
      step.port = std::move(port);
      step.detail = std::move(detail);
      step.until = until;
      tell_(step);
    };
    if (const auto asked = at.delivery && arrived ? requests.find(*at.delivery) : requests.end();
        asked != requests.end() && asked->second)
      tell(Kind::Asks, {},
           fmt::format("{} {}", asked->second->method, with_secret_references(asked->second->url)));
    if (!at.port.empty()) {
      told.left = i + 1;
      tell(Kind::Leaves, at.port, at.note);
    } else if (run.state == RunState::Parked) {
      tell(Kind::Parks, {}, run.reason);
    } else if (run.state == RunState::Waiting && arrived) {
      tell(Kind::Waits, {}, {}, run.wake_at);
    }
  }
  if (run.live()) return;
  TraceStep step = step_of(Kind::Ends, run, run.ended.value_or(now));
  step.detail = with_reason(to_string(run.state), run.reason);
  tell_(step);
  runs_.erase(place);
}

void Trace::take_delivery(const Delivery& delivery, Instant now) {
  const bool made = delivery.attempts == 0 && delivery.pending();
  if (made) return;  // Its visit has told.
  TraceStep step{.at = now, .contact = name_of(delivery.contact), .run = format_run(delivery.run)};
  name_node(step, delivery.endpoint.scenario, delivery.endpoint.node);
  step.detail = outcome_of(delivery);
  switch (delivery.state) {
    case DeliveryState::Pending:
      step.kind = Kind::Refused;
      step.until = delivery.due;
      break;
    case DeliveryState::Accepted:
      step.kind = Kind::Accepted;
      break;
    case DeliveryState::Failed:
    case DeliveryState::Cancelled:
      step.kind = Kind::Failed;
      if (!delivery.reason.empty() && step.detail != delivery.reason)
        step.detail = with_reason(step.detail, delivery.reason);
      break;
  }
  tell_(step);
}

/// Refusals are counted only, by absolute numbers: what they grew by is told.
void Trace::take_refusals(const Commit& commit) {
  for (const auto& [key, row] : commit.counters) {
    if (key.node) continue;
    for (const auto& [reason, count] : row.named) {
      std::int64_t& known = refusals_[key][reason];
      for (; known < count; ++known) {
        TraceStep step{.kind = Kind::NotLetIn, .at = commit.at, .contact = about_};
        name_node(step, key.scenario, {});
        step.detail = reason;
        tell_(step);
      }
    }
  }
}

TraceStep Trace::step_of(Kind kind, const Run& run, Instant at) const {
  TraceStep step{
      .kind = kind, .at = at, .contact = name_of(run.contact), .run = format_run(run.key)};
  name_node(step, run.scenario, {});
  return step;
}

void Trace::name_node(TraceStep& step, ScenarioKey scenario, NodeNumber node) const {
  const ScenarioRecord* record = engine_->control().scenarios.find(scenario);
  if (record == nullptr) return;
  step.scenario = record->id;
  if (!node) return;
  const auto found =
      std::ranges::find(record->nodes, node, &std::pair<std::string, NodeNumber>::second);
  if (found == record->nodes.end()) return;
  step.node = found->first;
  const auto kind =
      std::ranges::find(record->kinds, step.node, &std::pair<std::string, std::string>::first);
  if (kind != record->kinds.end()) step.node_kind = kind->second;
}

std::string Trace::name_of(ContactKey contact) const {
  const auto found = contacts_.find(contact);
  return found == contacts_.end() ? std::string{} : found->second;
}
}  // namespace onward
