#include "tools/onward/scenario_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/authoring/report.h"
#include "nodes/nodes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

/// Whether a link in `folder` leads out of it: whoever takes a folder of files from others means
/// its files, not any file of the machine.
bool leads_out(const fs::directory_entry& entry, const fs::path& folder) {
  std::error_code fault;
  if (!entry.is_symlink(fault)) return false;
  const fs::path target = fs::canonical(entry.path(), fault);
  if (fault) return false;  // It leads nowhere: reading it says so.
  const fs::path inside = target.lexically_relative(fs::canonical(folder, fault));
  return fault || inside.empty() || *inside.begin() == "..";
}
}  // namespace

Result<std::vector<std::string>> scenario_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code fault;
    if (path == "-" || !fs::is_directory(path, fault)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator{path, fault}) {
      const std::string ending = entry.path().extension().string();
      if (ending != ".yaml" && ending != ".yml") continue;
      if (leads_out(entry, path))
        return fail(ErrorKind::Invalid, "outside_folder",
                    fmt::format("{} is a link that leads out of the folder {}. Name its target "
                                "itself if it is meant.",
                                entry.path().string(), path));
      found.push_back(entry.path().string());
    }
    if (fault)
      return fail(ErrorKind::NotFound, "cannot_read",
                  fmt::format("Cannot read {}: {}.", path, fault.message()));
    if (found.empty())
      return fail(ErrorKind::NotFound, "no_file",
                  fmt::format("The folder {} has no scenario: no file in .yaml or .yml.", path));
    std::ranges::sort(found);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

Result<ScenarioFile> load_scenario_file(const std::string& file) {
  auto text = read_input(file);
  if (!text) return tl::make_unexpected(std::move(text.error()));
  ScenarioFile read{.name = file == "-" ? "standard input" : file, .text = std::move(*text)};
  read.loaded = load_scenario(read.text, node_kinds());
  return read;
}

Result<ScenarioFile> load_scenario_of(const ClientOptions& options, const std::string& name,
                                      StoredRules rules, bool* from_server) {
  std::error_code ignored;
  const bool remote = name != "-" && valid_id(name) && !fs::exists(name, ignored);
  if (from_server) *from_server = remote;
  if (!remote) return load_scenario_file(name);
  const Client client{options};
  const auto answer = client.call("GET", "/v1/scenarios/" + segment(name), "text");
  if (!answer)
    return fail(answer.error().kind, answer.error().code,
                fmt::format("There is no file \"{}\", and no server to ask for a scenario of that "
                            "id: {}",
                            name, answer.error().message));
  if (!answer->ok())
    return fail(answer->status == 404 ? ErrorKind::NotFound : ErrorKind::Invalid, "not_found",
                fmt::format("There is no file \"{}\", and {} says: {}", name, client.shown(),
                            answer->text("detail")));
  ScenarioFile read{.name = name, .text = answer->text("text")};
  AuthorContext context;
  // A server that does not name the format is older than formats.
  if (rules == StoredRules::Own) {
    const Value* format = answer->value.find("format");
    const auto* number = format == nullptr ? nullptr : format->get_if<std::int64_t>();
    context.format = number == nullptr ? kFirstFormat : static_cast<RulesFormat>(*number);
  }
  read.loaded = load_scenario(read.text, node_kinds(), context);
  return read;
}

StyledText findings_of(const ScenarioFile& file) {
  if (file.loaded.diagnostics.empty()) return {};
  return report_text(file.name, file.text, file.loaded.diagnostics);
}
}  // namespace onward
