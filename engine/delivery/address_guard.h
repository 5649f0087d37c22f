#pragma once
// Who may be called. Non-public addresses are refused unless the operator opened them by name.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

struct sockaddr;

namespace onward {
/// Judges addresses, never names: every connection's, whatever was resolved. Immutable; any thread.
class AddressGuard {
 public:
  struct Options {
    std::vector<std::string>
        allow_networks;                    ///< CIDR: "10.0.0.0/8", "fd00::/8". Private tier only.
    std::vector<std::string> allow_hosts;  ///< "crm.internal", "127.0.0.1:8080"; port optional.
  };
  static Result<AddressGuard> make(const Options& options);

  /// Empty where `address` may be called on behalf of `host` and `port`; else a sentence for the
  /// author that names the address, its kind and the setting that opens it.
  ///
  /// An exact entry in allow_hosts opens any address of that host, loopback and link-local too;
  /// allow_networks opens private networks, and loopback and link-local only where the entry lies
  /// wholly inside them. Mapped, translated, NAT64 and 6to4 addresses are judged by what they
  /// reach. Ports of mail (25, 465, 587) open only by an entry in allow_hosts that names the port.
  std::string refuse(const sockaddr* address, std::string_view host, std::uint16_t port) const;

 private:
  struct Network {
    std::uint8_t bytes[16];
    int bits;
  };
  struct Host {
    std::string name;
    std::uint16_t port;  // 0: any
  };
  std::vector<Network> networks_;
  std::vector<Host> hosts_;
};
}  // namespace onward
