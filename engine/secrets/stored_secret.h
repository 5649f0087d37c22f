#pragma once
// A secret or a credential as it is kept: what it holds, when it was set, what it replaced.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/scenario/secret_hosts.h"

namespace onward {
enum class SecretKind : std::uint8_t { Secret, Credential };
/// "secret", "credential"
std::string_view to_string(SecretKind kind);

/// How a credential shows itself; a secret has none.
enum class AuthScheme : std::uint8_t { None, Basic, Bearer, Header };
/// "none", "basic", "bearer", "header"
std::string_view to_string(AuthScheme scheme);

struct StoredSecret {
  std::string value;
  std::string previous;            ///< While it is rotated: signs too; else empty.
  Instant set{};                   ///< When `value` came.
  std::optional<Instant> rotated;  ///< When `previous` was replaced.
  AuthScheme scheme = AuthScheme::None;
  std::string login;  ///< Basic: the username. Header: the header's name.
  SecretHosts hosts;  ///< Where it may be sent. Sealed with the value, so nobody can widen it.
  bool operator==(const StoredSecret&) const = default;
};
/// The text that is sealed, and back; "unreadable" where it is none.
std::string pack(const StoredSecret& secret);
Result<StoredSecret> unpack(std::string_view text);

/// Letters, digits, "-" and "_", at most 64: what a placeholder can name.
bool valid_secret_name(std::string_view name);
/// A text of 4 to 8,192 bytes that may stand in a header: UTF-8, no control characters, no blank at
/// either end; behind "whsec_" base64. The error ("bad_value") says which, never the value.
///
/// Shorter ones could not be told apart from ordinary text, so an answer that repeats them could
/// not be masked.
Status check_secret_value(std::string_view value);
/// The same of what goes with a credential's value: a username without ":", or a header's name that
/// authors may set.
Status check_login(AuthScheme scheme, std::string_view login);

/// The rule that allows `hosts`, normalized: lower case, without a final dot, addresses in their
/// shortest form, duplicates removed. Each must be a host name in ASCII, "*." and a name of two
/// labels or more, an IPv4 address, or an IPv6 address (in brackets, if a port follows); a port is
/// optional. At most kSecretHostsMax. The error ("bad_host") gives the position of the wrong one
/// and the reason; it does not repeat the text, which may be a value by mistake.
Result<SecretHosts> parse_secret_hosts(const std::vector<std::string>& hosts);
}  // namespace onward
