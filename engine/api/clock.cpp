// /v1/clock: the time that the server goes by, and an operator's word that the machine's is right.
#include "engine/api/resources.h"

namespace onward {
namespace {
Value clock_view(const MonitoredClock& clock) {
  const MonitoredClock::State state = clock.state();
  const bool uncertain = state.uncertain_until.has_value();
  Value view = ValueMap{{"clock", state.held_until ? "held"
                                  : uncertain      ? "uncertain"
                                                   : "trusted"},
                        {"now", format_instant(state.now)},
                        {"wall", format_instant(state.wall)}};
  if (state.held_until) view.set("held_until", format_instant(*state.held_until));
  if (uncertain) view.set("uncertain_until", format_instant(*state.uncertain_until));
  return view;
}

void accept(Runtime& runtime, const Call& call) {
  const auto render = [&runtime](bool) { return json_reply(200, clock_view(runtime.clock())); };
  runtime.accept_clock(answer_with<bool>(call.reply, render), call.who());
}
}  // namespace

std::vector<Route> clock_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/clock",
       Need::Read,
       "The time that the server goes by, and whether it trusts the machine's clock.",
       {},
       [&](const Call& call) { call.reply(json_reply(200, clock_view(runtime.clock()))); },
       {.id = "getClock", .answers = {{200, "Clock"}}}},
      {"POST",
       "/v1/clock/accept",
       Need::Admin,
       "Makes the server follow the machine's clock at once, after it was moved.",
       {},
       [&](const Call& call) { accept(runtime, call); },
       {.id = "acceptClock", .answers = {{200, "Clock"}}}},
  };
}
}  // namespace onward
