// /v1/placeholders: the names that authors may use for values.
#include "engine/core/template/placeholders.h"

#include "engine/api/resources.h"

namespace onward {
std::vector<Route> placeholder_routes() {
  return {{"GET",
           "/v1/placeholders",
           Need::Read,
           "Every placeholder, payload path and contact field that a scenario may name.",
           {},
           [](const Call& call) {
             ValueList list;
             for (const PlaceholderInfo& info : placeholders()) list.push_back(to_value(info));
             call.reply(json_reply(200, ValueMap{{"placeholders", std::move(list)}}));
           },
           {.id = "listPlaceholders", .answers = {{200, "Placeholders"}}}}};
}
}  // namespace onward
