#include "engine/core/scenario/scenario_diff.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/core/scenario/words.h"

namespace onward {
namespace {
/// Longer values are cut in the lines for people.
constexpr std::size_t kDiffTextMax = 120;
/// Bytes of a path such as "payload.order.id"; longer ones are cut.
constexpr std::size_t kPathMax = 400;

std::string path_to(const std::string& outer, const std::string& key) {
  if (outer.size() > kPathMax) return outer;
  return outer + "." + clipped(key);
}

const Tree* find_member(const Tree& tree, std::string_view key) {
  const Tree::Entry* entry = tree.is_map() ? tree.find(key) : nullptr;
  return entry == nullptr ? nullptr : &entry->value;
}

/// The changes of `key` and what is below it; null trees are keys that are not there.
void compare(const std::string& key, const Tree* from, const Tree* to,
             std::vector<KeyChange>& changes) {
  if (from != nullptr && to != nullptr && from->is_map() && to->is_map()) {
    for (const Tree::Entry& entry : from->entries)
      compare(path_to(key, entry.key), &entry.value, find_member(*to, entry.key), changes);
    for (const Tree::Entry& entry : to->entries)
      if (from->find(entry.key) == nullptr)
        compare(path_to(key, entry.key), nullptr, &entry.value, changes);
    return;
  }
  KeyChange change{.kind = from == nullptr ? ChangeKind::Added
                           : to == nullptr ? ChangeKind::Removed
                                           : ChangeKind::Changed,
                   .key = key};
  if (from != nullptr) change.from = to_value(*from);
  if (to != nullptr) change.to = to_value(*to);
  if (change.kind != ChangeKind::Changed || change.from != change.to)
    changes.push_back(std::move(change));
}

/// A node's ports and where they lead, in the order of its kind.
struct Ports {
  std::vector<std::pair<std::string, std::string>> edges;
  std::vector<std::string> keys;  ///< Of the node's mapping that name them.
};

Ports ports_of(const Tree& node, std::span<const NodeKind> kinds) {
  Ports ports;
  const Tree* name = find_member(node, "kind");
  const NodeKind* kind = name == nullptr ? nullptr : find_kind(kinds, name->text);
  if (kind == nullptr) return ports;
  std::vector<std::string> names{kind->ports.begin(), kind->ports.end()};
  if (kind->ports_of) names = kind->ports_of(node);
  const Tree* below = kind->ports_in_next ? find_member(node, "next") : &node;
  for (const std::string& port : names) {
    const Tree* target = below == nullptr ? nullptr : find_member(*below, port);
    const bool named = target != nullptr && target->is_scalar();
    ports.edges.emplace_back(port, named ? target->text : std::string{kEndWord});
    if (!kind->ports_in_next) ports.keys.push_back(port);
  }
  if (kind->ports_in_next) ports.keys.emplace_back("next");
  return ports;
}

const std::string* target_of(const Ports& ports, std::string_view port) {
  const auto found = std::ranges::find(
      ports.edges, port, [](const auto& edge) { return std::string_view{edge.first}; });
  return found == ports.edges.end() ? nullptr : &found->second;
}

std::vector<EdgeChange> compare_edges(const Ports& from, const Ports& to) {
  std::vector<EdgeChange> changes;
  for (const auto& [port, target] : to.edges) {
    const std::string* before = target_of(from, port);
    if (before == nullptr || *before != target)
      changes.push_back({port, before == nullptr ? std::string{} : *before, target});
  }
  for (const auto& [port, target] : from.edges)
    if (target_of(to, port) == nullptr) changes.push_back({port, target, {}});
  return changes;
}

std::string change_kind(const Tree& node) {
  const Tree* kind = find_member(node, "kind");
  return kind == nullptr ? std::string{} : kind->text;
}

NodeChange compare_nodes(const std::string& id, const Tree& from, const Tree& to,
                         std::span<const NodeKind> kinds) {
  NodeChange change{.id = id, .node_kind = change_kind(to)};
  const Ports before = ports_of(from, kinds), after = ports_of(to, kinds);
  const auto is_port = [](const Ports& ports, const std::string& key) {
    return std::ranges::find(ports.keys, key) != ports.keys.end();
  };
  if (from.is_map() && to.is_map()) {
    for (const Tree::Entry& entry : from.entries)
      if (!is_port(before, entry.key))
        compare(entry.key, &entry.value, find_member(to, entry.key), change.keys);
    for (const Tree::Entry& entry : to.entries)
      if (!is_port(after, entry.key) && from.find(entry.key) == nullptr)
        compare(entry.key, nullptr, &entry.value, change.keys);
  }
  change.edges = compare_edges(before, after);
  return change;
}

Value key_value(const KeyChange& change) {
  Value shown = ValueMap{{"change", to_string(change.kind)}, {"key", change.key}};
  if (change.kind != ChangeKind::Added) shown.set("from", change.from);
  if (change.kind != ChangeKind::Removed) shown.set("to", change.to);
  return shown;
}

/// A value in a line: scalars as they are written, cut where they are long.
std::string shown(const Value& value) {
  std::string text = value.is_null() ? "null" : value.text() ? *value.text() : to_json(value);
  std::ranges::replace(text, '\n', ' ');
  if (text.empty()) return "\"\"";
  return clipped(text, kDiffTextMax);
}

std::string line_of(const KeyChange& change) {
  switch (change.kind) {
    case ChangeKind::Added:
      return fmt::format("+ {}: {}", change.key, shown(change.to));
    case ChangeKind::Removed:
      return fmt::format("- {}: {}", change.key, shown(change.from));
    case ChangeKind::Changed:
      break;
  }
  return fmt::format("~ {}: {} → {}", change.key, shown(change.from), shown(change.to));
}

std::string line_of(const EdgeChange& change) {
  if (change.from.empty()) return fmt::format("{} → {}", change.port, change.to);
  if (change.to.empty()) return fmt::format("{} led to {}", change.port, change.from);
  return fmt::format("{} → {}, was {}", change.port, change.to, change.from);
}
}  // namespace

std::string_view to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::Added:
      return "added";
    case ChangeKind::Removed:
      return "removed";
    case ChangeKind::Changed:
      return "changed";
  }
  assert(false);
  return "changed";
}

