#pragma once
// One client's connection. Includes Asio; only the server and its outbox include this file.
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/api/answer_outbox.h"
#include "engine/api/body_budget.h"
#include "engine/api/connection_ranks.h"
#include "engine/api/connection_state.h"
#include "engine/api/deadline_timer.h"
#include "engine/api/http_server.h"
#include "engine/api/incoming_request.h"
#include "engine/api/outgoing_answer.h"
#include "engine/api/transport.h"
#include "engine/api/unread_answers.h"
#include "engine/api/work_thread.h"
#include "engine/core/base/active_time.h"

namespace onward {
class Connection;

/// What all connections of a server have in common. Outlives them.
struct ConnectionHome {
  const HttpServerOptions& options;
  std::shared_ptr<AnswerOutbox> outbox;
  std::shared_ptr<BodyBudget> bodies;
  ConnectionRanks ranks = {};
  UnreadAnswers<Connection> unread{options.unread_max};
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
  /// For the timer.
  void timer_fired() noexcept;

 private:
  using Phase = ConnectionPhase;

  /// Runs a step of the connection: what it throws is answered with 500, and the connection ends.
  template <class Step>
  void run(Step step) noexcept;
  void give_up() noexcept;
  void read();
  void receive();
  void on_read(std::string_view bytes);
  void process(std::string_view bytes);
  bool make_room();
  std::size_t read_most() const;
  bool header_arrived();
  void dispatch();
  void refuse(ApiReply reply);
  void send(ApiReply reply);
  void write();
  void await_reader();
  void forget_answer();
  bool keep_session();
  void reply_written();
  void linger();
  void timed_out();

  ConnectionHome& home_;
  const HttpServerOptions& options_;
  Transport transport_;
  DeadlineTimer<Connection> deadline_;
  ConnectionState state_;
  IncomingRequest request_;
  OutgoingAnswer answer_;
  AnswerForm form_;  ///< Of the answer to the request that is read or handled.
  std::optional<UnreadAnswers<Connection>::Place> unread_;  ///< While the client has to read on.
  std::uint64_t number_ = 0;                                ///< Of the request.
  bool draining_ = false;
  bool closed_already_ = false;
};
}  // namespace onward
