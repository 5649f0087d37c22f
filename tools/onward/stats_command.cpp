// stats: the numbers of a scenario, node by node.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "nodes/nodes.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr std::size_t kWideEnoughForKind = 100;

std::string count_of(const Value& value, std::string_view name) {
  return grouped(number_of(value, name));
}

/// A node that asks for no deliveries shows none, instead of a zero that looks like a fault.
std::string requests_of(const Value& node, bool sends, std::string_view name) {
  return sends || number_of(node, "requests") > 0 ? count_of(node, name) : "";
}

/// "yes 1, no 3"
std::string ways_of(const Value& node) {
  std::string ways;
  const Value* ports = node.find("ports");
  if (!ports || !ports->map()) return ways;
  for (const auto& [port, count] : *ports->map()) {
    const std::int64_t* number = count.get_if<std::int64_t>();
    if (!ways.empty()) ways += ", ";
    ways += fmt::format("{} {}", port, grouped(number ? *number : 0));
  }
  return ways;
}

/// A name of the wire, for people.
std::string worded(std::string_view name) {
  std::string words{name};
  std::ranges::replace(words, '_', ' ');
  return words;
}

/// What does not fit the table: where contacts went on, and what deserves a look.
std::string notes_of(const Value& node) {
  std::string notes;
  const Value* ports = node.find("ports");
  if (ports && ports->map() && ports->map()->size() > 1) notes = ways_of(node);
  for (const std::string_view name : {"unknown", "too_much_work", "contact_full", "parked",
                                      "cancelled", "moved_in", "moved_out"}) {
    const std::int64_t count = number_of(node, name);
    if (count == 0) continue;
    if (!notes.empty()) notes += ", ";
    notes += fmt::format("{} {}", worded(name), grouped(count));
  }
  if (flag_of(node, "paused")) notes += notes.empty() ? "paused" : ", paused";
  return notes;
}

int show_once(const Client& client, const std::string& path, const StatsOptions& options) {
  const auto answer = client.call("GET", path, "live");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  const bool redraw = options.watch && stdout_is_terminal();
  if (redraw) clear_screen();
  if (client.json())
    print_json(*answer);
  else
    print(stats_text(answer->value, options.test, terminal_width()));
  if (options.watch && !redraw && !client.json()) print("\n");
  return kExitOk;
}
}  // namespace

StyledText stats_text(const Value& stats, bool test, std::size_t width) {
  static const Value kNothing{ValueMap{}};
  const Value* found = stats.find(test ? "test" : "live");
  const Value& side = found ? *found : kNothing;
  std::string head =
      fmt::format("{} ({}{}), {}\n", text_of(stats, "scenario"), text_of(stats, "state"),
                  test ? ", test traffic" : "", text_of(stats, "as_of"));
  for (const std::string_view name : {"entered", "inside", "done", "exited", "stopped", "parked"})
    head += fmt::format("{}{} {}", name == "entered" ? "" : "   ", name, count_of(side, name));
  for (const std::string_view name : {"goal", "moved_in", "moved_out"})
    if (number_of(side, name) > 0)
      head += fmt::format("   {} {}", worded(name), count_of(side, name));
  head += '\n';
  const Value* refused = side.find("refused");
  if (refused && refused->map() && !refused->map()->empty()) {
    head += "not let in:";
    for (const auto& [reason, count] : *refused->map())
      head += fmt::format(" {} {}", reason, to_text(count));
    head += '\n';
  }
  head += '\n';

  // A pipe gets the columns of the narrow form, always the same.
  const bool kinds = width >= kWideEnoughForKind && width != kEndless;
  std::vector<Column> columns{{"node", Align::Left, true}};
  if (kinds) columns.push_back({"kind"});
  for (const char* title :
       {"visits", "contacts", "waiting", "requests", "accepted", "pending", "failed"})
    columns.push_back({title, Align::Right});
  Table table{std::move(columns)};
  std::string notes;
  for (const Value& node : list_of(side, "nodes")) {
    const std::string id = text_of(node, "id");
    const std::string kind = text_of(node, "kind");
    const NodeKind* known = find_kind(node_kinds(), kind);
    const bool sends = known && known->sends;
    std::vector<std::string> cells{id};
    if (kinds) cells.push_back(kind);
    for (const std::string_view name : {"visits", "unique_contacts", "waiting"})
      cells.push_back(count_of(node, name));
    for (const std::string_view name : {"requests", "accepted", "pending", "failed"})
      cells.push_back(requests_of(node, sends, name));
    table.add(std::move(cells));
    if (const std::string note = notes_of(node); !note.empty())
      notes += fmt::format("{}: {}\n", id, note);
  }
  StyledText out = head + table.text(width);
  if (!notes.empty()) out += "\n" + notes;
  return out;
}

int run_stats(const ClientOptions& options, const StatsOptions& stats) {
  const Client client{options};
  std::string path = "/v1/scenarios/" + segment(stats.scenario) + "/stats";
  if (stats.version > 0) path += fmt::format("?version={}", stats.version);
  while (true) {
    const int code = show_once(client, path, stats);
    if (code != kExitOk || !stats.watch || output_lost()) return code;
    std::this_thread::sleep_for(std::chrono::seconds{stats.interval_s});
  }
}
}  // namespace onward
