#pragma once
// A small receiver of webhooks on this machine, to try things out with.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace onward {
struct ListenOptions {
  std::string address = "127.0.0.1";  ///< IPv4 or IPv6.
  std::uint16_t port = 0;             ///< 0: any; it is printed.
  std::string port_file;              ///< Gets the port once it listens; may be empty.
  std::size_t refuse_first = 0;       ///< So many requests are answered 503.
  int status = 200;                   ///< Of all other answers.
  std::chrono::milliseconds delay{};  ///< Before each answer.
  std::string log;  ///< Each request is appended to it, a JSON object a line; may be empty.
  bool json = false;
  bool quiet = false;
};

/// Answers requests (HTTP/1.1, kept open) until SIGINT or SIGTERM; the exit code is then 0. A
/// request is printed as it is answered: a line for people, or the log's JSON with `json`, or
/// nothing with `quiet`. In the log are
/// {"at", "method", "path", "headers" (names in lower case), "body" (text), "status"}.
///
/// Bodies beyond 16 MiB are answered 413 and what is no HTTP 400, and the connection is closed.
int listen_main(const ListenOptions& options, std::ostream& out, std::ostream& err);
}  // namespace onward
