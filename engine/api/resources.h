#pragma once
// The resources, one file each: what their routes are, and how an answer of the engine becomes a
// reply.
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/event_json.h"
#include "engine/api/http.h"
#include "engine/api/intake_check.h"
#include "engine/api/problem.h"
#include "engine/api/router.h"
#include "engine/core/base/reply.h"
#include "engine/host/monitored_clock.h"
#include "engine/host/runtime.h"

namespace onward {
/// What the door turns away before the engine hears of it. Any thread.
struct DoorFigures {
  std::atomic<std::uint64_t> events_refused = 0;
};

/// All of them; `runtime` and `clock` must outlive the table.
std::vector<Route> all_routes(Runtime& runtime, const Clock& clock,
                              const SharedIntakeSecrets& secrets = {},
                              std::shared_ptr<const LoginRefusals> refusals = nullptr);

/// All routes of the groups, in their order.
std::vector<Route> joined(std::initializer_list<std::vector<Route>> groups);

std::vector<Route> event_routes(Runtime& runtime, const Clock& clock,
                                std::shared_ptr<DoorFigures> door);
std::vector<Route> intake_routes(Runtime& runtime, const Clock& clock,
                                 const std::shared_ptr<DoorFigures>& door,
                                 const SharedIntakeSecrets& secrets);
std::vector<Route> contact_routes(Runtime& runtime);
std::vector<Route> field_routes(Runtime& runtime);
std::vector<Route> scenario_routes(Runtime& runtime);
std::vector<Route> scenario_life_routes(Runtime& runtime);
std::vector<Route> delivery_routes(Runtime& runtime);
std::vector<Route> run_routes(Runtime& runtime);
std::vector<Route> log_routes(Runtime& runtime);
std::vector<Route> placeholder_routes();
std::vector<Route> health_routes(Runtime& runtime);
std::vector<Route> metrics_routes(Runtime& runtime, const Clock& clock,
                                  std::shared_ptr<const DoorFigures> door,
                                  std::shared_ptr<const LoginRefusals> refusals);

std::vector<Route> secret_routes(Runtime& runtime, const Clock& clock);
std::vector<Route> token_routes(Runtime& runtime, const Clock& clock);
std::vector<Route> sending_routes(Runtime& runtime);
std::vector<Route> clock_routes(Runtime& runtime);
/// The description of `routes` and of itself, made once.
Route openapi_route(const std::vector<Route>& routes);

/// A callback for the engine: `render` makes the reply of what it found, on the thread of long
/// replies; an error becomes a problem.
template <class T, class Render>
Reply<T> answer_with(Responder reply, Render render) {
  return [reply = std::move(reply), render = std::move(render)](Result<T> result) {
    if (!result)
      return reply.later([error = std::move(result.error())] { return problem_of(error); });
    reply.later_at_length([result = std::make_shared<Result<T>>(std::move(result)), render] {
      return render(**result);
    });
  };
}

/// `?limit=`, `?cursor=` and `?fresh=` of a list.
struct PageQuery {
  std::size_t limit = 50;
  std::string cursor;
};
Result<PageQuery> parse_page(const Call& call);
/// `true` or `false`; nothing given is false.
Result<bool> parse_flag(const Call& call, std::string_view name);

/// An instant (RFC 3339) by name; nothing where it was not given.
Result<std::optional<Instant>> parse_when(const Call& call, std::string_view name);
Result<std::optional<Instant>> parse_when(std::string_view text, std::string_view name);
/// `?mode=` of routes that take events.
Result<bool> history_mode(const Call& call);
/// Hands a post to the engine and answers what became of it, or why it cannot be read.
void take_post(Runtime& runtime, DoorFigures& door, const Call& call, Result<EventPost> post);

/// A JSON body that must be an object, with no member but `known` ones; an empty body is an empty
/// object.
Result<Value> parse_object(std::string_view body, std::vector<std::string_view> known);
}  // namespace onward
