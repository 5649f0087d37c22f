// resume-sending: a restored copy may send.
#include <fmt/format.h>

#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

namespace onward {
int run_resume_sending(const ClientOptions& options, bool yes) {
  const Client client{options};
  const auto state = client.call("GET", "/v1/sending", "sending");
  if (!state) return complain(state.error());
  if (!state->ok()) return client.refused(*state);
  if (state->text("sending") == "on") {
    if (client.json())
      print_json(*state);
    else
      print("Nothing is held: requests leave.\n");
    return kExitOk;
  }
  const std::string question = fmt::format(
      "{} requests are pending, and due timers fire. Is the server that this copy was "
      "drawn of gone?",
      number_of(state->value, "pending"));
  if (!yes && !confirmed(question))
    return complain("Nothing was changed; --yes resumes without asking.", kExitUsage);
  const auto answer = client.call("POST", "/v1/sending/resume", "sending");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(*answer);
  else
    print("Requests leave, and timers fire.\n");
  return kExitOk;
}
}  // namespace onward
