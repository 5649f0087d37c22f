// /v1/scenarios: what authors write, its life, and its numbers.
#include <fmt/format.h>

#include <charconv>
#include <set>

#include "engine/api/resources.h"
#include "engine/api/scenario_query.h"
#include "engine/api/views.h"
#include "engine/core/base/clipped.h"
#include "engine/core/contact/address.h"
#include "engine/core/contact/contact.h"

namespace onward {
namespace {
ApiReply render_info(const ScenarioInfo& info) { return json_reply(200, view_of(info)); }

ApiReply render_apply(const ApplyAnswer& answer) {
  const std::string& id = answer.scenario.id;
  if (answer.refused)
    return problem(
        422, "bad_scenario",
        fmt::format("The scenario has {} mistake{}; nothing was changed.",
                    answer.diagnostics.size(), answer.diagnostics.size() == 1 ? "" : "s"),
        {{"diagnostics", view_of(answer.diagnostics)},
         {"text", diagnostic_lines("scenario", answer.diagnostics)}});
  return json_reply(answer.created ? 201 : 200,
                    ValueMap{{"scenario", id},
                             {"state", to_string(answer.scenario.state)},
                             {"version", static_cast<std::int64_t>(answer.scenario.version)},
                             {"changed", answer.changed},
                             {"migrating", answer.migrating},
                             {"warnings", view_of(answer.diagnostics)}});
}

void apply(Runtime& runtime, const Call& call) {
  auto migration = parse_migration(call);
  if (!migration) return call.reply(problem_of(migration.error()));
  std::string who = call.who();
  runtime.authoring().apply(answer_with<ApplyAnswer>(call.reply, render_apply),
                            {.id = call.params.front(),
                             .text = std::move(call.request.body),
                             .migration = std::move(*migration),
                             .who = std::move(who)});
}

void list_scenarios(Runtime& runtime, const Call& call) {
  const auto order = parse_order(call);
  if (!order) return call.reply(problem_of(order.error()));
  const auto render = [order = *order](const std::vector<ScenarioInfo>& infos) {
    ValueList scenarios;
    for (const ScenarioInfo& info : in_order(infos, order)) scenarios.push_back(view_of(info));
    return json_reply(200, ValueMap{{"scenarios", std::move(scenarios)}});
  };
  runtime.calls().post(
      answer_with<std::vector<ScenarioInfo>>(call.reply, render),
      [](Cell& cell) -> Result<std::vector<ScenarioInfo>> { return cell.views().list(); });
}

/// As JSON, or the YAML itself where the caller asks for that.
void get_scenario(Runtime& runtime, const Call& call) {
  const bool yaml = call.request.header("accept").find("yaml") != std::string_view::npos;
  const auto render = [yaml](const ScenarioInfo& info) {
    return yaml ? ApiReply{200, "application/yaml", info.text} : render_info(info);
  };
  runtime.authoring().scenario(answer_with<ScenarioInfo>(call.reply, render), call.params.front());
}

/// `{"test_emails": [...]}`; nothing, or an empty list, leaves test mode.
Result<std::vector<std::string>> test_emails_of(std::string_view body) {
  const auto object = parse_object(body, {"test_emails"});
  if (!object) return tl::make_unexpected(object.error());
  std::vector<std::string> emails;
  const Value* listed = object->find("test_emails");
  if (!listed || listed->is_null()) return emails;
  if (!listed->list())
    return fail(ErrorKind::Invalid, "wrong_type",
                "\"test_emails\" must be a list of e-mail addresses.");
  const ValueList& items = *listed->list();
  if (items.size() > kTestEmailsMax)
    return fail(ErrorKind::Invalid, "too_many",
                fmt::format("\"test_emails\" may list at most {} addresses (got {}).",
                            kTestEmailsMax, items.size()));
  std::set<std::string> known;
  for (const Value& item : items) {
    std::string email = item.text() ? normal_email(*item.text()) : std::string{};
    if (!is_address(email))
      return fail(ErrorKind::Invalid, "bad_email",
                  fmt::format("\"test_emails\" must list e-mail addresses of at most {} bytes, for "
                              "example jane@example.org (got {}).",
                              kAddressBytesMax, clipped(to_json(item))));
    if (known.insert(email).second) emails.push_back(std::move(email));
  }
  return emails;
}

void activate(Runtime& runtime, const Call& call) {
  auto emails = test_emails_of(call.request.body);
  if (!emails) return call.reply(problem_of(emails.error()));
  std::size_t bytes = 0;
  for (const std::string& email : *emails) bytes += sizeof(email) + email.size();
  std::optional<std::vector<std::string>> chosen;
  if (!emails->empty()) chosen = std::move(*emails);
  const std::string& id = call.params.front();
  runtime.calls().post_after(
      id, answer_with<ScenarioInfo>(call.reply, render_info),
      [id, chosen = std::move(chosen), who = call.who()](Cell& cell) {
        return cell.scenarios().activate(id, chosen, who);
      },
      bytes);
}

void hold(Runtime& runtime, const Call& call) {
  const std::string& id = call.params.front();
  runtime.calls().post_after(
      id, answer_with<ScenarioInfo>(call.reply, render_info),
      [id, who = call.who()](Cell& cell) { return cell.scenarios().hold(id, who); });
}

void archive(Runtime& runtime, const Call& call) {
  const auto object = parse_object(call.request.body, {"cancel_pending"});
  if (!object) return call.reply(problem_of(object.error()));
  bool cancel_pending = false;
  if (const Value* given = object->find("cancel_pending")) {
    const bool* flag = given->get_if<bool>();
    if (!flag)
      return call.reply(problem(400, "wrong_type", "\"cancel_pending\" wants true or false."));
    cancel_pending = *flag;
  }
  const std::string& id = call.params.front();
  runtime.calls().post_after(id, answer_with<ScenarioInfo>(call.reply, render_info),
                             [id, cancel_pending, who = call.who()](Cell& cell) {
                               return cell.scenarios().archive(id, cancel_pending, who);
                             });
}

void duplicate(Runtime& runtime, const Call& call) {
  const auto object = parse_object(call.request.body, {"id"});
  if (!object) return call.reply(problem_of(object.error()));
  const Value* id = object->find("id");
  if (!id || !id->text())
    return call.reply(problem(400, "no_id", "The body wants {\"id\": the new scenario's id}."));
  const auto render = [](const ScenarioInfo& info) { return json_reply(201, view_of(info)); };
  runtime.authoring().duplicate(answer_with<ScenarioInfo>(call.reply, render), call.params.front(),
                                *id->text(), call.who());
}

void remove_draft(Runtime& runtime, const Call& call) {
  const auto render = [](const ScenarioInfo&) { return ApiReply{204, "", ""}; };
  const std::string& id = call.params.front();
  runtime.calls().post_after(
      id, answer_with<ScenarioInfo>(call.reply, render),
      [id, who = call.who()](Cell& cell) { return cell.scenarios().remove_draft(id, who); });
}

void stats(Runtime& runtime, const Call& call) {
  Version version = 0;
  if (const auto text = call.parameter("version")) {
    const auto [end, fault] = std::from_chars(text->data(), text->data() + text->size(), version);
    if (fault != std::errc{} || end != text->data() + text->size() || version == 0)
      return call.reply(
          problem(400, "bad_parameter",
                  fmt::format("\"version\" wants a number from 1, found \"{}\".", clipped(*text))));
  }
  const auto render = [](const ScenarioStats& found) { return json_reply(200, view_of(found)); };
  runtime.authoring().stats(answer_with<ScenarioStats>(call.reply, render), call.params.front(),
                            version);
}

std::vector<Route> scenario_text_routes(Runtime& runtime) {
  constexpr std::string_view kOne = "/v1/scenarios/{id}";
  return {
      {"GET",
       "/v1/scenarios",
       Need::Read,
       "All scenarios with their states, numbers, and what they will do next.",
       {{"sort", "The greatest, the newest, the soonest or the first by name first.",
         R"({"enum": ["name", "state", "next", "entered", "inside", "pending", "failed", "changed"]})"},
        {"reverse", "The other way round.", R"({"type": "boolean", "default": false})"},
        {"state", "Only these.", R"({"words": "ScenarioState"})"}},
       [&](const Call& call) { list_scenarios(runtime, call); },
       {.id = "listScenarios", .answers = {{200, "Scenarios"}}}},
      {"GET",
       kOne,
       Need::Read,
       "One scenario with its newest text.",
       {},
       [&](const Call& call) { get_scenario(runtime, call); },
       {.id = "getScenario",
        .answers = {{200, "Scenario"}, {200, R"({"type": "string"})", "application/yaml"}},
        .faults = {{404, "unknown_scenario"}}}},
      {"PUT",
       kOne,
       Need::Author,
       "Applies a scenario file; all its mistakes are answered at once.",
       {"migrate", "map"},
       [&](const Call& call) { apply(runtime, call); },
       {.id = "applyScenario",
        .body = {{R"({"type": "string"})", "application/yaml"}},
        .answers = {{200, "Applied"}, {201, "Applied"}},
        .faults = {{400, "unknown_node duplicate_node"},
                   {409,
                    "archived id_used migrating would_strand version_missing poison "
                    "conditions_full"},
                   {422, "bad_scenario"}}}},
      {"DELETE",
       kOne,
       Need::Author,
       "Takes away a draft that never ran.",
       {},
       [&](const Call& call) { remove_draft(runtime, call); },
       {.id = "removeDraft",
        .answers = {{204}},
        .faults = {{404, "unknown_scenario"}, {409, "archived has_run scheduled"}}}},
  };
}

std::vector<Route> scenario_command_routes(Runtime& runtime) {
  return {
      {"POST",
       "/v1/scenarios/{id}/activate",
       Need::Author,
       "Lets contacts in, all of them or only test addresses.",
       {},
       [&](const Call& call) { activate(runtime, call); },
       {.id = "activateScenario",
        .body = {{"Activation"}},
        .body_optional = true,
        .answers = {{200, "Scenario"}},
        .faults = {{400, kJsonCodes},
                   {400, "bad_email too_many"},
                   {404, "unknown_scenario"},
                   {409,
                    "archived ended not_valid_any_more secret_host_not_allowed unknown_secret"}}}},
      {"POST",
       "/v1/scenarios/{id}/hold",
       Need::Author,
       "Lets nobody in for now.",
       {},
       [&](const Call& call) { hold(runtime, call); },
       {.id = "holdScenario",
        .answers = {{200, "Scenario"}},
        .faults = {{404, "unknown_scenario"}, {409, "archived not_active"}}}},
      {"POST",
       "/v1/scenarios/{id}/archive",
       Need::Author,
       "Ends a scenario for good; its numbers stay.",
       {},
       [&](const Call& call) { archive(runtime, call); },
       {.id = "archiveScenario",
        .body = {{"Archival"}},
        .body_optional = true,
        .answers = {{200, "Scenario"}},
        .faults = {{400, kJsonCodes}, {404, "unknown_scenario"}, {409, "archived"}}}},
      {"POST",
       "/v1/scenarios/{id}/duplicate",
       Need::Author,
       "Makes a draft of it under a new id.",
       {},
       [&](const Call& call) { duplicate(runtime, call); },
       {.id = "duplicateScenario",
        .body = {{"Duplication"}},
        .answers = {{201, "Scenario"}},
        .faults = {{400, kJsonCodes},
                   {400, "no_id invalid_id"},
                   {404, "unknown_scenario"},
                   {409, "id_used not_valid_any_more conditions_full"}}}},
  };
}

std::vector<Route> scenario_stats_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/scenarios/{id}/stats",
       Need::Read,
       "The numbers of a scenario and of each node, of all versions or of one.",
       {{"version", "Of this version alone.", R"({"type": "integer", "minimum": 1})"}},
       [&](const Call& call) { stats(runtime, call); },
       {.id = "getStats",
        .answers = {{200, "Stats"}},
        .faults = {{404, "unknown_scenario unknown_version"}}}},
  };
}
}  // namespace

std::vector<Route> scenario_routes(Runtime& runtime) {
  return joined({scenario_text_routes(runtime), scenario_command_routes(runtime),
                 scenario_stats_routes(runtime)});
}
}  // namespace onward
