// The commands for events, contacts and their custom fields.
#include <memory>
#include <string>

#include "tools/onward/command_line.h"
#include "tools/onward/commands.h"

namespace onward {
namespace {
struct ContactFileArguments {
  ContactImportOptions contacts_in;
  ContactExportOptions contacts_out;
};

struct EventArguments {
  SendOptions send;
  ImportOptions given;
};

struct FieldArguments {
  FieldOptions field;
  std::string name;
};

struct ContactArguments {
  RunsOptions runs;
  ContactListOptions listed;
  bool yes = false;
  std::string name;
};

void add_contact_files(CommandLine& line, CLI::App& contacts) {
  const auto args = std::make_shared<ContactFileArguments>();
  ContactImportOptions& in = args->contacts_in;
  CLI::App* import = line.client_command(
      contacts, "import", "Make and change contacts from a CSV or NDJSON file",
      [&line, args] { return run_contact_import(line.client, args->contacts_in); });
  import->add_option("file", in.file, "The file, or - for standard input")->required();
  import->add_option("--format", in.format, "csv or ndjson; else told by the file")
      ->check(CLI::IsMember({"csv", "ndjson"}));
  add_repeated(import, "--map", in.map,
               "COLUMN=FIELD: \"E-mail=email\", \"Seats=custom.seats:number\", \"Old=-\" to pass "
               "over; may be repeated");
  import->add_option("--map-file", in.map_file, "The same from a YAML or JSON mapping");
  import->add_flag("--ignore-unmapped", in.ignore_unmapped, "Pass over columns without a field");
  import->add_option("--delimiter", in.delimiter, "Between cells, such as ; or tab; else detected");
  import->add_option("--empty", in.empty, "What an empty cell does to its field: leaves or clears")
      ->capture_default_str()
      ->check(CLI::IsMember({"leaves", "clears"}));
  import->add_flag("--raw", in.raw, "Keep the ' before cells that look like formulas");
  add_repeated(import, "--group", in.groups, "Every contact joins this group; may be repeated");
  import->add_flag("--trigger", in.trigger,
                   "Let the changes start scenarios; else they start none");
  import->add_flag("--dry-run", in.dry_run, "Tell what would be done, and do nothing");
  import->add_option("--report", in.report,
                     "Keep refused rows in this file, with why; mended, it can be imported");
  import->add_flag("--quiet", in.quiet, "Show no progress");
  import->add_option("--chunk", in.chunk, "Contacts in one post")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));

  ContactExportOptions& out = args->contacts_out;
  CLI::App* exported = line.client_command(
      contacts, "export", "Write contacts as CSV or NDJSON",
      [&line, args] { return run_contact_export(line.client, args->contacts_out); });
  exported->add_option("--format", out.format, "csv or ndjson")
      ->capture_default_str()
      ->check(CLI::IsMember({"csv", "ndjson"}));
  add_repeated(exported, "--fields", out.fields,
               "Only these: id,email,custom.plan,custom.*,statistics.open_rate");
  exported->add_option("--group", out.group, "Only those in this group");
  exported->add_option("--out", out.out, "Write to this file instead of standard output");
  exported->add_flag("--statistics", out.statistics, "The personal statistics as well");
  exported->add_option("--delimiter", out.delimiter,
                       "Between cells, such as ; or tab; else a comma");
  exported->add_flag("--raw", out.raw,
                     "For programs: no ' before cells that a spreadsheet would take for formulas");
  exported->add_flag("--quiet", out.quiet, "Show no progress");
}
}  // namespace

