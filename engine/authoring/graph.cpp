#include "engine/authoring/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <span>

#include "engine/core/base/printable.h"
#include "engine/core/base/utf8.h"
#include "engine/core/scenario/words.h"
namespace onward {
namespace {
constexpr std::size_t kGap = 2;
/// Branches inside branches that are drawn beside each other; deeper ones are drawn further down.
constexpr std::size_t kDepthMax = 16;
/// Events of a node that a label names.
constexpr std::size_t kEventsShown = 10;

const NodeNumbers* numbers_of(const GraphNumbers& numbers, const ScenarioNode& node) {
  const auto found = numbers.find(node.id);
  return found == numbers.end() ? nullptr : &found->second;
}

std::string counted(std::int64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

/// "12 visits, 11 contacts, 3 waiting; 5 accepted, 1 pending, 0 failed"
std::string told(const NodeNumbers& of) {
  std::string text = counted(of.visits, "visit", "visits") + ", " +
                     counted(of.unique_contacts, "contact", "contacts");
  if (of.waiting > 0) text += fmt::format(", {} waiting", of.waiting);
  if (of.requests > 0)
    text += fmt::format("; {} accepted, {} pending, {} failed", of.accepted, of.pending, of.failed);
  return text;
}

/// "trigger: subscription, opened", or the kind alone.
std::string kind_of(const ScenarioNode& node) {
  std::string text{node.kind->name};
  const auto* listen = std::get_if<EventListen>(&node.node->listens());
  if (listen == nullptr || listen->events.empty()) return text;
  const std::span<const std::string> events{listen->events};
  const auto shown = events.first(std::min(events.size(), kEventsShown));
  text += fmt::format(": {}", fmt::join(shown, ", "));
  if (shown.size() < events.size())
    text += fmt::format(" and {} more", events.size() - shown.size());
  return text;
}

/// "yes 5", or "yes" where nothing is counted.
std::string way_of(const Port& port, const NodeNumbers* numbers) {
  if (numbers == nullptr) return port.name;
  const auto found =
      std::ranges::find(numbers->ports, port.name, &std::pair<std::string, std::int64_t>::first);
  return fmt::format("{} {}", port.name, found == numbers->ports.end() ? 0 : found->second);
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(count_characters(text));
}

/// The tree for terminals: what stands left, and for nodes what stands beside it.
class TextTree {
 public:
  TextTree(const Scenario& scenario, const GraphNumbers& numbers)
      : scenario_{scenario}, numbers_{numbers}, drawn_(scenario.nodes.size()) {}

  std::string draw() {
    for (std::size_t i = 0; i < scenario_.nodes.size(); ++i)
      if (scenario_.nodes[i].kind->family == NodeFamily::Trigger) draw_from(i);
    return aligned();
  }

 private:
  struct Line {
    std::string left, kind, numbers;
  };

  /// A node whose branches are being drawn.
  struct Branching {
    std::size_t node = 0;
    std::size_t next_port = 0;
    std::string indent;
  };

  /// A trigger and all that follows it; then the branches that were too deep, each from the left.
  void draw_from(std::size_t trigger) {
    follow("", trigger);
    while (!below_.empty() || !open_.empty()) {
      if (!open_.empty()) {
        next_branch();
        continue;
      }
      const std::size_t at = below_.front();
      below_.pop_front();
      if (drawn_[at]) continue;  // another branch led there meanwhile
      add("");
      follow("", at);
    }
  }

  /// The next port of the innermost open branching.
  void next_branch() {
    Branching& inner = open_.back();
    const ScenarioNode& node = scenario_.nodes[inner.node];
    if (inner.next_port == node.ports.size()) return open_.pop_back();
    const Port& port = node.ports[inner.next_port++];
    const bool last = inner.next_port == node.ports.size();
    add(fmt::format("{}{} {}", inner.indent, last ? "└─" : "├─",
                    way_of(port, numbers_of(numbers_, node))));
    follow(inner.indent + (last ? "   " : "│  "), port.target);
  }

  /// A node and what follows it, up to the next branches: chains go down the page.
  void follow(const std::string& indent, std::size_t at) {
    while (true) {
      if (at == kEnd) return add(indent + "■ end");
      const ScenarioNode& node = scenario_.nodes[at];
      if (drawn_[at]) return add(fmt::format("{}→ {} (above)", indent, node.id));
      if (node.ports.size() != 1 && open_.size() >= kDepthMax) {
        below_.push_back(at);
        return add(fmt::format("{}→ {} (below)", indent, node.id));
      }
      drawn_[at] = true;
      const NodeNumbers* numbers = numbers_of(numbers_, node);
      lines_.push_back({indent + "● " + node.id, kind_of(node), numbers ? told(*numbers) : ""});
      if (node.ports.size() != 1) {
        open_.push_back({at, 0, indent});
        return;
      }
      at = node.ports.front().target;
    }
  }

  void add(std::string text) { lines_.push_back({std::move(text), "", ""}); }

  std::string aligned() const {
    std::size_t left = 0;
    std::size_t kind = 0;
    for (const Line& line : lines_) {
      if (line.kind.empty()) continue;
      left = std::max(left, characters(line.left));
      kind = std::max(kind, characters(line.kind));
    }
    std::string out;
    for (const Line& line : lines_) {
      out += line.left;
      if (!line.kind.empty()) {
        out.append(left - characters(line.left) + kGap, ' ');
        out += line.kind;
      }
      if (!line.numbers.empty()) {
        out.append(kind - characters(line.kind) + kGap, ' ');
        out += line.numbers;
      }
      out += '\n';
    }
    return out;
  }

  const Scenario& scenario_;
  const GraphNumbers& numbers_;
  std::vector<bool> drawn_;
  std::vector<Branching> open_;    // from the outermost to the innermost
  std::deque<std::size_t> below_;  // nodes with branches that were too deep
  std::vector<Line> lines_;
};

struct Shape {
  std::string_view open, close;  ///< Mermaid's.
  std::string_view dot;
};
Shape shape_of(NodeFamily family) {
  switch (family) {
    case NodeFamily::Trigger:
      return {"([", "])", "oval"};
    case NodeFamily::Condition:
      return {"{", "}", "diamond"};
    case NodeFamily::Wait:
      return {"{{", "}}", "hexagon"};
    case NodeFamily::Action:
      return {"[", "]", "box"};
  }
  return {"[", "]", "box"};
}

/// A node's label, by lines.
std::vector<std::string> label_of(const ScenarioNode& node, const GraphNumbers& numbers) {
  std::vector<std::string> lines{node.id, kind_of(node)};
  if (const NodeNumbers* of = numbers_of(numbers, node)) lines.push_back(told(*of));
  return lines;
}

bool ends_somewhere(const Scenario& scenario) {
  return std::ranges::any_of(scenario.nodes, [](const ScenarioNode& node) {
    return std::ranges::any_of(node.ports, [](const Port& port) { return port.target == kEnd; });
  });
}

/// The label of an edge; a lone way without a number needs none.
std::string edge_label(const ScenarioNode& node, const Port& port, const GraphNumbers& numbers) {
  const NodeNumbers* of = numbers_of(numbers, node);
  return node.ports.size() == 1 && of == nullptr ? std::string{} : way_of(port, of);
}
}  // namespace

std::string mermaid_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = c != '"' && c != '#' && c != '<' && c != '>' && c != '&' && c != '`' &&
                       c != '\\' && c != ';' && static_cast<unsigned char>(c) >= 0x20;
    if (plain)
      out += c;
    else if (c == '\n')
      out += "<br/>";
    else
      fmt::format_to(std::back_inserter(out), "#{};", static_cast<int>(c));
  }
  return out;
}

