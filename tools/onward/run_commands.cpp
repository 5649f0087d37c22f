// runs list, runs resume, logs.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr std::int64_t kLogPageMax = 500;

std::string last_node(const Value& run) {
  const ValueList& path = list_of(run, "path");
  return path.empty() ? std::string{} : text_of(path.back(), "node");
}

/// "2026-05-01T09:00:00Z  node.paused  welcome tell_crm  by admin: 3 pending"
std::string line_text(const Value& line) {
  std::string text = fmt::format("{}  {}", text_of(line, "at"), text_of(line, "what"));
  std::string place = text_of(line, "scenario");
  if (const std::string node = text_of(line, "node"); !node.empty()) place += " " + node;
  if (!place.empty()) text += "  " + place;
  if (const std::string who = text_of(line, "who"); !who.empty() && who != "engine")
    text += "  by " + printable_line(who);
  if (const std::string more = text_of(line, "text"); !more.empty())
    text += "  " + printable_line(more);
  if (const std::string delivery = text_of(line, "delivery"); !delivery.empty())
    text += "  " + delivery;
  return text + "\n";
}
}  // namespace

int run_live_runs(const ClientOptions& client, const LiveRunsOptions& options) {
  std::string path = fmt::format("/v1/runs?limit={}", options.limit);
  for (const auto& [name, text] :
       {std::pair{"scenario", &options.scenario}, std::pair{"node", &options.node},
        std::pair{"state", &options.state}, std::pair{"reason", &options.reason},
        std::pair{"cursor", &options.cursor}})
    if (!text->empty()) path += fmt::format("&{}={}", name, segment(*text));
  return show(client, path, "runs", [&options](const Value& value) {
    Table table{{{"run"},
                 {"contact", Align::Left, true},
                 {"scenario", Align::Left, true},
                 {"at", Align::Left, true},
                 {"state"},
                 {"since"},
                 {"goes on"}}};
    for (const Value& run : list_of(value, "runs")) {
      std::string state = text_of(run, "state");
      if (const std::string reason = text_of(run, "reason"); !reason.empty())
        state += " (" + reason + ")";
      const ValueList& steps = list_of(run, "path");
      table.add({text_of(run, "id"), text_of(run, "contact"), text_of(run, "scenario"),
                 last_node(run), state,
                 steps.empty() ? text_of(run, "started") : text_of(steps.back(), "at"),
                 text_of(run, "wake_at")});
    }
    const std::string next = text_of(value, "next");
    if (table.empty() && next.empty() && !options.reason.empty())
      say(
          fmt::format("No run is parked for the reason \"{}\"; `onward runs list --state parked` "
                      "shows the reasons that there are.",
                      options.reason));
    else if (table.empty())
      say(next.empty() ? "No runs." : "None so far.");
    if (!next.empty()) say("There are more; go on with --cursor " + next);
    return table.empty() ? StyledText{} : table.text(terminal_width());
  });
}

int run_resume(const ClientOptions& options, const ResumeOptions& given) {
  if (given.runs.empty() == given.scenario.empty())
    return complain("Name runs (run_…), or say which with --scenario, and perhaps --reason.",
                    kExitUsage);
  const Client client{options};
  const auto tell = [&](const Answer& answer, const std::string& what) {
    if (!answer.ok()) return client.refused(answer);
    if (client.json())
      print_json(answer);
    else
      print(what + " resumed\n");
    return static_cast<int>(kExitOk);
  };
  if (given.runs.empty()) {
    ValueMap members;
    for (const auto& [name, text] :
         {std::pair{"scenario", &given.scenario}, std::pair{"node", &given.node},
          std::pair{"reason", &given.reason}})
      if (!text->empty()) members.emplace_back(name, *text);
    const auto answer =
        client.call("POST", "/v1/runs/resume", "resumed", to_json(Value{std::move(members)}));
    if (!answer) return complain(answer.error());
    const std::int64_t count = number_of(answer->value, "resumed");
    return tell(*answer, fmt::format("{} {}", grouped(count), count == 1 ? "run" : "runs"));
  }
  int worst = kExitOk;
  for (const std::string& run : given.runs) {
    const auto answer =
        client.call("POST", "/v1/runs/" + segment(run) + "/resume", "resumed", "{}");
    if (!answer) return complain(answer.error());
    const int code = tell(*answer, run);
    if (worst == kExitOk) worst = code;
  }
  return worst;
}

int run_logs(const ClientOptions& options, const LogsOptions& given) {
  std::string since;
  if (!given.since.empty()) {
    auto when = when_of(given.since, "--since",
                        std::chrono::floor<Duration>(std::chrono::system_clock::now()));
    if (!when) return complain(when.error().message, kExitUsage);
    since = std::move(*when);
  }
  const Client client{options};
  std::string cursor;
  while (true) {
    // All since a time, or behind a cursor; else only the newest.
    const bool newest = since.empty() && cursor.empty();
    std::string path =
        fmt::format("/v1/logs?limit={}", newest ? std::min(given.limit, kLogPageMax) : kLogPageMax);
    if (!given.scenario.empty()) path += "&scenario=" + segment(given.scenario);
    if (!since.empty()) path += "&since=" + segment(since);
    if (!cursor.empty()) path += "&cursor=" + segment(cursor);
    const auto answer = client.call("GET", path, "lines");
    if (!answer) return complain(answer.error());
    if (!answer->ok()) return client.refused(*answer);
    for (const Value& line : list_of(answer->value, "lines"))
      print(client.json() ? to_json(line) + "\n" : line_text(line));
    if (newest && !given.follow && !client.json() && list_of(answer->value, "lines").empty())
      say("Nothing so far.");
    if (output_lost()) return kExitIo;
    cursor = text_of(answer->value, "next");
    if (flag_of(answer->value, "more") && !newest) continue;
    if (!given.follow) return kExitOk;
    std::this_thread::sleep_for(std::chrono::seconds{1});
  }
}
}  // namespace onward
