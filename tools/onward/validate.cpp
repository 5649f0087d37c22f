#include "tools/onward/validate.h"

#include <fmt/core.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <utility>

#include "engine/authoring/load.h"
#include "engine/authoring/report.h"
#include "nodes/nodes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
// As in sysexits.
constexpr int kUsage = 64;
constexpr int kDataError = 65;
constexpr int kNoInput = 66;
/// More than a scenario may have, so that the limit itself is reported, and no more.
constexpr std::size_t kReadMax = (4u << 20) + 1;

Result<std::string> read_file(const std::string& file) {
  if (file != "-") return read_input(file, kReadMax);
  std::string text(kReadMax, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (std::cin.bad()) return fail(ErrorKind::Io, "cannot_read", "Cannot read standard input.");
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  return text;
}

std::size_t errors_in(const std::vector<Diagnostic>& found) {
  return static_cast<std::size_t>(
      std::count_if(found.begin(), found.end(),
                    [](const Diagnostic& d) { return d.severity == Severity::Error; }));
}

/// "welcome.yaml: 2 errors, 1 warning", or that it is right.
std::string summary(const std::string& name, const std::vector<Diagnostic>& found) {
  const std::size_t errors = errors_in(found);
  const std::size_t warnings = found.size() - errors;
  const auto counted = [](std::size_t n, std::string_view word) {
    return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
  };
  if (errors == 0 && warnings == 0) return name + ": right\n";
  if (errors == 0) return fmt::format("{}: right, with {}\n", name, counted(warnings, "warning"));
  if (warnings == 0) return fmt::format("{}: {}\n", name, counted(errors, "error"));
  return fmt::format("{}: {}, {}\n", name, counted(errors, "error"), counted(warnings, "warning"));
}

/// One file's list joined to those before it.
void join_lists(std::string& all, std::string_view list) {
  if (list.starts_with("[]")) return;
  const std::size_t begin = list.find('[') + 1;
  const std::size_t end = list.rfind(']');
  if (!all.empty()) {
    all.erase(all.find_last_not_of('\n') + 1);
    all += ',';
  }
  all += list.substr(begin, end - begin);
}
}  // namespace

int validate_files(const std::vector<std::string>& files, std::string_view format,
                   std::ostream& out, std::ostream& err, const CustomFields* declared) {
  if (format != "text" && format != "short" && format != "json") {
    err << fmt::format("unknown format \"{}\"; there are text, json and short\n", format);
    return kUsage;
  }
  int code = 0;
  std::string lists;
  for (const std::string& file : files) {
    const auto text = read_file(file);
    const std::string name = file == "-" ? "standard input" : file;
    if (!text) {
      err << text.error().message << '\n';
      code = kNoInput;
      continue;
    }
    const Loaded loaded =
        load_scenario(*text, node_kinds(), {.custom_fields = declared, .undeclared_warns = true});
    if (!loaded.scenario && code == 0) code = kDataError;
    if (format == "text")
      err << report_text(name, *text, loaded.diagnostics) << summary(name, loaded.diagnostics);
    else if (format == "short")
      out << report_short(name, loaded.diagnostics);
    else
      join_lists(lists, report_json(name, loaded.diagnostics));
  }
  if (format == "json") out << "[" << lists << "]\n";
  return code;
}

Result<CustomFields> read_declarations(const std::string& file) {
  const auto wrong = [&file](std::string_view what) {
    return fail(
        ErrorKind::Invalid, "bad_declarations",
        fmt::format("{}: {}; it wants what `onward fields list --json` prints", file, what));
  };
  const auto text = read_file(file);
  if (!text) return tl::make_unexpected(text.error());
  const auto list = parse_json(*text);
  if (!list) return wrong(list.error().message);
  const Value* fields = list->find("fields");
  if (fields == nullptr || !fields->list()) return wrong("there is no list \"fields\"");
  std::vector<CustomField> declared;
  for (const Value& row : *fields->list()) {
    const Value* name = row.find("name");
    if (name == nullptr || !name->text()) return wrong("a field has no name");
    auto field = custom_field_of(*name->text(), row);
    if (!field) return wrong(field.error().message);
    declared.push_back(std::move(*field));
  }
  return CustomFields{std::move(declared)};
}

std::string schema_text() { return to_pretty_json(scenario_schema(node_kinds())) + "\n"; }
}  // namespace onward
