// From a file's tree to a Scenario, or to all of its mistakes.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/contact/custom_fields.h"
#include "engine/core/contact/vocabulary.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/scenario/scenario_graph.h"
#include "engine/core/scenario/scenario_rules.h"
#include "engine/core/scenario/scenario_tests.h"
#include "engine/core/scenario/words.h"
#include "engine/core/template/lookup.h"

namespace onward {
namespace {
using Names = std::vector<std::string_view>;

constexpr std::array<std::string_view, 11> kTopKeys = {"scenario", "title",  "timezone", "reentry",
                                                       "start_at", "end_at", "at_end",   "exit",
                                                       "goal",     "nodes",  "tests"};
constexpr std::array<std::string_view, 3> kReentryKeys = {"mode", "min_gap", "key"};
/// What leads on from nodes of most kinds: where the kind cannot be told, these are its ports.
constexpr std::array<std::string_view, 4> kPortWords = {"next", "yes", "no", "on_timeout"};

template <class List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// What the file says of a node, until all ids are known.
struct DraftEdge {
  std::size_t port = 0;
  const Tree* target = nullptr;
  std::string label;  ///< "next", "next.a"
};
struct NodeDraft {
  const Tree::Entry* entry = nullptr;
  std::string shown;  ///< Its id, for messages and settings: a sound id is never cut.
  const NodeKind* kind = nullptr;
  std::unique_ptr<const Node> node;
  std::vector<DraftEdge> edges;
  std::vector<Port> ports;
  std::vector<const Tree*> strays;  ///< Below unknown keys; they may name nodes.
};

/// Reports the mistakes of a part of a file.
class PartReader {
 protected:
  explicit PartReader(Diagnostics& diagnostics) : diagnostics_{diagnostics} {}

  void error(Position at, std::string code, std::string message, std::string nearest = {}) {
    diagnostics_.error(at, std::move(code), std::move(message), std::move(nearest));
  }
  void warning(Position at, std::string code, std::string message) {
    diagnostics_.warning(at, std::move(code), std::move(message));
  }

  template <class List>
  std::string nearest_in(std::string_view name, const List& list) {
    return diagnostics_.nearest(name, std::span<const std::string_view>{list.data(), list.size()});
  }

  /// Reports a key that has no place in `known`; `where` is "a test", "node \"x\"".
  /// Returns the name that was perhaps meant.
  template <class List>
  std::string unknown_key(const Tree::Entry& entry, std::string_view where, const List& known) {
    // No more are shown; a file of nothing but wrong keys must not cost more than reading it.
    if (diagnostics_.full()) {
      error(entry.key_at, {}, {});
      return {};
    }
    std::string nearest = nearest_in(entry.key, known);
    error(
        entry.key_at, "unknown_key",
        fmt::format("{}: unknown key \"{}\"; known are {}", where, clipped(entry.key), join(known)),
        nearest);
    return nearest;
  }

  Diagnostics& diagnostics_;
};

/// Reads what a file says of the whole scenario, above its nodes.
class HeadReader : private PartReader {
 public:
  /// Sets the time zone of `context` to the scenario's own, once it is read.
  HeadReader(const Tree& tree, Scenario& scenario, AuthorContext& context, Diagnostics& diagnostics)
      : PartReader{diagnostics}, tree_{tree}, scenario_{scenario}, context_{context} {}

  void read() {
    read_top_keys();
    read_head();
  }
  bool reentry_stated() const { return reentry_stated_; }

 private:
  void read_top_keys() {
    for (const Tree::Entry& entry : tree_.entries) {
      if (holds(kTopKeys, entry.key)) continue;
      if (entry.key == "min_gap" || entry.key == "key") {
        error(entry.key_at, "misplaced_key",
              fmt::format("\"{0}\" belongs into \"reentry\": reentry: {{ mode: parallel, {0}: … }}",
                          entry.key));
      } else {
        unknown_key(entry, "scenario", kTopKeys);
      }
    }
  }

  void read_head() {
    read_id();
    if (const auto* entry = tree_.find("title")) {
      if (entry->value.is_scalar())
        scenario_.title = entry->value.text;
      else
        error(entry->value.at, "wrong_type",
              fmt::format("\"title\" wants a text, found {}", describe(entry->value)));
    }
    read_timezone();
    if (const auto* entry = tree_.find("reentry")) read_reentry(entry->value);
    read_rules(tree_, scenario_, diagnostics_);
    if (const auto* entry = tree_.find("tests")) scenario_.tests = entry->value;
  }

