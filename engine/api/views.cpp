#include "engine/api/views.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/base/utf8.h"
#include "engine/core/contact/contact_size.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/segment/segment.h"
#include "engine/core/template/template.h"

namespace onward {
namespace {
Value instant_or_null(const std::optional<Instant>& instant) {
  return instant ? Value{format_instant(*instant)} : Value{};
}

/// Named counts with those of `known` first, zero where nothing happened yet.
Value named_counts(const CounterRow& row, const std::vector<std::string>& known) {
  ValueMap counts;
  const auto find = [&row](std::string_view name) -> std::int64_t {
    for (const auto& [key, count] : row.named)
      if (key == name) return count;
    return 0;
  };
  for (const std::string& name : known) counts.emplace_back(name, find(name));
  std::vector<std::pair<std::string, std::int64_t>> others;
  for (const auto& entry : row.named)
    if (std::find(known.begin(), known.end(), entry.first) == known.end()) others.push_back(entry);
  std::sort(others.begin(), others.end());
  for (const auto& [name, count] : others) counts.emplace_back(name, count);
  return counts;
}

Value view_node(const NodeStats& node) {
  const CounterRow& row = node.counts;
  Value view = ValueMap{{"id", node.id},
                        {"kind", node.kind},
                        {"visits", row[Counter::Visits]},
                        {"unique_contacts", row[Counter::UniqueContacts]},
                        {"waiting", row[Counter::Waiting]},
                        {"moved_in", row[Counter::MovedIn]},
                        {"moved_out", row[Counter::MovedOut]},
                        {"ports", named_counts(row, node.ports)},
                        {"unknown", row[Counter::Unknown]},
                        {"requests", row[Counter::Requests]},
                        {"accepted", row[Counter::Accepted]},
                        {"pending", row[Counter::Pending]},
                        {"parked", row[Counter::PendingParked]},
                        {"failed", row[Counter::Failed]},
                        {"cancelled", row[Counter::Cancelled]}};
  if (row[Counter::TooMuchWork] != 0) view.set(kTooMuchWork, row[Counter::TooMuchWork]);
  if (row[Counter::ContactFull] != 0) view.set(kContactFull, row[Counter::ContactFull]);
  if (node.paused) view.set("paused", true);
  return view;
}

Value view_side(const StatsSide& side) {
  const CounterRow& row = side.scenario;
  ValueList nodes;
  for (const NodeStats& node : side.nodes) nodes.push_back(view_node(node));
  Value view = ValueMap{{"entered", row[Counter::Entered]},
                        {"inside", row[Counter::Inside]},
                        {"done", row[Counter::Done]},
                        {"exited", row[Counter::Exited]},
                        {"stopped", row[Counter::Stopped]},
                        {"parked", row[Counter::Parked]},
                        {"goal", row[Counter::Goal]},
                        {"moved_in", row[Counter::MovedIn]},
                        {"moved_out", row[Counter::MovedOut]},
                        {"refused", named_counts(row, {})},
                        {"nodes", std::move(nodes)}};
  if (row[Counter::TooMuchWork] != 0) view.set(kTooMuchWork, row[Counter::TooMuchWork]);
  return view;
}

Value view_attempt(const Attempt& attempt) {
  Value view = ValueMap{{"number", number_value(attempt.number)},
                        {"at", format_instant(attempt.started)},
                        {"took_ms", static_cast<std::int64_t>(attempt.took.count())},
                        {"status", attempt.status == 0 ? Value{} : Value{attempt.status}}};
  if (!attempt.code.empty()) view.set("code", attempt.code);
  if (!attempt.error.empty()) view.set("error", inert_text(attempt.error));
  if (!attempt.response.empty()) view.set("response", inert_text(attempt.response));
  return view;
}

Value view_request(const Request& request) {
  ValueList headers;
  for (const auto& [name, value] : request.headers)
    headers.push_back(
        ValueMap{{"name", name}, {"value", inert_text(with_secret_references(value))}});
  return ValueMap{{"method", request.method},
                  {"url", inert_text(with_secret_references(request.url))},
                  {"headers", std::move(headers)},
                  {"body", inert_text(request.body)}};
}

/// Whether a well-formed character acts on a terminal: the controls of ASCII and of ECMA-48 (U+0080
/// to U+009F), and those that turn the direction of what follows (U+202A to U+202E, U+2066 to
/// U+2069).
bool is_control(std::string_view character) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  switch (character.size()) {
    case 1:
      return (at(0) < 0x20 && at(0) != '\n' && at(0) != '\t') || at(0) == 0x7f;
    case 2:
      return at(0) == 0xc2 && at(1) < 0xa0;
    case 3:
      return at(0) == 0xe2 && ((at(1) == 0x80 && at(2) >= 0xaa && at(2) <= 0xae) ||
                               (at(1) == 0x81 && at(2) >= 0xa6 && at(2) <= 0xa9));
    default:
      return false;
  }
}
}  // namespace

