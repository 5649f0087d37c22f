// /v1/contacts: who they are, and where they have been.
#include <fmt/format.h>

#include "engine/api/resources.h"
#include "engine/api/views.h"
#include "engine/core/contact.h"

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
Result<ContactInput> input_of(const Call& call, const ContactName& name) {
  const auto body = parse_json(call.request.body);
  if (!body) return tl::make_unexpected(body.error());
  if (!body->map())
    return fail(ErrorKind::Invalid, "wrong_type", "The body must be a JSON object.");
  auto named = input_of_path(name);
  if (!named) return named;
  auto input = parse_contact(*body);
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
  auto input = input_of(call, *name);
  if (!input) return call.reply(problem_of(input.error()));
  unless_taken(
      call.reply,
      runtime.patch_contact(std::move(input->who), std::move(input->patch), create,
                            answer_with<ContactAnswer>(call.reply, [](const ContactAnswer& answer) {
                              return json_reply(answer.created ? 201 : 200, view_of(answer));
                            })));
}

void get_contact(Runtime& runtime, const Call& call) {
  const auto name = name_of(call);
  if (!name) return call.reply(problem_of(name.error()));
  unless_taken(call.reply, runtime.contact(*name, answer_with<ContactAnswer>(
                                                      call.reply, [](const ContactAnswer& answer) {
                                                        return json_reply(200, view_of(answer));
                                                      })));
}

void forget_contact(Runtime& runtime, const Call& call) {
  const auto name = name_of(call);
  if (!name) return call.reply(problem_of(name.error()));
  unless_taken(call.reply,
               runtime.forget_contact(*name, answer_with<bool>(call.reply, [](bool found) {
                 return found ? ApiReply{204, "", ""}
                              : problem(404, "unknown_contact", "There is no such contact.");
               })));
}

void list_runs(Runtime& runtime, const Call& call) {
  const auto name = name_of(call);
  if (!name) return call.reply(problem_of(name.error()));
  const auto page = parse_page(call);
  if (!page) return call.reply(problem_of(page.error()));
  const auto render = [&runtime](const Runtime::RunPage& found) {
    ValueList runs;
    for (const auto& run : found.runs) runs.push_back(view_of(run, runtime.epoch()));
    ValueList refused;
    for (const auto& one : found.refused) refused.push_back(view_of(one));
    return json_reply(200, ValueMap{{"runs", std::move(runs)},
                                    {"next", found.next.empty() ? Value{} : Value{found.next}},
                                    {"refused", std::move(refused)}});
  };
  unless_taken(call.reply, runtime.runs(*name, page->limit, page->cursor, page->fresh,
                                        answer_with<Runtime::RunPage>(call.reply, render)));
}
}  // namespace

std::vector<Route> contact_routes(Runtime& runtime) {
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
        .faults = {{400, kContactCodes}}}},
      {"PATCH",
       kOne,
       Need::Ingest,
       "Changes a contact that exists.",
       {},
       [&](const Call& call) { change_contact(runtime, call, /*create=*/false); },
       {.id = "patchContact",
        .body = {{"ContactPatch"}},
        .answers = {{200, "Contact"}},
        .faults = {{400, kContactCodes}, {404, "unknown_contact"}}}},
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
}  // namespace onward