  void read_id() {
    const auto* entry = tree_.find("scenario");
    if (!entry) {
      error({1, 1}, "missing_key",
            "\"scenario\" is missing: the scenario's id, such as \"scenario: welcome\"");
      return;
    }
    if (entry->value.is_scalar() && valid_id(entry->value.text)) {
      scenario_.id = entry->value.text;
      return;
    }
    error(entry->value.at, "bad_id",
          fmt::format("\"scenario\" wants an id of letters, digits, \"-\" and \"_\" (a letter or "
                      "digit first, at most 64), found {}",
                      describe(entry->value)));
  }

  void read_timezone() {
    scenario_.timezone = context_.timezone;
    const auto* entry = tree_.find("timezone");
    if (!entry) return;
    if (!entry->value.is_scalar() || !zone_exists(entry->value.text)) {
      error(entry->value.at, "unknown_timezone",
            fmt::format("\"timezone\" wants a time zone such as America/Toronto or UTC, found {}",
                        describe(entry->value)));
      return;
    }
    scenario_.timezone = entry->value.text;
    context_.timezone = entry->value.text;
  }

  void read_reentry(const Tree& tree) {
    reentry_stated_ = true;
    if (tree.is_scalar()) return read_mode(tree);
    if (!tree.is_map()) {
      error(tree.at, "wrong_type",
            fmt::format("\"reentry\" wants one of {}, or a mapping: reentry: {{ mode: parallel, "
                        "min_gap: 1d }}; found {}",
                        join(reentry_mode_words()), describe(tree)));
      return;
    }
    for (const Tree::Entry& entry : tree.entries) {
      if (entry.key == "mode")
        read_mode(entry.value);
      else if (entry.key == "min_gap")
        read_min_gap(entry.value);
      else if (entry.key == "key")
        read_entry_key(entry.value);
      else
        unknown_key(entry, "\"reentry\"", kReentryKeys);
    }
    if (!tree.find("mode"))
      error(tree.at, "missing_key",
            fmt::format("\"reentry\": \"mode\" is missing, one of {}", join(reentry_mode_words())));
    const Tree::Entry* gap = tree.find("min_gap");
    if (gap && scenario_.reentry.mode == ReentryMode::Never)
      warning(gap->key_at, "no_effect",
              "\"min_gap\" has no effect: with \"never\" nobody enters twice");
  }

  void read_mode(const Tree& tree) {
    const auto mode = tree.is_scalar() ? parse_reentry_mode(tree.text) : std::nullopt;
    if (mode) {
      scenario_.reentry.mode = *mode;
      return;
    }
    error(tree.at, "unknown_choice",
          fmt::format("\"reentry\" wants one of {}; found {}", join(reentry_mode_words()),
                      describe(tree)),
          nearest_in(tree.text, reentry_mode_words()));
  }

  void read_min_gap(const Tree& tree) {
    const auto gap = tree.is_scalar() ? parse_duration(tree.text) : std::nullopt;
    if (gap && *gap > Duration::zero()) {
      scenario_.reentry.min_gap = gap;
      return;
    }
    error(tree.at, "bad_duration",
          fmt::format("\"min_gap\" wants a duration such as 90s, 2h or 3d, found {}",
                      describe(tree)));
  }

  void read_entry_key(const Tree& tree) {
    constexpr std::string_view kRoot = "event.";
    if (tree.is_scalar() && tree.text.starts_with(kRoot) && tree.text.size() > kRoot.size()) {
      scenario_.reentry.key_path = tree.text.substr(kRoot.size());
      if (!is_path(scenario_.reentry.key_path))
        diagnostics_.error_since(2, tree.at, "bad_path",
                                 fmt::format("\"key\": {} has an empty part; write one dot between "
                                             "two names",
                                             describe(tree)));
      return;
    }
    error(tree.at, "bad_path",
          fmt::format("\"key\" wants a path into the event, such as event.order.id, found {}",
                      describe(tree)));
  }

  const Tree& tree_;
  Scenario& scenario_;
  AuthorContext& context_;
  bool reentry_stated_ = false;
};

/// Checks the secrets and credentials that nodes name, where they are known.
class SecretCheck : private PartReader {
 public:
  SecretCheck(const AuthorContext& context, Diagnostics& diagnostics)
      : PartReader{diagnostics}, context_{context} {}

