// /v1/scenarios/{id}: its versions, what an apply would do, and its purge.
#include <fmt/format.h>

#include <charconv>

#include "engine/api/resources.h"
#include "engine/api/scenario_query.h"
#include "engine/api/views.h"
#include "engine/core/base/clipped.h"

namespace onward {
namespace {
void versions(Runtime& runtime, const Call& call) {
  const auto render = [](const ScenarioVersions& found) { return json_reply(200, view_of(found)); };
  runtime.authoring().versions(answer_with<ScenarioVersions>(call.reply, render),
                               call.params.front());
}

/// As JSON, or the YAML itself where the caller asks for that.
void version(Runtime& runtime, const Call& call) {
  const std::string& text = call.params.back();
  Version number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size() || number == 0)
    return call.reply(
        problem(404, "unknown_version",
                fmt::format("A version is a number from 1, not \"{}\".", clipped(text))));
  const bool yaml = call.request.header("accept").find("yaml") != std::string_view::npos;
  const auto render = [yaml](const VersionText& found) {
    return yaml ? ApiReply{200, "application/yaml", found.text} : json_reply(200, view_of(found));
  };
  runtime.authoring().version(answer_with<VersionText>(call.reply, render), call.params.front(),
                              number);
}

void plan(Runtime& runtime, const Call& call) {
  auto migration = parse_migration(call);
  if (!migration) return call.reply(problem_of(migration.error()));
  const auto render = [](const ScenarioPlan& found) { return json_reply(200, view_of(found)); };
  runtime.authoring().plan(answer_with<ScenarioPlan>(call.reply, render),
                           {.id = call.params.front(),
                            .text = std::move(call.request.body),
                            .migration = std::move(*migration)});
}

void purge(Runtime& runtime, const Call& call) {
  const auto render = [](const ScenarioInfo& info) { return json_reply(202, view_of(info)); };
  const std::string& id = call.params.front();
  runtime.calls().post_after(
      id, answer_with<ScenarioInfo>(call.reply, render),
      [id, who = call.who()](Cell& cell) { return cell.scenarios().purge(id, who); });
}
}  // namespace

std::vector<Route> scenario_life_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/scenarios/{id}/versions",
       Need::Read,
       "Its versions, how many runs are on each, and a migration or purge under way.",
       {},
       [&](const Call& call) { versions(runtime, call); },
       {.id = "listVersions",
        .answers = {{200, "Versions"}},
        .faults = {{404, "unknown_scenario"}}}},
      {"GET",
       "/v1/scenarios/{id}/versions/{version}",
       Need::Read,
       "The text of one version.",
       {},
       [&](const Call& call) { version(runtime, call); },
       {.id = "getVersion",
        .answers = {{200, "VersionText"}, {200, R"({"type": "string"})", "application/yaml"}},
        .faults = {{404, "unknown_scenario unknown_version"}}}},
      {"POST",
       "/v1/scenarios/{id}/plan",
       Need::Author,
       "What applying the file in the body would do; changes nothing.",
       {"migrate", "map"},
       [&](const Call& call) { plan(runtime, call); },
       {.id = "planScenario",
        .body = {{R"({"type": "string"})", "application/yaml"}},
        .answers = {{200, "Plan"}},
        .faults = {{400, "unknown_node duplicate_node"}, {409, "archived id_used"}}}},
      {"POST",
       "/v1/scenarios/{id}/purge",
       Need::Author,
       "Takes the runs and request bodies of an archived scenario; its numbers stay.",
       {},
       [&](const Call& call) { purge(runtime, call); },
       {.id = "purgeScenario",
        .answers = {{202, "Scenario"}},
        .faults = {{404, "unknown_scenario"}, {409, "not_archived requests_pending"}}}},
  };
}
}  // namespace onward
