#include "tests/fuzz/scenario_checks.h"

#include <ctime>
#include <string>
#include <vector>

#include "engine/authoring/report.h"
#include "engine/core/base/utf8.h"
#include "engine/core/base/value.h"
#include "nodes/nodes.h"
#include "tests/fuzz/features.h"
#include "tests/fuzz/target.h"

namespace onward::fuzz {
namespace {
/// Processor time of this thread: other processes on the machine do not count.
double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

constexpr std::size_t kFewDiagnostics = 6;

#ifdef ONWARD_FUZZ
// With the sanitizers on, a byte of a usual file takes some 2 µs. What takes ten times as much does
// something for each thing of the file with all the others. Replays judge no time.
constexpr double kSecondsAtMost = 0.3, kSecondsPerByte = 20e-6;
#endif

/// The length of each line. Of what is no UTF-8: in bytes, which are at least as many as
/// characters.
std::vector<std::size_t> line_lengths(std::string_view text) {
  std::vector<std::size_t> lengths;
  while (true) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lengths.push_back(valid_utf8(line) ? static_cast<std::size_t>(count_characters(line))
                                       : line.size());
    if (line.size() == text.size()) return lengths;
    text.remove_prefix(line.size() + 1);
  }
}
}  // namespace

Loaded load_checked(std::string_view text) {
  const double begun = processor_seconds();
  Loaded loaded = load_scenario(text, node_kinds());
  const double loaded_for = processor_seconds() - begun;
#ifdef ONWARD_FUZZ
  if (loaded_for > kSecondsAtMost + kSecondsPerByte * static_cast<double>(text.size()))
    std::fprintf(stderr, "%.3f s for %zu bytes\n", loaded_for, text.size());
  must(loaded_for <= kSecondsAtMost + kSecondsPerByte * static_cast<double>(text.size()),
       "the time to load a file grows with its size only");
#else
  (void)loaded_for;
#endif
  must(loaded.scenario || !loaded.diagnostics.empty(), "a refused file has a diagnostic");
  // Files that are almost right lead on: what is said of them, alone and by twos.
  if (loaded.diagnostics.size() <= kFewDiagnostics)
    for (const Diagnostic& one : loaded.diagnostics) {
      feature(one.code + " " + std::to_string(loaded.diagnostics.size()));
      feature(one.message.substr(0, one.message.find('"')));
      for (const Diagnostic& two : loaded.diagnostics) feature(one.code + "/" + two.code);
    }
  const std::vector<std::size_t> lengths = line_lengths(text);
  for (const Diagnostic& found : loaded.diagnostics) {
    must(!found.code.empty() && !found.message.empty(), "a diagnostic has a code and a message");
    must(valid_utf8(found.message), "a message is UTF-8");
    must(valid_utf8(found.nearest), "a suggested name is UTF-8");
    const bool whole = found.at.line == 0;
    const bool inside = whole || (found.at.line > 0 &&
                                  static_cast<std::size_t>(found.at.line) <= lengths.size() + 1);
    if (!inside)
      std::fprintf(stderr, "%d:%d %s\n", found.at.line, found.at.column, found.message.c_str());
    must(inside, "a diagnostic's line is in the file");
    const std::size_t length = whole || static_cast<std::size_t>(found.at.line) > lengths.size()
                                   ? 0
                                   : lengths[static_cast<std::size_t>(found.at.line) - 1];
    const bool in_line =
        whole || (found.at.column >= 1 && static_cast<std::size_t>(found.at.column) <= length + 1);
    if (!in_line)
      std::fprintf(stderr, "%d:%d %s\n", found.at.line, found.at.column, found.message.c_str());
    must(in_line, "a diagnostic's column is in its line");
  }
  const std::string shown = report_text("fuzz.yaml", text, loaded.diagnostics).coloured();
  must(valid_utf8(shown) && valid_utf8(report_short("fuzz.yaml", loaded.diagnostics)),
       "a report is UTF-8");
  // Our own reader refuses texts with a NUL, which JSON allows and a file may hold.
  const std::string json = report_json("fuzz.yaml", loaded.diagnostics);
  must(valid_utf8(json), "a report as JSON is UTF-8");
  must(json.find("\\u0000") != std::string::npos || parse_json(json).has_value(),
       "a report as JSON can be read");
  return loaded;
}
}  // namespace onward::fuzz
