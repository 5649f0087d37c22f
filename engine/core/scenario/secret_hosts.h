#pragma once
// The hosts to which one secret or credential may be sent. Pure.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace onward {
/// Of an attempt that was not made, and of a file that is refused.
inline constexpr std::string_view kSecretHostRefused = "secret_host_not_allowed";
/// Hosts of one secret.
inline constexpr std::size_t kSecretHostsMax = 100;

struct SecretHosts {
  enum class Rule : std::uint8_t {
    Unset,   ///< Stored before secrets had hosts: any host, with warnings.
    Any,     ///< Any host, as an admin decided.
    Listed,  ///< Those in `hosts` and no others.
  };
  Rule rule = Rule::Unset;
  /// As `parse_secret_hosts` makes them: "crm.example.com" (at any port), "crm.example.com:8443",
  /// "*.example.com" (all names below it), "192.0.2.7", "[2001:db8::1]:8443". Lower case.
  std::vector<std::string> hosts = {};

  /// Whether a request to `origin` ("https://crm.example.com:443", see `Url::origin`) may hold the
  /// secret. A final dot in the origin's name has no effect.
  bool permits(std::string_view origin) const;
  bool operator==(const SecretHosts&) const = default;
};

/// "crm.example.com, *.example.org" for a message; of many hosts the first ones. "any host".
std::string hosts_text(const SecretHosts& hosts);

/// "crm.example.com" of "https://crm.example.com:443"; with the port if it is not the scheme's own.
std::string host_of_origin(std::string_view origin);

/// `onward secret set crm_key --keep --host crm.example.com --host new.example.com`: what allows
/// `host` as well. `kind` is "secret" or "credential".
std::string allow_command(std::string_view kind, std::string_view name, const SecretHosts& now,
                          std::string_view host);

/// `the secret "crm_key" may not be sent to evil.example.com; allowed: crm.example.com`
std::string refused_host_text(std::string_view kind, std::string_view name,
                              const SecretHosts& hosts, std::string_view origin);
}  // namespace onward
