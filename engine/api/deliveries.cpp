// /v1/deliveries: the webhook requests that nodes asked for, and what came of them.
#include <fmt/format.h>

#include "engine/api/resources.h"
#include "engine/api/views.h"
#include "engine/core/delivery.h"
#include "engine/core/ids.h"

namespace onward {
namespace {
void list(Runtime& runtime, const Call& call) {
  const auto page = parse_page(call);
  if (!page) return call.reply(problem_of(page.error()));
  std::optional<DeliveryState> state;
  if (const auto text = call.parameter("state")) {
    state = parse_delivery_state(*text);
    if (!state)
      return call.reply(problem(400, "bad_parameter",
                                fmt::format("\"state\" can be pending, accepted, failed or "
                                            "cancelled, found \"{}\".",
                                            *text)));
  }
  const auto render = [&runtime](const Runtime::DeliveryPage& found) {
    ValueList deliveries;
    for (const auto& delivery : found.deliveries)
      deliveries.push_back(view_of(delivery, runtime.epoch(), /*whole=*/false));
    return json_reply(200, ValueMap{{"deliveries", std::move(deliveries)},
                                    {"next", found.next.empty() ? Value{} : Value{found.next}}});
  };
  unless_taken(
      call.reply,
      runtime.deliveries(call.params[0], call.params[1], state, page->limit, page->cursor,
                         page->fresh, answer_with<Runtime::DeliveryPage>(call.reply, render)));
}

void get(Runtime& runtime, const Call& call) {
  const std::string& id = call.params.front();
  const auto key = parse_delivery(id);
  // The number alone names another delivery where the id comes from another store.
  if (!key || id != format_delivery(runtime.epoch(), *key))
    return call.reply(
        problem(404, "unknown_delivery",
                fmt::format("There is no delivery \"{}\" here; one is named evt_….", id)));
  const auto fresh = parse_flag(call, "fresh");
  if (!fresh) return call.reply(problem_of(fresh.error()));
  const auto render = [&runtime](const Runtime::DeliveryView& found) {
    return json_reply(200, view_of(found, runtime.epoch(), /*whole=*/true));
  };
  unless_taken(
      call.reply,
      runtime.delivery(*key, *fresh, answer_with<Runtime::DeliveryView>(call.reply, render)));
}
}  // namespace

std::vector<Route> delivery_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/scenarios/{id}/nodes/{node}/deliveries",
       Need::Read,
       "A node's deliveries, newest first.",
       {{"state", "Only those in this state.",
         R"({"enum": ["pending", "accepted", "failed", "cancelled"]})"},
        "limit",
        "cursor",
        "fresh"},
       [&](const Call& call) { list(runtime, call); },
       {.id = "listDeliveries",
        .tag = "deliveries",
        .answers = {{200, "Deliveries"}},
        .faults = {{404, "unknown_scenario unknown_node"}}}},
      {"GET",
       "/v1/deliveries/{id}",
       Need::Read,
       "One delivery with its request and all attempts.",
       {"fresh"},
       [&](const Call& call) { get(runtime, call); },
       {.id = "getDelivery",
        .answers = {{200, "Delivery"}},
        .faults = {{404, "unknown_delivery"}}}},
  };
}
}  // namespace onward
