// deliveries list, show, retry, cancel; node pause, resume.
#include <fmt/format.h>

#include <chrono>

#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
Instant now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

/// "503", or the word for why there was no status.
std::string result_of(const Value& attempt) {
  const std::string status = text_of(attempt, "status");
  const std::string code = text_of(attempt, "code");
  if (status.empty()) return code;
  return code.empty() ? status : status + " " + code;
}

std::string state_of(const Value& delivery) {
  return text_of(delivery, "state") + (flag_of(delivery, "parked") ? " (parked)" : "");
}

/// The members of a filter that were given, its times as the server reads them.
Result<ValueMap> members_of(const DeliveryFilter& filter) {
  ValueMap members;
  for (const auto& [name, text] :
       {std::pair{"scenario", &filter.scenario}, std::pair{"node", &filter.node},
        std::pair{"state", &filter.state}, std::pair{"code", &filter.code}})
    if (!text->empty()) members.emplace_back(name, *text);
  for (const auto& [name, text] :
       {std::pair{"since", &filter.since}, std::pair{"until", &filter.until}}) {
    if (text->empty()) continue;
    auto when = when_of(*text, std::string{"--"} + name, now());
    if (!when) return tl::make_unexpected(std::move(when.error()));
    members.emplace_back(name, std::move(*when));
  }
  return members;
}

StyledText delivery_text(const Value& delivery) {
  StyledText out = fmt::format("{}\n", text_of(delivery, "id"));
  for (const char* name :
       {"scenario", "node", "version", "contact", "run", "state", "reason", "batch", "batch_size",
        "created", "deadline", "parked_since", "next_attempt", "settled"}) {
    const std::string text = text_of(delivery, name);
    if (!text.empty()) out += fmt::format("  {:<13} {}\n", name, text);
  }
  if (const Value* request = delivery.find("request"); request && request->map()) {
    out += fmt::format("\n{} {}\n", text_of(*request, "method"), text_of(*request, "url"));
    for (const Value& header : list_of(*request, "headers"))
      out += fmt::format("{}: {}\n", text_of(header, "name"), text_of(header, "value"));
    out += "\n" + text_of(*request, "body") + "\n";
  } else {
    out += "\nThe request's body is no longer kept.\n";
  }
  const std::string batch = text_of(delivery, "batch");
  if (!batch.empty() && batch != text_of(delivery, "id"))
    out +=
        fmt::format("\nIt goes out with others as {}, whose attempts are listed there.\n", batch);
  else if (const std::int64_t others = number_of(delivery, "batch_size") - 1; others > 0)
    out += fmt::format("\nIt goes out with {} other{}, as one list of events.\n", others,
                       others == 1 ? "" : "s");
  Table attempts{{{"attempt", Align::Right}, {"at"}, {"took", Align::Right}, {"result"}}};
  for (const Value& attempt : list_of(delivery, "attempts")) {
    attempts.add({std::to_string(number_of(attempt, "number")), text_of(attempt, "at"),
                  fmt::format("{} ms", number_of(attempt, "took_ms")), result_of(attempt)});
    // Whole, since its end says what to do.
    if (const std::string error = text_of(attempt, "error"); !error.empty()) attempts.note(error);
  }
  if (!attempts.empty()) out += "\n" + attempts.text(terminal_width());
  for (const Value& attempt : list_of(delivery, "attempts"))
    if (const std::string response = text_of(attempt, "response"); !response.empty())
      out += fmt::format("\nAnswer to attempt {}:\n{}\n", number_of(attempt, "number"), response);
  return out;
}

StyledText list_text(const Value& value, bool with_place) {
  std::vector<Column> columns{{"delivery"}};
  if (with_place) columns.push_back({"node", Align::Left, true});
  for (Column& column : std::vector<Column>{{"contact", Align::Left, true},
                                            {"state"},
                                            {"attempts", Align::Right},
                                            {"created"},
                                            {"last", Align::Left, true},
                                            {"next or end"}})
    columns.push_back(std::move(column));
  Table table{std::move(columns)};
  for (const Value& item : list_of(value, "deliveries")) {
    const Value* last = item.find("last_attempt");
    std::vector<std::string> cells{text_of(item, "id")};
    if (with_place) cells.push_back(text_of(item, "scenario") + " " + text_of(item, "node"));
    cells.push_back(text_of(item, "contact"));
    cells.push_back(state_of(item));
    cells.push_back(std::to_string(number_of(item, "attempt_count")));
    cells.push_back(text_of(item, "created"));
    cells.push_back(last ? result_of(*last) : "");
    const std::string settled = text_of(item, "settled");
    cells.push_back(settled.empty() ? text_of(item, "next_attempt") : settled);
    table.add(std::move(cells));
    // Why, where the code alone does not tell.
    const std::string error = last ? text_of(*last, "error") : std::string{};
    const std::string reason = text_of(item, "reason");
    if (!error.empty() && text_of(item, "state") != "accepted")
      table.note(error);
    else if (!reason.empty() && !last)
      table.note(reason);
  }
  if (table.empty()) return {};
  return table.text(terminal_width());
}

std::string counted(std::int64_t count) {
  return fmt::format("{} {}", grouped(count), count == 1 ? "delivery" : "deliveries");
}

