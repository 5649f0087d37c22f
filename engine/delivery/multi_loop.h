#pragma once
// libcurl's multi interface driven by the sockets that are ready, so that a transfer costs nothing
// while it waits for its receiver.
#include <curl/curl.h>
#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/core/base/time.h"

namespace onward {
/// Used by one thread, except `wake`. Handles are added and removed from outside of callbacks only.
class MultiLoop {
 public:
  explicit MultiLoop(std::size_t connections_max);
  ~MultiLoop();
  MultiLoop(const MultiLoop&) = delete;
  MultiLoop& operator=(const MultiLoop&) = delete;

  /// Does what is due: begins with the handles that were added, ends those that took too long.
  /// False where libcurl has lost its way: see `reopen`.
  bool run();
  /// Waits until a socket is ready, something is due, `wake` is called or `longest` has passed;
  /// does what is to be done then. False as above.
  bool wait(Duration longest);
  /// Works on all sockets that are ready now, once each, without waiting. False as above.
  bool read_ready();
  void wake();  ///< Any thread.

  bool add(CURL* handle) { return curl_multi_add_handle(multi_, handle) == CURLM_OK; }
  void remove(CURL* handle) { curl_multi_remove_handle(multi_, handle); }
  CURLMsg* next_message();
  /// Begins anew, without handles and connections.
  void reopen();
  /// Before libcurl works on a socket that is ready, with the handle that waits for it; and after
  /// each time that it has worked, on whichever handles.
  void around_work(std::function<void(CURL*)> before, std::function<void()> after) {
    before_ = std::move(before);
    after_ = std::move(after);
  }
  /// To be told before a socket is closed.
  void forget(int socket);

 private:
  using Clock = std::chrono::steady_clock;
  /// Of one socket: what libcurl waits for, and what epoll was told. They differ for kept
  /// connections, which stay in epoll until something comes that nobody waits for.
  struct Interest {
    std::uint32_t wanted = 0, told = 0;
    CURL* handle = nullptr;  ///< Who waits; never looked into, since it may be gone.
  };

  void open();
  void want(CURL* handle, int socket, std::uint32_t events);
  void tell(int socket, Interest& interest, std::uint32_t events);
  bool act(const epoll_event& event);
  bool take_events(int wait_ms, int& count);
  bool work(int socket, int ready);
  int wait_of(Duration longest) const;
  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*);
  static int on_timer(CURLM*, long wait_ms, void* self);

  const long connections_max_;
  CURLM* multi_ = nullptr;
  int epoll_ = -1, wakes_ = -1;
  std::vector<Interest> interests_;  ///< By socket.
  std::vector<epoll_event> events_;
  std::optional<Clock::time_point> timer_;
  std::function<void(CURL*)> before_;
  std::function<void()> after_;
};
}  // namespace onward
