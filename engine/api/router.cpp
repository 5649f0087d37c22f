#include "engine/api/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/api/problem.h"
#include "engine/core/base/clipped.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"
#include "engine/guard/guarded.h"

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

Api::Api(std::vector<Route> routes, Access access, LogSink log,
         std::shared_ptr<LoginRefusals> refusals)
    : router_{std::move(routes)},
      access_{std::move(access)},
      log_{std::move(log)},
      refusals_{std::move(refusals)} {}

Api::Login Api::judge_by_token(const ApiRequest& request, const Route& route) const {
  if (auto refusal = access_.judge(request, route.need)) return {std::move(refusal)};
  const bool asked = route.need != Need::Nothing || !access_.asks_for_tokens();
  return {std::nullopt, asked ? Proof::Credential : Proof::None};
}

Api::Login Api::judge_caller(const ApiRequest& request, const Route& route, Arrived arrived) const {
  if (!route.guard) return judge_by_token(request, route);
  const Guard& guard = *route.guard;
  // A secret guards its route also where the server asks for no tokens.
  Login by_token = access_.asks_for_tokens() ? judge_by_token(request, route)
                                             : Login{LoginRefusal{401, "no_token", ""}};
  if (!by_token.refusal) return by_token;
  const bool brings = guard.brings_proof(request);
  if (brings && arrived == Arrived::Head && guard.needs_body(request)) return {};
  const Result<Proof> checked = brings ? guard.check(request) : Result<Proof>{Proof::None};
  if (brings && checked) return {std::nullopt, *checked};
  if (by_token.refusal->status != 401) return by_token;
  if (!checked) return {LoginRefusal{401, checked.error().code, checked.error().message}};
  return {
      LoginRefusal{401, "no_token",
                   "Send a token, the secret of this route in X-Onward-Secret, or a signature made "
                   "with it."}};
}

/// Once for each refused request: the head of a request without a body is judged again as a whole.
void Api::note(const LoginRefusal& refusal, const ApiRequest& request, const Route& route,
               Arrived arrived) const {
  if (!refusals_ || (arrived == Arrived::Head && !request.body_follows)) return;
  refusals_->note(refusal.code, request, route.pattern);
}

Api::Judgement Api::judge(const ApiRequest& request, const Router::Match& match,
                          Arrived arrived) const {
  if (!match.route) {
    if (match.allow.empty())
      return {problem(404, "unknown_route", "There is nothing at this path.")};
    ApiReply reply = problem(
        405, "method_not_allowed",
        fmt::format("{} is not possible here; this path takes {}.", request.method, match.allow));
    reply.headers.emplace_back("Allow", match.allow);
    return {std::move(reply)};
  }
  Login login = judge_caller(request, *match.route, arrived);
  if (login.refusal) {
    note(*login.refusal, request, *match.route, arrived);
    return {problem(login.refusal->status, login.refusal->code, login.refusal->message)};
  }
  Judgement judgement{std::nullopt, login.proof};
  if (match.bad_path)
    judgement.refusal = problem(400, "bad_path",
                                "The path holds a broken percent escape, a control character or "
                                "bytes that are no UTF-8.");
  // A query is read by every handler, and no signature covers it.
  if (!judgement.refusal && judgement.proof == Proof::BodySignature && !request.query.empty())
    judgement.refusal = problem(400, "unsigned_attributes",
                                "The signature covers the body, not the query: send this request "
                                "without \"?\", or with a token or X-Onward-Secret.");
  return judgement;
}

Admission Api::admit(const ApiRequest& request) const {
  Judgement judgement = judge(request, router_.find(request.method, request.path), Arrived::Head);
  return {std::move(judgement.refusal), judgement.proof == Proof::Credential};
}

void Api::handle(ApiRequest& request, Responder reply) const {
  // A copy, or its last owner's end would answer in place of the incident.
  const Responder kept = reply;
  const Route* route = nullptr;
  try {
    answer(request, std::move(reply), route);
  } catch (...) {
    // The pattern, not the path: that may hold the id of a contact.
    const std::string_view pattern = route == nullptr ? "no route" : route->pattern;
    kept(problem_of(caught(fmt::format("{} {}", request.method, pattern), log_)));
  }
}

void Api::answer(ApiRequest& request, Responder reply, const Route*& route) const {
  Router::Match match = router_.find(request.method, request.path);
  route = match.route;
  Judgement judgement = judge(request, match, Arrived::Whole);
  if (judgement.refusal) return reply(*std::move(judgement.refusal));
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
                           fmt::format("There is no parameter \"{}\" here{}", clipped(name),
                                       nearest.empty() ? "." : perhaps(nearest, "?"))));
    }
    for (std::size_t j = 0; j < i; ++j)
      if ((*query)[j].first == name)
        return reply(problem(400, "repeated_parameter",
                             fmt::format("The parameter \"{}\" stands twice in the query.", name)));
  }
  match.route->handler({request, std::move(match.params), std::move(*query), std::move(reply),
                        &access_, judgement.proof});
}
}  // namespace onward
