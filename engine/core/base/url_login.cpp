#include "engine/core/base/url_login.h"

#include <algorithm>

#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/text.h"

namespace onward {
namespace {
constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kAfterAuthority = "/?#";
/// A placeholder in a URL may hold spaces; longer ones are not taken for placeholders. Unlike in
/// Template, the first "}}" ends one, also in a quoted text: any text comes here, also one that was
/// cut, and a quote in it may be open.
constexpr std::size_t kPlaceholderMax = 256;

/// Whether the quote at `at` ends a text, rather than being part of a badly chosen password.
bool closes(std::string_view text, std::size_t at) {
  if (text[at] != '"' && text[at] != '\'') return false;
  return at + 1 == text.size() || kSpaces.find(text[at + 1]) != std::string_view::npos ||
         std::string_view{",:;)]}"}.find(text[at + 1]) != std::string_view::npos;
}

std::size_t word_end(std::string_view text, std::size_t at) {
  while (at < text.size() && kSpaces.find(text[at]) == std::string_view::npos &&
         !closes(text, at)) {
    if (text.substr(at).starts_with(kPlaceholderOpen)) {
      const std::size_t close = find_placeholder_end(text.substr(at, kPlaceholderMax));
      if (close != std::string_view::npos) at += close;
    }
    ++at;
  }
  return at;
}

/// "bob:12/34@host" is host "bob" and its port; "bob:pa/ss@host" is somebody's password.
bool looks_like_login(std::string_view authority) {
  const std::size_t colon = authority.find(':');
  if (colon == std::string_view::npos || authority.starts_with('[')) return false;
  const std::string_view port = authority.substr(colon + 1);
  return !std::all_of(port.begin(), port.end(), is_digit);
}
}  // namespace

std::vector<TextSpan> url_logins(std::string_view text) {
  std::vector<TextSpan> found;
  std::size_t word = 0;
  std::size_t sign = 0;
  for (std::size_t at = text.find('/'); at < text.size(); at = text.find('/', at)) {
    const bool begins = (at > 0 && text[at - 1] == ':') || text.substr(at).starts_with("//");
    const std::size_t from = std::min(text.find_first_not_of('/', at), text.size());
    at = from;
    if (!begins) continue;
    if (word < from) word = word_end(text, from);
    if (sign < from) sign = std::min(text.find('@', from), text.size());
    if (sign >= word) continue;
    std::size_t stop = std::min(text.find_first_of(kAfterAuthority, from), word);
    if (stop < sign) {
      if (!looks_like_login(text.substr(from, stop - from))) continue;
      stop = std::min(text.find_first_of(kAfterAuthority, sign), word);
    }
    const std::size_t last = text.substr(0, stop).rfind('@');
    found.push_back({from, last});
    at = last;
  }
  return found;
}

std::string hide_url_logins(std::string_view text) {
  std::string shown;
  std::size_t at = 0;
  for (const TextSpan& login : url_logins(text)) {
    shown += text.substr(at, login.from - at);
    shown += kHiddenLogin;
    at = login.to;
  }
  shown += text.substr(at);
  return shown;
}
}  // namespace onward
