#include "engine/api/outgoing_answer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <iterator>
#include <utility>

namespace onward {
namespace {
/// A longer content of an answer is not copied behind its head.
constexpr std::size_t kCopiedMost = 16u << 10;
/// Memory that stays for the next answer.
constexpr std::size_t kHeadKeptMost = 4u << 10;

/// The Date header, formatted again only when the second changes.
std::string_view http_date() {
  thread_local std::time_t made = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made) {
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
    made = now;
  }
  return text;
}
}  // namespace

void OutgoingAnswer::set(ApiReply reply, const AnswerForm& form) {
  head_.clear();
  sent_ = 0;
  auto out = std::back_inserter(head_);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status, reason_phrase(reply.status),
                 http_date());
  for (const auto& [name, value] : reply.headers) fmt::format_to(out, "{}: {}\r\n", name, value);
  if (!reply.content_type.empty()) fmt::format_to(out, "Content-Type: {}\r\n", reply.content_type);
  const std::string_view content = reply.content();
  if (reply.status != 204) fmt::format_to(out, "Content-Length: {}\r\n", content.size());
  if (!form.keep_alive)
    head_ += "Connection: close\r\n";
  else if (form.http10)
    head_ += "Connection: keep-alive\r\n";
  head_ += "X-Content-Type-Options: nosniff\r\n\r\n";
  long_content_ = {};
  if (form.head_only || reply.status == 204) return;
  if (content.size() <= kCopiedMost)
    head_ += content;
  else
    long_content_ = std::move(reply);
}

OutgoingAnswer::Pieces OutgoingAnswer::unsent() const {
  const std::string_view head = head_, content = long_content_.content();
  if (sent_ < head.size()) return {head.substr(sent_), content};
  return {content.substr(sent_ - head.size()), {}};
}

void OutgoingAnswer::forget() {
  long_content_ = {};
  if (head_.capacity() > kHeadKeptMost) std::string{}.swap(head_);
}
}  // namespace onward