/// What came of them, as the person reads it.
int print_actions(const Client& client, const Answer& answer, const std::string& act) {
  if (client.json()) {
    print_json(answer);
    return kExitOk;
  }
  print(fmt::format("{} {}\n", counted(number_of(answer.value, "changed")),
                    act == "retry" ? "taken back to pending" : "cancelled"));
  if (const std::int64_t skipped = number_of(answer.value, "skipped"); skipped > 0)
    say(fmt::format("{} cannot be sent again: never sendable, or the body is no longer kept.",
                    counted(skipped)));
  return kExitOk;
}

int by_hand_each(const Client& client, const std::string& act,
                 const std::vector<std::string>& ids) {
  int worst = kExitOk;
  for (const std::string& id : ids) {
    const auto answer =
        client.call("POST", "/v1/deliveries/" + segment(id) + "/" + act, "changed", "{}");
    if (!answer) return complain(answer.error());
    const int code = answer->ok() ? print_actions(client, *answer, act) : client.refused(*answer);
    if (worst == kExitOk) worst = code;
  }
  return worst;
}

int by_hand_all(const Client& client, const std::string& act, ValueMap members, bool yes) {
  const std::string path = "/v1/deliveries/" + act;
  if (!yes) {
    ValueMap counting = members;
    counting.emplace_back("dry_run", true);
    const auto count = client.call("POST", path, "changed", to_json(Value{std::move(counting)}));
    if (!count) return complain(count.error());
    if (!count->ok()) return client.refused(*count);
    const std::int64_t found = number_of(count->value, "changed");
    if (found == 0) {
      say("No delivery fits.");
      return print_actions(client, *count, act);
    }
    if (!stdin_is_terminal())
      return complain(fmt::format("{} would be {}; say --yes.", counted(found),
                                  act == "retry" ? "retried" : "cancelled"),
                      kExitUsage);
    if (!confirmed(fmt::format("{} {}?", act == "retry" ? "Retry" : "Cancel", counted(found)))) {
      say("Nothing was changed.");
      return kExitOk;
    }
  }
  const auto answer = client.call("POST", path, "changed", to_json(Value{std::move(members)}));
  if (!answer) return complain(answer.error());
  return answer->ok() ? print_actions(client, *answer, act) : client.refused(*answer);
}
}  // namespace

Result<std::string> when_of(const std::string& text, std::string_view flag, Instant now) {
  if (const auto ago = parse_duration(text); ago && *ago >= Duration::zero())
    return format_instant(now - *ago);
  if (const auto day = parse_date(text)) return format_instant(*day);
  if (const auto when = parse_instant(text)) return format_instant(*when);
  return fail(ErrorKind::Invalid, "bad_time",
              fmt::format("{} wants a time such as 2026-05-01T09:00:00Z, a day (UTC), or how long "
                          "ago, such as 2h; found \"{}\".",
                          flag, text));
}

int run_deliveries(const ClientOptions& client, const DeliveriesOptions& options) {
  const auto members = members_of(options.filter);
  if (!members) return complain(members.error().message, kExitUsage);
  std::string path = fmt::format("/v1/deliveries?limit={}", options.limit);
  for (const auto& [name, value] : *members) path += "&" + name + "=" + segment(to_text(value));
  if (!options.cursor.empty()) path += "&cursor=" + segment(options.cursor);
  const bool with_place = options.filter.node.empty();
  return show(client, path, "deliveries", [&](const Value& value) {
    StyledText text = list_text(value, with_place);
    const std::string next = text_of(value, "next");
    if (text.empty()) say(next.empty() ? "No requests." : "None so far.");
    if (!next.empty()) say("There are more; go on with --cursor " + next);
    return text;
  });
}

int run_delivery(const ClientOptions& client, const std::string& id) {
  return show(client, "/v1/deliveries/" + segment(id), "attempts", delivery_text);
}

int run_by_hand(const ClientOptions& options, const std::string& act, const ByHandOptions& given) {
  auto members = members_of(given.filter);
  if (!members) return complain(members.error().message, kExitUsage);
  if (given.ids.empty() == members->empty())
    return complain(
        fmt::format("Name deliveries (evt_…), or say which with --scenario: onward deliveries {} "
                    "--scenario welcome --code 500",
                    act),
        kExitUsage);
  if (given.ids.empty() && given.filter.scenario.empty())
    return complain("Say of which --scenario; others are left alone.", kExitUsage);
  const Client client{options};
  if (!given.ids.empty()) return by_hand_each(client, act, given.ids);
  return by_hand_all(client, act, std::move(*members), given.yes);
}

int run_switch(const ClientOptions& options, const NodeOptions& node, bool pause) {
  const Client client{options};
  const auto answer =
      client.call("POST",
                  fmt::format("/v1/scenarios/{}/nodes/{}/{}", segment(node.scenario),
                              segment(node.node), pause ? "pause" : "resume"),
                  "paused", "{}");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  print(fmt::format("{} {}: {}, {} pending\n", node.scenario, node.node,
                    pause ? "paused" : "resumed", grouped(number_of(answer->value, "pending"))));
  return kExitOk;
}
}  // namespace onward
