#pragma once
// The socket side of the API: one io thread that reads requests, hands them over and writes
// replies. Knows nothing of routes.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/api/body_budget.h"
#include "engine/api/http.h"
#include "engine/api/tls.h"
#include "engine/core/base/log_record.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: any free one.
  std::size_t connections_max = 4096;
  Duration header_timeout = std::chrono::seconds{10};
  /// Also of an answer of which the client reads nothing.
  Duration body_timeout = std::chrono::seconds{30};
  Duration idle_timeout = std::chrono::minutes{5};
  std::size_t header_max = 16u << 10;
  std::size_t body_max = 8u << 20;
  /// Of a body whose sender has shown no valid token or secret: its signature can only be checked
  /// when it is whole.
  std::size_t unproven_body_max = 1u << 20;
  BodyLimits bodies = {};  ///< Of all connections together; beyond them 503.
  /// Of answers that clients have not read yet, in all connections together. Beyond it the
  /// connection is closed whose answer has waited longest.
  std::size_t unread_max = 64u << 20;
  /// Of answers that the kernel holds for one client, about (Linux doubles it). No other limit
  /// counts them, and by default the kernel holds megabytes for each client that does not read.
  std::size_t send_buffer = 64u << 10;
  /// Bytes a second: see answer_time.
  std::size_t answer_rate_min = 16u << 10;
  /// Requests with a larger body are handled on a thread of their own, one after the other.
  std::size_t body_on_io_max = 64u << 10;

  /// Null: plain HTTP. Else callers shake hands first, within `header_timeout`.
  std::shared_ptr<const TlsContext> tls = nullptr;

  /// Takes what the threads of the server caught (guarded.h). Any thread.
  LogSink log = {};
  /// Answers a request; called on the io thread or on that of large bodies, must not block.
  std::function<void(ApiRequest&, Responder)> handle;
  /// Judges a request by its header. The refusal counts only where a body follows. May be empty.
  std::function<Admission(const ApiRequest&)> admit;
};

/// HTTP/1.1 with keep-alive and pipelining: one request at a time per connection, answered in
/// order. What breaks the protocol or a limit gets its status and the connection ends. Where a new
/// connection finds `connections_max` of them, the one that has been idle longest is closed, first
/// of those that have shown no valid token; where all have a request under way, the new one gets
/// 503.
class HttpServer {
 public:
  /// Takes the address. Nobody can connect before `open`.
  static Result<std::unique_ptr<HttpServer>> bind(HttpServerOptions options);
  /// From now on callers can connect; they wait for `start`.
  Status open();
  /// Both.
  static Result<std::unique_ptr<HttpServer>> listen(HttpServerOptions options);
  ~HttpServer();
  std::uint16_t port() const;
  void start();
  /// Of the connections that come from now on. Any thread.
  void replace_tls(std::shared_ptr<const TlsContext> tls);
  /// Brackets many answers that are given at once (`true` before the first, `false` after the
  /// last), so that the io thread is woken once. Any thread, also when the server is gone.
  std::function<void(bool begins)> gatherer() const;
  /// No new connections; idle ones end, requests under way are answered, later ones get 503. Ends
  /// the thread when none is left or `patience` is over.
  void stop(Duration patience);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};
}  // namespace onward
