#pragma once
// Finds the user and password of URLs in any text, so that no message shows them.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace onward {
/// Bytes `from` up to, not including, `to`.
struct TextSpan {
  std::size_t from = 0;
  std::size_t to = 0;
};

inline constexpr std::string_view kHiddenLogin = "***";

/// What stands between "//" and "@" of each URL, also where a slip makes it a wrong one. In order;
/// takes time in proportion to the text.
std::vector<TextSpan> url_logins(std::string_view text);

/// The text with `kHiddenLogin` in place of each.
std::string hide_url_logins(std::string_view text);
}  // namespace onward
