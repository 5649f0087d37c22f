#pragma once
// A receiver of webhooks on this machine whose every byte a test decides.
#include <poll.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace onward {
/// A request as it came in.
struct ReceivedRequest {
  std::string head;  ///< Request line and headers, raw.
  std::string method, path, body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::size_t connection = 0;  ///< From 1, in order of accepting.
  /// The value of the first header of that name, case ignored; nothing where there is none.
  std::optional<std::string> header(std::string_view name) const;
};

/// "HTTP/1.1 200 OK" with Content-Length and whatever headers are given ("Name: value\r\n" each).
std::string http_reply(int status, std::string_view body = "", std::string_view headers = "");

/// One accepted connection, as its script sees it. Calls return false once the other side is gone
/// or the receiver ends.
class Peer {
 public:
  Peer(int socket, int stop, std::size_t number, std::function<void(ReceivedRequest)> seen);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::size_t number() const { return number_; }
  int socket() const { return socket_; }  ///< For a script that speaks more than bytes.
  /// The next request, complete with its body; nothing at the end of the connection.
  std::optional<ReceivedRequest> read();
  bool send(std::string_view bytes);
  /// Sends `bytes` again and again, until the other side has had enough; how many bytes it took.
  std::size_t flood(std::string_view bytes);
  /// One byte every `pause`.
  bool drip(std::string_view bytes, std::chrono::milliseconds pause);
  /// Reads and throws away until the other side closes.
  void wait_for_close();
  /// The same, but reads nothing.
  void wait_for_close_unread() { wait(POLLRDHUP, -1); }
  /// No more from us, while the other side may go on.
  void shut_sending();
  /// Ends the connection with a reset instead of a goodbye.
  void reset();

 private:
  bool wait(short events, int timeout_ms);
  bool fill();

  int socket_;
  int stop_;
  std::size_t number_;
  std::function<void(ReceivedRequest)> seen_;
  std::string buffer_;
};

/// Where a receiver listens.
struct ListenAt {
  std::string address = "127.0.0.1";  ///< Another of this machine: "127.0.0.2".
  std::uint16_t port = 0;             ///< 0: any that is free.
};

/// Listens and runs the script for each connection, in a thread of its
/// own, until the receiver is destroyed.
class LocalReceiver {
 public:
  using Script = std::function<void(Peer&)>;
  /// Without a script every request is answered 200.
  explicit LocalReceiver(Script script = {}, ListenAt at = {});
  ~LocalReceiver();
  LocalReceiver(const LocalReceiver&) = delete;
  LocalReceiver& operator=(const LocalReceiver&) = delete;

  std::uint16_t port() const { return port_; }
  std::string origin() const;                              ///< "http://127.0.0.1:40001"
  std::string url(std::string_view path = "/hook") const;  ///< With the origin.
  std::vector<ReceivedRequest> requests() const;
  std::size_t connections() const;
  /// Waits until `count` requests came in; false after ten seconds.
  bool wait_for(std::size_t count) const;

  /// A script that answers each request with the next of `replies`, the last one for ever.
  static Script answers(std::vector<std::string> replies);

 private:
  void accept_all();

  Script script_;
  std::string address_;
  int listener_ = -1;
  int stop_[2] = {-1, -1};  ///< A pipe whose closing ends all threads.
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable came_;
  std::vector<ReceivedRequest> requests_;
  std::list<std::thread> threads_;
  std::size_t connections_ = 0;
  std::thread acceptor_;
};
}  // namespace onward
