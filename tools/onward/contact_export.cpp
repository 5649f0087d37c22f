// contacts export, contacts list: all of them, page by page.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "engine/files/contact_export.h"
#include "engine/files/csv.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"
#include "tools/onward/upload.h"

namespace onward {
namespace {
/// Where an export goes: standard output, or a file that is there whole or not at all.
class Output {
 public:
  explicit Output(const std::string& file) : file_{file}, part_{file + ".part"} {
    if (!file.empty()) out_.open(part_, std::ios::binary | std::ios::trunc);
  }
  ~Output() {
    std::error_code ignored;
    if (out_.is_open()) std::filesystem::remove(part_, ignored);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  bool open() const { return file_.empty() || out_.is_open(); }
  void write(std::string_view text) {
    if (file_.empty())
      print_data(text);
    else
      out_ << text;
  }
  /// False: it was not written whole.
  bool finish() {
    if (file_.empty()) return !output_lost();
    out_.flush();
    if (!out_) return false;
    out_.close();
    std::error_code fault;
    std::filesystem::rename(part_, file_, fault);
    return !fault;
  }

 private:
  std::string file_, part_;
  std::ofstream out_;
};

/// A file without a name that holds what is to be looked at twice.
class Spool {
 public:
  Spool() : file_{std::tmpfile(), &std::fclose} {}
  bool open() const { return file_ != nullptr; }
  bool put(const std::string& line) {
    return std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size();
  }
  bool rewind() { return std::fseek(file_.get(), 0, SEEK_SET) == 0; }
  /// A line without its end; false at the end.
  bool get(std::string& line) {
    line.clear();
    for (int c; (c = std::getc(file_.get())) != EOF;) {
      if (c == '\n') return true;
      line += static_cast<char>(c);
    }
    return false;
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

std::vector<std::string> split(const std::vector<std::string>& given) {
  std::vector<std::string> fields;
  for (std::string_view text : given)
    while (!text.empty()) {
      const std::string_view field = text.substr(0, text.find(','));
      if (!field.empty()) fields.emplace_back(field);
      text.remove_prefix(std::min(field.size() + 1, text.size()));
    }
  return fields;
}

/// Gives every contact to `take`; the exit code.
int each_contact(const Client& client, const std::string& group, bool statistics,
                 const std::function<int(const Value&)>& take) {
  std::string next;
  bool first = true;
  do {
    std::string path = "/v1/contacts?limit=500";
    path += first ? "&fresh=true" : "&cursor=" + segment(next);
    if (statistics) path += "&statistics=true";
    if (!group.empty()) path += "&group=" + segment(group);
    const auto answer = client.call("GET", path, "contacts");
    if (!answer) return complain(answer.error());
    if (!answer->ok()) return client.refused(*answer);
    for (const Value& contact : list_of(answer->value, "contacts"))
      if (const int code = take(contact); code != kExitOk) return code;
    next = text_of(answer->value, "next");
    first = false;
  } while (!next.empty());
  return kExitOk;
}
}  // namespace

int run_contact_export(const ClientOptions& options, const ContactExportOptions& given) {
  ContactTableOptions wanted{
      .fields = split(given.fields), .statistics = given.statistics, .guard = !given.raw};
  bool statistics = given.statistics;
  for (const std::string& field : wanted.fields) statistics |= field.starts_with("statistics.");
  if (!given.delimiter.empty()) {
    const auto delimiter = parse_csv_delimiter(given.delimiter);
    if (!delimiter)
      return complain(fmt::format("--delimiter must be tab or one ASCII character other than a "
                                  "quote, found \"{}\".",
                                  given.delimiter),
                      kExitUsage);
    wanted.delimiter = *delimiter;
  }
  const bool lines = given.format == "ndjson";
  const bool whole = lines && wanted.fields.empty();
  auto table = ContactTable::make(std::move(wanted));
  if (!table) return complain(table.error().message + ".", kExitUsage);

  Output out{given.out};
  if (!out.open()) return complain(fmt::format("Cannot write {}.", given.out), kExitIo);
  Spool spool;
  if (!lines && !spool.open()) return complain("Cannot make a temporary file.", kExitIo);
  const Client client{options};
  Progress progress{"contacts", given.quiet || given.out.empty()};
  std::int64_t count = 0;
  const int code = each_contact(client, given.group, statistics, [&](const Value& contact) -> int {
    if (++count % 500 == 0) progress.show(count, 0);
    if (lines) {
      out.write(to_json(whole ? contact : table->chosen(contact)) + "\n");
      return output_lost() ? kExitIo : kExitOk;
    }
    table->look(contact);
    if (spool.put(to_json(contact) + "\n")) return kExitOk;
    return complain("Cannot write to a temporary file.", kExitIo);
  });
  if (code != kExitOk) return code;
  if (!lines) {
    if (!spool.rewind()) return complain("Cannot read a temporary file.", kExitIo);
    out.write(table->header());
    std::int64_t written = 0;
    for (std::string line; spool.get(line) && !output_lost();)
      if (const auto contact = parse_json(line, {.depth = 64})) {
        out.write(table->row(*contact));
        ++written;
      }
    if (written != count && !output_lost())
      return complain("Cannot read a temporary file.", kExitIo);
  }
  progress.clear();
  if (!out.finish())
    return given.out.empty() ? int{kExitIo}
                             : complain(fmt::format("Cannot write {}.", given.out), kExitIo);
  if (!given.quiet && !given.out.empty())
    say(fmt::format("{} contacts in {}", grouped(count), given.out));
  return kExitOk;
}

int run_contact_list(const ClientOptions& options, const ContactListOptions& given) {
  std::string path = fmt::format("/v1/contacts?limit={}", given.limit);
  if (!given.group.empty()) path += "&group=" + segment(given.group);
  if (!given.cursor.empty()) path += "&cursor=" + segment(given.cursor);
  const Client client{options};
  const auto answer = client.call("GET", path, "contacts");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  Table table{{{"id", Align::Left, true},
               {"email", Align::Left, true},
               {"name", Align::Left, true},
               {"groups", Align::Left, true}}};
  for (const Value& contact : list_of(answer->value, "contacts")) {
    std::string name = text_of(contact, "first_name");
    const std::string last = text_of(contact, "last_name");
    if (!name.empty() && !last.empty()) name += ' ';
    table.add({text_of(contact, "id"), text_of(contact, "email"), name + last,
               text_of(contact, "groups")});
  }
  if (!table.empty()) print(table.text(terminal_width()));
  const std::string next = text_of(answer->value, "next");
  if (!next.empty())
    say("There are more; go on with --cursor " + next);
  else if (table.empty())
    say(given.group.empty() ? "There is no contact yet."
                            : fmt::format("No contact is in \"{}\".", given.group));
  return kExitOk;
}
}  // namespace onward
