#include "engine/api/http.h"

#include <algorithm>

#include "engine/api/problem.h"
#include "engine/core/base/text.h"
#include "engine/core/base/value.h"

namespace onward {
namespace {}  // namespace

struct Responder::Ticket {
  explicit Ticket(Sink to) : sink{std::move(to)} {}
  ~Ticket() {
    if (!answered.load())
      sink({problem(503, "unavailable", "The server ended before it could answer."), {}});
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  Sink sink;
  std::atomic<bool> answered = false;
};

Responder::Responder(Sink sink) : ticket_{std::make_shared<Ticket>(std::move(sink))} {}

void Responder::operator()(ApiReply reply) const {
  if (!ticket_->answered.exchange(true)) ticket_->sink({std::move(reply), {}});
}

void Responder::later(std::function<ApiReply()> make) const {
  if (!ticket_->answered.exchange(true)) ticket_->sink({{}, std::move(make)});
}

void Responder::later_at_length(std::function<ApiReply()> make) const {
  if (!ticket_->answered.exchange(true)) ticket_->sink({{}, std::move(make), /*long_reply=*/true});
}

std::string_view ApiRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (same_name(key, name)) return value;
  return {};
}

std::optional<std::string> percent_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    out += c;
  }
  if (!valid_utf8(out)) return std::nullopt;
  return out;
}

std::optional<QueryParameters> parse_query(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), /*plus=*/true);
    auto value = percent_decode(
        equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1),
        /*plus=*/true);
    if (!name || !value) return std::nullopt;
    parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return parameters;
}

bool same_name(std::string_view a, std::string_view b) { return same_ignoring_case(a, b); }

std::string media_type(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ') || content_type.ends_with('\t')) content_type.remove_suffix(1);
  std::string type{content_type};
  for (char& c : type) c = lower(c);
  return type;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}
}  // namespace onward