std::string dot_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out + '"';
}

std::string graph_text(const Scenario& scenario, const GraphNumbers& numbers) {
  std::string head = scenario.id;
  if (!scenario.title.empty()) head += ": " + printable_line(scenario.title);
  return head + "\n\n" + TextTree{scenario, numbers}.draw();
}

std::string graph_mermaid(const Scenario& scenario, const GraphNumbers& numbers) {
  std::string out = "---\ntitle: ";
  append_json_string(out, scenario.title.empty() ? scenario.id : scenario.title);
  out += "\n---\nflowchart TD\n";
  for (const ScenarioNode& node : scenario.nodes) {
    const Shape shape = shape_of(node.kind->family);
    std::string label;
    for (const std::string& line : label_of(node, numbers))
      label += (label.empty() ? "" : "<br/>") + mermaid_escaped(line);
    // Ids of our own: "end", "graph" and others would be taken for words of the language.
    out += fmt::format("  n{}{}\"{}\"{}\n", &node - scenario.nodes.data() + 1, shape.open, label,
                       shape.close);
  }
  if (ends_somewhere(scenario)) out += "  stop((\"end\"))\n";
  for (const ScenarioNode& node : scenario.nodes)
    for (const Port& port : node.ports) {
      const std::string label = edge_label(node, port, numbers);
      out += fmt::format(
          "  n{} -->{} {}\n", &node - scenario.nodes.data() + 1,
          label.empty() ? std::string{} : fmt::format("|\"{}\"|", mermaid_escaped(label)),
          port.target == kEnd ? std::string{"stop"} : fmt::format("n{}", port.target + 1));
    }
  return out;
}

