// Scenario files, as authors and their editors leave them. A sound one is sound again in the same
// words, and every mistake can be shown.
#include "engine/authoring/load.h"
#include "engine/authoring/report.h"
#include "nodes/nodes.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  const std::string_view text = text_of(data, size);
  const Loaded loaded = load_scenario(text, node_kinds());
  const std::string shown = report_text("fuzz.yaml", text, loaded.diagnostics).plain() +
                            report_json("fuzz.yaml", loaded.diagnostics);
  must(loaded.scenario || !loaded.diagnostics.empty(), "a refused file says why");
  must(loaded.diagnostics.empty() || !shown.empty(), "a mistake can be shown");
  if (!loaded.scenario) return 0;
  must(load_scenario(text, node_kinds()).scenario != nullptr, "what is right stays right");
  const auto copy = with_scenario_id(text, "another-id");
  must(copy.has_value(), "what is right can be duplicated");
  const Loaded again = load_scenario(*copy, node_kinds());
  must(again.scenario && again.scenario->id == "another-id", "a copy is right, under its own id");
  return 0;
}
