// Versions, plans and progress of a scenario, as JSON shows them.
#include "engine/api/views.h"

namespace onward {
namespace {}  // namespace

Value view_of(const std::optional<ScenarioProgress>& progress) {
  if (!progress) return {};
  if (progress->what == "migrate")
    return ValueMap{{"what", progress->what},
                    {"to", number_value(progress->to)},
                    {"moved", number_value(progress->done)},
                    {"stayed", number_value(progress->stayed)}};
  if (progress->what == "cancel")
    return ValueMap{{"what", progress->what}, {"cancelled", number_value(progress->done)}};
  return ValueMap{{"what", progress->what},
                  {"stopped", number_value(progress->stopped)},
                  {"purged", number_value(progress->done)}};
}

Value view_of(const ScenarioVersions& versions) {
  ValueList list;
  for (const VersionInfo& info : versions.versions)
    list.push_back(ValueMap{{"version", number_value(info.version)},
                            {"created", format_instant(info.created)},
                            {"format", number_value(info.format)},
                            {"nodes", number_value(info.nodes)},
                            {"newest", info.newest},
                            {"entered", info.entered},
                            {"inside", info.inside},
                            {"test_inside", info.test_inside}});
  return ValueMap{{"scenario", versions.id},
                  {"state", to_string(versions.state)},
                  {"progress", view_of(versions.progress)},
                  {"versions", std::move(list)}};
}

Value view_of(const VersionText& text) {
  return ValueMap{{"scenario", text.id},
                  {"version", number_value(text.version)},
                  {"created", format_instant(text.created)},
                  {"format", number_value(text.format)},
                  {"text", text.text}};
}

Value view_of(const ScenarioPlan& plan) {
  ValueList places, inserted;
  for (const ScenarioPlan::Place& place : plan.places)
    places.push_back(
        ValueMap{{"node", place.node}, {"waiting", place.waiting}, {"kept", place.kept}});
  for (const ScenarioPlan::Inserted& added : plan.inserted)
    inserted.push_back(
        ValueMap{{"node", added.node}, {"past", added.past}, {"ahead", added.ahead}});
  return ValueMap{{"scenario", plan.id},
                  {"state", to_string(plan.state)},
                  {"created", plan.created},
                  {"changes", plan.changed},
                  {"refused", plan.refused},
                  {"from", plan.from == 0 ? Value{} : number_value(plan.from)},
                  {"to", plan.to == 0 ? Value{} : number_value(plan.to)},
                  {"diagnostics", view_of(plan.diagnostics)},
                  {"diff", to_value(plan.diff)},
                  {"inside", plan.inside},
                  {"places", std::move(places)},
                  {"inserted", std::move(inserted)},
                  {"notes", text_list(plan.notes)},
                  {"stranded", text_list(plan.stranded)}};
}
}  // namespace onward