ScenarioDiff diff_scenarios(const Tree& from, const Tree& to, std::span<const NodeKind> kinds) {
  static const Tree kNothing{.kind = Tree::Kind::Map};
  const Tree& before = from.is_map() ? from : kNothing;
  const Tree& after = to.is_map() ? to : kNothing;
  ScenarioDiff diff;
  for (const Tree::Entry& entry : before.entries)
    if (entry.key != "nodes")
      compare(entry.key, &entry.value, find_member(after, entry.key), diff.keys);
  for (const Tree::Entry& entry : after.entries)
    if (entry.key != "nodes" && before.find(entry.key) == nullptr)
      compare(entry.key, nullptr, &entry.value, diff.keys);

  const Tree* old_nodes = find_member(before, "nodes");
  const Tree* new_nodes = find_member(after, "nodes");
  if (old_nodes == nullptr || !old_nodes->is_map()) old_nodes = &kNothing;
  if (new_nodes == nullptr || !new_nodes->is_map()) new_nodes = &kNothing;
  for (const Tree::Entry& entry : new_nodes->entries) {
    const Tree* old = find_member(*old_nodes, entry.key);
    if (old == nullptr) {
      diff.nodes.push_back({.kind = ChangeKind::Added,
                            .id = entry.key,
                            .node_kind = change_kind(entry.value),
                            .edges = compare_edges({}, ports_of(entry.value, kinds))});
      continue;
    }
    NodeChange change = compare_nodes(entry.key, *old, entry.value, kinds);
    if (!change.keys.empty() || !change.edges.empty()) diff.nodes.push_back(std::move(change));
  }
  for (const Tree::Entry& entry : old_nodes->entries)
    if (new_nodes->find(entry.key) == nullptr)
      diff.nodes.push_back(
          {.kind = ChangeKind::Removed, .id = entry.key, .node_kind = change_kind(entry.value)});
  return diff;
}

Value to_value(const ScenarioDiff& diff) {
  ValueList keys, nodes;
  for (const KeyChange& change : diff.keys) keys.push_back(key_value(change));
  for (const NodeChange& change : diff.nodes) {
    ValueList of, edges;
    for (const KeyChange& key : change.keys) of.push_back(key_value(key));
    for (const EdgeChange& edge : change.edges) {
      Value shown = ValueMap{{"port", edge.port}};
      shown.set("from", edge.from.empty() ? Value{} : Value{edge.from});
      shown.set("to", edge.to.empty() ? Value{} : Value{edge.to});
      edges.push_back(std::move(shown));
    }
    nodes.push_back(ValueMap{{"change", to_string(change.kind)},
                             {"id", change.id},
                             {"kind", change.node_kind},
                             {"keys", std::move(of)},
                             {"edges", std::move(edges)}});
  }
  return ValueMap{{"keys", std::move(keys)}, {"nodes", std::move(nodes)}};
}

StyledText to_text(const ScenarioDiff& diff) {
  StyledText text;
  const auto add = [&](std::string_view indent, ChangeKind kind, std::string_view line) {
    const Style style = kind == ChangeKind::Added     ? Style::Green
                        : kind == ChangeKind::Removed ? Style::Red
                                                      : Style::Yellow;
    text += StyledText{indent} + StyledText{style, line} + "\n";
  };
  for (const KeyChange& change : diff.keys) add("", change.kind, line_of(change));
  for (const NodeChange& change : diff.nodes) {
    const char mark = change.kind == ChangeKind::Added     ? '+'
                      : change.kind == ChangeKind::Removed ? '-'
                                                           : '~';
    add("", change.kind, fmt::format("{} {} ({})", mark, change.id, change.node_kind));
    for (const KeyChange& key : change.keys) add("    ", key.kind, line_of(key));
    for (const EdgeChange& edge : change.edges) add("    ", ChangeKind::Changed, line_of(edge));
  }
  return text;
}
}  // namespace onward
