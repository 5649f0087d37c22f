#include "engine/net/url.h"

#include <curl/urlapi.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "engine/core/base/text.h"

namespace onward {
namespace {
/// As an author writes it; with its placeholders rendered it may be longer.
constexpr std::size_t kWrittenUrlMax = 8 * 1024;

struct Cleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, Cleanup>;

/// A part of the URL; empty where it has none.
std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK || !text) return {};
  std::string result{text};
  curl_free(text);
  return result;
}

tl::unexpected<Error> refuse(std::string message) {
  return fail(ErrorKind::Invalid, "bad_url", std::move(message));
}

/// What the parser would accept or repair in silence.
std::string first_fault(std::string_view text) {
  if (text.empty()) return "a URL is wanted, such as https://crm.example.com/hooks";
  if (text.size() > kWrittenUrlMax)
    return fmt::format("the URL is longer than {} bytes", kWrittenUrlMax);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') return "the URL has a space in it; write %20";
    if (byte < 0x20 || byte == 0x7F) return "the URL has a control character in it";
    if (c == '\\') return "the URL has a \"\\\" in it; write \"/\"";
    if (byte >= 0x80)
      return "the URL has a letter beyond ASCII in it; percent-encode it (a host name: xn--…)";
  }
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos || scheme == 0)
    return "the URL must begin with http:// or https://";
  const std::string name = lower(text.substr(0, scheme));
  if (name != "http" && name != "https") return "the URL must begin with http:// or https://";
  const std::string_view rest = text.substr(scheme + 3);
  if (rest.empty() || rest.front() == '/' || rest.front() == '?' || rest.front() == '#')
    return "the URL names no host after \"://\"";
  if (rest.find('#') != std::string_view::npos)
    return "the URL has a fragment (\"#…\"), which is never sent; remove it";
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.find('@') != std::string_view::npos)
    return "the URL holds a user or password; use \"auth\" instead";
  // Of an address in brackets it begins the zone.
  if (authority.front() != '[' && authority.find('%') != std::string_view::npos)
    return "the URL's host is percent-encoded; write the name itself (beyond ASCII: xn--…)";
  return {};
}

std::string fault_text(CURLUcode code) {
  if (code == CURLUE_BAD_PORT_NUMBER) return "the URL's port must be a number from 1 to 65535";
  if (code == CURLUE_BAD_HOSTNAME || code == CURLUE_NO_HOST || code == CURLUE_BAD_IPV6)
    return "the URL's host is no valid name or address";
  return fmt::format("this is no URL: {}", curl_url_strerror(code));
}
}  // namespace

std::string Url::origin() const { return fmt::format("{}://{}:{}", scheme, host, port); }

Result<Url> parse_url(std::string_view text) {
  if (std::string fault = first_fault(text); !fault.empty()) return refuse(std::move(fault));
  const Handle handle{curl_url()};
  if (!handle) return fail(ErrorKind::Io, "no_memory", "out of memory");
  const std::string whole{text};
  const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, whole.c_str(), CURLU_PATH_AS_IS);
  if (code != CURLUE_OK) return refuse(fault_text(code));

  Url url;
  url.text = whole;
  url.scheme = lower(part(handle.get(), CURLUPART_SCHEME));
  url.host = lower(part(handle.get(), CURLUPART_HOST));
  url.path = part(handle.get(), CURLUPART_PATH);
  url.query = part(handle.get(), CURLUPART_QUERY);
  const std::string port = part(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const auto [end, fault] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (fault != std::errc{} || end != port.data() + port.size() || url.port == 0)
    return refuse(fault_text(CURLUE_BAD_PORT_NUMBER));
  if (url.host.empty()) return refuse(fault_text(CURLUE_NO_HOST));
  return url;
}

Result<std::string> origin_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto parsed = parse_url(url.substr(0, url.find_first_of("/?#", host)));
  if (!parsed) return tl::make_unexpected(parsed.error());
  return parsed->origin();
}
}  // namespace onward
