#pragma once
// A receiver of webhooks that outlives every server: one thread, any number of connections. It
// answers 200, 500 or late, by a hash of the id and the try, and remembers all that came.
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/crash/oracle.h"

namespace onward::crash {
Nanos now_nanos();

class Receiver {
 public:
  explicit Receiver(std::uint64_t seed);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  std::uint16_t port() const { return port_; }
  std::vector<Arrival> arrivals() const;
  /// The sender is dead: waits until all that it had sent is read. What comes then is of the next.
  void next_life();

 private:
  struct Connection {
    std::string in;
    std::uint64_t serial = 0;  ///< Tells the users of one descriptor apart.
  };
  struct Late {
    Nanos due;
    int descriptor;
    std::uint64_t serial;
    std::size_t arrival;
  };

  void serve();
  void accept_all();
  void read_from(int descriptor);
  void take(int descriptor, std::string_view head, std::string_view body);
  void answer(int descriptor, std::size_t arrival);
  int answer_late();
  void drop(int descriptor);

  std::uint64_t seed_;
  int listener_ = -1, epoll_ = -1;
  int stop_[2] = {-1, -1};
  std::uint16_t port_ = 0;
  std::uint64_t serial_ = 0;
  std::map<int, Connection> connections_;
  std::vector<Late> late_;
  std::map<std::string, std::uint64_t> tries_;
  mutable std::mutex mutex_;
  std::vector<Arrival> arrivals_;
  std::condition_variable gone_;
  std::size_t open_ = 0, life_ = 0;  ///< Connections; both guarded by the mutex.
  std::thread thread_;
};
}  // namespace onward::crash
