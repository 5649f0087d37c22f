// /v1/deliveries: the webhook requests that nodes asked for, and what came of them.
#include <fmt/format.h>

#include "engine/api/resources.h"
#include "engine/api/views.h"
#include "engine/core/base/clipped.h"
#include "engine/core/base/ids.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/delivery/delivery_codes.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"

namespace onward {
namespace {
constexpr std::string_view kSwitchCodes = "unknown_scenario unknown_node not_sending";
constexpr std::string_view kFilterCodes =
    "bad_json wrong_type unknown_member no_scenario bad_parameter bad_state";

Result<std::optional<DeliveryState>> optional_delivery_state(
    const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto state = parse_delivery_state(*text);
  if (!state)
    return fail(ErrorKind::Invalid, "bad_parameter",
                fmt::format("\"state\" can be pending, accepted, failed or cancelled, found "
                            "\"{}\".",
                            clipped(*text)));
  return state;
}

/// A word that no delivery ever has would find nothing, and say nothing.
Status check_code(const std::string& code) {
  if (code.empty() || is_delivery_code(code)) return {};
  const std::string near = nearest_name(code, delivery_words());
  return fail(ErrorKind::Invalid, "bad_parameter",
              fmt::format("\"code\" wants a status such as 503, or one of {}; found \"{}\"{}",
                          fmt::join(delivery_words(), ", "), clipped(code),
                          near.empty() ? "." : perhaps(near, "?")));
}

/// The filter that a query tells.
Result<DeliveryQuery> query_of(const Call& call) {
  DeliveryQuery query{.scenario = call.parameter("scenario").value_or(""),
                      .node = call.parameter("node").value_or(""),
                      .code = call.parameter("code").value_or("")};
  if (Status known = check_code(query.code); !known) return tl::make_unexpected(known.error());
  const auto state = optional_delivery_state(call.parameter("state"));
  if (!state) return tl::make_unexpected(state.error());
  query.state = *state;
  for (const auto& [name, to] :
       {std::pair{"since", &query.since}, std::pair{"until", &query.until}}) {
    const auto when = parse_when(call, name);
    if (!when) return tl::make_unexpected(when.error());
    *to = *when;
  }
  return query;
}

void answer_list(Runtime& runtime, const Call& call, DeliveryQuery query) {
  const auto page = parse_page(call);
  if (!page) return call.reply(problem_of(page.error()));
  const auto render = [&runtime](const DeliveryPage& found) {
    ValueList deliveries;
    for (const auto& delivery : found.deliveries)
      deliveries.push_back(view_of(delivery, runtime.epochs(), /*whole=*/false));
    return json_reply(200, ValueMap{{"deliveries", std::move(deliveries)},
                                    {"next", found.next.empty() ? Value{} : Value{found.next}}});
  };
  runtime.calls().read(
      answer_with<DeliveryPage>(call.reply, render),
      [query = std::move(query), page = *page](ReadModel& from, const Directory& names) {
        return query_deliveries(from, names, query, page.limit, page.cursor);
      });
}

void list_deliveries(Runtime& runtime, const Call& call) {
  auto query = query_of(call);
  if (!query) return call.reply(problem_of(query.error()));
  answer_list(runtime, call, std::move(*query));
}

void list_of_node(Runtime& runtime, const Call& call) {
  auto query = query_of(call);
  if (!query) return call.reply(problem_of(query.error()));
  query->scenario = call.params[0];
  query->node = call.params[1];
  answer_list(runtime, call, std::move(*query));
}

/// The delivery that the path names.
Result<DeliveryKey> key_of(Runtime& runtime, const Call& call) {
  const std::string& id = call.params.front();
  const auto key = parse_delivery(id);
  // The number alone names another delivery where the id comes from another store.
  if (key && id == format_delivery(runtime.epochs(), *key)) return *key;
  return fail(ErrorKind::NotFound, "unknown_delivery",
              fmt::format("There is no delivery \"{}\" here; one is named evt_….", clipped(id)));
}

void get_delivery(Runtime& runtime, const Call& call) {
  const auto key = key_of(runtime, call);
  if (!key) return call.reply(problem_of(key.error()));
  if (const auto fresh = parse_flag(call, "fresh"); !fresh)
    return call.reply(problem_of(fresh.error()));
  const auto render = [&runtime](const DeliveryView& found) {
    return json_reply(200, view_of(found, runtime.epochs(), /*whole=*/true));
  };
  runtime.calls().read(answer_with<DeliveryView>(call.reply, render),
                       [key = *key](ReadModel& from, const Directory& names) {
                         return query_delivery(from, names, key);
                       });
}

ApiReply render_by_hand(const ByHandAnswer& answer) {
  return json_reply(200, ValueMap{{"changed", static_cast<std::int64_t>(answer.changed)},
                                  {"skipped", static_cast<std::int64_t>(answer.skipped)}});
}

void by_hand_one(Runtime& runtime, const Call& call, ByHand act) {
  const auto key = key_of(runtime, call);
  if (!key) return call.reply(problem_of(key.error()));
  if (const auto body = parse_object(call.request.body, {}); !body)
    return call.reply(problem_of(body.error()));
  runtime.calls().post(answer_with<ByHandAnswer>(call.reply, render_by_hand),
                       [act, key = *key, who = call.who()](Cell& cell) {
                         return cell.deliveries().by_hand(act, key, who);
                       });
}

struct ByHandRequest {
  DeliveryQuery which;
  bool dry_run = false;
};

/// `{"scenario": …, "node"?, "state"?, "since"?, "until"?, "code"?, "dry_run"?}`
Result<ByHandRequest> by_hand_request(std::string_view body) {
  const auto object =
      parse_object(body, {"scenario", "node", "state", "since", "until", "code", "dry_run"});
  if (!object) return tl::make_unexpected(object.error());
  ByHandRequest request;
  std::string state, since, until;
  for (const auto& [name, to] :
       {std::pair{"scenario", &request.which.scenario}, std::pair{"node", &request.which.node},
        std::pair{"state", &state}, std::pair{"since", &since}, std::pair{"until", &until},
        std::pair{"code", &request.which.code}}) {
    const Value* given = object->find(name);
    if (!given || given->is_null()) continue;
    const bool status = std::string_view{name} == "code" && given->get_if<std::int64_t>();
    if (!given->text() && !status)
      return fail(ErrorKind::Invalid, "wrong_type",
                  fmt::format("\"{}\" wants a text, found {}.", name, clipped(to_json(*given))));
    *to = to_text(*given);
  }
  if (request.which.scenario.empty())
    return fail(ErrorKind::Invalid, "no_scenario",
                "Say of which \"scenario\"; others are left alone.");
  if (Status known = check_code(request.which.code); !known)
    return tl::make_unexpected(known.error());
  if (!state.empty()) {
    const auto parsed = optional_delivery_state(state);
    if (!parsed) return tl::make_unexpected(parsed.error());
    request.which.state = *parsed;
  }
  for (const auto& [name, text, to] : {std::tuple{"since", &since, &request.which.since},
                                       std::tuple{"until", &until, &request.which.until}}) {
    if (text->empty()) continue;
    const auto when = parse_when(*text, name);
    if (!when) return tl::make_unexpected(when.error());
    *to = *when;
  }
  if (const Value* given = object->find("dry_run")) {
    const bool* flag = given->get_if<bool>();
    if (!flag) return fail(ErrorKind::Invalid, "wrong_type", "\"dry_run\" wants true or false.");
    request.dry_run = *flag;
  }
  return request;
}

void by_hand_many(Runtime& runtime, const Call& call, ByHand act) {
  auto request = by_hand_request(call.request.body);
  if (!request) return call.reply(problem_of(request.error()));
  runtime.calls().post(answer_with<ByHandAnswer>(call.reply, render_by_hand),
                       [act, request = std::move(*request), who = call.who()](
                           Cell& cell, const Done<Result<ByHandAnswer>>& done) -> Status {
                         cell.deliveries().by_hand(act, request.which, request.dry_run, who, done,
                                                   cell.take_admission());
                         return {};
                       });
}

void switch_node(Runtime& runtime, const Call& call, bool pause) {
  if (const auto body = parse_object(call.request.body, {}); !body)
    return call.reply(problem_of(body.error()));
  const auto render = [](const SwitchAnswer& answer) {
    return json_reply(200, ValueMap{{"scenario", answer.scenario},
                                    {"node", answer.node},
                                    {"paused", answer.paused},
                                    {"pending", answer.pending}});
  };
  runtime.calls().post(
      answer_with<SwitchAnswer>(call.reply, render),
      [scenario = call.params[0], node = call.params[1], pause, who = call.who()](Cell& cell) {
        return cell.deliveries().switch_node(scenario, node, pause, who);
      });
}

Parameter state_parameter() {
  return {"state", "Only those in this state.", R"({"words": "DeliveryState"})"};
}

Parameter code_parameter() {
  return {"code", "Of the last attempt, a status or a word, or the reason of the end.",
          R"({"type": "string"})"};
}

std::vector<Route> node_delivery_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/scenarios/{id}/nodes/{node}/deliveries",
       Need::Read,
       "A node's deliveries, newest first.",
       {state_parameter(), "since", "until", code_parameter(), "limit", "cursor", "fresh"},
       [&](const Call& call) { list_of_node(runtime, call); },
       {.id = "listDeliveries",
        .tag = "deliveries",
        .answers = {{200, "Deliveries"}},
        .faults = {{404, "unknown_scenario unknown_node"}}}},
      {"POST",
       "/v1/scenarios/{id}/nodes/{node}/pause",
       Need::Author,
       "Parks the deliveries of a node, those to come as well.",
       {},
       [&](const Call& call) { switch_node(runtime, call, /*pause=*/true); },
       {.id = "pauseNode",
        .tag = "deliveries",
        .body = {{"Empty"}},
        .body_optional = true,
        .answers = {{200, "Switch"}},
        .faults = {{400, kJsonCodes}, {404, kSwitchCodes}}}},
      {"POST",
       "/v1/scenarios/{id}/nodes/{node}/resume",
       Need::Author,
       "Lets them go on.",
       {},
       [&](const Call& call) { switch_node(runtime, call, /*pause=*/false); },
       {.id = "resumeNode",
        .tag = "deliveries",
        .body = {{"Empty"}},
        .body_optional = true,
        .answers = {{200, "Switch"}},
        .faults = {{400, kJsonCodes}, {404, kSwitchCodes}}}},
  };
}

