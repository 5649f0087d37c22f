#include "tools/onward/plan_text.h"

#include <fmt/format.h>

#include "engine/core/scenario/scenario_diff.h"
#include "tools/onward/client.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
ChangeKind kind_of(const Value& change) {
  const std::string kind = text_of(change, "change");
  if (kind == "added") return ChangeKind::Added;
  return kind == "removed" ? ChangeKind::Removed : ChangeKind::Changed;
}

/// Texts of an author may hold anything; in JSON it is escaped already.
Value inert(const Value& value) {
  return value.text() == nullptr ? value : Value{printable(*value.text())};
}

std::vector<KeyChange> keys_of(const Value& of) {
  std::vector<KeyChange> keys;
  for (const Value& item : list_of(of, "keys")) {
    KeyChange change{.kind = kind_of(item), .key = printable(text_of(item, "key"))};
    if (const Value* from = item.find("from")) change.from = inert(*from);
    if (const Value* to = item.find("to")) change.to = inert(*to);
    keys.push_back(std::move(change));
  }
  return keys;
}
}  // namespace

StyledText diff_text(const Value& diff) {
  ScenarioDiff read{.keys = keys_of(diff)};
  for (const Value& item : list_of(diff, "nodes")) {
    NodeChange node{.kind = kind_of(item),
                    .id = text_of(item, "id"),
                    .node_kind = text_of(item, "kind"),
                    .keys = keys_of(item)};
    for (const Value& edge : list_of(item, "edges"))
      node.edges.push_back({text_of(edge, "port"), text_of(edge, "from"), text_of(edge, "to")});
    read.nodes.push_back(std::move(node));
  }
  return to_text(read);
}

StyledText plan_text(const Value& plan) {
  const std::string id = text_of(plan, "scenario");
  const bool refused = flag_of(plan, "refused");
  StyledText out;
  if (flag_of(plan, "created"))
    out = fmt::format("{}: {}\n", id, refused ? "not right" : "new, a draft");
  else if (refused)
    out = fmt::format("{}: not right, would be refused\n", id);
  else if (!flag_of(plan, "changes"))
    out = fmt::format("{}: no change, version {}, {}\n", id, number_of(plan, "from"),
                      text_of(plan, "state"));
  else
    out = fmt::format("{}: version {} → {}, {}\n", id, number_of(plan, "from"),
                      number_of(plan, "to"), text_of(plan, "state"));
  const Value* diff = plan.find("diff");
  const StyledText changes = diff == nullptr ? StyledText{} : diff_text(*diff);
  if (changes.empty() && flag_of(plan, "changes") && !refused)
    out += "only comments or layout differ\n";
  out += changes;
  const ValueList& places = list_of(plan, "places");
  if (!places.empty()) {
    std::string waiting;
    for (const Value& place : places)
      waiting += fmt::format("{}{} {}", waiting.empty() ? "" : ", ", text_of(place, "node"),
                             grouped(number_of(place, "waiting")));
    out += "waiting now: " + waiting + "\n";
  }
  for (const Value& note : list_of(plan, "notes")) out += to_text(note) + "\n";
  const ValueList& stranded = list_of(plan, "stranded");
  if (!stranded.empty()) out += "--migrate would be refused:\n";
  for (const Value& sentence : stranded) out += "    " + to_text(sentence) + "\n";
  return out;
}

StyledText versions_text(const Value& versions, std::size_t width) {
  Table table{{{"version", Align::Right},
               {"created"},
               {"nodes", Align::Right},
               {"entered", Align::Right},
               {"runs", Align::Right},
               {"test runs", Align::Right},
               {""}}};
  for (const Value& row : list_of(versions, "versions"))
    table.add({std::to_string(number_of(row, "version")), text_of(row, "created"),
               number_of(row, "nodes") == 0 ? "?" : grouped(number_of(row, "nodes")),
               grouped(number_of(row, "entered")), grouped(number_of(row, "inside")),
               grouped(number_of(row, "test_inside")), flag_of(row, "newest") ? "newest" : ""});
  StyledText out = table.text(width);
  const std::string what = text_of(versions, "progress.what");
  if (what == "migrate")
    out += fmt::format("\nmoving to version {}: {} runs moved, {} stayed\n",
                       number_of(versions, "progress.to"),
                       grouped(number_of(versions, "progress.moved")),
                       grouped(number_of(versions, "progress.stayed")));
  if (what == "purge")
    out += fmt::format("\nbeing purged: {} runs stopped, {} gone\n",
                       grouped(number_of(versions, "progress.stopped")),
                       grouped(number_of(versions, "progress.purged")));
  if (what == "cancel")
    out += fmt::format("\npending requests are being cancelled: {} so far\n",
                       grouped(number_of(versions, "progress.cancelled")));
  return out;
}
}  // namespace onward