  void check(const NodeDraft& draft, std::string_view where) {
    check_known(draft, where, "secret", draft.node->secrets(), context_.secrets);
    check_known(draft, where, "credential", draft.node->credentials(), context_.credentials);
  }

 private:
  /// `known` nothing: this is not the server, which alone knows.
  void check_known(const NodeDraft& draft, std::string_view where, std::string_view what,
                   std::vector<std::string> names, const std::optional<SecretNames>& known) {
    const std::string code = fmt::format("unknown_{}", what);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) {
      if (!known) {
        warning(draft.entry->key_at, code,
                fmt::format("{}: names the {} \"{}\"; a server that has none of that name refuses "
                            "the file",
                            where, what, name));
      } else if (const auto found = known->find(name); found != known->end()) {
        check_hosts(draft, where, what, name, found->second);
      } else {
        std::string nearest;
        if (diagnostics_.suggests()) {
          Names candidates;
          for (const auto& [candidate, hosts] : *known) candidates.push_back(candidate);
          nearest = nearest_in(name, candidates);
        }
        error(draft.entry->key_at, code,
              fmt::format(
                  "{}: the server has no {} \"{}\"; an admin sets it with: onward {} set {}{} "
                  "--host {}",
                  where, what, name, what, name,
                  what == "credential" ? " --basic USER (or another kind)" : "", host_asked(draft)),
              std::move(nearest));
      }
    }
  }

  /// Scheme, host and port of a URL are constants, so an attempt will find what is found here.
  void check_hosts(const NodeDraft& draft, std::string_view where, std::string_view what,
                   const std::string& name, const SecretHosts& hosts) {
    const DeliveryPolicy* policy = draft.node->delivery_policy();
    if (policy == nullptr || policy->origin.empty()) return;  // The URL has a mistake of its own.
    const std::string host = host_of_origin(policy->origin);
    if (!hosts.permits(policy->origin)) {
      error(place_of_url(draft), std::string{kSecretHostRefused},
            fmt::format("{}: {}. Change the URL, or ask an admin to allow the host: {}", where,
                        refused_host_text(what, name, hosts, policy->origin),
                        allow_command(what, name, hosts, host)));
    } else if (hosts.rule == SecretHosts::Rule::Unset && warned_.emplace(what, name).second) {
      warning(place_of_url(draft), "secret_without_hosts",
              fmt::format("{}: the {} \"{}\" has no allowed hosts, so every author can send it to "
                          "any host. Ask an admin to limit it: {}",
                          where, what, name, allow_command(what, name, hosts, host)));
    }
  }

  /// The host that a node asks, for advice.
  static std::string host_asked(const NodeDraft& draft) {
    const DeliveryPolicy* policy = draft.node->delivery_policy();
    return policy == nullptr || policy->origin.empty() ? "HOST" : host_of_origin(policy->origin);
  }

  /// Where the node's URL is; the node's own place if it has none.
  static Position place_of_url(const NodeDraft& draft) {
    for (const SettingSpec& spec : draft.kind->settings)
      if (spec.type == SettingType::Url)
        if (const Tree::Entry* url = draft.entry->value.find(spec.key)) return url->value.at;
    return draft.entry->key_at;
  }

  const AuthorContext& context_;
  std::set<std::pair<std::string, std::string>> warned_;  // kind and name
};

/// Reads one file's tree. Lives for that only; everything it refers to outlives it.
class ScenarioReader : private PartReader {
 public:
  ScenarioReader(const Tree& tree, std::span<const NodeKind> kinds, const AuthorContext& context,
                 Diagnostics& diagnostics)
      : PartReader{diagnostics}, tree_{tree}, kinds_{kinds}, context_{context} {
    for (const NodeKind& kind : kinds) kind_names_.push_back(kind.name);
  }

  std::unique_ptr<Scenario> read() {
    const std::size_t errors_before = diagnostics_.errors();
    if (!tree_.is_map()) {
      error(tree_.at, "not_a_mapping",
            fmt::format("a scenario is a mapping that begins with \"scenario: its-id\", found {}",
                        describe(tree_)));
      return nullptr;
    }
    check_widths();
    head_.read();
    read_nodes();
    if (const auto* entry = tree_.find("tests")) {
      std::vector<std::string_view> ids;
      for (const NodeDraft& draft : drafts_) ids.push_back(draft.entry->key);
      if (context_.check_tests)
        (void)read_tests(entry->value, ids, scenario_->timezone, diagnostics_);
    }
    if (context_.custom_fields != nullptr)
      check_mentions(*context_.custom_fields, context_.undeclared_warns, diagnostics_);
    check_conditions();
    if (diagnostics_.errors() != errors_before) return nullptr;
    return std::move(scenario_);
  }

