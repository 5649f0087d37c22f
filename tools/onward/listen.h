#pragma once
// A small receiver of webhooks on this machine, to try things out with.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

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
  int retry_after = -1;  ///< Seconds, in refusals; negative: not said.
  bool echo = false;     ///< Answers repeat the request.
  bool show = false;     ///< Print headers and bodies as well.
  /// Signatures are checked with the secrets in these files, any of them will do; what has none
  /// that is right is answered 401.
  std::vector<std::string> secret_files;
};

/// Answers requests (HTTP/1.1, kept open) until SIGINT or SIGTERM; the exit code is then 0. A
/// request is printed as it is answered: a line for people, or the log's JSON with `json`, or
/// nothing with `quiet`. In the log are
/// {"at", "method", "path", "headers" (names in lower case), "body" (text), "status"}, and with
/// `secret_files` "signature"
/// ("right", or what is wrong).
///
/// Bodies beyond 16 MiB are answered 413 and what is no HTTP 400, and the connection is closed.
int listen_main(const ListenOptions& options, std::ostream& out, std::ostream& err);
}  // namespace onward
