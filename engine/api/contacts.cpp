// /v1/contacts: who they are, and where they have been.
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "engine/api/contact_import.h"
#include "engine/api/event_parts.h"
#include "engine/api/resources.h"
#include "engine/api/views.h"
#include "engine/core/base/clipped.h"
#include "engine/core/contact/contact.h"
#include "engine/files/csv.h"

namespace onward {
namespace {
constexpr std::string_view kByEmail = "email:";

/// "c1", or "email:jane@example.org".
Result<ContactName> name_of(const Call& call) {
  const std::string& text = call.params.front();
  if (!text.starts_with(kByEmail)) return ContactName{text, {}};
  std::string email = normal_email(std::string_view{text}.substr(kByEmail.size()));
  if (email.empty())
    return fail(ErrorKind::Invalid, "bad_contact", "There is no address behind \"email:\".");
  return ContactName{{}, std::move(email)};
}

/// The contact that the path alone describes: what names it obeys the rules of a body's members.
Result<ContactInput> input_of_path(const ContactName& name) {
  return name.id.empty() ? parse_contact(ValueMap{{"email", name.email}})
                         : parse_contact(ValueMap{{"id", name.id}});
}

/// Whether the patch takes the address away from a contact.
bool clears_email(const ContactPatch& patch) {
  for (const auto& [field, value] : patch.fields)
    if (field == Field::Email) return value.is_null();
  return false;
}

/// The contact of the body, under the name of the path. The body may repeat the id, and tells
/// whether it is a number; it gives an id to a contact named by email.
Result<ContactInput> input_of(const Call& call, const ContactName& name,
                              const CustomFields& declared) {
  const auto body = parse_posted(call.request.body);
  if (!body) return tl::make_unexpected(body.error());
  if (!body->map())
    return fail(ErrorKind::Invalid, "wrong_type", "The body must be a JSON object.");
  auto named = input_of_path(name);
  if (!named) return named;
  auto input = parse_contact(*body, &declared);
  if (!input) return input;
  if (name.id.empty()) {
    if (clears_email(input->patch) && !input->who.id)
      return fail(ErrorKind::Invalid, "no_identity",
                  "A contact named by its address keeps it, or gets an \"id\": without either "
                  "nobody finds it again.");
    const bool has_email = body->find("email") != nullptr;
    if (!has_email) input->patch.fields.emplace_back(Field::Email, name.email);
    input->who.email = name.email;
    return input;
  }
  if (!input->who.id) input->who.id = std::move(named->who.id);
  if (input->who.id->text != name.id)
    return fail(ErrorKind::Invalid, "id_mismatch",
                fmt::format("The path names the contact \"{}\", the body \"{}\".", name.id,
                            input->who.id->text));
  return input;
}

void change_contact(Runtime& runtime, const Call& call, bool create) {
  const auto name = name_of(call);
  if (!name) return call.reply(problem_of(name.error()));
  auto input = input_of(call, *name, *runtime.shown().fields());
  if (!input) return call.reply(problem_of(input.error()));
  const auto render = [](const ContactAnswer& answer) {
    return json_reply(answer.created ? 201 : 200, view_of(answer));
  };
  runtime.intake().patch(answer_with<ContactAnswer>(call.reply, render), std::move(input->who),
                         std::move(input->patch), create);
}

void get_contact(Runtime& runtime, const Call& call) {
  const auto name = name_of(call);
  if (!name) return call.reply(problem_of(name.error()));
  const auto render = [](const ContactAnswer& answer) { return json_reply(200, view_of(answer)); };
  // What cannot be read is only answered: the engine goes on.
  runtime.calls().post(
      answer_with<ContactAnswer>(call.reply, render),
      [name = *name](Cell& cell, const Done<Result<ContactAnswer>>& done) -> Status {
        done(cell.guarded("engine.call", [&] { return cell.contacts().contact(name); }));
        return {};
      });
}

void forget_contact(Runtime& runtime, const Call& call) {
  const auto name = name_of(call);
  if (!name) return call.reply(problem_of(name.error()));
  const auto render = [](bool found) {
    return found ? ApiReply{204, "", ""}
                 : problem(404, "unknown_contact", "There is no such contact.");
  };
  runtime.intake().forget(answer_with<bool>(call.reply, render), *name, call.who());
}

void list_runs(Runtime& runtime, const Call& call) {
  const auto name = name_of(call);
  if (!name) return call.reply(problem_of(name.error()));
  const auto page = parse_page(call);
  if (!page) return call.reply(problem_of(page.error()));
  const auto render = [&runtime](const RunPage& found) {
    ValueList runs;
    for (const auto& run : found.runs) runs.push_back(view_of(run, runtime.epochs()));
    ValueList refused;
    for (const auto& one : found.refused) refused.push_back(view_of(one));
    return json_reply(200, ValueMap{{"runs", std::move(runs)},
                                    {"next", found.next.empty() ? Value{} : Value{found.next}},
                                    {"refused", std::move(refused)}});
  };
  runtime.calls().read(answer_with<RunPage>(call.reply, render),
                       [name = *name, page = *page](ReadModel& from, const Directory& names) {
                         return query_runs(from, names, name, page.limit, page.cursor);
                       });
}

// ---- many at once ----

constexpr std::string_view kFlag = R"({"type": "boolean", "default": false})";

tl::unexpected<Error> bad_parameter(std::string message) {
  return fail(ErrorKind::Invalid, "bad_parameter", std::move(message));
}

/// "{"E-mail": "email", "Plan": "custom.plan"}"
Result<ColumnMap> parse_map(const std::string& text) {
  const auto object = parse_posted(text);
  if (!object) return tl::make_unexpected(object.error());
  ColumnMap map;
  const ValueMap* members = object->map();
  if (members == nullptr)
    return bad_parameter("\"map\" wants an object such as {\"E-mail\": \"email\"}.");
  for (const auto& [header, field] : *members) {
    if (field.text() == nullptr)
      return bad_parameter(
          fmt::format("\"map\" wants the name of a field for \"{}\".", clipped(header)));
    map.emplace_back(header, *field.text());
  }
  return map;
}

Result<ImportForm> import_form(const Call& call) {
  ImportForm form;
  const std::string type = media_type(call.request.header("content-type"));
  form.csv = type == "text/csv";
  if (!form.csv && type != "application/x-ndjson" && type != "application/ndjson" &&
      type != "application/jsonl")
    return fail(ErrorKind::Invalid, "unsupported_media_type",
                fmt::format("Contacts come as text/csv or application/x-ndjson, not \"{}\".",
                            clipped(type)));
  if (const auto text = call.parameter("map")) {
    auto map = parse_map(*text);
    if (!map) return tl::make_unexpected(map.error());
    form.map = std::move(*map);
  }
  if (const auto text = call.parameter("delimiter")) {
    const auto delimiter = parse_csv_delimiter(*text);
    if (!delimiter)
      return bad_parameter(
          fmt::format("\"delimiter\" must be tab or one ASCII character other than a quote, found "
                      "\"{}\".",
                      clipped(*text)));
    form.delimiter = *delimiter;
  }
  if (const auto text = call.parameter("empty")) {
    if (*text != "clears" && *text != "leaves")
      return bad_parameter(
          fmt::format("\"empty\" can be leaves or clears, found \"{}\".", clipped(*text)));
    form.cells.empty_clears = *text == "clears";
  }
  for (const auto& [name, into] :
       {std::pair{"ignore_unmapped", &form.ignore_unmapped}, std::pair{"raw", &form.cells.raw}}) {
    const auto flag = parse_flag(call, name);
    if (!flag) return tl::make_unexpected(flag.error());
    *into = *flag;
  }
  if (const auto text = call.parameter("groups")) {
    auto groups = split_names(*text);
    if (!groups) return tl::make_unexpected(groups.error());
    form.groups = std::move(*groups);
  }
  return form;
}

void import_contacts(Runtime& runtime, const Call& call) {
  const auto form = import_form(call);
  if (!form)
    return call.reply(form.error().code == "unsupported_media_type"
                          ? problem(415, form.error().code, form.error().message)
                          : problem_of(form.error()));
  ImportMode mode;
  for (const auto& [name, into] :
       {std::pair{"trigger", &mode.trigger}, std::pair{"dry_run", &mode.dry_run}}) {
    const auto flag = parse_flag(call, name);
    if (!flag) return call.reply(problem_of(flag.error()));
    *into = *flag;
  }
  auto post = parse_import(call.request.body, *form, *runtime.shown().fields());
  if (!post)
    return call.reply(problem(post.error().code == "too_many_contacts" ? 413 : 400,
                              post.error().code, post.error().message));
  if (post->contacts.empty()) return call.reply(render_import(*post, {}, mode.dry_run));
  std::vector<ContactInput> contacts = std::exchange(post->contacts, {});
  const auto places = std::make_shared<const ImportPost>(std::move(*post));
  const auto render = [places, dry = mode.dry_run](const std::vector<ImportAnswer>& answers) {
    return render_import(*places, answers, dry);
  };
  runtime.intake().import(answer_with<std::vector<ImportAnswer>>(call.reply, render),
                          std::move(contacts), mode, call.who());
}

/// Whether the caller asks for a line each.
bool wants_lines(const Call& call) {
  return call.request.header("accept").find("ndjson") != std::string_view::npos;
}

void list_contacts(Runtime& runtime, const Call& call) {
  const auto page = parse_page(call);
  if (!page) return call.reply(problem_of(page.error()));
  const auto statistics = parse_flag(call, "statistics");
  if (!statistics) return call.reply(problem_of(statistics.error()));
  const auto render = [with = *statistics, lines = wants_lines(call)](const ContactPage& found) {
    ValueList contacts;
    ApiReply reply{200, "application/x-ndjson", {}};
    for (const ContactAnswer& contact : found.contacts) {
      Value view = with ? view_of(contact) : to_value(contact.contact);
      if (lines)
        reply.body += to_json(view) + "\n";
      else
        contacts.push_back(std::move(view));
    }
    if (!lines)
      return json_reply(200, ValueMap{{"contacts", std::move(contacts)},
                                      {"next", found.next.empty() ? Value{} : Value{found.next}}});
    if (!found.next.empty()) reply.headers.emplace_back("Onward-Next", found.next);
    return reply;
  };
  runtime.calls().read(answer_with<ContactPage>(call.reply, render),
                       [group = call.parameter("group").value_or(""), page = *page](
                           ReadModel& from, const Directory&) {
                         return query_contacts(from, group, page.limit, page.cursor);
                       });
}

std::vector<Route> one_contact_routes(Runtime& runtime) {
  constexpr std::string_view kOne = "/v1/contacts/{id}";
  return {
      {"GET",
       kOne,
       Need::Read,
       "One contact, by its id or as email:ADDRESS.",
       {},
       [&](const Call& call) { get_contact(runtime, call); },
       {.id = "getContact",
        .answers = {{200, "Contact"}},
        .faults = {{400, "bad_contact"}, {404, "unknown_contact"}}}},
      {"PUT",
       kOne,
       Need::Ingest,
       "Changes a contact, or makes it: absent fields stay, null clears.",
       {},
       [&](const Call& call) { change_contact(runtime, call, /*create=*/true); },
       {.id = "putContact",
        .body = {{"ContactPatch"}},
        .answers = {{200, "Contact"}, {201, "Contact"}},
        .faults = {{400, kContactCodes}, {409, "poison"}}}},
      {"PATCH",
       kOne,
       Need::Ingest,
       "Changes a contact that exists.",
       {},
       [&](const Call& call) { change_contact(runtime, call, /*create=*/false); },
       {.id = "patchContact",
        .body = {{"ContactPatch"}},
        .answers = {{200, "Contact"}},
        .faults = {{400, kContactCodes}, {404, "unknown_contact"}, {409, "poison"}}}},
      {"DELETE",
       kOne,
       Need::Ingest,
       "Forgets a contact for good; the numbers stay.",
       {},
       [&](const Call& call) { forget_contact(runtime, call); },
       {.id = "forgetContact",
        .answers = {{204}},
        .faults = {{400, "bad_contact"}, {404, "unknown_contact"}}}},
      {"GET",
       "/v1/contacts/{id}/runs",
       Need::Read,
       "A contact's journeys, newest first, with the path of each.",
       {"limit", "cursor", "fresh"},
       [&](const Call& call) { list_runs(runtime, call); },
       {.id = "listRuns",
        .answers = {{200, "Runs"}},
        .faults = {{400, "bad_contact"}, {404, "unknown_contact"}}}},
  };
}

std::vector<Route> many_contacts_routes(Runtime& runtime) {
  return {
      {"GET",
       "/v1/contacts",
       Need::Read,
       "All contacts, oldest first, or those of one group; a line each where the caller accepts "
       "it.",
       {"limit",
        "cursor",
        "fresh",
        {"group", "Only contacts in this group; a page may be short, or empty, and go on."},
        {"statistics", "With the personal statistics.", kFlag}},
       [&](const Call& call) { list_contacts(runtime, call); },
       {.id = "listContacts",
        .answers = {{200, "Contacts"},
                    {200, "ListedContact", "application/x-ndjson",
                     "A contact a line; the next page's cursor is the header Onward-Next."}},
        .faults = {{400, "bad_cursor"}}}},
      {"POST",
       "/v1/contacts/import",
       Need::Ingest,
       "Makes and changes many contacts, from CSV or one JSON object a line; each row by itself.",
       {{"map", "Columns to fields: {\"E-mail\": \"email\", \"Plan\": \"custom.plan\"}."},
        {"delimiter", "Between cells: one character, or tab; else found in the header."},
        {"ignore_unmapped", "Pass over columns that mean nothing.", kFlag},
        {"empty", "What an empty cell does to its field.",
         R"({"type": "string", "enum": ["leaves", "clears"], "default": "leaves"})"},
        {"raw", "Keep the ' before cells that look like formulas.", kFlag},
        {"groups", "Groups that every contact joins, separated by | or ,."},
        {"trigger", "Let the changes start scenarios.", kFlag},
        {"dry_run", "Tell what would be done, and do nothing.", kFlag}},
       [&](const Call& call) { import_contacts(runtime, call); },
       {.id = "importContacts",
        .body = {{"", "text/csv"}, {"", "application/x-ndjson"}},
        .answers = {{200, "ContactsImported"}},
        .faults = {{400,
                    "no_contacts no_contact unmapped_column unknown_column unknown_field "
                    "duplicate_field bad_quotes bad_utf8 bad_character row_too_long bad_list "
                    "bad_json wrong_type bad_name too_many too_many_columns"},
                   {413, "too_many_contacts"},
                   {415, "unsupported_media_type"}}}},
  };
}
}  // namespace

std::vector<Route> contact_routes(Runtime& runtime) {
  return joined({one_contact_routes(runtime), many_contacts_routes(runtime)});
}
}  // namespace onward
