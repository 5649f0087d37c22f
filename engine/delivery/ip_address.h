#pragma once
// One IPv4 or IPv6 address, without a port.
#include <netinet/in.h>

#include <optional>
#include <string>

namespace onward {
class IpAddress {
 public:
  /// "192.0.2.1", "2001:db8::1"; nothing where the text is no address in its plain form.
  static std::optional<IpAddress> parse(const std::string& text);
  /// Nothing for other families.
  static std::optional<IpAddress> of(const sockaddr* address);

  const sockaddr* get() const { return &generic_; }
  bool ipv6() const { return generic_.sa_family == AF_INET6; }
  /// As `parse` reads it; behind a link-local address stands its interface: "fe80::1%2".
  std::string text() const;
  bool operator==(const IpAddress& other) const;

 private:
  IpAddress() = default;
  union {
    sockaddr generic_;
    sockaddr_in v4_;
    sockaddr_in6 v6_{};
  };
};
}  // namespace onward
