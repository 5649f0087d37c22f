#pragma once
// One caller's connection. Included by the two files that speak Asio, by nobody else.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/http_server.h"

namespace onward {
class Connection;

/// Finished answers on their way to the io thread. Outlives the server as long as somebody may
/// still answer; after `close` answers fall away.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  explicit Outbox(boost::asio::io_context& io) : io_{&io} {}
  /// Any thread. Wakes the io thread only where it has not been told yet.
  void push(std::weak_ptr<Connection> to, std::uint64_t request, Completion completion);
  /// Any thread: many answers come at once, and the io thread is woken after the last of them.
  void gather(bool begins);
  void close();

 private:
  struct Item {
    std::weak_ptr<Connection> to;
    std::uint64_t request;
    Completion completion;
  };
  void wake();
  void deliver();

  std::mutex mutex_;
  boost::asio::io_context* io_;  // null when closed
  std::vector<Item> items_;
  bool woken_ = false;  // and has not looked yet
  int gathering_ = 0;
};

/// Reads a request, hands it over, writes the reply, reads the next one. Lives on the io thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `closed` is called once, when the connection has ended.
  Connection(boost::asio::ip::tcp::socket socket, const HttpServerOptions& options,
             std::shared_ptr<Outbox> outbox, std::function<void(Connection*)> closed);
  void start();
  /// Ends after what is under way.
  void drain();
  void close();
  /// The answer of request number `request`; a late one is ignored.
  void answer(std::uint64_t request, const ApiReply& reply);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Clock = std::chrono::steady_clock;
  enum class Phase : std::uint8_t { Idle, Header, Body, Busy, Writing, Lingering };

  void read();
  void on_read(std::size_t count);
  void process();
  bool header_arrived(std::string_view raw);
  std::optional<ApiReply> judge_header(std::string_view raw) const;
  void dispatch();
  ApiRequest view_request();
  void refuse(const ApiReply& reply);
  void refuse(boost::system::error_code fault);
  void send(const ApiReply& reply);
  void write();
  void write_sealed();
  void send_ahead(std::string_view text);
  bool keep_session();
  void reply_written();
  void linger();
  void set_deadline(Duration from_now);
  void arm();
  void on_timer();
  void timed_out();

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  const HttpServerOptions& options_;
  std::shared_ptr<Outbox> outbox_;
  std::function<void(Connection*)> closed_;

  std::optional<Parser> parser_;
  std::optional<TlsSession> tls_;  // Nothing: plain HTTP.
  std::vector<char> sealed_in_;    // of it: what is read and not yet opened
  bool flushing_ = false;          // of it: the socket will take more soon

  std::vector<char> in_;
  std::size_t begin_ = 0, end_ = 0;  // what is read and not yet parsed
  std::string out_;
  std::size_t sent_ = 0;

  Phase phase_ = Phase::Idle;
  std::uint64_t request_ = 0;
  bool reading_ = false;
  bool filled_ = false;  // the last read filled the buffer
  bool header_seen_ = false;
  bool head_only_ = false;
  bool keep_alive_ = true;
  bool http10_ = false;
  bool draining_ = false;
  bool closed_already_ = false;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point armed_until_ = Clock::time_point::max();
};
}  // namespace onward
