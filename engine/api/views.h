#pragma once
// What the engine knows, as JSON shows it. Pure. The names are on the wire: they only grow.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/core/source/diagnostic.h"
#include "engine/host/runtime.h"

namespace onward {
inline Value number_value(std::uint64_t value) { return static_cast<std::int64_t>(value); }
inline Value text_list(const std::vector<std::string>& from) {
  return ValueList(from.begin(), from.end());
}

/// The contact's members, `created_at`, and its personal `statistics`.
Value view_of(const ContactAnswer& answer);
/// {"scenario", "title", "state", "version", "test_emails", times, "versions", "text"?}
Value view_of(const ScenarioInfo& info);
/// {"what", "to"?, "done", …}, or null.
Value view_of(const std::optional<ScenarioProgress>& progress);
/// {"scenario", "state", "versions": [{"version", "created", "nodes", "inside", …}], "progress"}
Value view_of(const ScenarioVersions& versions);
/// {"scenario", "version", "created", "text"}
Value view_of(const VersionText& text);
/// {"scenario", "changes", "diff", "inside", "places", "inserted", "notes", "stranded", …}
Value view_of(const ScenarioPlan& plan);
/// {"entered", …, "nodes": […]} for live and for test traffic.
Value view_of(const ScenarioStats& stats);
Value view_of(const RunView& run, const Epochs& epochs);
/// `whole`: with the request and all attempts.
Value view_of(const DeliveryView& delivery, const Epochs& epochs, bool whole);
Value view_of(const LogLine& line, const Epochs& epochs);
/// {"scenario", "test", "reason", "count", "last"}
Value view_of(const RefusedView& refused);
/// {"name", "set_at", "rotating_since", "used_by", "readable"}, of a credential also "scheme" and
/// "username" or "header". Never a value.
Value view_of(const SecretInfo& info, SecretKind kind);
/// {"id", "accepted", "status", "code", "error", "explanation", "took_ms", "response", "request"}
Value view_of(const WebhookTestAnswer& answer);
/// [{"severity", "line", "column", "code", "message", "nearest"?}]
Value view_of(std::span<const Diagnostic> diagnostics);

/// The same in lines for people: `welcome:9:12: error[unknown_key]: …`.
std::string diagnostic_lines(std::string_view name, std::span<const Diagnostic> diagnostics);

/// Text of unknown origin made inert: what is no UTF-8 and control characters but newline and tab
/// become `\xNN`.
std::string inert_text(std::string_view bytes);
}  // namespace onward
