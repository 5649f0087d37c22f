// /v1/sending: whether requests leave at all, and the word that lets a restored copy send.
#include "engine/api/resources.h"

namespace onward {
namespace {
Value sending_view(const Runtime& runtime) {
  const std::optional<Instant> since = runtime.shown().held_since();
  Value view = ValueMap{{"sending", since ? "held" : "on"}};
  if (since) view.set("held_since", format_instant(*since));
  view.set("pending", static_cast<std::int64_t>(runtime.figures().pending));
  return view;
}

void resume(Runtime& runtime, const Call& call) {
  const auto render = [&runtime](bool) { return json_reply(200, sending_view(runtime)); };
  runtime.calls().post(answer_with<bool>(call.reply, render), [who = call.who()](Cell& cell) {
    return cell.deliveries().resume_sending(who);
  });
}
}  // namespace

std::vector<Route> sending_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/sending",
       Need::Read,
       "Whether requests leave; a restored copy holds them.",
       {},
       [&](const Call& call) { call.reply(json_reply(200, sending_view(runtime))); },
       {.id = "getSending", .answers = {{200, "Sending"}}}},
      {"POST",
       "/v1/sending/resume",
       Need::Admin,
       "Lets a restored copy send and its timers fire: the store it was drawn of must be gone.",
       {},
       [&](const Call& call) { resume(runtime, call); },
       {.id = "resumeSending", .answers = {{200, "Sending"}}}},
  };
}
}  // namespace onward
