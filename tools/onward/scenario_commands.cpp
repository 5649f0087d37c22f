// activate, hold, archive, duplicate, scenarios, show, delete.
#include <fmt/format.h>

#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
std::string path_of(const std::string& scenario, std::string_view action = {}) {
  std::string path = "/v1/scenarios/" + segment(scenario);
  if (!action.empty()) path.append("/").append(action);
  return path;
}

/// "start at 2026-05-01T09:00:00Z", or what is under way; empty where nothing is.
std::string next_of(const Value& scenario) {
  const std::string progress = text_of(scenario, "progress.what");
  if (progress == "purge") return "being purged";
  if (progress == "cancel") return "requests are being cancelled";
  if (!progress.empty()) return progress == "migrate" ? "runs are moving" : progress;
  const std::string what = text_of(scenario, "next.what");
  return what.empty() ? what : fmt::format("{} at {}", what, text_of(scenario, "next.at"));
}

/// An action on one scenario, whose answer is the scenario as it is now.
int act(const ClientOptions& options, const std::string& scenario, std::string_view action,
        const Value& body) {
  const Client client{options};
  const auto answer = client.call("POST", path_of(scenario, action), "version", to_json(body));
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  std::string line = fmt::format("{}: {}, version {}", answer->text("scenario"),
                                 answer->text("state"), number_of(answer->value, "version"));
  const ValueList& emails = list_of(answer->value, "test_emails");
  for (const Value& warning : list_of(answer->value, "warnings"))
    if (const std::string* text = warning.text()) say("warning: " + *text);
  if (!emails.empty()) line += ", test mode for " + answer->text("test_emails");
  if (const std::string next = next_of(answer->value); !next.empty()) line += ", " + next;
  print(line + "\n");
  return kExitOk;
}

/// As an on/off icon would show it.
Style style_of(std::string_view state) {
  if (state == "active") return Style::Green;
  if (state == "on_hold") return Style::Yellow;
  if (state == "scheduled") return Style::Cyan;
  if (state == "archived") return Style::Grey;
  return Style::Plain;
}
}  // namespace

StyledText scenarios_text(const Value& answer, std::size_t width) {
  Table table{{{"scenario", Align::Left, true},
               {"state"},
               {"version", Align::Right},
               {"entered", Align::Right},
               {"inside", Align::Right},
               {"pending", Align::Right},
               {"failed", Align::Right},
               {"next", Align::Left, true},
               {"title", Align::Left, true}}};
  for (const Value& item : list_of(answer, "scenarios")) {
    const bool test = !list_of(item, "test_emails").empty();
    const std::string state = text_of(item, "state");
    table.add({text_of(item, "scenario"), state + (test ? " (test)" : ""),
               std::to_string(number_of(item, "version")), grouped(number_of(item, "entered")),
               grouped(number_of(item, "inside")), grouped(number_of(item, "pending")),
               grouped(number_of(item, "failed")), next_of(item), text_of(item, "title")});
    table.paint(1, style_of(state));
  }
  return table.empty() ? StyledText{} : table.text(width);
}

int run_activate(const ClientOptions& options, const ActivateOptions& activate) {
  ValueList emails{activate.test_emails.begin(), activate.test_emails.end()};
  return act(options, activate.scenario, "activate", ValueMap{{"test_emails", std::move(emails)}});
}

int run_hold(const ClientOptions& options, const std::string& scenario) {
  return act(options, scenario, "hold", ValueMap{});
}

int run_archive(const ClientOptions& options, const ArchiveOptions& archive) {
  return act(options, archive.scenario, "archive",
             ValueMap{{"cancel_pending", archive.cancel_pending}});
}

int run_duplicate(const ClientOptions& options, const DuplicateOptions& duplicate) {
  return act(options, duplicate.scenario, "duplicate", ValueMap{{"id", duplicate.new_id}});
}

int run_delete(const ClientOptions& options, const std::string& scenario) {
  const Client client{options};
  const auto answer = client.call("DELETE", path_of(scenario), "");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(Value{ValueMap{{"scenario", scenario}, {"deleted", true}}});
  else
    print(fmt::format("{}: deleted\n", scenario));
  return kExitOk;
}

int run_show(const ClientOptions& options, const std::string& scenario, std::int64_t version) {
  const Client client{options};
  const std::string which = version == 0 ? std::string{} : fmt::format("versions/{}", version);
  const auto answer = client.call("GET", path_of(scenario, which), "text");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(*answer);
  else
    print_data(answer->text("text"));
  return kExitOk;
}

int run_scenarios(const ClientOptions& options, const ScenariosOptions& wanted) {
  const Client client{options};
  std::string path = "/v1/scenarios?sort=" + segment(wanted.sort);
  if (wanted.reverse) path += "&reverse=true";
  if (!wanted.state.empty()) path += "&state=" + segment(wanted.state);
  const auto answer = client.call("GET", path, "scenarios");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  const StyledText list = scenarios_text(answer->value, terminal_width());
  if (!list.empty())
    print(list);
  else if (wanted.state.empty())
    say("There is no scenario yet; apply one with: onward apply FILE");
  else
    say(fmt::format("No scenario is {}.", wanted.state));
  return kExitOk;
}
}  // namespace onward