 private:
  /// A stored version keeps what it has.
  void check_conditions() {
    scenario_->condition_bytes = diagnostics_.condition_bytes();
    if (context_.stored || scenario_->condition_bytes <= kConditionBytesMax) return;
    error(diagnostics_.conditions_exceed_at(), "conditions_too_large",
          fmt::format("the compiled conditions of a scenario may take {} MiB, and these take {}; "
                      "use fewer regular expressions (\"contains\" and \"in\" take less), or "
                      "shorter lists",
                      kConditionBytesMax >> 20, (scenario_->condition_bytes >> 20) + 1));
  }

  /// Nodes have a bound of their own, with the same number.
  void check_widths() {
    if (tree_.entries.size() > kWidthMax)
      diagnostics_.error_since(2, tree_.at, "too_wide",
                               fmt::format("the file has {} keys; a mapping may have {} entries",
                                           tree_.entries.size(), kWidthMax));
    for (const Tree::Entry& entry : tree_.entries) {
      if (entry.key != "nodes") {
        check_width(entry.key, entry.value);
        continue;
      }
      for (const Tree& item : entry.value.items) check_width(entry.key, item);
      for (const Tree::Entry& node : entry.value.entries) check_width(node.key, node.value);
    }
  }

  void check_width(std::string_view key, const Tree& tree) {
    const std::size_t width = std::max(tree.items.size(), tree.entries.size());
    if (width > kWidthMax)
      diagnostics_.error_since(2, tree.at, "too_wide",
                               fmt::format("\"{}\" has {} entries; a list or mapping may have {}",
                                           clipped(key), width, kWidthMax));
    for (const Tree& item : tree.items) check_width(key, item);
    for (const Tree::Entry& entry : tree.entries) check_width(entry.key, entry.value);
  }

  void read_nodes() {
    const auto* entry = tree_.find("nodes");
    if (!entry) {
      error({1, 1}, "missing_key",
            "\"nodes\" is missing: the steps of the scenario, at least one trigger");
      return;
    }
    if (!entry->value.is_map() || entry->value.entries.empty()) {
      error(entry->value.at, "wrong_type",
            fmt::format("\"nodes\" wants a mapping from node ids to nodes, found {}{}",
                        describe(entry->value),
                        entry->value.is_map() ? "; a scenario needs at least a trigger" : ""));
      return;
    }
    const auto& entries = entry->value.entries;
    if (entries.size() > kNodesMax) {
      error(entries[kNodesMax].key_at, "too_many_nodes",
            fmt::format("the scenario has {} nodes; at most {} are allowed", entries.size(),
                        kNodesMax));
      return;
    }
    check_ids(entries);
    drafts_.reserve(entries.size());
    for (const Tree::Entry& node : entries) read_node(node);
    connect();
    warn_of_habits();
    finish();
  }

  void check_ids(const std::vector<Tree::Entry>& entries) {
    std::unordered_map<std::string, const Tree::Entry*> folded;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Tree::Entry& entry = entries[i];
      index_.emplace(entry.key, i);
      if (entry.key == kEndWord) {
        error(entry.key_at, "bad_id", "\"end\" means the end of a run; give the node another id");
      } else if (!valid_id(entry.key)) {
        error(entry.key_at, "bad_id",
              fmt::format("\"{}\" is no node id: use letters, digits, \"-\" and \"_\", a letter or "
                          "digit first, at most 64",
                          clipped(entry.key)));
      }
      const auto [earlier, fresh] = folded.emplace(lower(entry.key), &entry);
      if (!fresh)
        error(entry.key_at, "duplicate_id",
              fmt::format("the node ids \"{}\" and \"{}\" (line {}) differ in case only",
                          clipped(entry.key), clipped(earlier->second->key),
                          earlier->second->key_at.line));
    }
  }

