// apply and plan: scenario files, or folders of them, on their way to a server.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "engine/authoring/load.h"
#include "engine/authoring/report.h"
#include "engine/authoring/yaml_reader.h"
#include "engine/core/scenario/scenario_diff.h"
#include "nodes/nodes.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/plan_text.h"
#include "tools/onward/scenario_files.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// Exit code of `plan --detailed-exitcode` where something would change.
constexpr int kExitChanges = 2;

/// A file that names its scenario. What cannot be read is told at once.
struct Source {
  std::string file;
  std::string text;
  std::string id;  ///< Empty: its mistakes have been told.
};

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

void report(const Source& source, const std::vector<Diagnostic>& diagnostics) {
  if (!diagnostics.empty())
    say(report_text(source.file == "-" ? "standard input" : source.file, source.text, diagnostics));
}

std::string apply_path(const std::string& id, std::string_view action,
                       const std::vector<std::string>& map, bool migrate) {
  std::string path = "/v1/scenarios/" + segment(id);
  path += action;
  if (migrate) path += "?migrate=true";
  std::string pairs;
  for (const std::string& pair : map) {
    std::string as_query = pair;
    std::ranges::replace(as_query, '=', ':');
    pairs += (pairs.empty() ? "" : ",") + as_query;
  }
  if (!pairs.empty()) path += (migrate ? "&map=" : "?map=") + segment(pairs);
  return path;
}

/// Reads all, and finds the mistakes that no server is needed for where the id itself is one. The
/// worst exit code goes to `worst`.
std::vector<Source> read_all(const std::vector<std::string>& files, int& worst) {
  std::vector<Source> sources;
  std::map<std::string, std::string> owners;
  const auto note = [&](int code) { worst = worst == kExitOk ? code : worst; };
  for (const std::string& file : files) {
    auto text = read_input(file);
    if (!text) {
      note(complain(text.error()));
      continue;
    }
    Source source{.file = file, .text = std::move(*text)};
    const auto id = id_in(source.text);
    if (!id) {  // The server could not know whose text this is.
      report(source, load_scenario(source.text, node_kinds()).diagnostics);
      note(kExitData);
      continue;
    }
    const auto [owner, fresh] = owners.emplace(*id, file);
    if (!fresh) {
      note(
          complain(fmt::format("{} and {} are both the scenario \"{}\".", owner->second, file, *id),
                   kExitData));
      continue;
    }
    source.id = *id;
    sources.push_back(std::move(source));
  }
  return sources;
}

/// Looks until a migration has ended, for a while; tells who is where then.
void watch_migration(const Client& client, const std::string& id, std::int64_t version) {
  constexpr int kLooks = 100;
  for (int look = 0; look < kLooks; ++look) {
    const auto answer =
        client.call("GET", "/v1/scenarios/" + segment(id) + "/versions", "versions");
    if (!answer || !answer->ok()) break;
    const Value* progress = answer->value.find("progress");
    if (progress != nullptr && !progress->is_null()) {
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
      continue;
    }
    std::int64_t here = 0, behind = 0;
    for (const Value& row : list_of(answer->value, "versions")) {
      const std::int64_t runs = number_of(row, "inside") + number_of(row, "test_inside");
      (number_of(row, "version") == version ? here : behind) += runs;
    }
    print(fmt::format("{}: {} {} on version {} now{}\n", id, grouped(here),
                      here == 1 ? "run is" : "runs are", version,
                      behind == 0 ? "" : fmt::format(", {} on older ones", grouped(behind))));
    return;
  }
  print(fmt::format("{}: runs are still moving; look with: onward versions {}\n", id, id));
}

int apply_one(const Client& client, const Source& source, const ApplyOptions& apply) {
  const auto answer = client.call("PUT", apply_path(source.id, "", apply.map, apply.migrate),
                                  "version", source.text, "application/yaml");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) {
    const ValueList& listed = list_of(answer->value, "diagnostics");
    if (listed.empty() || client.json()) return client.refused(*answer);
    report(source, diagnostics_of(listed));
    return kExitData;
  }
  const std::int64_t version = number_of(answer->value, "version");
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  report(source, diagnostics_of(list_of(answer->value, "warnings")));
  const std::string state = answer->text("state");
  if (!flag_of(answer->value, "changed"))
    print(fmt::format("{}: unchanged, version {}, {}\n", source.id, version, state));
  else
    print(fmt::format("{}: version {} applied, {}\n", source.id, version, state));
  if (flag_of(answer->value, "migrating")) watch_migration(client, source.id, version);
  if (state == "draft") say(fmt::format("Let contacts in with: onward activate {}", source.id));
  return kExitOk;
}

