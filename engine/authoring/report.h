#pragma once
// Diagnostics as people and programs read them.
#include <span>
#include <string>
#include <string_view>

#include "engine/core/diagnostic.h"

namespace onward {
/// `file:line:column: message`, the line, a caret. `colour` for a terminal. Long lines are cut
/// around the caret; tabs and wide characters keep the caret in place.
std::string report_text(std::string_view file, std::string_view text,
                        std::span<const Diagnostic> diagnostics, bool colour = false);
/// One line each: `file:line:column: error[unknown_key]: message`.
std::string report_short(std::string_view file, std::span<const Diagnostic> diagnostics);
/// A JSON list of {"file", "line", "column", "severity", "code", "message", "nearest"?}.
std::string report_json(std::string_view file, std::span<const Diagnostic> diagnostics);
}  // namespace onward
