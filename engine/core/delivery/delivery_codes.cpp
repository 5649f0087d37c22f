#include "engine/core/delivery/delivery_codes.h"

#include <algorithm>
#include <array>

#include "engine/core/base/text.h"

namespace onward {
namespace {
constexpr std::array<std::string_view, 33> kWords{"archived",
                                                  "bad_header",
                                                  "bad_url",
                                                  "blocked_policy",
                                                  "body_truncated",
                                                  "by_hand",
                                                  "connect_refused",
                                                  "connect_timeout",
                                                  "deadline",
                                                  "dns",
                                                  "dns_busy",
                                                  "forgotten",
                                                  "gone",
                                                  "header_limit",
                                                  "input_too_large",
                                                  "internal_error",
                                                  "local",
                                                  "no_network",
                                                  "permanent",
                                                  "poison",
                                                  "protocol",
                                                  "redirect",
                                                  "request_missing",
                                                  "reset",
                                                  "secret_host_not_allowed",
                                                  "secret_missing",
                                                  "timeout",
                                                  "tls",
                                                  "tls_cert",
                                                  "tls_client_cert",
                                                  "too_large",
                                                  "unreachable",
                                                  "version_missing"};

bool is_status(std::string_view text) {
  return text.size() == 3 && text.front() != '0' && is_digits(text);
}
}  // namespace

std::span<const std::string_view> delivery_words() { return kWords; }

bool is_delivery_code(std::string_view text) {
  constexpr std::string_view kStatus = "status_";
  if (text.starts_with(kStatus)) return is_status(text.substr(kStatus.size()));
  // With the name of the header behind it.
  if (text.starts_with("bad_header: ")) return true;
  return is_status(text) || std::ranges::find(kWords, text) != kWords.end();
}
}  // namespace onward
