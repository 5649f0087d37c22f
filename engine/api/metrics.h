#pragma once
// The figures in Prometheus' text form. Pure.
#include <string>
#include <vector>

#include "engine/api/login_refusals.h"
#include "engine/core/base/time.h"
#include "engine/host/runtime.h"

namespace onward {
/// Labels are bounded: scenarios and origins beyond these are left out, the busiest stay.
inline constexpr std::size_t kScenarioLabels = 200;
inline constexpr std::size_t kOriginLabels = 50;

std::string prometheus_text(const RuntimeFigures& figures, std::vector<ScenarioStats> scenarios,
                            Instant now, const std::vector<LoginRefusals::Count>& refused = {});
}  // namespace onward
