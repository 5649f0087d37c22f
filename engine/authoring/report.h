#pragma once
// Diagnostics as people and programs read them.
#include <span>
#include <string>
#include <string_view>

#include "engine/core/base/styled_text.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
/// `file:line:column: message`, the line, a caret. Long lines are cut around the caret; tabs and
/// wide characters keep the caret in place.
StyledText report_text(std::string_view file, std::string_view text,
                       std::span<const Diagnostic> diagnostics);
/// One line each: `file:line:column: error[unknown_key]: message`.
std::string report_short(std::string_view file, std::span<const Diagnostic> diagnostics);
/// A JSON list of {"file", "line", "column", "severity", "code", "message", "nearest"?}.
std::string report_json(std::string_view file, std::span<const Diagnostic> diagnostics);
}  // namespace onward
