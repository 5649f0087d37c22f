#include "engine/authoring/load.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/authoring/source_text.h"
#include "engine/authoring/yaml_reader.h"
#include "engine/core/base/utf8.h"

namespace onward {
namespace {
/// The byte of a place in a text as its author has it (BOM and CRLF included).
std::size_t offset_of(std::string_view text, Position place) {
  std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  for (int line = 1; line < place.line; ++line) at = text.find('\n', at) + 1;
  for (int column = 1; column < place.column; ++column) at = next_character(text, at);
  return at;
}

/// The bytes that a one-line scalar takes at `at`, quotes included; 0 where it is another form.
std::size_t length_of(std::string_view text, std::size_t at, const Tree& scalar) {
  if (text.substr(at).starts_with(scalar.text)) return scalar.text.size();
  const char quote = text[at];
  if (quote != '"' && quote != '\'') return 0;
  const std::size_t end = text.find(quote, at + 1);
  if (end == std::string_view::npos || text.substr(at + 1, end - at - 1) != scalar.text) return 0;
  return end + 1 - at;
}

/// Names that YAML would read as nothing.
bool reads_as_null(std::string_view id) { return id == "null" || id == "Null" || id == "NULL"; }
}  // namespace

Loaded load_scenario(std::string_view text, std::span<const NodeKind> kinds,
                     const AuthorContext& context) {
  Diagnostics diagnostics{context.format};
  Loaded loaded;
  if (const auto tree = read_yaml(text, diagnostics))
    loaded.scenario = build_scenario(*tree, kinds, context, diagnostics);
  if (diagnostics.has_errors()) loaded.scenario.reset();
  loaded.diagnostics = diagnostics.sorted();
  keep_in_lines(text, loaded.diagnostics);
  return loaded;
}

Result<std::string> with_scenario_id(std::string_view text, std::string_view new_id) {
  if (!valid_id(new_id))
    return fail(ErrorKind::Invalid, "bad_scenario_id",
                fmt::format("\"{}\" is no scenario id: use letters, digits, \"-\" and \"_\", a "
                            "letter or digit first, at most 64",
                            new_id));
  // The text was checked when it was stored; here only the place of its id matters.
  Diagnostics diagnostics{kFirstFormat};
  const auto tree = read_yaml(text, diagnostics);
  const Tree::Entry* id = tree ? tree->find("scenario") : nullptr;
  if (!id || !id->value.is_scalar() || diagnostics.has_errors())
    return fail(ErrorKind::Invalid, "bad_scenario", "the text is no scenario with an id");
  const std::size_t at = offset_of(text, id->value.at);
  const std::size_t length = length_of(text, at, id->value);
  if (length == 0)
    return fail(ErrorKind::Invalid, "bad_scenario",
                "the value of \"scenario\" must stand on its line, plain or in quotes");
  std::string result{text.substr(0, at)};
  result += reads_as_null(new_id) ? fmt::format("\"{}\"", new_id) : std::string{new_id};
  result += text.substr(at + length);
  return result;
}
}  // namespace onward