  void read_node(const Tree::Entry& entry) {
    NodeDraft& draft = drafts_.emplace_back();
    draft.entry = &entry;
    draft.shown = clipped(entry.key);
    const std::string where = fmt::format("node \"{}\"", draft.shown);
    if (!entry.value.is_map()) {
      const std::string_view text = entry.value.text;
      const bool unspaced = text.find(':') != std::string_view::npos;
      error(entry.value.at, unspaced ? "missing_space" : "wrong_type",
            unspaced ? fmt::format("{}: a space is missing after the colon of \"{}\"", where,
                                   clipped(text))
                     : fmt::format("{} wants a mapping such as {{ kind: wait, for: 3d }}, found {}",
                                   where, describe(entry.value)));
      return;
    }
    draft.kind = kind_of(entry, where);
    if (!draft.kind) return read_likely_edges(draft);
    const std::vector<std::string> meant = check_keys(draft, where);
    Settings settings{draft.shown, entry.value, draft.kind->settings, context_, diagnostics_};
    draft.node = draft.kind->make(settings);
    secrets_.check(draft, where);
    read_ports(draft, where, meant);
  }

  /// `meant`: what unknown keys of the node are perhaps to say.
  void read_ports(NodeDraft& draft, std::string_view where, const std::vector<std::string>& meant) {
    const Tree& node = draft.entry->value;
    const NodeKind& kind = *draft.kind;
    for (std::string& name : kind.ports_of
                                 ? kind.ports_of(node)
                                 : std::vector<std::string>{kind.ports.begin(), kind.ports.end()})
      draft.ports.push_back({std::move(name), kEnd});
    if (kind.ports_in_next) return read_ports_in_next(draft, where, meant);
    for (std::size_t i = 0; i < draft.ports.size(); ++i) {
      const std::string& name = draft.ports[i].name;
      if (const Tree::Entry* port = node.find(name))
        draft.edges.push_back({i, &port->value, name});
      else if (!holds(meant, name))
        not_named(draft, where, name);
    }
    // What a port leads to that this node does not have is told by the kind, not as unreachable.
    for (const std::string_view name : kind.ports)
      if (const Tree::Entry* port = node.find(name); port && !has_port(draft, name))
        draft.strays.push_back(&port->value);
  }

  /// `next: { a: x, b: y }`.
  void read_ports_in_next(NodeDraft& draft, std::string_view where,
                          const std::vector<std::string>& meant) {
    const Tree::Entry* next = draft.entry->value.find("next");
    if (!next && holds(meant, "next")) return;
    if (next && !next->value.is_map()) {
      error(next->value.at, "wrong_type",
            fmt::format("{}: \"next\" wants the node after each way, such as {{ a: x, b: end }}, "
                        "found {}",
                        where, describe(next->value)));
      draft.strays.push_back(&next->value);
      for (const Tree& item : next->value.items) draft.strays.push_back(&item);
      return;
    }
    Names known;
    for (const Port& port : draft.ports) known.push_back(port.name);
    std::vector<std::string> meant_ways;
    if (next) {
      for (const Tree::Entry& entry : next->value.entries) {
        if (holds(known, entry.key)) continue;
        draft.strays.push_back(&entry.value);
        if (!known.empty())
          meant_ways.push_back(unknown_key(entry, fmt::format("{}: \"next\"", where), known));
      }
    }
    for (std::size_t i = 0; i < draft.ports.size(); ++i) {
      std::string label = "next." + draft.ports[i].name;
      const Tree::Entry* port = next ? next->value.find(draft.ports[i].name) : nullptr;
      if (port)
        draft.edges.push_back({i, &port->value, std::move(label)});
      else if (!holds(meant_ways, draft.ports[i].name))
        not_named(draft, where, label);
    }
  }

  static bool has_port(const NodeDraft& draft, std::string_view name) {
    return std::any_of(draft.ports.begin(), draft.ports.end(),
                       [&](const Port& port) { return port.name == name; });
  }

  void not_named(const NodeDraft& draft, std::string_view where, std::string_view port) {
    const std::size_t dot = port.find('.');
    warning(draft.entry->key_at, "port_not_named",
            fmt::format("{}: \"{}\" is not named, so a run that leaves by it ends there; write "
                        "\"{}: end\" if that is meant",
                        where, clipped(port),
                        clipped(dot == std::string_view::npos ? port : port.substr(dot + 1))));
  }

