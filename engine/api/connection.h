#pragma once
// One caller's connection. Included by the two files that speak Asio, by nobody else.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/body_budget.h"
#include "engine/api/connection_ranks.h"
#include "engine/api/http_server.h"
#include "engine/api/request_reader.h"
#include "engine/api/unread_answers.h"
#include "engine/api/work_thread.h"
#include "engine/core/base/active_time.h"

namespace onward {
class Connection;

/// Finished answers on their way to the io thread. Outlives the server as long as somebody may
/// still answer; after `close` answers fall away.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  Outbox(boost::asio::io_context& io, LogSink log) : io_{&io}, log_{std::move(log)} {}
  /// Starts the thread of long replies.
  void start() { long_replies_.start("onward-replies"); }
  /// Any thread. Wakes the io thread only where it has not been told yet.
  void push(std::weak_ptr<Connection> to, std::uint64_t request, Completion completion);
  /// Any thread: many answers come at once, and the io thread is woken after the last of them.
  void gather(bool begins);
  /// Waits for a reply that is being made.
  void close();

 private:
  struct Item {
    std::weak_ptr<Connection> to;
    std::uint64_t request;
    Completion completion;
  };
  void wake();
  void deliver();
  ApiReply made(Completion completion) const;

  std::mutex mutex_;
  boost::asio::io_context* io_;  // null when closed
  const LogSink log_;
  std::vector<Item> items_;
  bool woken_ = false;  // and has not looked yet
  int gathering_ = 0;
  WorkThread long_replies_;
};

/// What all connections of a server have in common. Outlives them.
struct ConnectionHome {
  const HttpServerOptions& options;
  std::shared_ptr<Outbox> outbox;
  std::shared_ptr<BodyBudget> bodies;
  ConnectionRanks ranks = {};
  UnreadAnswers<Connection> unread{options.unread_max};
  std::uint64_t entries = 0;  ///< How often connections have entered a phase.
  /// What is read from a socket at once, so that a connection that waits takes no memory for it.
  /// For the io thread.
  std::vector<char> input = std::vector<char>(std::size_t{64} << 10);
  WorkThread large_bodies = {};
  /// Limits are counted in active time; the server looks at it once a second while there are
  /// connections.
  ActiveTime time = {};
  /// Called once for each connection, when it has ended.
  std::function<void(Connection*)> closed = {};
};

/// Reads a request, hands it over, writes the reply, reads the next one: what a client sends ahead
/// stays in the socket, and one answer at most waits for it. Lives on the io thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, ConnectionHome& home);
  ~Connection();
  void start();
  /// Ends after what is under way.
  void drain();
  void close();
  /// The answer of request number `request`; a late one is ignored.
  void answer(std::uint64_t request, ApiReply reply);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase : std::uint8_t { Idle, Header, Body, Busy, Writing, Lingering };

  /// Runs a step of the connection: what it throws is answered with 500, and the connection ends.
  template <class Step>
  void run(Step step) noexcept;
  void give_up() noexcept;
  void take_up();
  void read();
  void receive();
  void on_read(std::string_view bytes);
  void process(std::string_view bytes);
  void keep(std::string_view rest);
  bool charge();
  bool make_room();
  Connection* longest_stranger() const;
  std::size_t read_most() const;
  bool header_arrived();
  void dispatch();
  void forget_request();
  void refuse(ApiReply reply);
  void send(ApiReply reply);
  void write();
  void write_sealed();
  void await_reader();
  void forget_answer();
  void send_ahead(std::string_view text);
  bool keep_session();
  void reply_written();
  void linger();
  void set_deadline(Duration from_now);
  void arm();
  void on_timer();
  void timed_out();
  void enter(Phase phase);
  ConnectionRanks::Rank rank_of(Phase phase) const;
  std::size_t out_size() const { return out_.size() + content_.content().size(); }
  std::string_view out_from(std::size_t at) const;

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  ConnectionHome& home_;
  const HttpServerOptions& options_;
  const std::string peer_;  // the address of the other end

  std::unique_ptr<RequestReader> reader_;
  std::optional<TlsSession> tls_;  // Nothing: plain HTTP.
  bool flushing_ = false;          // of it: the socket will take more soon

  std::string in_;                // what is read and not yet parsed
  BodyBudget::Charge in_charge_;  // for `in_`; what is parsed counts in the reader's charge
  std::string out_;               // the head of the answer, and a short content
  ApiReply content_;              // holds a content that is too long to be copied
  std::size_t sent_ = 0;
  std::optional<UnreadAnswers<Connection>::Place> unread_;     // while the client has to read on
  Clock::time_point answer_until_ = Clock::time_point::max();  // of an answer in `unread_`

  Phase phase_ = Phase::Idle;
  std::uint64_t entered_ = 0;  // `entries` of the home when the phase began
  ConnectionRanks::Rank rank_ = ConnectionRanks::Rank::StrangerIdle;
  ConnectionRanks::Place place_;
  bool known_ = false;  // has shown a valid token or secret
  std::uint64_t request_ = 0;
  bool reading_ = false;
  bool head_only_ = false;
  bool keep_alive_ = true;
  bool http10_ = false;
  bool draining_ = false;
  bool closed_already_ = false;
  Clock::time_point deadline_ = Clock::time_point::max();  // in active time, as the next one
  Clock::time_point armed_until_ = Clock::time_point::max();
};
}  // namespace onward
