#include "engine/delivery/open_sockets.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace onward {
namespace {
std::string name_of(const ConnectionEnds& ends) {
  return fmt::format("{} {} {} {}", ends.remote, ends.remote_port, ends.local, ends.local_port);
}
}  // namespace

void OpenSockets::connected(int socket, const ConnectionEnds& ends) {
  std::string name = name_of(ends);
  sockets_[name] = socket;
  names_[socket] = std::move(name);
}

int OpenSockets::find(const ConnectionEnds& ends) const {
  const auto found = sockets_.find(name_of(ends));
  return found == sockets_.end() ? -1 : found->second;
}

int OpenSockets::close(int socket) {
  if (const auto known = names_.find(socket); known != names_.end()) {
    const auto at = sockets_.find(known->second);
    if (at != sockets_.end() && at->second == socket) sockets_.erase(at);
    names_.erase(known);
  }
  if (closing_) closing_(socket);
  return ::close(socket);
}

int local_port_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  if (storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  }
  if (storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  }
  return 0;
}
}  // namespace onward
