#include "engine/api/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/api/problem.h"
#include "engine/core/clipped.h"
#include "engine/core/diagnostic.h"

namespace onward {
namespace {
/// Takes the first segment off a path: "/v1/events" gives "v1" and leaves "/events".
std::optional<std::string_view> next_segment(std::string_view& path) {
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

/// Whether `path` has the form of `pattern`; its parameters, still encoded, go to `raw`.
bool fits(std::string_view pattern, std::string_view path, std::vector<std::string_view>& raw) {
  raw.clear();
  while (!pattern.empty()) {
    const auto wanted = next_segment(pattern);
    const auto found = next_segment(path);
    if (!wanted || !found) return false;
    if (wanted->starts_with('{')) {
      if (found->empty()) return false;
      raw.push_back(*found);
    } else if (*wanted != *found) {
      return false;
    }
  }
  return path.empty();
}
}  // namespace

std::optional<std::string> Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

Router::Router(std::vector<Route> routes) : routes_{std::move(routes)} {}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  std::vector<std::string_view> raw;
  for (const Route& route : routes_) {
    if (!fits(route.pattern, path, raw)) continue;
    if (route.method != method) {
      if (!match.allow.empty()) match.allow += ", ";
      match.allow += route.method;
      if (route.method == "GET") match.allow += ", HEAD";
      continue;
    }
    match.route = &route;
    for (const std::string_view part : raw) {
      auto decoded = percent_decode(part);
      if (!decoded) match.bad_path = true;
      match.params.push_back(decoded.value_or(std::string{}));
    }
    return match;
  }
  return match;
}

Api::Api(std::vector<Route> routes, Access access)
    : router_{std::move(routes)}, access_{std::move(access)} {}

std::optional<ApiReply> Api::refuse_caller(const ApiRequest& request, const Route& route,
                                           Arrived arrived) const {
  if (!route.guard) return access_.refuse(request, route.need);
  const Guard& guard = *route.guard;
  const bool proof = guard.brings_proof(request);
  if (proof && arrived == Arrived::Head && guard.needs_body(request)) return std::nullopt;
  const Status checked = proof ? guard.check(request) : Status{};
  if (proof && checked) return std::nullopt;
  // A secret guards its route also where the server asks for no tokens.
  auto refusal = access_.asks_for_tokens() ? access_.refuse(request, route.need)
                                           : problem(401, "no_token", "");
  if (!refusal || refusal->status != 401) return refusal;
  if (!checked) return problem(401, checked.error().code, checked.error().message);
  return problem(401, "no_token",
                 "Send a token, the secret of this route in X-Onward-Secret, or a signature made "
                 "with it.");
}

std::optional<ApiReply> Api::refuse(const ApiRequest& request, const Router::Match& match,
                                    Arrived arrived) const {
  if (!match.route) {
    if (match.allow.empty()) return problem(404, "unknown_route", "There is nothing at this path.");
    ApiReply reply = problem(
        405, "method_not_allowed",
        fmt::format("{} is not possible here; this path takes {}.", request.method, match.allow));
    reply.headers.emplace_back("Allow", match.allow);
    return reply;
  }
  if (auto refusal = refuse_caller(request, *match.route, arrived)) return refusal;
  if (match.bad_path)
    return problem(400, "bad_path",
                   "The path holds a broken percent escape, a control character or bytes that are "
                   "no UTF-8.");
  return std::nullopt;
}

std::optional<ApiReply> Api::admit(const ApiRequest& request) const {
  return refuse(request, router_.find(request.method, request.path), Arrived::Head);
}

void Api::handle(ApiRequest& request, Reply reply) const {
  Router::Match match = router_.find(request.method, request.path);
  if (auto refusal = refuse(request, match, Arrived::Whole)) return reply(std::move(*refusal));
  auto query = parse_query(request.query);
  if (!query) return reply(problem(400, "bad_query", "The query cannot be decoded."));
  for (std::size_t i = 0; i < query->size(); ++i) {
    const std::string& name = (*query)[i].first;
    const auto& known = match.route->query;
    if (std::none_of(known.begin(), known.end(),
                     [&](const Parameter& parameter) { return parameter.name == name; })) {
      std::vector<std::string_view> names;
      names.reserve(known.size());
      for (const Parameter& parameter : known) names.push_back(parameter.name);
      const std::string nearest = nearest_name(name, std::span<const std::string_view>{names});
      return reply(problem(400, "unknown_parameter",
                           nearest.empty()
                               ? fmt::format("There is no parameter \"{}\" here.", clipped(name))
                               : fmt::format("There is no parameter \"{}\" here; perhaps \"{}\"?",
                                             clipped(name), nearest)));
    }
    for (std::size_t j = 0; j < i; ++j)
      if ((*query)[j].first == name)
        return reply(problem(400, "repeated_parameter",
                             fmt::format("The parameter \"{}\" stands twice in the query.", name)));
  }
  match.route->handler(
      {request, std::move(match.params), std::move(*query), std::move(reply), &access_});
}
}  // namespace onward