std::vector<Route> found_delivery_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/deliveries",
       Need::Read,
       "Deliveries of all scenarios or of one, newest first.",
       {"scenario", "node", state_parameter(), "since", "until", code_parameter(), "limit",
        "cursor", "fresh"},
       [&](const Call& call) { list_deliveries(runtime, call); },
       {.id = "findDeliveries",
        .answers = {{200, "Deliveries"}},
        .faults = {{400, "no_scenario"}, {404, "unknown_scenario unknown_node"}}}},
      {"GET",
       "/v1/deliveries/{id}",
       Need::Read,
       "One delivery with its request and all attempts.",
       {"fresh"},
       [&](const Call& call) { get_delivery(runtime, call); },
       {.id = "getDelivery",
        .answers = {{200, "Delivery"}},
        .faults = {{404, "unknown_delivery"}}}},
  };
}

std::vector<Route> manual_delivery_routes(Runtime& runtime) {
  return {
      {"POST",
       "/v1/deliveries/{id}/retry",
       Need::Author,
       "Takes a failed or cancelled delivery back to pending.",
       {},
       [&](const Call& call) { by_hand_one(runtime, call, ByHand::Retry); },
       {.id = "retryDelivery",
        .body = {{"Empty"}},
        .body_optional = true,
        .answers = {{200, "ByHand"}},
        .faults = {{400, kJsonCodes},
                   {404, "unknown_delivery"},
                   {409, "not_settled never_sendable body_purged"}}}},
      {"POST",
       "/v1/deliveries/{id}/cancel",
       Need::Author,
       "Takes a pending delivery back.",
       {},
       [&](const Call& call) { by_hand_one(runtime, call, ByHand::Cancel); },
       {.id = "cancelDelivery",
        .body = {{"Empty"}},
        .body_optional = true,
        .answers = {{200, "ByHand"}},
        .faults = {{400, kJsonCodes}, {404, "unknown_delivery"}, {409, "not_pending"}}}},
      {"POST",
       "/v1/deliveries/retry",
       Need::Author,
       "Takes all that fit a filter back to pending; dry_run only counts.",
       {},
       [&](const Call& call) { by_hand_many(runtime, call, ByHand::Retry); },
       {.id = "retryDeliveries",
        .body = {{"DeliveryFilter"}},
        .answers = {{200, "ByHand"}},
        .faults = {{400, kFilterCodes}, {404, "unknown_scenario unknown_node"}}}},
      {"POST",
       "/v1/deliveries/cancel",
       Need::Author,
       "Takes all pending ones that fit a filter back; dry_run only counts.",
       {},
       [&](const Call& call) { by_hand_many(runtime, call, ByHand::Cancel); },
       {.id = "cancelDeliveries",
        .body = {{"DeliveryFilter"}},
        .answers = {{200, "ByHand"}},
        .faults = {{400, kFilterCodes}, {404, "unknown_scenario unknown_node"}}}},
  };
}
}  // namespace

std::vector<Route> delivery_routes(Runtime& runtime) {
  return joined({node_delivery_routes(runtime), found_delivery_routes(runtime),
                 manual_delivery_routes(runtime)});
}
}  // namespace onward