  /// Of a node without a known kind, so that its other mistakes are found with that one.
  static void read_likely_edges(NodeDraft& draft) {
    for (const Tree::Entry& entry : draft.entry->value.entries) {
      if (!holds(kPortWords, entry.key)) {
        draft.strays.push_back(&entry.value);
        continue;
      }
      draft.edges.push_back({draft.ports.size(), &entry.value, entry.key});
      draft.ports.push_back({entry.key, kEnd});
    }
  }

  const NodeKind* kind_of(const Tree::Entry& entry, std::string_view where) {
    const Tree::Entry* kind = entry.value.find("kind");
    if (!kind) {
      error(entry.key_at, "missing_key",
            fmt::format("{}: \"kind\" is missing, one of {}", where, join(kind_names_)));
      return nullptr;
    }
    if (kind->value.is_scalar()) {
      const NodeKind* found = find_kind(kinds_, kind->value.text);
      if (found) return found;
    }
    error(kind->value.at, "unknown_kind",
          fmt::format("{}: unknown kind {}; known are {}", where, describe(kind->value),
                      join(kind_names_)),
          nearest_in(kind->value.text, kind_names_));
    return nullptr;
  }

  /// Reports unknown keys and returns the names that were perhaps meant by them.
  std::vector<std::string> check_keys(NodeDraft& draft, std::string_view where) {
    const NodeKind& kind = *draft.kind;
    std::vector<std::string> meant;
    Names known{"kind"};
    for (const SettingSpec& spec : kind.settings) known.push_back(spec.key);
    known.insert(known.end(), kind.ports.begin(), kind.ports.end());
    for (const Tree::Entry& entry : draft.entry->value.entries) {
      if (holds(known, entry.key)) continue;
      draft.strays.push_back(&entry.value);
      meant.push_back(unknown_key(entry, where, known));
    }
    return meant;
  }

