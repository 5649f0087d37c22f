#pragma once
// HTTP in: the io thread, JSON in and out. The only home of Boost.Beast.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/api/intake_check.h"
#include "engine/api/tls.h"
#include "engine/core/base/log_record.h"
#include "engine/core/base/result.h"
#include "engine/host/runtime.h"

namespace onward {
struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8787;  ///< 0: any free one.
  bool no_auth = false;       ///< Refused unless `address` is loopback.
  std::size_t connections_max = 4096;
  Duration header_timeout = std::chrono::seconds{10};
  Duration body_timeout = std::chrono::seconds{30};
  Duration idle_timeout = std::chrono::minutes{5};
  std::size_t body_max = 8u << 20;
  std::shared_ptr<const TlsContext> tls = nullptr;  ///< Null: plain HTTP.
  SharedIntakeSecrets intake_secrets = {};          ///< Of adapters: another way in than a token.
  const Clock* clock = nullptr;                     ///< Of arriving events; null: the system's.
  /// Takes what requests threw (guarded.h) and refused logins; may be empty. Must not block.
  LogSink log = {};
};

/// Owns its thread from `start` to `stop`. The runtime must outlive it.
class Server {
 public:
  /// Takes the address, so that a start that cannot have it ends before it has done anything.
  /// Nobody can connect before `open`.
  static Result<std::unique_ptr<Server>> bind(ServerOptions options);
  /// From now on callers can connect; they are answered from `start` on. Before the runtime starts.
  Status open(Runtime& runtime);
  /// Both.
  static Result<std::unique_ptr<Server>> listen(Runtime& runtime, ServerOptions options);
  ~Server();
  std::uint16_t port() const;
  void start();
  /// Of the connections that come from now on; `tls` is null where it was null before. Any thread.
  void replace_tls(std::shared_ptr<const TlsContext> tls);
  /// Closes the door: no new connections, requests answered 503, those under way finished; then
  /// ends.
  void stop(Duration patience);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};
}  // namespace onward
