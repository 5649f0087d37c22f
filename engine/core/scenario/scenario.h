#pragma once
// A scenario version: an immutable DAG of nodes, ready to advance contacts.
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/scenario/node.h"
#include "engine/core/scenario/reentry.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/tree.h"

namespace onward {
inline constexpr std::size_t kNodesMax = 10'000;
inline constexpr std::size_t kWidthMax = 10'000;  ///< Entries of any one list or mapping in a file.
inline constexpr std::size_t kEnd = static_cast<std::size_t>(-1);  ///< The run is done.

struct Port {
  std::string name;
  std::size_t target = kEnd;  ///< Index into Scenario::nodes.
};

struct ScenarioNode {
  std::string id;
  const NodeKind* kind = nullptr;
  Position at;
  std::unique_ptr<const Node> node;
  std::vector<Port> ports;
  NodeNumber number;  ///< Stable across versions; index + 1 until `number_nodes`.

  std::size_t target(std::string_view port) const;
};

/// A way out of a scenario, or to its goal: an event that matches, or a segment that is yes.
struct ExitRule {
  std::vector<std::string> events;  ///< Canonical; empty: the segment alone decides.
  Segment segment;                  ///< `where` of the event, or `if`.
  Position at;
};

enum class AtEnd : std::uint8_t { Hold, Archive };

/// Immutable once built; shared between threads.
struct Scenario {
  std::string id;
  std::string title;
  std::string timezone = "UTC";
  Reentry reentry;
  std::optional<Instant> start_at;  ///< Activated before, it is scheduled until then.
  std::optional<Instant> end_at;
  AtEnd at_end = AtEnd::Hold;
  std::vector<ExitRule> exit;  ///< Checked at every input of the contact; ends its runs at once.
  std::vector<ExitRule> goal;  ///< Counted once a run; changes nothing else.
  std::vector<ScenarioNode> nodes;  ///< In the order of the file.
  Tree tests;                       ///< As written, kept for `onward test`.
  std::size_t condition_bytes = 0;  ///< Memory of its compiled conditions, about.

  const ScenarioNode* find(std::string_view node_id) const;
  /// By stable number; null where this version has no such node.
  const ScenarioNode* find(NodeNumber number) const;
  /// Whether a run at `from` can still arrive at `to`; a node leads to itself. False for a node
  /// that this version does not have.
  bool leads_to(NodeNumber from, NodeNumber to) const;
  std::vector<std::string> secrets() const;
  std::vector<std::string> credentials() const;

  /// Gives each node its stable number from `known` (node id -> number); new ids get the following
  /// ones. Then computes which nodes lead to which.
  void number_nodes(std::vector<std::pair<std::string, NodeNumber>>& known);
  std::vector<std::size_t> by_number;  ///< NodeNumber -> index, kEnd where absent.
  /// Which nodes can be reached from which: for each node a row of bits, by index (12 MB at 10,000
  /// nodes). See `leads_to`.
  std::vector<std::uint64_t> reachable;
};

/// Reads a whole file's tree: keys, settings, node kinds and the graph (Boost.Graph: cycles,
/// printed as a path; nodes that no trigger reaches; edges that lead nowhere). Reports every
/// mistake; null where there is an error. `kinds` must outlive the scenario.
std::unique_ptr<Scenario> build_scenario(const Tree& tree, std::span<const NodeKind> kinds,
                                         const AuthorContext& context, Diagnostics& diagnostics);

/// The JSON Schema (draft-07) of scenario files, generated from the kinds.
Value scenario_schema(std::span<const NodeKind> kinds);

/// Letters, digits, "-" and "_", a letter or digit first, at most 64.
bool valid_id(std::string_view id);
}  // namespace onward
