// apply, activate, hold, archive, duplicate, scenarios, show, delete.
#include <fmt/format.h>

#include <algorithm>

#include "engine/authoring/load.h"
#include "engine/authoring/report.h"
#include "engine/authoring/yaml_reader.h"
#include "nodes/nodes.h"
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

/// The id that a file names; nothing where it cannot be read.
std::optional<std::string> id_in(const std::string& text) {
  Diagnostics ignored;
  const auto tree = read_yaml(text, ignored);
  const Tree::Entry* entry = tree ? tree->find("scenario") : nullptr;
  if (!entry || !entry->value.is_scalar() || entry->value.text.empty()) return std::nullopt;
  return entry->value.text;
}

std::vector<Diagnostic> diagnostics_of(const ValueList& listed) {
  std::vector<Diagnostic> found;
  for (const Value& item : listed)
    found.push_back(
        {text_of(item, "severity") == "warning" ? Severity::Warning : Severity::Error,
         {static_cast<int>(number_of(item, "line")), static_cast<int>(number_of(item, "column"))},
         text_of(item, "code"),
         text_of(item, "message"),
         text_of(item, "nearest")});
  return found;
}

void report(const std::string& file, const std::string& text,
            const std::vector<Diagnostic>& diagnostics) {
  if (!diagnostics.empty())
    say(report_text(file == "-" ? "standard input" : file, text, diagnostics, colour_on_stderr()));
}

int apply_one(const Client& client, const std::string& file) {
  const auto text = read_input(file);
  if (!text) return complain(text.error());
  const auto id = id_in(*text);
  if (!id) {  // The server could not know whose text this is: the mistakes are found here.
    const Loaded loaded = load_scenario(*text, node_kinds());
    report(file, *text, loaded.diagnostics);
    return kExitData;
  }
  const auto answer = client.call("PUT", path_of(*id), "version", *text, "application/yaml");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) {
    const ValueList& listed = list_of(answer->value, "diagnostics");
    if (listed.empty() || client.json()) return client.refused(*answer);
    report(file, *text, diagnostics_of(listed));
    return kExitData;
  }
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  report(file, *text, diagnostics_of(list_of(answer->value, "warnings")));
  const std::int64_t version = number_of(answer->value, "version");
  const std::string state = answer->text("state");
  if (!flag_of(answer->value, "changed"))
    print(fmt::format("{}: unchanged, version {}, {}\n", *id, version, state));
  else
    print(fmt::format("{}: version {} applied, {}\n", *id, version, state));
  if (state == "draft") say(fmt::format("Let contacts in with: onward activate {}", *id));
  return kExitOk;
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
  if (!emails.empty()) line += ", test mode for " + answer->text("test_emails");
  print(line + "\n");
  return kExitOk;
}
}  // namespace

int run_apply(const ClientOptions& options, const ApplyOptions& apply) {
  const Client client{options};
  int worst = kExitOk;
  for (const std::string& file : apply.files) {
    const int code = apply_one(client, file);
    if (code == kExitUnavailable) return code;  // The others would say the same.
    if (worst == kExitOk) worst = code;
  }
  return worst;
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

int run_show(const ClientOptions& options, const std::string& scenario) {
  const Client client{options};
  const auto answer = client.call("GET", path_of(scenario), "text");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(*answer);
  else
    print(answer->text("text"));
  return kExitOk;
}

int run_scenarios(const ClientOptions& options) {
  const Client client{options};
  const auto answer = client.call("GET", "/v1/scenarios", "scenarios");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  Table table{{{"scenario", Align::Left, true},
               {"state"},
               {"version", Align::Right},
               {"activated"},
               {"title", Align::Left, true}}};
  for (const Value& item : list_of(answer->value, "scenarios")) {
    const bool test = !list_of(item, "test_emails").empty();
    table.add({text_of(item, "scenario"), text_of(item, "state") + (test ? " (test)" : ""),
               std::to_string(number_of(item, "version")), text_of(item, "activated"),
               printable(text_of(item, "title"))});
  }
  if (table.empty())
    say("There is no scenario yet; apply one with: onward apply FILE");
  else
    print(table.text(terminal_width(), colour_on_stdout()));
  return kExitOk;
}
}  // namespace onward
