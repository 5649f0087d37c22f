// events send, events import.
#include <fmt/format.h>

#include <algorithm>

#include "engine/core/base/text.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/vocabulary.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"
#include "engine/files/contact_columns.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"
#include "tools/onward/upload.h"

namespace onward {
namespace {
/// Whether the field of a contact holds text whatever it looks like: a phone number is no number.
bool is_text_field(std::string_view name) {
  const FieldInfo* info = find_field(name);
  return info && info->type == FieldType::Text;
}

bool is_groups(std::string_view name) {
  return name == "groups" || name == "groups_add" || name == "groups_remove";
}

/// "first_name=Jane" into `map`: a JSON value where the text is one, else the text itself; null
/// clears, and groups are a list, as in a cell of an import. A dotted name makes nested maps.
Status set_pair(Value& map, const std::string& pair, bool of_contact) {
  const std::size_t equals = pair.find('=');
  if (equals == std::string::npos || equals == 0)
    return fail(ErrorKind::Invalid, "bad_pair",
                fmt::format("\"{}\" wants the form NAME=VALUE.", pair));
  const std::string text = pair.substr(equals + 1);
  std::string_view name = std::string_view{pair}.substr(0, equals);
  auto json = parse_json(text);
  if (json && of_contact && is_text_field(name) && !json->text() && !json->is_null()) json = text;
  if (of_contact && is_groups(name) && !(json && json->is_null())) {
    auto names = split_names(text);
    if (!names) return tl::make_unexpected(names.error());
    json = Value{ValueList(names->begin(), names->end())};
  }
  Value* at = &map;
  for (std::size_t dot; (dot = name.find('.')) != std::string_view::npos;
       name.remove_prefix(dot + 1)) {
    const std::string_view outer = name.substr(0, dot);
    if (!at->find(outer)) at->set(outer, ValueMap{});
    Value inner = *at->find(outer);
    if (!inner.map())
      return fail(ErrorKind::Invalid, "bad_pair",
                  fmt::format("\"{}\": \"{}\" is no object.", pair, outer));
    at = &at->set(outer, std::move(inner));
  }
  at->set(name, json ? *json : Value{text});
  return {};
}

/// The object `name` of `event`, to be added to; an empty one where it is missing or null.
Result<Value> object_of(const Value& event, std::string_view name) {
  const Value* given = event.find(name);
  if (!given || given->is_null()) return Value{ValueMap{}};
  if (given->map()) return *given;
  return fail(ErrorKind::Invalid, "wrong_type",
              fmt::format("\"{}\" of the event is {} and no object: flags cannot add to it.", name,
                          to_json(*given)));
}

std::string events_path(bool history) { return history ? "/v1/events?mode=history" : "/v1/events"; }

/// The known event of which `type` may be a slip of the pen; empty where it is known, or like none.
std::string slip_of(const std::string& type) {
  constexpr std::size_t kSlipEdits = 2;
  if (find_event(type)) return {};
  std::vector<std::string_view> known;
  for (const EventName& row : event_names()) known.push_back(row.name);
  return nearest_name(type, known, kSlipEdits);
}

/// A message of the server, with our flags in place of its query parameters.
std::string with_flags(std::string message) {
  constexpr std::string_view kQuery = "?mode=history", kFlag = "--history";
  if (const std::size_t at = message.find(kQuery); at != std::string::npos)
    message.replace(at, kQuery.size(), kFlag);
  return message;
}

/// Whether an event names its contact. One that names it wrongly is left to the server.
bool names_contact(const Value& event) {
  const Value* contact = event.find("contact");
  return contact && contact->map() && std::ranges::any_of(*contact->map(), [](const auto& member) {
           return member.first == "id" || member.first == "uid" || member.first == "ref" ||
                  member.first == "email";
         });
}

/// Events that are on the server's disk, by what it answered.
std::int64_t taken_of(const Answer& answer) {
  return number_of(answer.value, "accepted") + number_of(answer.value, "duplicates");
}

struct EventTotals {
  std::int64_t accepted = 0, duplicates = 0, rejected = 0, warnings = 0;
};

/// A line that was refused before and mended: without what the report has added to it.
std::string without_refusal(const std::string& line) {
  if (line.find("\"refused\"") == std::string::npos) return line;
  const auto event = parse_json(line);
  if (!event || !event->map() || !event->find("refused")) return line;
  ValueMap members = *event->map();
  std::erase_if(members, [](const auto& member) { return member.first == "refused"; });
  return to_json(Value{std::move(members)});
}

/// The line as it was read, and why it was refused; read as an event again once it is mended.
std::string refused_line(const Lines::Line& line, const Value& error) {
  ValueMap why{{"line", static_cast<std::int64_t>(line.number)},
               {"code", text_of(error, "code")},
               {"message", text_of(error, "message")}};
  auto event = parse_json(without_refusal(line.text));
  if (!event || !event->map()) {
    why.emplace_back("text", valid_utf8(line.text) ? line.text : printable(line.text));
    event = Value{ValueMap{}};
  }
  event->set("refused", std::move(why));
  return to_json(*event) + "\n";
}

void take_refused(const InputFile& file, const Answer& answer,
                  const std::vector<Lines::Line>& lines, Refusals& refusals) {
  for (const Value& error : list_of(answer.value, "errors")) {
    const auto index = static_cast<std::size_t>(number_of(error, "index"));
    if (index >= lines.size()) continue;
    refusals.add(
        fmt::format("{}:{}: {}: {}", file.name(), lines[index].number, text_of(error, "code"),
                    printable_line(with_flags(text_of(error, "message")))),
        refused_line(lines[index], error));
  }
}

/// What is known to be stored when an import ends early.
std::string stopped_text(const std::vector<Lines::Line>& lines, bool unknown,
                         std::int64_t accepted) {
  constexpr std::string_view kAgain = "Events with an id can be sent again without harm.";
  if (!unknown)
    return fmt::format("Stopped before line {}; {} were accepted. {}",
                       grouped(static_cast<std::int64_t>(lines.front().number)), grouped(accepted),
                       kAgain);
  return fmt::format("{} may have been accepted. Before that, {} were accepted. {}",
                     lines_text(lines.front().number, lines.back().number), grouped(accepted),
                     kAgain);
}

int finish_import(const Client& client, const EventTotals& totals) {
  if (client.json())
    print_json(Value{ValueMap{{"accepted", totals.accepted},
                              {"duplicates", totals.duplicates},
                              {"rejected", totals.rejected},
                              {"warnings", totals.warnings}}});
  else
    print(fmt::format("{} accepted, {} duplicates, {} rejected\n", grouped(totals.accepted),
                      grouped(totals.duplicates), grouped(totals.rejected)));
  return totals.rejected > 0 ? kExitRefused : kExitOk;
}
}  // namespace

Result<Value> event_from(const SendOptions& options) {
  Value event{ValueMap{}};
  std::string json = options.what;
  if (json == "-") {
    auto text = read_input("-");
    if (!text) return tl::make_unexpected(text.error());
    json = std::move(*text);
  }
  if (options.what == "-" || trimmed(json).starts_with('{')) {
    auto parsed = parse_json(json);
    if (!parsed) return parsed;
    event = std::move(*parsed);
    if (!event.map())
      return fail(ErrorKind::Invalid, "wrong_type",
                  "One event is a JSON object; a list goes through `onward events import`.");
  } else {
    event.set("type", options.what);
  }
  for (const auto& [name, value] :
       {std::pair{"id", &options.id}, std::pair{"source", &options.source},
        std::pair{"at", &options.at}})
    if (!value->empty()) event.set(name, *value);
  auto contact = object_of(event, "contact");
  if (!contact) return contact;
  if (!options.contact_id.empty()) contact->set("id", options.contact_id);
  if (!options.email.empty()) contact->set("email", options.email);
  for (const std::string& pair : options.set)
    if (const Status done = set_pair(*contact, pair, /*of_contact=*/true); !done)
      return tl::make_unexpected(done.error());
  event.set("contact", *std::move(contact));
  if (options.data.empty()) return event;
  auto data = object_of(event, "data");
  if (!data) return data;
  for (const std::string& pair : options.data)
    if (const Status done = set_pair(*data, pair, /*of_contact=*/false); !done)
      return tl::make_unexpected(done.error());
  event.set("data", *std::move(data));
  return event;
}

int run_send(const ClientOptions& options, const SendOptions& send) {
  const auto event = event_from(send);
  if (!event) return complain(event.error());
  if (!names_contact(*event))
    return complain(
        fmt::format("The event \"{}\" must have a contact: name it with --contact ID or --email "
                    "ADDRESS.",
                    text_of(*event, "type")),
        kExitUsage);
  const Client client{options};
  auto answer = client.call("POST", events_path(send.history), "accepted", to_json(*event));
  if (!answer) return complain(answer.error());
  if (const std::string detail = answer->text("detail"); !detail.empty())
    answer->value.set("detail", with_flags(detail));
  if (!answer->ok()) return client.refused(*answer);
  if (taken_of(*answer) != 1) return client.not_taken();
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  for (const Value& warning : list_of(answer->value, "warnings"))
    say("warning: " + text_of(warning, "code"));
  if (const std::string meant = slip_of(text_of(*event, "type")); !meant.empty())
    say(fmt::format(
        "warning: \"{}\" is none of the events that Onward knows, so it is taken as one "
        "of your own{}",
        text_of(*event, "type"), did_you_mean(meant)));
  print(number_of(answer->value, "duplicates") > 0 ? "known already, nothing done\n"
                                                   : "accepted\n");
  return kExitOk;
}

int run_import(const ClientOptions& options, const ImportOptions& given) {
  InputFile file{given.file};
  if (const Status opened = file.open(); !opened) return complain(opened.error());
  if (same_file(given.file, given.report)) return complain(kOwnReport, kExitUsage);
  Progress progress{"events", given.quiet};
  Refusals refusals{given.report, progress};
  if (const Status opened = refusals.open(); !opened) return complain(opened.error());
  const Client client{options};
  PatientPost post{client, progress};
  const std::string path = events_path(given.history);
  Lines source{file.stream()};
  EventTotals totals;
  std::vector<Lines::Line> lines;
  while (source.next(static_cast<std::size_t>(given.chunk), lines)) {
    std::string text;
    for (const Lines::Line& line : lines) text.append(without_refusal(line.text)).append("\n");
    const auto answer = post(path, "accepted", text, "application/x-ndjson");
    const bool complete =
        answer && answer->ok() &&
        taken_of(*answer) + number_of(answer->value, "rejected") == std::ssize(lines);
    if (!complete) {
      (void)refusals.finish();
      const int code = !answer        ? complain(answer.error())
                       : answer->ok() ? client.not_taken()
                                      : client.refused(*answer);
      say(stopped_text(lines, may_be_taken(answer), totals.accepted));
      return code;
    }
    totals.accepted += number_of(answer->value, "accepted");
    totals.duplicates += number_of(answer->value, "duplicates");
    totals.rejected += number_of(answer->value, "rejected");
    totals.warnings += static_cast<std::int64_t>(list_of(answer->value, "warnings").size());
    take_refused(file, *answer, lines, refusals);
    progress.show(totals.accepted + totals.duplicates + totals.rejected, totals.rejected);
  }
  if (!refusals.finish()) return complain(fmt::format("Cannot write {}.", given.report), kExitIo);
  if (file.failed()) return complain(fmt::format("Cannot read {}.", given.file), kExitIo);
  return finish_import(client, totals);
}
}  // namespace onward
