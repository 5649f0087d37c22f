#include "engine/api/scenario_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/api/resources.h"
#include "engine/core/base/clipped.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
namespace {
/// Numbers and times begin with what deserves a look first: the greatest, the newest, the soonest.
constexpr std::array<std::string_view, 8> kSorts = {"name",   "state",   "next",   "entered",
                                                    "inside", "pending", "failed", "changed"};

auto by_next(const ScenarioInfo& info) {
  return std::pair{!info.next.has_value(), info.next ? info.next->at : Instant{}};
}

decltype(ScenarioOrder::before) order_by(std::string_view sort) {
  using Info = const ScenarioInfo&;
  if (sort == "state") return [](Info a, Info b) { return a.state < b.state; };
  if (sort == "next") return [](Info a, Info b) { return by_next(a) < by_next(b); };
  if (sort == "entered") return [](Info a, Info b) { return a.entered > b.entered; };
  if (sort == "inside") return [](Info a, Info b) { return a.inside > b.inside; };
  if (sort == "pending") return [](Info a, Info b) { return a.pending > b.pending; };
  if (sort == "failed") return [](Info a, Info b) { return a.failed > b.failed; };
  if (sort == "changed") return [](Info a, Info b) { return a.changed > b.changed; };
  return [](Info a, Info b) { return a.id < b.id; };
}

tl::unexpected<Error> bad(std::string message) {
  return fail(ErrorKind::Invalid, "bad_parameter", std::move(message));
}
}  // namespace

Result<ScenarioOrder> parse_order(const Call& call) {
  ScenarioOrder order;
  const std::string sort = call.parameter("sort").value_or("name");
  if (std::ranges::find(kSorts, sort) == kSorts.end())
    return bad(fmt::format("\"sort\" wants one of {}, found \"{}\".", fmt::join(kSorts, ", "),
                           clipped(sort)));
  order.before = order_by(sort);
  const auto reverse = parse_flag(call, "reverse");
  if (!reverse) return tl::make_unexpected(reverse.error());
  order.reverse = *reverse;
  if (const auto state = call.parameter("state")) {
    order.state = parse_scenario_state(*state);
    if (!order.state)
      return bad(fmt::format(
          "\"state\" wants draft, scheduled, active, on_hold or archived, found \"{}\".",
          clipped(*state)));
  }
  return order;
}

std::vector<ScenarioInfo> in_order(std::vector<ScenarioInfo> infos, const ScenarioOrder& order) {
  if (order.state)
    std::erase_if(infos, [&](const ScenarioInfo& info) { return info.state != *order.state; });
  std::ranges::sort(infos, {}, &ScenarioInfo::id);
  std::stable_sort(infos.begin(), infos.end(), order.before);
  if (order.reverse) std::ranges::reverse(infos);
  return infos;
}

Result<MigrationRequest> parse_migration(const Call& call) {
  MigrationRequest request;
  const auto wanted = parse_flag(call, "migrate");
  if (!wanted) return tl::make_unexpected(wanted.error());
  request.wanted = *wanted;
  const auto map = call.parameter("map");
  if (!map || map->empty()) return request;
  std::string_view rest = *map;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t colon = pair.find(':');
    if (colon == std::string_view::npos || !valid_id(pair.substr(0, colon)) ||
        !valid_id(pair.substr(colon + 1)))
      return bad(fmt::format("\"map\" wants pairs of node ids, old:new,older:newer, found \"{}\".",
                             clipped(pair)));
    request.map.emplace_back(pair.substr(0, colon), pair.substr(colon + 1));
  }
  return request;
}
}  // namespace onward