void add_events(CommandLine& line) {
  const auto args = std::make_shared<EventArguments>();
  CLI::App* events = line.app.add_subcommand("events", "Send events");
  events->require_subcommand(1);
  CLI::App* send = line.client_command(*events, "send", "Send one event",
                                       [&line, args] { return run_send(line.client, args->send); });
  send->add_option("event", args->send.what,
                   "Its type (such as subscription), a JSON object, or - for one on standard input")
      ->required();
  send->add_option("--contact", args->send.contact_id, "The contact's id");
  send->add_option("--email", args->send.email, "The contact's address");
  add_repeated(send, "--set", args->send.set,
               "A field of the contact: first_name=Jane, groups_add=vip; may be repeated");
  add_repeated(send, "--field", args->send.data,
               "A member of the event's data: form=newsletter; may be repeated");
  send->add_option("--id", args->send.id, "The event's id: a repeat takes no effect");
  send->add_option("--source", args->send.source, "Who sends it");
  send->add_option("--at", args->send.at, "When it happened (RFC 3339); now where missing");
  send->add_flag("--history", args->send.history, "Update the contact, start nothing");

  CLI::App* import =
      line.client_command(*events, "import", "Send a file of events, one JSON object a line",
                          [&line, args] { return run_import(line.client, args->given); });
  import->add_option("file", args->given.file, "The file, or - for standard input")->required();
  import->add_flag("--history", args->given.history, "Update contacts, start nothing");
  import->add_option("--chunk", args->given.chunk, "Lines in one post")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  import->add_option("--report", args->given.report,
                     "Keep refused events in this file, with why; mended, it can be imported");
  import->add_flag("--quiet", args->given.quiet, "Show no progress");
}

void add_fields(CommandLine& line) {
  const auto args = std::make_shared<FieldArguments>();
  CLI::App* fields =
      line.app.add_subcommand("fields", "Declare the custom fields that contacts may have");
  fields->require_subcommand(1);
  CLI::App* declare =
      line.client_command(*fields, "declare", "Declare a custom field",
                          [&line, args] { return run_field_declare(line.client, args->field); });
  declare->add_option("field", args->field.name, "Its name: plan, or custom.plan")->required();
  declare->add_option("--type", args->field.type, "text, number, date, instant, flag or list")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "number", "date", "instant", "flag", "list"}));
  declare->add_option("--summary", args->field.summary, "What it holds, for people");
  line.client_command(*fields, "list", "The declared custom fields",
                      [&line] { return run_fields(line.client); });
  CLI::App* remove =
      line.client_command(*fields, "remove", "Take a declaration back; values stay",
                          [&line, args] { return run_field_remove(line.client, args->name); });
  remove->add_option("field", args->name, "Its name")->required();
}

void add_people(CommandLine& line) {
  const auto args = std::make_shared<ContactArguments>();
  constexpr const char* kContactHelp = "Its id, or its address; an id with an @ as id:ID";
  CLI::App* contacts =
      line.app.add_subcommand("contacts", "Look at contacts, take them in and out");
  contacts->require_subcommand(1);
  CLI::App* get =
      line.client_command(*contacts, "get", "All that is known of a contact",
                          [&line, args] { return run_contact(line.client, args->name); });
  get->add_option("contact", args->name, kContactHelp)->required();
  for (const char* name : {"journey", "runs"}) {
    CLI::App* runs = line.client_command(
        *contacts, name, "A contact's journeys, step by step, and refused entries",
        [&line, args] { return run_runs(line.client, args->runs); });
    runs->add_option("contact", args->runs.contact, kContactHelp)->required();
    runs->add_option("--limit", args->runs.limit, "How many")->capture_default_str();
  }
  CLI::App* forget = line.client_command(
      *contacts, "forget", "Erase a contact for good; the numbers stay",
      [&line, args] { return run_contact_forget(line.client, args->name, args->yes); });
  forget->add_option("contact", args->name, kContactHelp)->required();
  forget->add_flag("--yes", args->yes, "Really");
  CLI::App* all = line.client_command(*contacts, "list", "Contacts, oldest first", [&line, args] {
    return run_contact_list(line.client, args->listed);
  });
  all->add_option("--group", args->listed.group, "Only those in this group");
  all->add_option("--limit", args->listed.limit, "How many")->capture_default_str();
  all->add_option("--cursor", args->listed.cursor, "Go on where a list ended");
  add_contact_files(line, *contacts);
}
}  // namespace onward
