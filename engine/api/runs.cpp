// /v1/runs: where contacts are now, in all scenarios.
#include <fmt/format.h>

#include "engine/api/resources.h"
#include "engine/api/views.h"
#include "engine/core/base/clipped.h"

namespace onward {
namespace {
Result<std::optional<RunState>> optional_run_state(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  for (const RunState state : {RunState::Waiting, RunState::Parked})
    if (to_string(state) == *text) return state;
  return fail(ErrorKind::Invalid, "bad_parameter",
              fmt::format("\"state\" can be waiting or parked, found \"{}\"; runs that have ended "
                          "are listed with their contact.",
                          *text));
}

void list_live_runs(Runtime& runtime, const Call& call) {
  const auto page = parse_page(call);
  if (!page) return call.reply(problem_of(page.error()));
  const auto state = optional_run_state(call.parameter("state"));
  if (!state) return call.reply(problem_of(state.error()));
  RunQuery query{.scenario = call.parameter("scenario").value_or(""),
                 .node = call.parameter("node").value_or(""),
                 .state = *state,
                 .reason = call.parameter("reason").value_or("")};
  const auto render = [&runtime](const RunPage& found) {
    ValueList runs;
    for (const auto& run : found.runs) runs.push_back(view_of(run, runtime.epochs()));
    return json_reply(200, ValueMap{{"runs", std::move(runs)},
                                    {"next", found.next.empty() ? Value{} : Value{found.next}}});
  };
  runtime.calls().read(
      answer_with<RunPage>(call.reply, render),
      [query = std::move(query), page = *page](ReadModel& from, const Directory& names) {
        return query_live_runs(from, names, query, page.limit, page.cursor);
      });
}

void resume_one(Runtime& runtime, const Call& call) {
  if (const auto body = parse_object(call.request.body, {}); !body)
    return call.reply(problem_of(body.error()));
  const std::string id = call.params.front();
  const auto key = parse_run(id);
  if (!key)
    return call.reply(
        problem(404, "unknown_run",
                fmt::format("There is no run \"{}\"; one is named run_….", clipped(id))));
  const auto render = [id](std::size_t resumed) {
    return resumed > 0 ? json_reply(200, ValueMap{{"run", id}, {"resumed", true}})
                       : problem(404, "not_parked", fmt::format("There is no parked run {}.", id));
  };
  runtime.run_resumption().resume(answer_with<std::size_t>(call.reply, render), *key, call.who());
}

/// `{"scenario": …, "node"?, "reason"?}`
void resume_many(Runtime& runtime, const Call& call) {
  const auto object = parse_object(call.request.body, {"scenario", "node", "reason"});
  if (!object) return call.reply(problem_of(object.error()));
  RunQuery query;
  for (const auto& [name, to] :
       {std::pair{"scenario", &query.scenario}, std::pair{"node", &query.node},
        std::pair{"reason", &query.reason}}) {
    const Value* given = object->find(name);
    if (!given || given->is_null()) continue;
    if (!given->text())
      return call.reply(
          problem(400, "wrong_type",
                  fmt::format("\"{}\" wants a text, found {}.", name, clipped(to_json(*given)))));
    *to = *given->text();
  }
  if (query.scenario.empty())
    return call.reply(
        problem(400, "no_scenario", "Say of which \"scenario\"; others are left alone."));
  const auto render = [](std::size_t count) {
    return json_reply(200, ValueMap{{"resumed", static_cast<std::int64_t>(count)}});
  };
  runtime.run_resumption().resume(answer_with<std::size_t>(call.reply, render), std::move(query),
                                  call.who());
}
}  // namespace

std::vector<Route> run_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/runs",
       Need::Read,
       "Runs that wait or are parked, by contact.",
       {"scenario",
        "node",
        {"state", "Only those in this state.", R"({"enum": ["waiting", "parked"]})"},
        {"reason", "Only those parked for this reason.", R"({"type": "string"})"},
        "limit",
        "cursor",
        "fresh"},
       [&](const Call& call) { list_live_runs(runtime, call); },
       {.id = "findRuns",
        .answers = {{200, "Runs"}},
        .faults = {{400, "no_scenario"}, {404, "unknown_scenario unknown_node"}}}},
      {"POST",
       "/v1/runs/{id}/resume",
       Need::Author,
       "Lets a parked run enter its node again.",
       {},
       [&](const Call& call) { resume_one(runtime, call); },
       {.id = "resumeRun",
        .body = {{"Empty"}},
        .body_optional = true,
        .answers = {{200, R"({"type": "object", "required": ["run", "resumed"], "properties": {
          "run": {"type": "string"}, "resumed": {"const": true}}})"}},
        .faults = {{400, kJsonCodes}, {404, "unknown_run not_parked"}}}},
      {"POST",
       "/v1/runs/resume",
       Need::Author,
       "The same to all parked runs of a scenario.",
       {},
       [&](const Call& call) { resume_many(runtime, call); },
       {.id = "resumeRuns",
        .body = {{R"({"type": "object", "required": ["scenario"], "additionalProperties": false,
          "properties": {"scenario": {"type": "string"}, "node": {"type": "string"},
            "reason": {"type": "string"}}})"}},
        .answers = {{200, R"({"type": "object", "required": ["resumed"], "properties": {
          "resumed": {"type": "integer"}}})"}},
        .faults = {{400, "bad_json wrong_type unknown_member no_scenario"},
                   {404, "unknown_scenario unknown_node"}}}},
  };
}
}  // namespace onward
