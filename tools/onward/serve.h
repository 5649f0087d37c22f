#pragma once
// `onward serve`: opens a data folder, runs the engine and the API until it is told to stop.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/contact/contact_size.h"
#include "engine/core/scenario/node.h"

namespace onward {
/// How clients reach the server.
struct ServeApiOptions {
  std::string listen = "127.0.0.1:8787";
  std::string port_file;          ///< Gets the port when the server listens; may be empty.
  std::string tls_cert, tls_key;  ///< Empty: plain HTTP.
  bool no_auth = false;
  std::vector<std::string> intake_secret_files;  ///< "ADAPTER=FILE"
  std::size_t connections_max = 4096;
};

/// What webhooks may call, and how many at once.
struct ServeWebhookOptions {
  std::vector<std::string> allow_hosts, allow_networks;
  std::string allow_file;  ///< The same, one a line; read again on SIGHUP. Empty: none.
  bool https_only = false;
  std::string ca_file;
  std::size_t concurrency_total = 2048;
  std::size_t concurrency_origin = 512;
};

struct ServeOptions {
  std::string data;
  ServeApiOptions api;
  ServeWebhookOptions webhooks;
  bool quiet = false;     ///< Log warnings and errors only.
  bool json_log = false;  ///< A JSON object a line.
  std::int64_t account_id = 1;
  std::size_t contact_bytes_max = kContactBytesMax;
  Duration dedupe_for = std::chrono::hours{24 * 7};
  std::size_t dedupe_memory = std::size_t{64} << 20;  ///< See SqliteOptions.
  std::optional<Duration> keep_bodies, keep_runs;     ///< Nothing: for ever.
  Duration patience = std::chrono::seconds{20};       ///< For what is in flight when it is to stop.
};
/// Answers the exit code. Reads --tls-cert, --tls-key, --intake-secret-file and --allow-file again
/// on SIGHUP, all or none. Stops on SIGTERM and SIGINT: no new requests, what is in flight
/// finishes, the journal is folded; a second signal ends at once.
int run_serve(ServeOptions options, const NodeKinds& kinds);

/// "127.0.0.1:8787", "[::1]:0", or a port alone (on 127.0.0.1).
struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
};
Result<ListenAddress> parse_listen(std::string_view text);
}  // namespace onward