/// Asks the server about each, so that all mistakes are told before anything is changed. Keeps
/// those that are right.
int check_all(const Client& client, std::vector<Source>& sources, const ApplyOptions& apply) {
  int worst = kExitOk;
  std::vector<Source> right;
  for (Source& source : sources) {
    const auto answer = client.call("POST", apply_path(source.id, "/plan", apply.map, false),
                                    "diff", source.text, "application/yaml");
    if (!answer) return complain(answer.error());
    int code = kExitOk;
    if (!answer->ok()) {
      say(fmt::format("{}:", source.file));
      code = client.refused(*answer);
    } else if (flag_of(answer->value, "refused")) {
      report(source, diagnostics_of(list_of(answer->value, "diagnostics")));
      code = kExitData;
    }
    if (code == kExitOk) right.push_back(std::move(source));
    if (worst == kExitOk) worst = code;
  }
  sources = std::move(right);
  return worst;
}

/// "old=new", each; complains of the first that is none.
int check_map(const std::vector<std::string>& map) {
  for (const std::string& pair : map) {
    const std::size_t sign = pair.find('=');
    if (sign == std::string::npos || !valid_id(pair.substr(0, sign)) ||
        !valid_id(pair.substr(sign + 1)))
      return complain(fmt::format("--map wants OLD=NEW, two node ids, found \"{}\".", pair),
                      kExitUsage);
  }
  return kExitOk;
}
}  // namespace

int run_apply(const ClientOptions& options, const ApplyOptions& apply) {
  if (!apply.map.empty() && !apply.migrate)
    return complain("--map says where runs go on; it wants --migrate beside it.", kExitUsage);
  if (const int code = check_map(apply.map); code != kExitOk) return code;
  const auto files = scenario_files(apply.files);
  if (!files) return complain(files.error());
  if (!apply.map.empty() && files->size() > 1)
    return complain("--map names nodes of one scenario; apply that file by itself.", kExitUsage);
  int worst = kExitOk;
  std::vector<Source> sources = read_all(*files, worst);
  if (sources.empty()) return worst;
  const Client client{options};
  if (files->size() > 1) {
    const int code = check_all(client, sources, apply);
    if (code == kExitUnavailable) return code;  // The others would say the same.
    if (worst == kExitOk) worst = code;
    if (worst != kExitOk && !apply.keep_going) {
      say("Nothing was applied. --keep-going applies those that are right.");
      return worst;
    }
  }
  for (const Source& source : sources) {
    const int code = apply_one(client, source, apply);
    if (code == kExitUnavailable) return code;
    if (worst == kExitOk) worst = code;
  }
  return worst;
}

int run_plan(const ClientOptions& options, const PlanOptions& plan) {
  if (const int code = check_map(plan.map); code != kExitOk) return code;
  const auto files = scenario_files(plan.files);
  if (!files) return complain(files.error());
  if (!plan.map.empty() && files->size() > 1)
    return complain("--map names nodes of one scenario; plan that file by itself.", kExitUsage);
  int worst = kExitOk;
  bool changes = false;
  const std::vector<Source> sources = read_all(*files, worst);
  if (sources.empty()) return worst;
  const Client client{options};
  for (const Source& source : sources) {
    const auto answer = client.call("POST", apply_path(source.id, "/plan", plan.map, false), "diff",
                                    source.text, "application/yaml");
    if (!answer) return complain(answer.error());
    int code = kExitOk;
    if (!answer->ok()) {
      code = client.refused(*answer);
    } else {
      if (flag_of(answer->value, "refused")) code = kExitData;
      changes = changes || flag_of(answer->value, "changes");
      if (client.json()) {
        print_json(*answer);
      } else {
        report(source, diagnostics_of(list_of(answer->value, "diagnostics")));
        print(plan_text(answer->value));
      }
    }
    if (worst == kExitOk) worst = code;
  }
  if (worst == kExitOk && changes && plan.detailed_exitcode) return kExitChanges;
  return worst;
}
}  // namespace onward