std::string graph_dot(const Scenario& scenario, const GraphNumbers& numbers) {
  std::string out = fmt::format(
      "digraph {} {{\n  label={};\n  labelloc=t;\n  node [fontname=\"sans-serif\"];\n"
      "  edge [fontname=\"sans-serif\"];\n",
      dot_quoted(scenario.id), dot_quoted(scenario.title.empty() ? scenario.id : scenario.title));
  for (const ScenarioNode& node : scenario.nodes)
    out += fmt::format("  {} [shape={}, label={}];\n", dot_quoted(node.id),
                       shape_of(node.kind->family).dot,
                       dot_quoted(fmt::format("{}", fmt::join(label_of(node, numbers), "\n"))));
  if (ends_somewhere(scenario)) out += "  \"end\" [shape=doublecircle, label=\"end\"];\n";
  for (const ScenarioNode& node : scenario.nodes)
    for (const Port& port : node.ports) {
      const std::string label = edge_label(node, port, numbers);
      const std::string target =
          port.target == kEnd ? std::string{kEndWord} : scenario.nodes[port.target].id;
      out += fmt::format("  {} -> {}{};\n", dot_quoted(node.id), dot_quoted(target),
                         label.empty() ? "" : fmt::format(" [label={}]", dot_quoted(label)));
    }
  return out + "}\n";
}

Value graph_value(const Scenario& scenario, const GraphNumbers& numbers) {
  ValueList nodes;
  for (const ScenarioNode& node : scenario.nodes) {
    const NodeNumbers* of = numbers_of(numbers, node);
    ValueList ports;
    for (const Port& port : node.ports) {
      Value way = ValueMap{
          {"port", port.name},
          {"to", port.target == kEnd ? std::string{kEndWord} : scenario.nodes[port.target].id}};
      if (of != nullptr) {
        const auto found =
            std::ranges::find(of->ports, port.name, &std::pair<std::string, std::int64_t>::first);
        way.set("count", found == of->ports.end() ? std::int64_t{0} : found->second);
      }
      ports.push_back(std::move(way));
    }
    Value shown = ValueMap{{"id", node.id}, {"kind", node.kind->name}, {"ports", std::move(ports)}};
    if (of != nullptr) {
      for (const auto& [name, count] :
           {std::pair{"visits", of->visits}, std::pair{"unique_contacts", of->unique_contacts},
            std::pair{"waiting", of->waiting}, std::pair{"requests", of->requests},
            std::pair{"accepted", of->accepted}, std::pair{"pending", of->pending},
            std::pair{"failed", of->failed}})
        shown.set(name, count);
    }
    nodes.push_back(std::move(shown));
  }
  return ValueMap{
      {"scenario", scenario.id}, {"title", scenario.title}, {"nodes", std::move(nodes)}};
}
}  // namespace onward
