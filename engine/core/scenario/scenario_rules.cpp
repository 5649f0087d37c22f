#include "engine/core/scenario/scenario_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "engine/core/base/clipped.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/scenario/settings.h"

namespace onward {
namespace {
constexpr std::array<std::string_view, 2> kAtEnds = {"hold", "archive"};
constexpr std::array<std::string_view, 3> kRuleKeys = {"event", "where", "if"};

class RuleReader {
 public:
  RuleReader(const Tree& file, Scenario& scenario, Diagnostics& diagnostics)
      : file_{file}, scenario_{scenario}, diagnostics_{diagnostics} {}

  void read() {
    scenario_.start_at = instant("start_at");
    scenario_.end_at = instant("end_at");
    if (scenario_.start_at && scenario_.end_at && *scenario_.end_at <= *scenario_.start_at)
      diagnostics_.error(
          file_.find("end_at")->value.at, "bad_range",
          fmt::format("\"end_at\" wants a time after \"start_at\" ({}), found {}",
                      format_instant(*scenario_.start_at), describe(file_.find("end_at")->value)));
    read_at_end();
    scenario_.exit = rules("exit");
    scenario_.goal = rules("goal");
  }

 private:
  std::optional<Instant> instant(std::string_view key) {
    const Tree::Entry* entry = file_.find(key);
    if (!entry) return std::nullopt;
    const Tree& tree = entry->value;
    const auto time =
        tree.is_scalar() ? parse_instant_in(tree.text, scenario_.timezone) : std::nullopt;
    if (!time)
      diagnostics_.error(tree.at, "wrong_type",
                         fmt::format("\"{}\" wants a time such as 2026-05-01T09:00, found {}", key,
                                     describe(tree)));
    return time;
  }

  void read_at_end() {
    const Tree::Entry* entry = file_.find("at_end");
    if (!entry) return;
    const Tree& tree = entry->value;
    const auto found = std::find(kAtEnds.begin(), kAtEnds.end(), tree.text);
    if (!tree.is_scalar() || found == kAtEnds.end()) {
      diagnostics_.error(tree.at, "unknown_choice",
                         fmt::format("\"at_end\" wants hold or archive, found {}", describe(tree)),
                         diagnostics_.nearest(tree.text, kAtEnds));
      return;
    }
    scenario_.at_end = *found == "archive" ? AtEnd::Archive : AtEnd::Hold;
    if (!file_.find("end_at"))
      diagnostics_.warning(entry->key_at, "no_effect",
                           "\"at_end\" has no effect without \"end_at\"");
  }

  /// A list of rules, or one alone.
  std::vector<ExitRule> rules(std::string_view key) {
    std::vector<ExitRule> rules;
    const Tree::Entry* entry = file_.find(key);
    if (!entry) return rules;
    const Tree& tree = entry->value;
    if (tree.is_list() && !tree.items.empty()) {
      for (const Tree& item : tree.items) rule(key, item, rules);
    } else {
      rule(key, tree, rules);
    }
    return rules;
  }

  void rule(std::string_view key, const Tree& tree, std::vector<ExitRule>& rules) {
    if (!tree.is_map() || tree.entries.empty()) {
      error(key, tree.at, "wrong_type",
            fmt::format("wants {{ event: unsubscribe }} or {{ if: {{ in_group: customers }} }}, or "
                        "a list of such, found {}",
                        describe(tree)));
      return;
    }
    bool meant = false;
    for (const Tree::Entry& entry : tree.entries) {
      if (std::find(kRuleKeys.begin(), kRuleKeys.end(), entry.key) != kRuleKeys.end()) continue;
      const std::string nearest = diagnostics_.nearest(entry.key, kRuleKeys);
      meant |= !nearest.empty();
      error(key, entry.key_at, "unknown_key",
            fmt::format("unknown key \"{}\"; known are event, where, if", clipped(entry.key)),
            nearest);
    }
    const Tree::Entry* event = tree.find("event");
    const Tree::Entry* where = tree.find("where");
    const Tree::Entry* condition = tree.find("if");
    if (condition && event) {
      error(key, condition->key_at, "conflict",
            "\"event\" and \"if\" exclude each other; filter the event with \"where\", or write "
            "two rules where either is to do");
    } else if (!condition && !event) {
      if (!meant) error(key, tree.at, "missing_key", "wants \"event\", or \"if\" with a segment");
      return;
    } else if (where && !event) {
      error(key, where->key_at, "conflict",
            "\"where\" filters an \"event\", and there is none; let \"if\" say it all");
    }
    ExitRule& made = rules.emplace_back();
    made.at = tree.at;
    if (event)
      made.events =
          read_event_names(event->value, fmt::format("\"{}\": \"event\"", key), diagnostics_);
    if (const Tree::Entry* segment = event ? where : condition) read_segment(key, *segment, made);
  }

  void read_segment(std::string_view key, const Tree::Entry& entry, ExitRule& made) {
    made.segment = Segment::compile(entry.value, fmt::format("\"{}\": \"{}\"", key, entry.key),
                                    scenario_.timezone, diagnostics_);
    if (entry.key == "if" && made.segment.reads().event_data)
      error(key, entry.value.at, "no_event",
            "\"if\" reads event.…, but it is asked without an event; write { event: …, where: … }");
  }

  void error(std::string_view key, Position at, std::string code, std::string_view sentence,
             std::string nearest = {}) {
    diagnostics_.error(at, std::move(code), fmt::format("\"{}\": {}", key, sentence),
                       std::move(nearest));
  }

  const Tree& file_;
  Scenario& scenario_;
  Diagnostics& diagnostics_;
};
}  // namespace

void read_rules(const Tree& file, Scenario& scenario, Diagnostics& diagnostics) {
  RuleReader{file, scenario, diagnostics}.read();
}
}  // namespace onward
