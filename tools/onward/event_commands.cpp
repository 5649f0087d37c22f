// events send, events import.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <thread>

#include "engine/core/contact.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr std::size_t kChunkBytesMax = 6u << 20;  // below what the server takes in one body
constexpr int kPatienceTries = 60;                // answers of 503, one after the other

/// Whether the field of a contact holds text whatever it looks like: a phone number is no number.
bool is_text_field(std::string_view name) {
  const FieldInfo* info = find_field(name);
  return info && info->type == FieldType::Text;
}

/// "first_name=Jane" into `map`: a JSON value where the text is one, else the text itself; null
/// clears. A dotted name makes nested maps.
Status set_pair(Value& map, const std::string& pair, bool of_contact) {
  const std::size_t equals = pair.find('=');
  if (equals == std::string::npos || equals == 0)
    return fail(ErrorKind::Invalid, "bad_pair",
                fmt::format("\"{}\" wants the form NAME=VALUE.", pair));
  const std::string text = pair.substr(equals + 1);
  std::string_view name = std::string_view{pair}.substr(0, equals);
  auto json = parse_json(text);
  if (json && of_contact && is_text_field(name) && !json->text() && !json->is_null()) json = text;
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

/// One input file, read line by line; blank lines are passed over.
class Lines {
 public:
  explicit Lines(const std::string& file) {
    if (file != "-") file_.open(file, std::ios::binary);
    in_ = file == "-" ? &std::cin : &file_;
  }
  bool open() const { return in_ == &std::cin || file_.is_open(); }
  bool failed() const { return in_->bad(); }

  /// The next lines, joined, and the number of each; nothing at the end.
  bool next(std::size_t most, std::string& text, std::vector<std::size_t>& numbers) {
    text.clear();
    numbers.clear();
    while (numbers.size() < most) {
      if (!kept_ && !read()) break;
      kept_ = false;
      if (line_.find_first_not_of(" \t\r") == std::string::npos) continue;
      kept_ = !numbers.empty() && text.size() + line_.size() >= kChunkBytesMax;
      if (kept_) break;  // The first of the next chunk.
      text.append(line_).append("\n");
      numbers.push_back(number_);
    }
    return !numbers.empty();
  }

 private:
  bool read() {
    if (!std::getline(*in_, line_)) return false;
    ++number_;
    return true;
  }
  std::ifstream file_;
  std::istream* in_ = nullptr;
  std::string line_;
  std::size_t number_ = 0;
  bool kept_ = false;
};

/// Events that are on the server's disk, by what it answered.
std::int64_t taken_of(const Answer& answer) {
  return number_of(answer.value, "accepted") + number_of(answer.value, "duplicates");
}

struct Totals {
  std::int64_t accepted = 0, duplicates = 0, rejected = 0, warnings = 0;
};

/// Posts a chunk until the server has taken it: a full intake is waited for.
Result<Answer> post(const Client& client, const std::string& path, const std::string& text) {
  for (int tries = 0;; ++tries) {
    auto answer = client.call("POST", path, "accepted", text, "application/x-ndjson");
    if (!answer || (answer->status != 429 && answer->status != 503)) return answer;
    if (answer->status == 503 && tries >= kPatienceTries) return answer;
    const std::int64_t wait = std::max<std::int64_t>(number_of(answer->value, "retry_after"), 1);
    std::this_thread::sleep_for(std::chrono::seconds{wait});
  }
}

void tell_refused(const std::string& file, const Answer& answer,
                  const std::vector<std::size_t>& numbers, bool progress) {
  for (const Value& error : list_of(answer.value, "errors")) {
    const auto index = static_cast<std::size_t>(number_of(error, "index"));
    const std::size_t line = index < numbers.size() ? numbers[index] : 0;
    if (progress) fmt::print(stderr, "\r\x1b[K");
    say(fmt::format("{}:{}: {}: {}", file == "-" ? "standard input" : file, line,
                    text_of(error, "code"), printable(text_of(error, "message"))));
  }
}

void show_progress(const Totals& totals, std::chrono::steady_clock::time_point begun) {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const std::int64_t done = totals.accepted + totals.duplicates + totals.rejected;
  fmt::print(stderr, "\r\x1b[K{} events, {:.0f}/s", grouped(done),
             static_cast<double>(done) / std::max(seconds, 0.001));
  std::fflush(stderr);
}

int finish_import(const Client& client, const Totals& totals) {
  if (client.json())
    print_json(Value{ValueMap{{"accepted", totals.accepted},
                              {"duplicates", totals.duplicates},
                              {"rejected", totals.rejected},
                              {"warnings", totals.warnings}}});
  else
    print(fmt::format("{} accepted, {} duplicates, {} rejected\n", grouped(totals.accepted),
                      grouped(totals.duplicates), grouped(totals.rejected)));
  return totals.rejected > 0 ? kExitData : kExitOk;
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
  const std::size_t first = json.find_first_not_of(" \t\r\n");
  if (options.what == "-" || (first != std::string::npos && json[first] == '{')) {
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
  const Client client{options};
  const auto answer = client.call("POST", events_path(send.history), "accepted", to_json(*event));
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (taken_of(*answer) != 1) return client.not_taken();
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  for (const Value& warning : list_of(answer->value, "warnings"))
    say("warning: " + text_of(warning, "code"));
  print(number_of(answer->value, "duplicates") > 0 ? "known already, nothing done\n"
                                                   : "accepted\n");
  return kExitOk;
}

int run_import(const ClientOptions& options, const ImportOptions& given) {
  Lines lines{given.file};
  if (!lines.open()) return complain(fmt::format("Cannot read {}.", given.file), kExitNoInput);
  const Client client{options};
  const std::string path = events_path(given.history);
  const bool progress = stderr_is_terminal();
  const auto begun = std::chrono::steady_clock::now();
  Totals totals;
  std::string text;
  std::vector<std::size_t> numbers;
  while (lines.next(static_cast<std::size_t>(given.chunk), text, numbers)) {
    const auto answer = post(client, path, text);
    const bool complete =
        answer && answer->ok() &&
        taken_of(*answer) + number_of(answer->value, "rejected") == std::ssize(numbers);
    if (!complete) {
      if (progress) fmt::print(stderr, "\r\x1b[K");
      const int code = !answer        ? complain(answer.error())
                       : answer->ok() ? client.not_taken()
                                      : client.refused(*answer);
      say(
          fmt::format("Stopped before line {}; {} were accepted. Events with an id can be sent "
                      "again safely.",
                      numbers.front(), grouped(totals.accepted)));
      return code;
    }
    totals.accepted += number_of(answer->value, "accepted");
    totals.duplicates += number_of(answer->value, "duplicates");
    totals.rejected += number_of(answer->value, "rejected");
    totals.warnings += static_cast<std::int64_t>(list_of(answer->value, "warnings").size());
    tell_refused(given.file, *answer, numbers, progress);
    if (progress) show_progress(totals, begun);
  }
  if (progress) fmt::print(stderr, "\r\x1b[K");
  if (lines.failed()) return complain(fmt::format("Cannot read {}.", given.file), kExitIo);
  return finish_import(client, totals);
}
}  // namespace onward
