#include "engine/api/resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/api/event_parts.h"
#include "engine/api/openapi.h"
#include "engine/core/base/text.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
constexpr std::size_t kPageMax = 500;
}  // namespace

std::vector<Route> all_routes(Runtime& runtime, const Clock& clock,
                              const SharedIntakeSecrets& secrets,
                              std::shared_ptr<const LoginRefusals> refusals) {
  const auto door = std::make_shared<DoorFigures>();
  std::vector<Route> routes = joined(
      {event_routes(runtime, clock, door),  // First: the busiest.
       intake_routes(runtime, clock, door, secrets), contact_routes(runtime), field_routes(runtime),
       scenario_routes(runtime), scenario_life_routes(runtime), delivery_routes(runtime),
       run_routes(runtime), log_routes(runtime), placeholder_routes(), health_routes(runtime),
       metrics_routes(runtime, clock, door, std::move(refusals)), secret_routes(runtime, clock),
       token_routes(runtime, clock), sending_routes(runtime), clock_routes(runtime)});
  routes.push_back(openapi_route(routes));
  return routes;
}

std::vector<Route> joined(std::initializer_list<std::vector<Route>> groups) {
  std::vector<Route> routes;
  for (const std::vector<Route>& group : groups)
    routes.insert(routes.end(), group.begin(), group.end());
  return routes;
}

Route openapi_route(const std::vector<Route>& routes) {
  Route route{"GET",
              "/openapi.json",
              Need::Nothing,
              "This description, made of the table of routes.",
              {},
              {},
              {.id = "describe", .answers = {{200, R"({"type": "object"})"}}}};
  std::vector<Route> all = routes;
  all.push_back(route);
  const auto text = std::make_shared<const std::string>(
      to_pretty_json(openapi_document(all, ONWARD_VERSION)) + "\n");
  route.handler = [text](const Call& call) { call.reply(ApiReply{.shared_body = text}); };
  return route;
}

Result<bool> parse_flag(const Call& call, std::string_view name) {
  const auto text = call.parameter(name);
  if (!text || *text == "false" || *text == "0") return false;
  if (text->empty() || *text == "true" || *text == "1") return true;
  return fail(ErrorKind::Invalid, "bad_parameter",
              fmt::format("\"{}\" wants true or false, found \"{}\".", name, clipped(*text)));
}

Result<PageQuery> parse_page(const Call& call) {
  PageQuery page;
  if (const auto text = call.parameter("limit")) {
    const auto [end, fault] =
        std::from_chars(text->data(), text->data() + text->size(), page.limit);
    if (fault != std::errc{} || end != text->data() + text->size() || page.limit == 0 ||
        page.limit > kPageMax)
      return fail(ErrorKind::Invalid, "bad_parameter",
                  fmt::format("\"limit\" wants a number from 1 to {}, found \"{}\".", kPageMax,
                              clipped(*text)));
  }
  page.cursor = call.parameter("cursor").value_or(std::string{});
  // Lists are always fresh; what older clients ask for must still be a flag.
  if (const auto fresh = parse_flag(call, "fresh"); !fresh)
    return tl::make_unexpected(fresh.error());
  return page;
}

Result<std::optional<Instant>> parse_when(std::string_view text, std::string_view name) {
  const auto when = parse_instant(text);
  if (!when)
    return fail(ErrorKind::Invalid, "bad_parameter",
                fmt::format("\"{}\" wants a time such as 2026-05-01T09:00:00Z, found \"{}\".", name,
                            clipped(text)));
  return when;
}

Result<std::optional<Instant>> parse_when(const Call& call, std::string_view name) {
  const auto text = call.parameter(name);
  if (!text) return std::nullopt;
  return parse_when(*text, name);
}

Result<Value> parse_object(std::string_view body, std::vector<std::string_view> known) {
  if (is_blank(body)) return Value{ValueMap{}};
  auto object = parse_posted(body);
  if (!object) return object;
  if (!object->map())
    return fail(ErrorKind::Invalid, "wrong_type", "The body must be a JSON object.");
  for (const auto& [name, value] : *object->map()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string nearest = nearest_name(name, std::span<const std::string_view>{known});
    if (known.empty())
      return fail(ErrorKind::Invalid, "unknown_member",
                  fmt::format("Nothing is told here, found \"{}\".", clipped(name)));
    return fail(ErrorKind::Invalid, "unknown_member",
                nearest.empty() ? fmt::format("There is no member \"{}\" here, only {}.",
                                              clipped(name), fmt::join(known, ", "))
                                : fmt::format("There is no member \"{}\" here{}", clipped(name),
                                              perhaps(nearest, "?")));
  }
  return object;
}
}  // namespace onward
