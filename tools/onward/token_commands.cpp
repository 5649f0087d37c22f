// token create|list|revoke.
#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
Result<std::string> end_of(const std::string& text, Instant now) {
  if (const auto length = parse_duration(text)) {
    if (*length > Duration{0} && *length < std::chrono::years{1'000})
      return format_instant(now + *length);
  } else if (const auto day = parse_date(text)) {
    return format_instant(Instant{*day});
  } else if (const auto instant = parse_instant(text)) {
    return format_instant(*instant);
  }
  return fail(ErrorKind::Invalid, "bad_time",
              fmt::format("--expires wants a time such as 2026-12-24T09:00:00Z, a day, or how long "
                          "from now (90d), found \"{}\".",
                          text));
}

int run_token_create(const ClientOptions& options, const TokenOptions& token) {
  Value body = ValueMap{{"name", token.name}, {"role", token.role}};
  if (!token.expires.empty()) {
    auto end =
        end_of(token.expires, std::chrono::floor<Duration>(std::chrono::system_clock::now()));
    if (!end) return complain(end.error().message, kExitUsage);
    body.set("expires_at", std::move(*end));
  }
  const Client client{options};
  const auto answer = client.call("POST", "/v1/tokens", "token", to_json(body));
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  print(text_of(answer->value, "token") + "\n");
  const std::string end = text_of(answer->value, "expires_at");
  say(fmt::format("The role of \"{}\" is {}{}. Keep the token: it is not shown again.", token.name,
                  text_of(answer->value, "role"), end.empty() ? "" : ", until " + end));
  return kExitOk;
}

int run_token_list(const ClientOptions& client) {
  return show(client, "/v1/tokens", "tokens", [](const Value& value) {
    Table table{{{"token", Align::Left, true},
                 {"role"},
                 {"created"},
                 {"expires", Align::Left, true},
                 {"hash"}}};
    for (const Value& token : list_of(value, "tokens"))
      table.add({text_of(token, "name"), text_of(token, "role"), text_of(token, "created_at"),
                 text_of(token, "expires_at") + (flag_of(token, "expired") ? " (expired)" : ""),
                 text_of(token, "hash") + "…"});
    return table.text(terminal_width());
  });
}

int run_token_revoke(const ClientOptions& options, const std::string& name) {
  const Client client{options};
  const auto answer = client.call("DELETE", "/v1/tokens/" + segment(name), {});
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(Value{ValueMap{{"name", name}, {"revoked", true}}});
  else
    print(fmt::format("{}: revoked\n", name));
  return kExitOk;
}
}  // namespace onward