Value view_of(const ContactAnswer& answer) {
  Value view = to_value(answer.contact);
  if (!view.find("created_at")) view.set("created_at", format_instant(answer.contact.created_at));
  ValueMap statistics;
  for (const std::string_view name : statistic_names())
    statistics.emplace_back(name, statistic(answer.engagement, name));
  view.set("statistics", std::move(statistics));
  if (!answer.warnings.empty()) view.set("warnings", text_list(answer.warnings));
  return view;
}

Value view_of(const ScenarioInfo& info) {
  ValueList versions;
  for (const auto& [version, created] : info.versions)
    versions.push_back(
        ValueMap{{"version", number_value(version)}, {"created", format_instant(created)}});
  Value view = ValueMap{{"scenario", info.id},
                        {"title", info.title},
                        {"state", to_string(info.state)},
                        {"version", number_value(info.version)},
                        {"format", number_value(info.format)},
                        {"test_emails", text_list(info.test_emails)},
                        {"created", format_instant(info.created)},
                        {"activated", instant_or_null(info.activated)},
                        {"archived", instant_or_null(info.archived)},
                        {"purged", instant_or_null(info.purged)},
                        {"changed", format_instant(info.changed)},
                        {"next", info.next ? Value{ValueMap{{"what", info.next->what},
                                                            {"at", format_instant(info.next->at)}}}
                                           : Value{}},
                        {"entered", info.entered},
                        {"inside", info.inside},
                        {"pending", info.pending},
                        {"failed", info.failed},
                        {"progress", view_of(info.progress)},
                        {"versions", std::move(versions)}};
  if (!info.text.empty()) view.set("text", info.text);
  if (!info.warnings.empty()) view.set("warnings", text_list(info.warnings));
  return view;
}

Value view_of(const ScenarioStats& stats) {
  ValueList versions;
  for (const Version version : stats.versions) versions.push_back(number_value(version));
  return ValueMap{{"scenario", stats.id},
                  {"state", to_string(stats.state)},
                  {"as_of", format_instant(stats.as_of)},
                  {"versions", std::move(versions)},
                  {"live", view_side(stats.live)},
                  {"test", view_side(stats.test)}};
}

Value view_of(const RunView& view, const Epochs& epochs) {
  const Run& run = view.run;
  ValueList path;
  for (std::size_t i = 0; i < run.path.size(); ++i) {
    const PathStep& step = run.path[i];
    Value shown = ValueMap{{"node", i < view.node_ids.size() ? view.node_ids[i] : std::string{}},
                           {"at", format_instant(step.at)},
                           {"port", step.port.empty() ? Value{} : Value{step.port}}};
    if (step.delivery) shown.set("delivery", format_delivery(epochs, *step.delivery));
    if (i < view.deliveries.size() && view.deliveries[i]) {
      const Delivery& delivery = *view.deliveries[i];
      shown.set("delivery_state", to_string(delivery.state));
      if (delivery.parked) shown.set("delivery_parked", true);
      if (!delivery.reason.empty()) shown.set("delivery_reason", delivery.reason);
    }
    if (!step.note.empty()) shown.set("note", step.note);
    path.push_back(std::move(shown));
  }
  Value shown = ValueMap{{"id", format_run(run.key)},
                         {"scenario", view.scenario},
                         {"version", number_value(run.version)},
                         {"test", run.test},
                         {"state", to_string(run.state)},
                         {"started", format_instant(run.started)},
                         {"ended", instant_or_null(run.ended)},
                         {"wake_at", instant_or_null(run.wake_at)}};
  if (!view.contact.empty()) shown.set("contact", view.contact);
  if (!run.reason.empty()) shown.set("reason", run.reason);
  if (!run.entry_key.empty()) shown.set("key", run.entry_key);
  shown.set("path", std::move(path));
  return shown;
}

