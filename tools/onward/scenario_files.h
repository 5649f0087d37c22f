#pragma once
// Scenario files of a command line: read, loaded, and their mistakes told.
#include <memory>
#include <string>
#include <vector>

#include "engine/authoring/load.h"
#include "engine/core/base/result.h"
#include "engine/core/base/styled_text.h"
#include "tools/onward/client.h"

namespace onward {
struct ScenarioFile {
  std::string name;  ///< As it was given; "standard input" for "-".
  std::string text;
  Loaded loaded;
};

/// The files, and those ending in .yaml or .yml of a folder, by name. Refused: a folder without
/// any, or with a link that leads out of it.
Result<std::vector<std::string>> scenario_files(const std::vector<std::string>& paths);
/// Read and loaded; the error is one of reading.
Result<ScenarioFile> load_scenario_file(const std::string& file);
/// By which rules the text of a server is read: those that checked it there, or the newest.
enum class StoredRules { Own, Newest };
/// The same of what may also be a scenario of a server: that where there is no such file and the
/// name is an id. `from_server` tells whether it came from there.
Result<ScenarioFile> load_scenario_of(const ClientOptions& client, const std::string& name,
                                      StoredRules rules, bool* from_server = nullptr);
/// The mistakes and warnings in lines for people; empty where there are none.
StyledText findings_of(const ScenarioFile& file);
}  // namespace onward
