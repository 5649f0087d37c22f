#pragma once
// Who may be called. Non-public addresses are refused unless the operator opened them by name.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"

struct sockaddr;

namespace onward {
/// Decides by the address of each connection, never by the name that it was resolved from. Copies
/// share their rules, which `replace` exchanges for all of them. Any thread.
class AddressGuard {
 public:
  struct Options {
    std::vector<std::string>
        allow_networks;                    ///< CIDR: "10.0.0.0/8", "fd00::/8". Private tier only.
    std::vector<std::string> allow_hosts;  ///< "crm.internal", "127.0.0.1:8080"; port optional.
  };
  static Result<AddressGuard> make(const Options& options);
  /// Checks one entry; the message says what it must be, and names no option.
  static Status check_network(const std::string& entry);
  static Status check_host(const std::string& entry);

  /// From now on this guard and its copies judge by the rules of `other`.
  void replace(const AddressGuard& other);
  /// Grows with each `replace`: what was judged before may be judged otherwise now.
  std::uint64_t generation() const { return shared_->generation; }

  /// Empty where `address` may be called on behalf of `host` and `port`; else a sentence for the
  /// author that names the address, its kind and the setting that opens it.
  ///
  /// An exact entry in allow_hosts opens any address of that host, loopback and link-local too;
  /// allow_networks opens private networks, and loopback and link-local only where the entry lies
  /// wholly inside them. Mapped, translated, NAT64 and 6to4 addresses are judged by what they
  /// reach. Ports of mail (25, 465, 587) open only by an entry in allow_hosts that names the port.
  std::string refuse(const sockaddr* address, std::string_view host, std::uint16_t port) const;
  /// The same where it is known without a look-up, as the host is an address or "localhost", or the
  /// port is one of mail. Empty: it depends on what the name is resolved to.
  std::string refuse_unresolved(std::string_view host, std::uint16_t port) const;

 private:
  struct Network {
    std::uint8_t bytes[16];
    int bits;
  };
  struct Host {
    std::string name;
    std::uint16_t port;  // 0: any
  };
  struct Rules {
    std::vector<Network> networks;
    std::vector<Host> hosts;
  };
  struct Shared {
    std::mutex mutex;
    std::shared_ptr<const Rules> rules;  ///< Never null.
    std::atomic<std::uint64_t> generation = 1;
  };
  AddressGuard() = default;
  std::shared_ptr<const Rules> rules() const;

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};
}  // namespace onward
