#pragma once
// The rough shape of a scenario's `tests`. What they say is judged when they run.
#include <string_view>
#include <vector>

#include "engine/core/diagnostic.h"
#include "engine/core/tree.h"

namespace onward {
/// Reports what is no test, and node ids in expectations that are not among `nodes`.
void check_tests(const Tree& tests, const std::vector<std::string_view>& nodes,
                 Diagnostics& diagnostics);
}  // namespace onward
