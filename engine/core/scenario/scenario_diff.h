#pragma once
// What changed between two texts of a scenario, node by node. Pure.
#include <span>
#include <string>
#include <vector>

#include "engine/core/base/styled_text.h"
#include "engine/core/base/value.h"
#include "engine/core/scenario/node.h"
#include "engine/core/source/tree.h"

namespace onward {
enum class ChangeKind : std::uint8_t { Added, Removed, Changed };
std::string_view to_string(ChangeKind kind);

/// A key with another value. Mappings are compared member by member: "headers.X-Api-Key".
struct KeyChange {
  ChangeKind kind = ChangeKind::Changed;
  std::string key;
  Value from, to;  ///< Null where the key is not there.
  bool operator==(const KeyChange&) const = default;
};
/// A port that leads elsewhere. One that is not named leads to "end".
struct EdgeChange {
  std::string port;
  std::string from, to;  ///< Node ids, or "end"; empty where there is no such port.
  bool operator==(const EdgeChange&) const = default;
};
struct NodeChange {
  ChangeKind kind = ChangeKind::Changed;
  std::string id;
  std::string node_kind;          ///< "wait": of the newer text, or of the removed node.
  std::vector<KeyChange> keys;    ///< Of a changed node: all but its ports.
  std::vector<EdgeChange> edges;  ///< Of an added or a changed node.
  bool operator==(const NodeChange&) const = default;
};
/// Nothing in it: the texts say the same, though comments and layout may differ.
struct ScenarioDiff {
  std::vector<KeyChange> keys;    ///< Top-level ones but "nodes".
  std::vector<NodeChange> nodes;  ///< Those of the newer text in its order, then removed ones.
  bool empty() const { return keys.empty() && nodes.empty(); }
};

/// Both trees as the YAML reader made them; whatever is malformed counts as not there.
ScenarioDiff diff_scenarios(const Tree& from, const Tree& to, std::span<const NodeKind> kinds);

/// {"keys": […], "nodes": [{"change", "id", "kind", "keys", "edges"}]}
Value to_value(const ScenarioDiff& diff);
/// For people, a change a line: "+ tag (update_contact)", "~ pause (wait)", "    for: 1d → 2d".
/// Empty where nothing changed.
StyledText to_text(const ScenarioDiff& diff);
}  // namespace onward
