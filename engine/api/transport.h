#pragma once
// A connection's bytes: a socket, with or without TLS. Knows nothing of HTTP but the answer to a
// client that speaks plain HTTP where TLS is spoken. Includes Asio; only the connection includes
// this file.
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/api/outgoing_answer.h"
#include "engine/api/tls.h"

namespace onward {
/// Never blocks. Lives on the io thread. Handlers must keep its owner alive.
class Transport {
 public:
  using Error = boost::system::error_code;
  enum class Sending : std::uint8_t {
    Done,     ///< All of it is sent.
    Blocked,  ///< The socket takes no more for now: see `when_writable`.
    Failed,
  };
  enum class Session : std::uint8_t {
    Continues,  ///< Also without TLS.
    PlainHttp,  ///< The client speaks no TLS.
    Ended,      ///< Closed by the client, or it broke the protocol.
    Flooded,    ///< The client sends on and on, and does not read what it is sent.
  };
  struct Received {
    std::size_t count = 0;  ///< 0: nothing was there.
    bool failed = false;    ///< Or the client has closed the connection.
  };

  /// `tls` may be null: plain HTTP.
  Transport(boost::asio::ip::tcp::socket socket, const TlsContext* tls);

  auto executor() { return socket_.get_executor(); }
  /// The address of the other end; empty where it has already gone.
  std::string peer() const;
  void start();
  void close();

  bool is_sealed() const { return tls_.has_value(); }
  /// With TLS: turns what was taken into at most `room` plain bytes; 0: more must be received.
  std::size_t unseal(char* plain, std::size_t room) { return tls_->read(plain, room); }
  void take_sealed(std::string_view bytes) { tls_->take(bytes); }
  Session session() const;

  /// Reads what the socket has: with TLS sealed bytes, at most those of a record.
  Received receive(char* bytes, std::size_t room);
  /// Calls `handler(error)` when there is more to receive.
  template <class Handler>
  void when_readable(Handler handler) {
    reading_ = true;
    socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                       [this, handler = std::move(handler)](Error error) {
                         reading_ = false;
                         handler(error);
                       });
  }
  bool is_reading() const { return reading_; }

  /// Sends what is left of `answer`, behind what the session itself has to say.
  Sending send(OutgoingAnswer& answer);
  /// Sends what the session itself has to say.
  Sending flush();
  /// Before the answer. With TLS it is sent by `flush`; without, it is dropped where it does not
  /// fit: the client sends its body anyway, later.
  void send_ahead(std::string_view text);
  /// The answer to a client that speaks no TLS.
  void refuse_plain_http();
  /// Tells the session's other end that nothing more comes.
  void end_session();
  /// Nothing more is sent. False: the connection is broken.
  bool shut_down();
  /// Calls `handler(error)` when the socket takes more. While one waits, others are dropped.
  template <class Handler>
  void when_writable(Handler handler) {
    if (std::exchange(writing_, true)) return;
    socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                       [this, handler = std::move(handler)](Error error) {
                         writing_ = false;
                         handler(error);
                       });
  }

 private:
  Sending send_plain(OutgoingAnswer& answer);

  boost::asio::ip::tcp::socket socket_;
  std::optional<TlsSession> tls_;
  bool reading_ = false;
  bool writing_ = false;
};
}  // namespace onward
