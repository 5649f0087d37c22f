#pragma once
// What the server says of versions and plans, in lines for people. Pure.
#include <cstddef>

#include "engine/core/base/styled_text.h"
#include "engine/core/base/value.h"

namespace onward {
/// Of POST /v1/scenarios/{id}/plan.
StyledText plan_text(const Value& plan);
/// Of GET /v1/scenarios/{id}/versions, at most `width` columns wide.
StyledText versions_text(const Value& versions, std::size_t width);
/// The changes of a plan's or a diff's "diff" member, a line each.
StyledText diff_text(const Value& diff);
}  // namespace onward
