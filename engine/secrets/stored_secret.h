#pragma once
// A secret or a credential as it is kept: what it holds, when it was set, what it replaced.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/core/time.h"

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
}  // namespace onward
