// clock show, clock accept: the time that a server goes by.
#include <fmt/format.h>

#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
int show(const Client& client, const Result<Answer>& answer) {
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  const Value& clock = answer->value;
  const std::string state = text_of(clock, "clock");
  std::string text = fmt::format("The server goes by {}.\n", text_of(clock, "now"));
  if (state == "held")
    text += fmt::format(
        "The machine's clock was moved to {}; it is followed from {} on, or after `onward clock "
        "accept`.\n",
        text_of(clock, "wall"), text_of(clock, "held_until"));
  if (clock.find("uncertain_until") != nullptr)
    text += fmt::format(
        "The time is far from the newest that is stored. Until {}, or `onward clock accept`, no "
        "timer fires, no request fails for its deadline, and nothing is deleted for its age.\n",
        text_of(clock, "uncertain_until"));
  print(text);
  return kExitOk;
}
}  // namespace

int run_clock_show(const ClientOptions& options) {
  const Client client{options};
  return show(client, client.call("GET", "/v1/clock", "clock"));
}

int run_clock_accept(const ClientOptions& options) {
  const Client client{options};
  return show(client, client.call("POST", "/v1/clock/accept", "clock"));
}
}  // namespace onward
