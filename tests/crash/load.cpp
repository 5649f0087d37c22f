#include "tests/crash/load.h"

#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/value.h"
#include "tests/crash/receiver.h"

namespace onward::crash {
namespace {
constexpr int kConnections = 3;
constexpr int kListSize = 8;  // events of every other post

constexpr Nanos kWait = 1'000'000'000;  // of the harness's scenarios

/// Three events of a contact in a row; every fourth contact goes the long way, and of every eight
/// the requests of one are batched, and the runs of one move from version to version.
Event event_of(int number) {
  const int contact = number / 3;
  if (contact % 4 == 0) return {.contact = contact, .node = "late", .waits = kWait};
  if (contact % 8 == 2) return {.contact = contact, .node = "bulk"};
  if (contact % 8 == 6) return {.contact = contact, .node = "moved", .waits = kWait};
  return {.contact = contact, .node = "tell"};
}

std::string_view type_of(const Event& event) {
  if (event.node == "bulk") return "bulk_asked";
  return event.node == "moved" ? "move_asked" : "subscription";
}

std::string json_of(int number) {
  const Event event = event_of(number);
  return fmt::format(
      R"({{"id":"e{0}","type":"{3}","contact":{{"id":"c{1}","email":"c{1}@{2}"}},"data":{{"n":"{0}"}}}})",
      number, event.contact, event.node == "tell" ? "example.org" : "example.net", type_of(event));
}

std::string token_in(const std::filesystem::path& data) {
  std::string token;
  std::getline(std::ifstream{data / "token"} >> std::ws, token);
  return token;
}

std::int64_t number(const Value& answer, std::string_view name) {
  const Value* value = answer.find(name);
  const auto* count = value ? std::get_if<std::int64_t>(&value->rep()) : nullptr;
  return count ? *count : -1;
}
}  // namespace

Result<HttpAnswer> call(const std::filesystem::path& data, const std::string& url,
                        std::string method, const std::string& path, std::string body,
                        std::string type) {
  return http_call({.method = std::move(method),
                    .url = url + path,
                    .headers = {{"Authorization", "Bearer " + token_in(data)},
                                {"Content-Type", std::move(type)}},
                    .body = std::move(body)},
                   std::chrono::seconds{20});
}

void Load::start(const std::string& url, int posts) {
  for (int i = 0; i < kConnections; ++i)
    threads_.emplace_back([this, url, posts] {
      for (int done = 0; done < posts; ++done)
        if (!post(url, next_post())) return;
    });
}

void Load::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Load::finish(const std::string& url) {
  while (!unanswered_.empty())
    if (!post(url, next_post())) return false;
  return true;
}

/// What was not answered goes first, as it was.
std::vector<int> Load::next_post() {
  const std::lock_guard lock{mutex_};
  if (!unanswered_.empty()) {
    std::vector<int> events = std::move(unanswered_.back());
    unanswered_.pop_back();
    return events;
  }
  std::vector<int> events;
  for (int i = posts_++ % 2 == 1 ? kListSize : 1; i > 0; --i) events.push_back(next_++);
  return events;
}

bool Load::post(const std::string& url, const std::vector<int>& events) {
  {
    const std::lock_guard lock{mutex_};
    for (const int event : events) posted_.emplace(event, now_nanos());
  }
  std::string body;
  for (const int event : events) body += json_of(event) + (events.size() > 1 ? "\n" : "");
  const auto answer = call(data_, url, "POST", "/v1/events", std::move(body),
                           events.size() > 1 ? "application/x-ndjson" : "application/json");
  const std::lock_guard lock{mutex_};
  if (answer && answer->status == 202) {
    const auto told = parse_json(answer->body);
    if (told && number(*told, "accepted") + number(*told, "duplicates") ==
                    static_cast<std::int64_t>(events.size())) {
      for (const int number : events) {
        Event event = event_of(number);
        event.posted = posted_.at(number);
        acknowledged_.emplace(number, std::move(event));
      }
      return true;
    }
  }
  unanswered_.push_back(events);
  const bool later = answer && (answer->status == 503 || answer->status == 429);
  if (answer && !later) surprises_.push_back(fmt::format("{} {}", answer->status, answer->body));
  return false;
}
}  // namespace onward::crash
