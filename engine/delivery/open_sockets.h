#pragma once
// Which socket stands for which connection: libcurl does not say, just before it sends a request.
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace onward {
/// Both ends of a connection, as libcurl names them.
struct ConnectionEnds {
  std::string_view remote, local;  ///< Addresses.
  int remote_port = 0, local_port = 0;
};

/// The open sockets of one client. Used by one thread; outlives libcurl's connections.
class OpenSockets {
 public:
  /// Takes note of the connection that was made on `socket`.
  void connected(int socket, const ConnectionEnds& ends);
  /// The socket of a connection; -1 where it is not known.
  int find(const ConnectionEnds& ends) const;
  /// Who is to be told before a socket is closed.
  void on_close(std::function<void(int)> closing) { closing_ = std::move(closing); }
  /// Closes a socket and forgets its connection.
  int close(int socket);

 private:
  std::unordered_map<std::string, int> sockets_;
  std::unordered_map<int, std::string> names_;
  std::function<void(int)> closing_;
};

/// The local port of a socket; 0 where it has none.
int local_port_of(int socket);
}  // namespace onward
