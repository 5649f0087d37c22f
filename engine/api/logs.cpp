// /v1/logs: what happened lately, for people.
#include "engine/api/resources.h"
#include "engine/api/views.h"

namespace onward {
namespace {
/// The names of secrets and tokens are told to those alone who may list them.
Need need_of(const LogLine& line) {
  if (line.what.starts_with("token.")) return Need::Admin;
  if (line.what.starts_with("secret.") || line.what.starts_with("credential.")) return Need::Author;
  return Need::Read;
}

void list_log(Runtime& runtime, const Call& call) {
  const auto page = parse_page(call);
  if (!page) return call.reply(problem_of(page.error()));
  const auto since = parse_when(call, "since");
  if (!since) return call.reply(problem_of(since.error()));
  const Need most = call.may(Need::Admin)    ? Need::Admin
                    : call.may(Need::Author) ? Need::Author
                                             : Need::Read;
  const auto render = [&runtime, most](const LogPage& found) {
    ValueList lines;
    for (const LogLine& line : found.lines)
      if (need_of(line) <= most) lines.push_back(view_of(line, runtime.epochs()));
    return json_reply(
        200, ValueMap{{"lines", std::move(lines)}, {"next", found.next}, {"more", found.more}});
  };
  runtime.calls().read(
      answer_with<LogPage>(call.reply, render),
      [recent = runtime.recent(), scenario = call.parameter("scenario").value_or(""),
       since = *since, page = *page](ReadModel& from, const Directory& names) -> Result<LogPage> {
        if (!scenario.empty() && !names.by_id.contains(scenario))
          return fail(ErrorKind::NotFound, "unknown_scenario",
                      "there is no scenario \"" + scenario + "\"");
        return query_logs(from, *recent, scenario, since, page.limit, page.cursor);
      });
}
}  // namespace

std::vector<Route> log_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/logs",
       Need::Read,
       "Changes, and what deliveries met: oldest first, going on behind a cursor.",
       {"scenario", "since", "limit", "cursor"},
       [&](const Call& call) { list_log(runtime, call); },
       {.id = "readLog", .answers = {{200, "Log"}}, .faults = {{404, "unknown_scenario"}}}},
  };
}
}  // namespace onward
