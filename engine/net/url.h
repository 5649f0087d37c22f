#pragma once
// URLs, read by libcurl's own parser, so that what is checked is what is called.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/base/result.h"

namespace onward {
struct Url {
  std::string text;    ///< Whole, as written.
  std::string scheme;  ///< "http" or "https".
  std::string host;    ///< Lower case; IPv6 in brackets.
  std::uint16_t port = 0;
  std::string path;            ///< With its leading "/".
  std::string query;           ///< Without "?"; may be empty.
  std::string origin() const;  ///< "https://crm.example.com:443"
};
/// Refused with a sentence: no scheme, another scheme than http or https, no host, user or password
/// (use `auth`), a fragment, spaces or control characters, a port that is none.
Result<Url> parse_url(std::string_view text);

/// `Url::origin` of a URL whose path and query may be long, and may hold references to secrets:
/// only what is in front of them is read, as `parse_url` reads it.
Result<std::string> origin_of(std::string_view url);
}  // namespace onward