Value view_of(const DeliveryView& view, const Epochs& epochs, bool whole) {
  const Delivery& delivery = view.delivery;
  Value shown = ValueMap{{"id", format_delivery(epochs, delivery.key)},
                         {"scenario", view.scenario},
                         {"node", view.node},
                         {"version", number_value(delivery.endpoint.version)},
                         {"contact", view.contact},
                         {"run", format_run(delivery.run)},
                         {"test", delivery.test},
                         {"state", to_string(delivery.state)},
                         {"parked", delivery.parked},
                         {"created", format_instant(delivery.created)},
                         {"deadline", format_instant(delivery.deadline)},
                         {"next_attempt", instant_or_null(delivery.due)},
                         {"settled", instant_or_null(delivery.settled)},
                         {"attempt_count", number_value(delivery.attempts)},
                         {"last_attempt", delivery.last ? view_attempt(*delivery.last) : Value{}}};
  if (!delivery.reason.empty()) shown.set("reason", delivery.reason);
  if (delivery.parked_since) shown.set("parked_since", format_instant(*delivery.parked_since));
  if (delivery.series > 0) shown.set("series", number_value(delivery.series));
  // What goes out is under this id; its attempts stand there.
  if (delivery.batch) shown.set("batch", format_delivery(epochs, *delivery.batch));
  if (!delivery.members.empty()) shown.set("batch_size", number_value(delivery.members.size()));
  if (!whole) return shown;
  shown.set("request", view.request ? view_request(*view.request) : Value{});
  ValueList attempts;
  for (const Attempt& attempt : view.attempts) attempts.push_back(view_attempt(attempt));
  shown.set("attempts", std::move(attempts));
  return shown;
}

Value view_of(const LogLine& line, const Epochs& epochs) {
  Value shown = ValueMap{{"at", format_instant(line.at)}, {"what", line.what}};
  for (const auto& [name, text] :
       {std::pair{"scenario", &line.scenario}, std::pair{"node", &line.node},
        std::pair{"who", &line.who}, std::pair{"text", &line.text}})
    if (!text->empty()) shown.set(name, inert_text(*text));
  if (line.delivery) shown.set("delivery", format_delivery(epochs, *line.delivery));
  return shown;
}

Value view_of(const RefusedView& refused) {
  return ValueMap{{"scenario", refused.scenario},
                  {"test", refused.test},
                  {"reason", refused.refusal.reason},
                  {"count", number_value(refused.refusal.count)},
                  {"last", format_instant(refused.refusal.last)}};
}

Value view_of(std::span<const Diagnostic> diagnostics) {
  ValueList list;
  for (const Diagnostic& found : diagnostics) {
    Value shown = ValueMap{{"severity", found.severity == Severity::Error ? "error" : "warning"},
                           {"line", found.at.line},
                           {"column", found.at.column},
                           {"code", found.code},
                           {"message", found.message}};
    if (!found.nearest.empty()) shown.set("nearest", found.nearest);
    list.push_back(std::move(shown));
  }
  return list;
}

std::string diagnostic_lines(std::string_view name, std::span<const Diagnostic> diagnostics) {
  std::string lines;
  for (const Diagnostic& found : diagnostics)
    fmt::format_to(std::back_inserter(lines), "{}:{}:{}: {}[{}]: {}\n", name, found.at.line,
                   found.at.column, found.severity == Severity::Error ? "error" : "warning",
                   found.code, found.message);
  return lines;
}

std::string inert_text(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = character_length(bytes);
    const std::string_view character = bytes.substr(0, std::max<std::size_t>(length, 1));
    if (length > 0 && !is_control(character)) {
      out += character;
    } else {
      for (const char byte : character)
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(byte));
    }
    bytes.remove_prefix(character.size());
  }
  return out;
}

Value view_of(const SecretInfo& info, SecretKind kind) {
  Value view = ValueMap{{"name", info.name}};
  if (kind == SecretKind::Credential && info.readable) {
    view.set("scheme", to_string(info.scheme));
    if (info.scheme == AuthScheme::Basic) view.set("username", info.login);
    if (info.scheme == AuthScheme::Header) view.set("header", info.login);
  }
  view.set("set_at", info.readable ? Value{format_instant(info.set)} : Value{});
  if (kind == SecretKind::Secret)
    view.set("rotating_since", info.rotated ? Value{format_instant(*info.rotated)} : Value{});
  const bool listed = info.hosts.rule == SecretHosts::Rule::Listed;
  view.set("hosts", text_list(info.hosts.hosts));
  view.set("any_host", info.readable && !listed);
  view.set("hosts_set", info.readable && info.hosts.rule != SecretHosts::Rule::Unset);
  view.set("used_by", text_list(info.used_by));
  view.set("sent_to", text_list(info.sent_to));
  view.set("refused_hosts", text_list(info.refused_hosts));
  view.set("readable", info.readable);
  return view;
}

Value view_of(const WebhookTestAnswer& answer) {
  const Attempt& attempt = answer.attempt;
  const auto text = [](const std::string& given) {
    return given.empty() ? Value{} : Value{inert_text(given)};
  };
  return ValueMap{{"id", answer.id},
                  {"accepted", answer.accepted},
                  {"status", attempt.status == 0 ? Value{} : Value{attempt.status}},
                  {"code", text(attempt.code)},
                  {"error", text(attempt.error)},
                  {"explanation", text(answer.explanation)},
                  {"took_ms", static_cast<std::int64_t>(attempt.took.count())},
                  {"response", text(attempt.response)},
                  {"request", view_request(*answer.request)}};
}
}  // namespace onward
