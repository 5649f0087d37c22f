#pragma once
// What the server accepts as an e-mail address.
#include <cstddef>
#include <string_view>

namespace onward {
/// Bytes of an e-mail address: 64 before the "@" and 255 after it (RFC 5321, 4.5.3.1).
inline constexpr std::size_t kAddressBytesMax = 320;
/// Addresses of one test mode.
inline constexpr std::size_t kTestEmailsMax = 100;

/// Whether `email`, in its normal form (see normal_email), is enough of an address to look a
/// contact up by. Only a mail server can tell whether it exists.
bool is_address(std::string_view email);
}  // namespace onward
