// contacts get, contacts journey, contacts forget.
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
      out += fmt::format("{}{}: {}\n", indent, name, to_text(value));
    }
  }
  return out;
}

/// Entries that scenarios refused to the contact.
StyledText refused_text(const Value& value) {
  Table table{{{"not let in", Align::Left, true}, {"reason"}, {"times", Align::Right}, {"last"}}};
  for (const Value& item : list_of(value, "refused"))
    table.add({text_of(item, "scenario") + (flag_of(item, "test") ? " (test)" : ""),
               text_of(item, "reason"), grouped(number_of(item, "count")), text_of(item, "last")});
  return table.empty() ? StyledText{} : table.text(terminal_width());
}

StyledText run_text(const Value& run) {
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
    std::string note = text_of(step, "note");
    if (const std::string delivery = text_of(step, "delivery"); !delivery.empty()) {
      note += (note.empty() ? "" : "  ") + delivery;
      if (const std::string state = text_of(step, "delivery_state"); !state.empty()) {
        note += " " + (flag_of(step, "delivery_parked") ? "pending (parked)" : state);
        if (const std::string reason = text_of(step, "delivery_reason"); !reason.empty())
          note += " (" + reason + ")";
      }
    }
    path.add({"  " + text_of(step, "node"), text_of(step, "at"), text_of(step, "port"), note});
  }
  return head + "\n" + (path.empty() ? StyledText{} : path.text(terminal_width()));
}

}  // namespace

int run_contact(const ClientOptions& client, const std::string& contact) {
  return show(client, contact_path(contact), "statistics",
              [](const Value& value) { return members_text(value); });
}

int run_runs(const ClientOptions& client, const RunsOptions& options) {
  const std::string path =
      fmt::format("{}/runs?limit={}", contact_path(options.contact), options.limit);
  return show(client, path, "runs", [](const Value& value) {
    StyledText out;
    for (const Value& run : list_of(value, "runs"))
      out += (out.empty() ? "" : "\n") + run_text(run);
    if (out.empty())
      say("No run of this contact is kept: it entered no scenario, or its runs were purged or are "
          "older than --keep-runs of the server.");
    if (const StyledText refused = refused_text(value); !refused.empty())
      out += (out.empty() ? "" : "\n") + refused;
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

}  // namespace onward
