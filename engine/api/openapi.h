#pragma once
// The description of the whole API (OpenAPI 3.1), made of the table of routes. Pure.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/router.h"
#include "engine/core/base/value.h"

namespace onward {
/// The document. `version` is the server's own.
Value openapi_document(std::span<const Route> routes, std::string_view version);

/// What a row fails to tell, in words; empty where callers are told everything: a summary, an
/// answer, every parameter, every schema that is named.
std::vector<std::string> undocumented(const Route& route);

/// Every refusal that a route can answer, its own and those that follow from its row: by status,
/// the codes in order, each once.
std::vector<std::pair<int, std::vector<std::string_view>>> faults_of(const Route& route);
}  // namespace onward
