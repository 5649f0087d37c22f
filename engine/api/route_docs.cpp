#include "engine/api/route_docs.h"

#include <algorithm>
#include <iterator>

namespace onward {
namespace {
const Parameter kShared[] = {
    {"limit", "How many at most.",
     R"({"type": "integer", "minimum": 1, "maximum": 500, "default": 50})"},
    {"cursor", "Where to go on: the \"next\" of the page before.", R"({"type": "string"})"},
    {"fresh", "Without effect: an answer always shows all that was answered before.",
     R"({"type": "boolean", "default": false})"},
    {"mode", "history: contacts and statistics are updated, and nothing is started.",
     R"({"type": "string", "enum": ["history"]})"},
    {"scenario", "Of this scenario; of all where it is missing.", R"({"type": "string"})"},
    {"node", "Of this node of the scenario.", R"({"type": "string"})"},
    {"since", "From this time on; of a delivery, when it was made.",
     R"({"type": "string", "format": "date-time"})"},
    {"until", "Before this time.", R"({"type": "string", "format": "date-time"})"},
    {"migrate", "Runs under way go over to the new version, at the node where they are.",
     R"({"type": "boolean", "default": false})"},
    {"map", "Where those go on whose node is not to keep them: pairs old:new,older:newer.",
     R"({"type": "string"})"},
};

struct PathRow {
  std::string_view behind;
  Parameter parameter;
};
const PathRow kPath[] = {
    {"contacts", {"id", "The caller's id of a contact, or email: and its address."}},
    {"scenarios", {"id", "The scenario's id."}},
    {"versions", {"version", "The number of a version, from 1."}},
    {"nodes", {"node", "The node's id in the scenario."}},
    {"fields", {"name", "A custom field's name, without custom. before it."}},
    {"secrets", {"name", "The secret's name, as in {{ secret.NAME }}."}},
    {"credentials", {"name", "The credential's name, as in auth: { credential: NAME }."}},
    {"tokens", {"name", "The token's name, as the log shows it."}},
    {"deliveries", {"id", "The delivery's id, evt_…, which is its webhook-id."}},
    {"runs", {"id", "The run's id, run_…."}},
};
}  // namespace

const Parameter* shared_parameter(std::string_view name) {
  const auto* found = std::find_if(std::begin(kShared), std::end(kShared),
                                   [&](const Parameter& row) { return row.name == name; });
  return found == std::end(kShared) ? nullptr : found;
}

const Parameter* path_parameter(std::string_view behind, std::string_view name) {
  const auto* found = std::find_if(std::begin(kPath), std::end(kPath), [&](const PathRow& row) {
    return row.behind == behind && row.parameter.name == name;
  });
  return found == std::end(kPath) ? nullptr : &found->parameter;
}
}  // namespace onward
