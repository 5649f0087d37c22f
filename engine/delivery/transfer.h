#pragma once
// One HTTP attempt on one libcurl handle: what is sent, and what is kept of the answer.
#include <curl/curl.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/delivery/address_guard.h"
#include "engine/delivery/alarms.h"
#include "engine/delivery/answer_reader.h"
#include "engine/delivery/curl_request.h"
#include "engine/delivery/destination.h"
#include "engine/delivery/failure.h"
#include "engine/delivery/http_client.h"
#include "engine/delivery/open_sockets.h"
#include "engine/guard/work_note.h"

namespace onward {
/// What is the same for all transfers of a client.
struct TransferOptions {
  const AddressGuard* guard = nullptr;  ///< Null: any address may be called.
  OpenSockets* sockets = nullptr;       ///< Null: connections are not used again.
  /// Where a handle says when to look at its limits (`is_over`). Null: libcurl keeps the limits,
  /// by a clock that also runs while the process is stopped, and before it reads what has come.
  Alarms<CURL*>* alarms = nullptr;
  std::function<std::chrono::steady_clock::time_point()> clock = std::chrono::steady_clock::now;
  /// Told whose request goes out and whose answer begins; the client says when that is over. Null:
  /// nobody is told.
  WorkNote* note = nullptr;
  std::string user_agent;
  std::string ca_file;
  bool https_only = false;
  std::size_t body_read_max = 64 * 1024;  ///< Beyond, the connection is closed.
  std::size_t body_keep_max = 4 * 1024;
};

/// A handle and its state, used for one attempt after another. Never moves: libcurl points to it.
class Transfer {
 public:
  using Clock = std::chrono::steady_clock;

  /// `options` must outlive it.
  explicit Transfer(const TransferOptions& options);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Makes the handle ready. False where the request may not be sent as it stands: `reply` says
  /// why, and nothing is to be performed.
  bool prepare(HttpRequest request, HttpReply& reply);
  /// The name that is to be looked up before it is performed; empty where there is none.
  const std::string& name() const { return destination_.name(); }
  Clock::time_point begun() const { return begun_; }
  const HttpRequest& request() const { return request_; }
  /// Sends it to the addresses of its name, one after another. False where there is none to go to:
  /// `reply` says why, and nothing is to be performed.
  bool go_to(Resolver::Found found, HttpReply& reply);

  /// Nobody was reached at the address that it went to.
  bool unreached(CURLcode code) const;
  /// The address that it went to, of its name; null where the URL holds it.
  const IpAddress* address() const { return destination_.address(); }
  /// When to ask `is_over` next.
  Clock::time_point limit() const;
  /// A limit has passed: libcurl is to be told nothing more of it, and it ends as timed out. The
  /// limit of an address that has not answered passes once (see `again`).
  bool is_over(Clock::time_point now);
  /// The handle is to be performed once more: on a new connection, since the one that libcurl would
  /// have used again was out of step (at most once an attempt), or at the next address.
  bool again(CURLcode code);
  /// What came of it, once libcurl is done with the handle.
  HttpReply finish(CURLcode code);

  CURL* handle() const { return easy_.get(); }
  static Transfer* of(CURL* handle);
  const std::string& content_type() const { return reader_.answer().content_type; }

 private:
  struct EasyDelete {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };

  /// What happened on the way to an answer.
  struct Way {
    /// Whether the connection that was opened last is not there yet.
    bool connecting() const;
    /// Whether the kept connection has something to read although nobody asked anything yet: the
    /// rest of an answer, one that was sent unasked, or its end. libcurl would take it for our
    /// answer. Adds a new connection to the table.
    bool out_of_step(OpenSockets& table, const ConnectionEnds& ends, CURL* handle) const;

    std::string refusal;       ///< By the guard.
    std::vector<int> sockets;  ///< Opened for it; one stands for the connection, others are gone.
    bool ipv6 = false;
    int socket_errno = 0;
    /// The receiver of a new TLS connection asked for a certificate of ours.
    std::shared_ptr<bool> certificate_asked;
    bool requested = false;
    bool stale = false;  ///< The kept connection held bytes, or its end, before it was asked.
  };

  void say_working();
  void set_constants();
  void aim();
  HttpReply refused(Failure failure);
  Failure failure_of(CURLcode code) const;

  curl_socket_t open_socket(curl_sockaddr* address);
  int before_request(const ConnectionEnds& ends);

  static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self);
  static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self);
  static CURLcode on_tls_context(CURL*, void* context, void* self);
  static curl_socket_t on_open_socket(void* self, curlsocktype, curl_sockaddr* address);
  static int on_before_request(void* self, char* address, char* local, int port, int local_port);

  const TransferOptions& options_;
  std::unique_ptr<CURL, EasyDelete> easy_;
  CurlRequest outgoing_;
  Destination destination_;
  char message_[CURL_ERROR_SIZE] = {};

  HttpRequest request_;
  Clock::time_point begun_;
  Clock::duration waited_{};                          ///< Until libcurl was handed it last.
  std::optional<Clock::time_point> next_address_at_;  ///< If this one has not answered by then.
  std::optional<Failure> earlier_;                    ///< At the address before.
  AnswerReader reader_;
  Way way_;
};

/// Prepares libcurl, once in a process. From then on SIGPIPE is ignored: with CURLOPT_NOSIGNAL
/// libcurl no longer sees to that.
void init_curl();
}  // namespace onward
