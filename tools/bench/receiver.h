#pragma once
// The receiver of the benchmark's webhooks: answers every request with 200 on its own thread, and
// counts what came, what came twice and how long it was under way.
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tools/bench/wire.h"

namespace onward::bench {
/// What arrived since the last `take`.
struct Arrivals {
  std::uint64_t requests = 0;
  std::uint64_t distinct = 0;               ///< Marks that had not been seen before.
  std::int64_t last_ns = 0;                 ///< Of the last request.
  std::vector<std::uint32_t> latencies_us;  ///< From the mark's time to here, first arrivals only.
};

/// Owns its thread from construction to destruction. All members may be called from any thread.
class Receiver {
 public:
  /// Each answer waits for `delay_ms` first. `port` 0 takes any free one.
  explicit Receiver(int delay_ms = 0, std::uint16_t port = 0);
  ~Receiver();
  std::uint16_t port() const { return listener_.port; }
  /// Counted just after they were answered.
  std::uint64_t requests() const { return requests_.load(); }
  std::uint64_t distinct() const { return distinct_.load(); }
  /// Of the last request's body.
  std::size_t body_bytes() const { return body_bytes_.load(); }
  Arrivals take();

 private:
  struct Connection {
    std::string in;
    std::string out;
    std::uint64_t serial = 0;  // tells a descriptor's users apart
  };
  struct Late {
    std::int64_t due_ns;
    int descriptor;
    std::uint64_t serial;
  };

  void serve();
  void accept_all();
  void read_from(int descriptor);
  void flush(int descriptor, Connection& connection);
  void answer_late();
  void note(std::string_view body, std::int64_t now);
  void drop(int descriptor);

  Listener listener_;
  int epoll_ = -1;
  const std::int64_t delay_ns_;
  std::unordered_map<int, Connection> connections_;
  std::deque<Late> late_;
  std::uint64_t serials_ = 0;
  std::vector<bool> seen_;
  Arrivals batch_;  // of one turn of the loop
  std::mutex mutex_;
  Arrivals arrivals_;  // guarded by mutex_
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> distinct_{0};
  std::atomic<std::size_t> body_bytes_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};
}  // namespace onward::bench
