#pragma once
// What the server says of versions and plans, in lines for people. Pure.
#include <string>

#include "engine/core/value.h"

namespace onward {
/// Of POST /v1/scenarios/{id}/plan.
std::string plan_text(const Value& plan, bool colour);
/// Of GET /v1/scenarios/{id}/versions, at most `width` columns wide.
std::string versions_text(const Value& versions, std::size_t width, bool colour);
/// The changes of a plan's or a diff's "diff" member, a line each.
std::string diff_text(const Value& diff, bool colour);
}  // namespace onward
