// contacts get, contacts runs, contacts forget, deliveries list, deliveries get.
#include <fmt/format.h>

#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// "email:jane@…" where only an address was given; "id:…" says that it is none.
std::string contact_path(const std::string& contact) {
  if (contact.starts_with("id:")) return "/v1/contacts/" + segment(contact.substr(3));
  const bool email = contact.find('@') != std::string::npos && !contact.starts_with("email:");
  return "/v1/contacts/" + segment(email ? "email:" + contact : contact);
}

/// The members of an object, a line each; what is null or empty is left out.
std::string members_text(const Value& object, const std::string& indent = {}) {
  std::string out;
  if (!object.map()) return out;
  for (const auto& [name, value] : *object.map()) {
    if (value.is_null() || (value.list() && value.list()->empty())) continue;
    if (value.map()) {
      const std::string inner = members_text(value, indent + "  ");
      if (!inner.empty()) out += fmt::format("{}{}:\n{}", indent, name, inner);
    } else {
      out += fmt::format("{}{}: {}\n", indent, name, printable(to_text(value)));
    }
  }
  return out;
}

std::string run_text(const Value& run) {
  std::string head = fmt::format("{}  version {}, {}", text_of(run, "scenario"),
                                 number_of(run, "version"), text_of(run, "state"));
  if (const std::string reason = text_of(run, "reason"); !reason.empty())
    head += " (" + reason + ")";
  if (flag_of(run, "test")) head += ", test";
  head += fmt::format("  {}\n  started {}", text_of(run, "id"), text_of(run, "started"));
  if (const std::string ended = text_of(run, "ended"); !ended.empty()) head += ", ended " + ended;
  if (const std::string wake = text_of(run, "wake_at"); !wake.empty()) head += ", goes on " + wake;
  Table path{{{"  node", Align::Left, true}, {"arrived"}, {"left by"}, {"", Align::Left, true}}};
  for (const Value& step : list_of(run, "path")) {
    std::string note = printable(text_of(step, "note"));
    const std::string delivery = text_of(step, "delivery");
    if (!delivery.empty()) note += (note.empty() ? "" : "  ") + delivery;
    path.add({"  " + text_of(step, "node"), text_of(step, "at"), text_of(step, "port"), note});
  }
  return head + "\n" + (path.empty() ? "" : path.text(terminal_width(), colour_on_stdout()));
}

/// "503", or the word for why there was no status.
std::string result_of(const Value& attempt) {
  const std::string status = text_of(attempt, "status");
  const std::string code = text_of(attempt, "code");
  if (status.empty()) return code;
  return code.empty() ? status : status + " " + code;
}

std::string delivery_text(const Value& delivery) {
  std::string out = fmt::format("{}\n", text_of(delivery, "id"));
  for (const char* name : {"scenario", "node", "version", "contact", "run", "state", "reason",
                           "created", "deadline", "next_attempt", "settled"}) {
    const std::string text = printable(text_of(delivery, name));
    if (!text.empty()) out += fmt::format("  {:<13} {}\n", name, text);
  }
  if (const Value* request = delivery.find("request"); request && request->map()) {
    out +=
        fmt::format("\n{} {}\n", text_of(*request, "method"), printable(text_of(*request, "url")));
    for (const Value& header : list_of(*request, "headers"))
      out += fmt::format("{}: {}\n", text_of(header, "name"), printable(text_of(header, "value")));
    out += "\n" + printable(text_of(*request, "body")) + "\n";
  } else {
    out += "\nThe request's body is no longer kept.\n";
  }
  Table attempts{{{"attempt", Align::Right}, {"at"}, {"took", Align::Right}, {"result"}}};
  for (const Value& attempt : list_of(delivery, "attempts")) {
    attempts.add({std::to_string(number_of(attempt, "number")), text_of(attempt, "at"),
                  fmt::format("{} ms", number_of(attempt, "took_ms")), result_of(attempt)});
    // Whole, since its end says what to do.
    if (const std::string error = text_of(attempt, "error"); !error.empty())
      attempts.note(printable(error));
  }
  if (!attempts.empty()) out += "\n" + attempts.text(terminal_width(), colour_on_stdout());
  for (const Value& attempt : list_of(delivery, "attempts"))
    if (const std::string response = text_of(attempt, "response"); !response.empty())
      out += fmt::format("\nAnswer to attempt {}:\n{}\n", number_of(attempt, "number"),
                         printable(response));
  return out;
}

/// Fetches what has the member `member`, and prints it, as JSON or by `text`.
template <class Text>
int show(const ClientOptions& options, const std::string& path, std::string_view member,
         Text text) {
  const Client client{options};
  const auto answer = client.call("GET", path, member);
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(*answer);
  else
    print(text(answer->value));
  return kExitOk;
}
}  // namespace

int run_contact(const ClientOptions& client, const std::string& contact) {
  return show(client, contact_path(contact), "statistics",
              [](const Value& value) { return members_text(value); });
}

int run_runs(const ClientOptions& client, const RunsOptions& options) {
  const std::string path =
      fmt::format("{}/runs?fresh=true&limit={}", contact_path(options.contact), options.limit);
  return show(client, path, "runs", [](const Value& value) {
    std::string out;
    for (const Value& run : list_of(value, "runs"))
      out += (out.empty() ? "" : "\n") + run_text(run);
    if (out.empty()) say("This contact entered no scenario yet.");
    if (!text_of(value, "next").empty()) say("There are more; ask for them with --limit.");
    return out;
  });
}

int run_contact_forget(const ClientOptions& options, const std::string& contact, bool yes) {
  if (!yes)
    return complain(
        "A contact that is forgotten is gone for good, its journeys with it. Say --yes to do that.",
        kExitUsage);
  const Client client{options};
  const auto answer = client.call("DELETE", contact_path(contact), {});
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(Value{ValueMap{{"forgotten", contact}}});
  else
    print("forgotten\n");
  return kExitOk;
}

int run_deliveries(const ClientOptions& client, const DeliveriesOptions& options) {
  std::string path = fmt::format("/v1/scenarios/{}/nodes/{}/deliveries?fresh=true&limit={}",
                                 segment(options.scenario), segment(options.node), options.limit);
  if (!options.state.empty()) path += "&state=" + segment(options.state);
  if (!options.cursor.empty()) path += "&cursor=" + segment(options.cursor);
  return show(client, path, "deliveries", [](const Value& value) {
    Table table{{{"delivery"},
                 {"contact", Align::Left, true},
                 {"state"},
                 {"attempts", Align::Right},
                 {"last", Align::Left, true}}};
    for (const Value& item : list_of(value, "deliveries")) {
      const Value* last = item.find("last_attempt");
      table.add({text_of(item, "id"), printable(text_of(item, "contact")), text_of(item, "state"),
                 std::to_string(number_of(item, "attempt_count")), last ? result_of(*last) : ""});
    }
    if (table.empty()) say("There is no such delivery.");
    if (const std::string next = text_of(value, "next"); !next.empty())
      say("There are more; go on with --cursor " + next);
    return table.empty() ? std::string{} : table.text(terminal_width(), colour_on_stdout());
  });
}

int run_delivery(const ClientOptions& client, const std::string& id) {
  return show(client, "/v1/deliveries/" + segment(id) + "?fresh=true", "attempts", delivery_text);
}
}  // namespace onward
