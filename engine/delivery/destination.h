#pragma once
// Where one attempt goes: to the address in its URL, or to those of its name that may be called,
// one after another. libcurl is handed one address at a time and looks nothing up.
#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/delivery/address_guard.h"
#include "engine/delivery/resolver.h"

namespace onward {
/// Kept from one attempt to the next, since most go where the one before went.
class Destination {
 public:
  /// Addresses of a name that one attempt tries at most.
  static constexpr std::size_t kAddressesMax = 4;

  /// Sets the target of the attempts to come; `host` as libcurl has it.
  void set_target(std::string host, std::uint16_t port);
  const std::string& host() const { return host_; }
  std::uint16_t port() const { return port_; }
  std::string where() const;  ///< "crm.example.com:443"
  /// What is to be looked up first; empty where the host is an address.
  const std::string& name() const { return name_; }

  /// Begins an attempt at the first address of `found` that `guard` does not refuse; null guard:
  /// it refuses none. Empty, or why there is no such address.
  std::string begin(std::shared_ptr<const LookUp> found, const AddressGuard* guard);
  /// The same where there is nothing to look up.
  void begin_literal();
  bool more() const { return at_ + 1 < stops_.size(); }  ///< There is another address.
  void next() { ++at_; }
  /// Of a name; null where the URL holds it.
  const IpAddress* address() const;
  /// For CURLOPT_CONNECT_TO, which keeps the names of SNI, certificate and Host; lives until the
  /// target changes, or what is known of its name. Null where the URL holds an address.
  curl_slist* connect_to() const;

 private:
  struct ListDelete {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  struct Stop {
    IpAddress address;
    std::unique_ptr<curl_slist, ListDelete> connect_to;
  };

  std::string host_, name_;
  std::uint16_t port_ = 0;
  /// That `stops_` and `refusal_` were made from: what was found, and the guard's generation.
  std::shared_ptr<const LookUp> found_;
  std::uint64_t judged_by_ = 0;
  std::vector<Stop> stops_;
  std::string refusal_;
  std::size_t at_ = 0;
};
}  // namespace onward
