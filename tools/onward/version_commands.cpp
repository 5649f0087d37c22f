// versions, diff, purge.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <thread>

#include "engine/authoring/yaml_reader.h"
#include "engine/core/base/text.h"
#include "engine/core/scenario/scenario_diff.h"
#include "nodes/nodes.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/plan_text.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
std::string version_path(const std::string& scenario, std::string_view rest = {}) {
  return "/v1/scenarios/" + segment(scenario) + std::string{rest};
}

/// One side of a diff.
struct Side {
  std::string name;  ///< "version 2", or a file's.
  std::string text;
};

/// The exit code of what went wrong, told; kExitOk where `side` is read.
int read_version(const Client& client, const std::string& scenario, const std::string& number,
                 Side& side) {
  const auto answer = client.call("GET", version_path(scenario, "/versions/" + number), "text");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  side = {.name = "version " + number, .text = answer->text("text")};
  return kExitOk;
}

int read_side(const Client& client, const std::string& scenario, const std::string& name,
              Side& side) {
  if (is_digits(name)) return read_version(client, scenario, name, side);
  auto text = read_input(name);
  if (!text) return complain(text.error());
  side = {.name = name == "-" ? "standard input" : name, .text = std::move(*text)};
  return kExitOk;
}

std::optional<Tree> tree_of(const Side& side) {
  Diagnostics diagnostics;
  auto tree = read_yaml(side.text, diagnostics);
  if (!tree || diagnostics.has_errors()) {
    complain(fmt::format("{} is no YAML that could be compared; see: onward validate", side.name),
             kExitData);
    return std::nullopt;
  }
  return tree;
}
}  // namespace

int run_versions(const ClientOptions& options, const std::string& scenario) {
  const Client client{options};
  const auto answer = client.call("GET", version_path(scenario, "/versions"), "versions");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(*answer);
  else
    print(versions_text(answer->value, terminal_width()));
  return kExitOk;
}

int run_diff(const ClientOptions& options, const DiffOptions& diff) {
  const Client client{options};
  const auto known = client.call("GET", version_path(diff.scenario), "version");
  if (!known) return complain(known.error());
  if (!known->ok()) return client.refused(*known);
  const std::int64_t newest = number_of(known->value, "version");

  // Nothing named: what the newest version changed. One: what is new since, or in the file.
  std::string from = diff.from, to = diff.to;
  if (to.empty()) {
    to = std::to_string(newest);
    if (!from.empty() && !is_digits(from)) std::swap(from, to);
    if (from.empty() && newest > 1) from = std::to_string(newest - 1);
  }
  Side before{.name = "nothing"}, after;
  if (!from.empty())
    if (const int code = read_side(client, diff.scenario, from, before); code != kExitOk)
      return code;
  if (const int code = read_side(client, diff.scenario, to, after); code != kExitOk) return code;
  const auto old_tree = from.empty() ? std::optional<Tree>{Tree{}} : tree_of(before);
  const auto new_tree = tree_of(after);
  if (!old_tree || !new_tree) return kExitData;
  const ScenarioDiff found = diff_scenarios(*old_tree, *new_tree, node_kinds());
  if (client.json()) {
    print_json(Value{ValueMap{{"scenario", diff.scenario},
                              {"from", before.name},
                              {"to", after.name},
                              {"diff", to_value(found)}}});
    return kExitOk;
  }
  std::string text = fmt::format("{}: {} → {}\n", diff.scenario, before.name, after.name);
  if (found.empty())
    text += before.text == after.text ? "no difference\n" : "only comments or layout differ\n";
  print(text + diff_text(to_value(found)));
  return kExitOk;
}

int run_purge(const ClientOptions& options, const PurgeOptions& purge) {
  if (!purge.yes) {
    if (::isatty(STDIN_FILENO) != 1)
      return complain("A purge cannot be undone; say --yes to do it.", kExitUsage);
    ask(fmt::format(
        "All runs of \"{}\" and the bodies of its requests will be gone for good; its numbers "
        "stay.\nGo on? [y/N] ",
        purge.scenario));
    std::string line;
    std::getline(std::cin, line);
    if (line != "y" && line != "yes") return complain("Nothing was purged.", kExitUsage);
  }
  const Client client{options};
  auto answer = client.call("POST", version_path(purge.scenario, "/purge"), "version");
  constexpr int kLooks = 100;
  for (int look = 0; look < kLooks && answer && answer->ok(); ++look) {
    if (!text_of(answer->value, "purged").empty()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    answer = client.call("GET", version_path(purge.scenario), "version");
  }
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  const std::string when = text_of(answer->value, "purged");
  print(when.empty() ? fmt::format("{}: is being purged; look with: onward versions {}\n",
                                   purge.scenario, purge.scenario)
                     : fmt::format("{}: purged {}\n", purge.scenario, when));
  return kExitOk;
}
}  // namespace onward
