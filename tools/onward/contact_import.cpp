// contacts import: a CSV or NDJSON file, chunk by chunk.
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "engine/authoring/yaml_reader.h"
#include "engine/files/contact_columns.h"
#include "engine/files/csv.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"
#include "tools/onward/upload.h"

namespace onward {
namespace {
struct ContactTotals {
  std::int64_t created = 0, updated = 0, unchanged = 0, warnings = 0;
  std::int64_t done() const { return created + updated + unchanged; }
};

/// "E-mail=email"; a header may hold an "=", a field does not.
Status add_pair(ColumnMap& map, const std::string& pair) {
  const std::size_t equals = pair.rfind('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size())
    return fail(
        ErrorKind::Invalid, "bad_map",
        fmt::format("--map wants COLUMN=FIELD such as \"E-mail=email\", found \"{}\".", pair));
  map.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  return {};
}

Status add_file(ColumnMap& map, const std::string& file) {
  const auto text = read_input(file);
  if (!text) return tl::make_unexpected(text.error());
  constexpr std::string_view kHolds =
      "a map file holds a column and its field a line, for example \"E-mail\": email";
  Diagnostics diagnostics;
  const auto tree = read_yaml(*text, diagnostics);
  if (!tree && !diagnostics.sorted().empty() && diagnostics.sorted().front().code == "empty_file")
    return fail(ErrorKind::Invalid, "bad_map", fmt::format("{} is empty; {}", file, kHolds));
  if (!tree || diagnostics.has_errors()) {
    const auto found = diagnostics.sorted();
    return fail(ErrorKind::Invalid, "bad_map",
                found.empty() ? fmt::format("{} cannot be read.", file)
                              : fmt::format("{}:{}:{}: {}", file, found.front().at.line,
                                            found.front().at.column, found.front().message));
  }
  for (const Tree::Entry& entry : tree->entries)
    if (!entry.value.is_scalar())
      return fail(ErrorKind::Invalid, "bad_map",
                  fmt::format("{}:{}:{}: \"{}\" wants the name of a field, found {}", file,
                              entry.value.at.line, entry.value.at.column, entry.key,
                              describe(entry.value)));
    else
      map.emplace_back(entry.key, entry.value.text);
  if (tree->is_map()) return {};
  return fail(ErrorKind::Invalid, "bad_map",
              fmt::format("{} is not a map of columns to fields; {}", file, kHolds));
}

Result<ColumnMap> map_of(const ContactImportOptions& options) {
  ColumnMap map;
  if (!options.map_file.empty())
    if (const Status read = add_file(map, options.map_file); !read)
      return tl::make_unexpected(read.error());
  for (const std::string& pair : options.map)
    if (const Status read = add_pair(map, pair); !read) return tl::make_unexpected(read.error());
  return map;
}

bool is_csv(const ContactImportOptions& options, InputFile& file) {
  if (!options.format.empty()) return options.format == "csv";
  for (const char* end : {".ndjson", ".jsonl", ".json"})
    if (options.file.ends_with(end)) return false;
  for (const char* end : {".csv", ".tsv", ".txt"})
    if (options.file.ends_with(end)) return true;
  return file.stream().peek() != '{';
}

Result<char> delimiter_of(const std::string& given) {
  if (given.empty()) return '\0';
  if (const auto delimiter = parse_csv_delimiter(given)) return *delimiter;
  return fail(
      ErrorKind::Invalid, "bad_delimiter",
      fmt::format("--delimiter must be tab or one ASCII character other than a quote, found "
                  "\"{}\".",
                  given));
}

std::string import_path(const ContactImportOptions& options, const ColumnMap& map, bool csv) {
  std::string path = "/v1/contacts/import";
  char separator = '?';
  const auto add = [&](std::string_view name, std::string_view value) {
    path += separator;
    path.append(name).append("=").append(segment(value));
    separator = '&';
  };
  if (options.trigger) add("trigger", "true");
  if (options.dry_run) add("dry_run", "true");
  if (options.raw) add("raw", "true");
  if (options.empty == "clears") add("empty", "clears");
  if (!options.groups.empty())
    add("groups", to_json(Value{ValueList(options.groups.begin(), options.groups.end())}));
  if (csv) add("delimiter", ",");  // Whatever the file has; see send_row.
  if (!csv && !map.empty()) {
    ValueMap members;
    for (const auto& [name, field] : map) members.emplace_back(name, field);
    add("map", to_json(Value{std::move(members)}));
  }
  return path;
}

/// One import, from the open file to the last answer.
class Import {
 public:
  Import(const ClientOptions& client, const ContactImportOptions& options, InputFile& file,
         ColumnMap map)
      : options_{options}, file_{file}, map_{std::move(map)}, client_{client} {}

  int run(bool csv) {
    if (const Status opened = refusals_.open(); !opened) return complain(opened.error());
    path_ = import_path(options_, map_, csv);
    const int code = csv ? run_csv() : run_lines();
    const bool kept = refusals_.finish();
    if (code != kExitOk) return code;
    if (!kept) return complain(fmt::format("Cannot write {}.", options_.report), kExitIo);
    if (file_.failed()) return complain(fmt::format("Cannot read {}.", options_.file), kExitIo);
    return finish();
  }

 private:
  struct Sent {
    std::size_t line = 0;
    std::vector<std::string> cells;  // of CSV
    std::string text;                // of NDJSON, and of CSV that has no cells
  };
  struct Refused {
    Sent sent;
    std::string column, code, message;
  };

  int run_csv() {
    const auto delimiter = delimiter_of(options_.delimiter);
    if (!delimiter) return complain(delimiter.error().message, kExitUsage);
    CsvReader rows{pieces_of(file_.stream()), *delimiter};
    CsvRow row;
    if (!rows.next(row)) return complain(fmt::format("{} is empty.", file_.name()), kExitData);
    if (row.fault)
      return complain(fmt::format("{}:{}: {}", file_.name(), row.line, row.fault->message),
                      kExitData);
    const auto columns = match_columns(row.cells, map_, options_.ignore_unmapped);
    if (!columns)
      return complain(fmt::format("{}:{}: {}{}", file_.name(), row.line, columns.error().message,
                                  columns.error().code == "unmapped_column"
                                      ? " (--map COLUMN=FIELD, --ignore-unmapped)"
                                      : ""),
                      kExitData);
    read_header(*columns, row.cells);
    while (rows.next(row)) {
      if (!row.fault && std::all_of(row.cells.begin(), row.cells.end(),
                                    [](const std::string& cell) { return cell.empty(); }))
        continue;
      if (!row.fault && row.cells.size() != columns->size())
        row.fault = Error{
            ErrorKind::Invalid, "wrong_columns",
            fmt::format("the row has {} cells, the header {}", row.cells.size(), columns->size())};
      if (row.fault) {
        refused_.push_back({.sent = {.line = row.line, .text = std::move(row.text)},
                            .code = std::move(row.fault->code),
                            .message = std::move(row.fault->message)});
        continue;
      }
      body_ += csv_row(row.cells);
      chunk_.push_back({.line = row.line, .cells = std::move(row.cells)});
      if (full() && !post("text/csv")) return code_;
    }
    if (!chunk_.empty() && !post("text/csv")) return code_;
    tell_refused();
    return kExitOk;
  }

  /// What goes before each chunk's rows, and before those of the report. Columns that a report has
  /// added to its rows are not added again.
  void read_header(const std::vector<ContactColumn>& columns,
                   const std::vector<std::string>& headers) {
    std::vector<std::string> sent;
    for (const ContactColumn& column : columns) {
      std::string name = column.field.empty() ? "-" : column.field;
      if (!column.field.empty() && column.type != CellType::Field && column.field != "custom")
        name += fmt::format(":{}", to_string(column.type));
      sent.push_back(std::move(name));
      if (!column.field.empty()) headers_[column.field] = column.header;
    }
    header_ = body_ = csv_row(sent);
    std::vector<std::string> head{"refused.line", "refused.column", "refused.code",
                                  "refused.reason", "refused.row"};
    for (std::size_t i = 0; i < headers.size(); ++i)
      if (!headers[i].starts_with("refused.")) {
        head.push_back(headers[i]);
        kept_.push_back(i);
      }
    refusals_.set_head(csv_row(head));
    csv_ = true;
  }

  int run_lines() {
    Lines source{file_.stream()};
    std::vector<Lines::Line> lines;
    while (source.next(static_cast<std::size_t>(options_.chunk), lines)) {
      for (Lines::Line& line : lines) {
        body_.append(line.text).append("\n");
        chunk_.push_back({.line = line.number, .text = std::move(line.text)});
      }
      if (!post("application/x-ndjson")) return code_;
    }
    return kExitOk;
  }

  bool full() const {
    return std::ssize(chunk_) >= options_.chunk || body_.size() >= kChunkBytesMax / 2;
  }

  bool post(std::string_view type) {
    const auto answer = post_(path_, "unchanged", body_, type);
    ContactTotals more;
    if (answer && answer->ok()) {
      more = {.created = number_of(answer->value, "created"),
              .updated = number_of(answer->value, "updated"),
              .unchanged = number_of(answer->value, "unchanged")};
    }
    const bool complete = answer && answer->ok() &&
                          more.done() + number_of(answer->value, "refused") == std::ssize(chunk_);
    if (!complete) {
      progress_.clear();
      code_ = !answer        ? complain(answer.error())
              : answer->ok() ? client_.not_taken()
                             : client_.refused(*answer);
      say(stopped_text(may_be_taken(answer)));
      return false;
    }
    totals_.created += more.created;
    totals_.updated += more.updated;
    totals_.unchanged += more.unchanged;
    totals_.warnings += static_cast<std::int64_t>(list_of(answer->value, "warnings").size());
    for (const Value& error : list_of(answer->value, "errors")) {
      const auto index = static_cast<std::size_t>(number_of(error, "index"));
      if (index < chunk_.size())
        refused_.push_back({.sent = std::move(chunk_[index]),
                            .column = text_of(error, "column"),
                            .code = text_of(error, "code"),
                            .message = text_of(error, "message")});
    }
    tell_refused();
    progress_.show(totals_.done() + refusals_.count(), refusals_.count());
    chunk_.clear();
    body_ = header_;
    return true;
  }

  /// What is known to be stored when an import ends early.
  std::string stopped_text(bool unknown) const {
    const std::string taken = grouped(totals_.done());
    const std::string_view last = "Correct the cause and run the import again.";
    if (!unknown)
      return fmt::format(
          "Stopped before line {}; {} contacts were taken, which another import "
          "leaves as they are. {}",
          grouped(static_cast<std::int64_t>(chunk_.front().line)), taken, last);
    return fmt::format(
        "{} may have been taken; importing again does no harm. Before that, {} "
        "contacts were taken. {}",
        lines_text(chunk_.front().line, chunk_.back().line), taken, last);
  }

  /// In the order of the file, whoever refused them.
  void tell_refused() {
    std::stable_sort(refused_.begin(), refused_.end(),
                     [](const Refused& a, const Refused& b) { return a.sent.line < b.sent.line; });
    for (const Refused& row : refused_) refuse(row);
    refused_.clear();
  }

  void refuse(const Refused& row) {
    // The server knows the columns by the names that they were sent under.
    const auto known = headers_.find(row.column.substr(0, row.column.rfind(':')));
    const std::string header = known == headers_.end() ? row.column : known->second;
    std::string told = fmt::format("{}:{}: ", file_.name(), row.sent.line);
    if (!header.empty()) told += fmt::format("column \"{}\": ", header);
    std::string_view message = row.message;
    // Its first word is the field, which the column says better.
    const std::size_t end = message.find("\" ");
    if (!header.empty() && message.starts_with('"') && end != std::string_view::npos)
      message.remove_prefix(end + 2);
    told += printable_line(message);
    refusals_.add(told, csv_ ? refused_row(row, header, message)
                             : refused_line(row.sent, header, row.code, row.message));
  }

  /// A row that could not be cut into its cells goes whole into "refused.row".
  std::string refused_row(const Refused& row, const std::string& header,
                          std::string_view message) const {
    const Sent& sent = row.sent;
    std::vector<std::string> cells{std::to_string(sent.line), header, row.code,
                                   std::string{message}, sent.text};
    for (const std::size_t at : kept_)
      cells.push_back(at < sent.cells.size() ? sent.cells[at] : std::string{});
    return csv_row(cells);
  }

  static std::string refused_line(const Sent& sent, const std::string& field,
                                  const std::string& code, const std::string& message) {
    ValueMap why{{"line", static_cast<std::int64_t>(sent.line)}};
    if (!field.empty()) why.emplace_back("field", field);
    why.emplace_back("code", code);
    why.emplace_back("message", message);
    auto contact = parse_json(sent.text);
    if (!contact || !contact->map()) {
      why.emplace_back("text", valid_utf8(sent.text) ? sent.text : printable(sent.text));
      contact = Value{ValueMap{}};
    }
    contact->set("refused", std::move(why));
    return to_json(*contact) + "\n";
  }

  int finish() const {
    if (client_.json()) {
      print_json(Value{ValueMap{{"created", totals_.created},
                                {"updated", totals_.updated},
                                {"unchanged", totals_.unchanged},
                                {"refused", refusals_.count()},
                                {"warnings", totals_.warnings},
                                {"dry_run", options_.dry_run}}});
    } else {
      print(fmt::format("{}{} created, {} updated, {} unchanged, {} refused\n",
                        options_.dry_run ? "Would be: " : "", grouped(totals_.created),
                        grouped(totals_.updated), grouped(totals_.unchanged),
                        grouped(refusals_.count())));
      if (totals_.warnings > 0)
        say(
            fmt::format("{} contacts are known by an address that several have; the oldest of "
                        "them was changed. Give them an id.",
                        grouped(totals_.warnings)));
    }
    return refusals_.count() > 0 ? kExitRefused : kExitOk;
  }

  const ContactImportOptions& options_;
  InputFile& file_;
  ColumnMap map_;
  Client client_;
  Progress progress_{"contacts", options_.quiet};
  PatientPost post_{client_, progress_};
  Refusals refusals_{options_.report, progress_};
  ContactTotals totals_;
  std::string path_, header_, body_;
  std::map<std::string, std::string> headers_;  // field -> as the file has it
  std::vector<std::size_t> kept_;               // columns that the report repeats
  std::vector<Sent> chunk_;
  std::vector<Refused> refused_;  // not told yet
  bool csv_ = false;
  int code_ = kExitOk;
};
}  // namespace

int run_contact_import(const ClientOptions& client, const ContactImportOptions& options) {
  auto map = map_of(options);
  if (!map) return complain(map.error());
  InputFile file{options.file};
  if (const Status opened = file.open(); !opened) return complain(opened.error());
  if (same_file(options.file, options.report)) return complain(kOwnReport, kExitUsage);
  const bool csv = is_csv(options, file);
  if (!csv && (options.raw || options.ignore_unmapped || !options.delimiter.empty() ||
               options.empty != "leaves"))
    return complain("--delimiter, --empty, --ignore-unmapped and --raw are about CSV.", kExitUsage);
  return Import{client, options, file, std::move(*map)}.run(csv);
}
}  // namespace onward
