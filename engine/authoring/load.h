#pragma once
// A scenario file, from text to a ready Scenario or to all of its mistakes.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
struct Loaded {
  std::unique_ptr<Scenario> scenario;   ///< Null where there are errors.
  std::vector<Diagnostic> diagnostics;  ///< In the order of the file; warnings too.
};
/// `kinds` must outlive the scenario.
Loaded load_scenario(std::string_view text, std::span<const NodeKind> kinds,
                     const AuthorContext& context = {});

/// `text` under a new id: only the value of the top-level `scenario:` changes, byte for byte.
Result<std::string> with_scenario_id(std::string_view text, std::string_view new_id);
}  // namespace onward
