#pragma once
// What travels in bodies, as JSON Schema: the components of the API's description. A new shape is
// one entry of the table in schemas.cpp.
#include <string_view>

#include "engine/core/base/result.h"
#include "engine/core/base/value.h"

namespace onward {
/// All of them by name; a map.
const Value& api_schemas();
bool known_schema(std::string_view name);

/// A JSON Schema from its text. {"words": "RunState"} becomes an "enum" of that enumeration's
/// words; the others are DeliveryState and ScenarioState.
Result<Value> read_schema(std::string_view json);
}  // namespace onward