  /// Turns the names of next nodes into edges, and checks the whole.
  void connect() {
    ScenarioGraph graph;
    graph.nodes.reserve(drafts_.size());
    bool kinds_known = true;
    for (const NodeDraft& draft : drafts_) {
      const bool trigger = draft.kind && draft.kind->family == NodeFamily::Trigger;
      graph.nodes.push_back({.id = draft.entry->key,
                             .at = draft.entry->key_at,
                             .trigger = trigger,
                             .edges = {},
                             // It may have been meant for a trigger.
                             .excused = !draft.kind});
      graph.complete = graph.complete && draft.entry->value.is_map();
      kinds_known = kinds_known && draft.kind;
    }
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      for (const DraftEdge& edge : drafts_[i].edges) connect(i, edge, graph);
      for (const Tree* stray : drafts_[i].strays)
        if (const auto found = index_.find(stray->text); found != index_.end())
          graph.nodes[found->second].excused = true;
    }
    const bool triggered = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                                       [](const auto& node) { return node.trigger; });
    if (!triggered && kinds_known)
      error(tree_.find("nodes")->key_at, "no_trigger",
            "no node is a trigger, so no run can ever start; add one with \"kind: trigger\"");
    check_graph(graph, diagnostics_);
  }

  void connect(std::size_t from, const DraftEdge& edge, ScenarioGraph& graph) {
    Port& port = drafts_[from].ports[edge.port];
    const std::string_view id = drafts_[from].shown;
    if (!edge.target->is_scalar()) return follow_all(from, edge, graph);
    if (edge.target->text == kEndWord) return;
    const auto found = index_.find(edge.target->text);
    if (found == index_.end()) {
      std::string nearest = nearest_id(edge.target->text);
      if (const auto meant = index_.find(nearest); meant != index_.end())
        graph.nodes[meant->second].excused = true;
      error(edge.target->at, "unknown_node",
            fmt::format("node \"{}\": \"{}\" leads to \"{}\", but there is no such node", id,
                        edge.label, clipped(edge.target->text)),
            std::move(nearest));
      return;
    }
    if (graph.nodes[found->second].trigger) {
      error(edge.target->at, "edge_to_trigger",
            fmt::format("node \"{}\": \"{}\" leads to the trigger \"{}\"; a trigger only starts "
                        "runs, name the node after it",
                        id, edge.label, edge.target->text));
      return;
    }
    port.target = found->second;
    graph.nodes[from].edges.push_back(found->second);
  }

  /// A port that is no id. Whatever it names is taken as reached, so that this is told once.
  void follow_all(std::size_t from, const DraftEdge& edge, ScenarioGraph& graph) {
    const Tree& target = *edge.target;
    const NodeDraft& draft = drafts_[from];
    const bool several = target.is_list() && !target.items.empty();
    // A mapping may be right for a kind that is not known.
    if (draft.kind || !target.is_map())
      error(target.at, "wrong_type",
            fmt::format("node \"{}\": \"{}\" wants the id of {}, or end, found {}{}", draft.shown,
                        edge.label, several ? "the one node that follows" : "a node",
                        describe(target), several ? "; let each node name the one after it" : ""));
    const auto follow = [&](const Tree& named) {
      const auto found = index_.find(named.text);
      if (found != index_.end() && !graph.nodes[found->second].trigger)
        graph.nodes[from].edges.push_back(found->second);
    };
    for (const Tree& item : target.items) follow(item);
    for (const Tree::Entry& entry : target.entries) follow(entry.value);
  }

  std::string nearest_id(std::string_view id) {
    if (!diagnostics_.suggests()) return {};
    if (node_names_.empty()) {
      node_names_.emplace_back(kEndWord);
      for (const NodeDraft& draft : drafts_) node_names_.push_back(draft.entry->key);
    }
    return nearest_in(id, node_names_);
  }

  /// What is allowed and probably not meant.
  void warn_of_habits() {
    for (const NodeDraft& draft : drafts_) {
      if (!draft.node) continue;
      const bool ends =
          std::all_of(draft.edges.begin(), draft.edges.end(), [](const DraftEdge& edge) {
            return edge.target->is_scalar() && edge.target->text == kEndWord;
          });
      // With a goal it is waited for, which counts it.
      if (draft.kind->family == NodeFamily::Wait && ends && !draft.edges.empty() &&
          scenario_->goal.empty())
        warning(
            draft.entry->key_at, "trailing_wait",
            fmt::format(
                "node \"{}\": nothing follows this wait: it only keeps a contact in the scenario "
                "for longer, which matters to re-entry alone",
                draft.shown));
      if (head_.reentry_stated() || draft.kind->family != NodeFamily::Trigger) continue;
      if (const auto* dated = std::get_if<DateListen>(&draft.node->listens());
          dated && dated->yearly)
        warning(draft.entry->key_at, "reentry_not_stated",
                fmt::format("node \"{}\": the day comes each year, but a contact enters only once; "
                            "state it with \"reentry: never\" or after_exit",
                            draft.shown));
      const auto* listen = std::get_if<EventListen>(&draft.node->listens());
      if (!listen) continue;
      for (const std::string& event : listen->events) {
        const EventName* row = find_event(event);
        if (event != kAnyEvent && (!row || !row->repeats)) continue;
        warning(draft.entry->key_at, "reentry_not_stated",
                fmt::format("node \"{}\": a contact does \"{}\" again and again, but enters only "
                            "once; state it with \"reentry: never\", after_exit, restart or "
                            "parallel",
                            draft.shown, event));
        break;
      }
    }
  }

  void finish() {
    scenario_->nodes.reserve(drafts_.size());
    for (NodeDraft& draft : drafts_) {
      ScenarioNode& node = scenario_->nodes.emplace_back();
      node.id = draft.entry->key;
      node.kind = draft.kind;
      node.at = draft.entry->key_at;
      node.node = std::move(draft.node);
      node.ports = std::move(draft.ports);
      node.number = NodeNumber{static_cast<std::uint32_t>(scenario_->nodes.size())};
    }
    scenario_->by_number.assign(scenario_->nodes.size() + 1, kEnd);
    for (std::size_t i = 0; i < scenario_->nodes.size(); ++i) scenario_->by_number[i + 1] = i;
  }

  const Tree& tree_;
  std::span<const NodeKind> kinds_;
  AuthorContext context_;  // with the scenario's own zone, once it is read
  std::unique_ptr<Scenario> scenario_ = std::make_unique<Scenario>();
  HeadReader head_{tree_, *scenario_, context_, diagnostics_};
  SecretCheck secrets_{context_, diagnostics_};
  Names kind_names_;
  std::vector<NodeDraft> drafts_;
  std::unordered_map<std::string, std::size_t> index_;  // node id -> draft
  Names node_names_;                                    // gathered for the first suggestion
};
}  // namespace

std::unique_ptr<Scenario> build_scenario(const Tree& tree, std::span<const NodeKind> kinds,
                                         const AuthorContext& context, Diagnostics& diagnostics) {
  return ScenarioReader{tree, kinds, context, diagnostics}.read();
}
}  // namespace onward
