#include "engine/delivery/ip_address.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <cstring>

namespace onward {
std::optional<IpAddress> IpAddress::parse(const std::string& text) {
  IpAddress address;
  if (inet_pton(AF_INET, text.c_str(), &address.v4_.sin_addr) == 1) {
    address.v4_.sin_family = AF_INET;
    return address;
  }
  address.v6_ = {};
  if (inet_pton(AF_INET6, text.c_str(), &address.v6_.sin6_addr) != 1) return std::nullopt;
  address.v6_.sin6_family = AF_INET6;
  return address;
}

std::optional<IpAddress> IpAddress::of(const sockaddr* from) {
  IpAddress address;
  if (from->sa_family == AF_INET) {
    address.v4_.sin_family = AF_INET;
    address.v4_.sin_addr = reinterpret_cast<const sockaddr_in*>(from)->sin_addr;
  } else if (from->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(from);
    address.v6_.sin6_family = AF_INET6;
    address.v6_.sin6_addr = v6->sin6_addr;
    address.v6_.sin6_scope_id = v6->sin6_scope_id;
  } else {
    return std::nullopt;
  }
  return address;
}

std::string IpAddress::text() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (!ipv6()) {
    inet_ntop(AF_INET, &v4_.sin_addr, text, sizeof text);
    return text;
  }
  inet_ntop(AF_INET6, &v6_.sin6_addr, text, sizeof text);
  return v6_.sin6_scope_id == 0 ? std::string{text} : fmt::format("{}%{}", text, v6_.sin6_scope_id);
}

bool IpAddress::operator==(const IpAddress& other) const {
  if (generic_.sa_family != other.generic_.sa_family) return false;
  if (!ipv6()) return v4_.sin_addr.s_addr == other.v4_.sin_addr.s_addr;
  return v6_.sin6_scope_id == other.v6_.sin6_scope_id &&
         std::memcmp(&v6_.sin6_addr, &other.v6_.sin6_addr, sizeof v6_.sin6_addr) == 0;
}
}  // namespace onward
