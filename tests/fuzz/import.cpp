// Tables of contacts through the route that imports them: CSV and NDJSON with every parameter. Each
// row is created, updated, unchanged or refused, an import that is repeated changes nothing more,
// and what is exported can be imported again.
//
// An input is the query in its first line ("map={…}&groups=a|b", not encoded), the media type in
// its second, and the table below.
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/api/front.h"
#include "tests/fuzz/features.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/target.h"

using namespace onward;

namespace {
const fuzz::Dictionary& tables() {
  static const fuzz::Dictionary dictionary = [] {
    fuzz::Dictionary made;
    made.keys = {"id",
                 "email",
                 "E-mail",
                 "First Name",
                 "custom.plan",
                 "custom.x",
                 "groups",
                 "Plan",
                 "consent.type",
                 "birth_date",
                 "timezone",
                 "phone",
                 "x",
                 "custom.",
                 "custom.x:number",
                 "custom.y:list",
                 "custom.z:json",
                 "custom.f:flag",
                 "created_at",
                 "statistics.opened"};
    made.values = {"jane@example.org",
                   "c1",
                   "c2",
                   "a|b",
                   "[\"a\",\"b\"]",
                   "\"a,b\"",
                   "'=1+1",
                   "=1+1",
                   "\"\"",
                   "\"\"\"\"",
                   "\"",
                   ";",
                   "sep=;",
                   "\t",
                   "1990-05-03",
                   "true",
                   "12.5",
                   "{\"a\": 1}",
                   "&map={\"E-mail\": \"email\"}",
                   "&groups=a|b",
                   "&delimiter=;",
                   "&empty=clears",
                   "&ignore_unmapped=true",
                   "&raw=true",
                   "&trigger=true",
                   "&dry_run=true",
                   "&map={\"x\": \"-\"}",
                   "&groups=[\"a\"]"};
    const auto awkward = fuzz::awkward_values();
    made.values.insert(made.values.end(), awkward.begin(), awkward.end());
    made.donors = {
        "groups=a|b\ntext/csv\nid,email,First "
        "Name,custom.plan\nc1,jane@example.org,Jane,gold\nc2,,,\n",
        "map={\"E-mail\": \"email\", \"Plan\": \"custom.plan:number\", \"x\": \"-\"}&delimiter=;\n"
        "text/"
        "csv\nE-mail;Plan;x;groups\na@example.org;1;2;a|b\n\"b@example.org\";\"3\";\"\";[\"a\"]\n",
        "trigger=true&empty=clears\napplication/x-ndjson\n{\"id\": \"c1\", \"custom\": {\"x\": "
        "1}}\n"
        "{\"email\": \"jane@example.org\", \"groups\": [\"a\"]}\n"};
    return made;
  }();
  return dictionary;
}

std::string encoded(std::string_view query) {
  std::string made;
  for (const char c : query) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '&' || c == '=' || c == '_';
    if (plain)
      made += c;
    else
      made += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return made;
}

std::int64_t number(const Told& told, const char* name) {
  const auto* found = told.at(name).get_if<std::int64_t>();
  must(found && *found >= 0, "an import is answered with numbers");
  return *found;
}
}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = text_of(data, size);
  const auto next_line = [&] {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return std::string{line};
  };
  const std::string query = encoded(next_line());
  Front::Ask ask{.method = "POST", .path = "/v1/contacts/import", .query = query};
  ask.content_type = next_line();
  ask.body = std::string{text};
  const Front front;
  const Told told = front.ask(ask);
  must(told.status < 500, "an import makes no fault of ours");
  fuzz::feature(told.status == 200 ? "taken" : "refused " + std::string{*told.at("code").text()});
  if (told.status != 200) return 0;
  fuzz::feature(
      fmt::format("created {} refused {}", number(told, "created"), number(told, "refused")));
  for (const Value& error : *told.at("errors").list())
    if (const Value* code = error.find("code"); code && code->text())
      fuzz::feature("row " + *code->text());
  must(static_cast<std::size_t>(number(told, "refused")) == told.at("errors").list()->size(),
       "each refused row has an error");
  const Told again = front.ask(ask);
  must(again.status == 200 && number(again, "refused") == number(told, "refused"),
       "an import that is repeated refuses the same rows");
  const bool dry = told.at("dry_run") == Value{true};
  must(dry || number(again, "created") == 0, "an import that is repeated creates nothing");
  for (const char* form : {"text/csv", "application/x-ndjson"}) {
    Front::Ask list{.method = "GET", .path = "/v1/contacts", .query = "limit=100"};
    list.accept = form;
    const Told exported = front.ask(list);
    if (exported.status != 200 || exported.body.empty()) continue;
    bool media = false;
    for (const auto& [name, value] : exported.headers) media = media || value.find(form) == 0;
    if (!media) continue;
    Front::Ask back{.method = "POST", .path = "/v1/contacts/import"};
    back.content_type = form;
    back.body = exported.body;
    const Told taken = front.ask(back);
    must(taken.status == 200 && number(taken, "refused") == 0, "an export can be imported");
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  return fuzz::mutate_in_place(
      data, size, size_max, seed, [&](std::string text, fuzz::Chance& chance) {
        return fuzz::mutate_text(std::move(text), tables(), chance, size_max);
      });
}
