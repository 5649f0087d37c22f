#include "engine/delivery/curl_request.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/text.h"
#include "engine/delivery/curl_option.h"

namespace onward {
namespace {
bool has_control(std::string_view text, bool tab_allowed) {
  return std::any_of(text.begin(), text.end(),
                     [&](char c) { return is_control(c) && !(tab_allowed && c == '\t'); });
}

bool is_token(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_letter_or_digit(c) || kMarks.find(c) != std::string_view::npos;
  });
}

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string copy{text};
  curl_free(text);
  return copy;
}
}  // namespace

CurlRequest::CurlRequest(CURL* easy, bool https_only)
    : easy_{easy}, https_only_{https_only}, url_{curl_url()} {
  if (!url_) throw std::bad_alloc{};
}

bool CurlRequest::is_plain_http() const { return url_part(url_.get(), CURLUPART_SCHEME) == "http"; }

/// The host that the guard is asked about is the one that libcurl will read, since the parser is
/// the same.
std::string CurlRequest::set_url(const std::string& text, Destination& destination) {
  if (text == url_text_) return {};
  if (curl_url_set(url_.get(), CURLUPART_URL, nullptr, 0) != CURLUE_OK) return "the URL is empty";
  if (text.find('\0') != std::string::npos) return "the URL holds a control character";
  if (const CURLUcode code =
          curl_url_set(url_.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER);
      code != CURLUE_OK) {
    return fmt::format("the URL cannot be called: {}", curl_url_strerror(code));
  }
  const std::string scheme = url_part(url_.get(), CURLUPART_SCHEME);
  if (https_only_ && scheme == "http") {
    return "only https URLs may be called (--https-only)";
  }
  if (scheme != "http" && scheme != "https") {
    return fmt::format("only http and https URLs may be called, found {}", scheme);
  }
  const std::string port = url_part(url_.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::uint16_t number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  destination.set_target(url_part(url_.get(), CURLUPART_HOST), number);
  set(easy_, CURLOPT_URL, text.c_str());
  url_text_ = text;
  return {};
}

/// libcurl sends header text as it is, so what could begin a line of its own must not pass.
std::string CurlRequest::set_headers(const HttpRequest& request) {
  HeaderList list;
  const auto append = [&list](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (!longer) throw std::bad_alloc{};
    static_cast<void>(list.release());
    list.reset(longer);
  };
  bool typed = false;
  std::string line;
  const auto add = [&](const std::vector<Header>& headers) -> std::string {
    for (const auto& [name, value] : headers) {
      if (!is_token(name)) return fmt::format("the header name \"{}\" cannot be sent", name);
      if (has_control(value, /*tab_allowed=*/true)) {
        return fmt::format("the value of header {} holds a control character", name);
      }
      typed = typed || same_ignoring_case(name, "Content-Type");
      // libcurl takes "Name:" as an order to leave a header out, and "Name;" for an empty one.
      line.assign(name).append(is_blank(value) ? ";" : ": ").append(trimmed(value));
      append(line);
    }
    return {};
  };
  const std::vector<Header>& own =
      request.headers_replaced ? request.headers : request.request->headers;
  if (std::string wrong = add(own); !wrong.empty()) return wrong;
  if (std::string wrong = add(request.extra_headers); !wrong.empty()) return wrong;
  append("Expect:");
  if (!typed) append("Content-Type:");
  set(easy_, CURLOPT_HTTPHEADER, list.get());
  headers_ = std::move(list);
  return {};
}

/// Handles are not reset between attempts, so each of these is set every time.
void CurlRequest::set_method_and_body(const HttpRequest& request) {
  const std::string& method = request.request->method;
  const std::string& body = request.request->body;
  if (body.empty() && method != "POST" && method != "PUT" && method != "PATCH") {
    set(easy_, CURLOPT_HTTPGET, 1L);
    set(easy_, CURLOPT_CUSTOMREQUEST, method == "GET" ? nullptr : method.c_str());
    return;
  }
  set(easy_, CURLOPT_POST, 1L);
  set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(easy_, CURLOPT_POSTFIELDS, body.c_str());  // Not copied: the request outlives the attempt.
  set(easy_, CURLOPT_CUSTOMREQUEST, method == "POST" ? nullptr : method.c_str());
}
}  // namespace onward
