#pragma once
// The product under measurement: a real `onward serve` on a fresh data folder, seen from outside.
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace onward::bench {
struct ProcessFigures {
  double memory_mb = 0;                     ///< Resident now.
  double memory_peak_mb = 0;                ///< Resident at most (VmHWM).
  double processor_s = 0;                   ///< Used so far, user and system.
  std::map<std::string, double> threads_s;  ///< The same by thread name.
};

struct Answer {
  int status = 0;
  std::string body;
};

/// What a server is started with.
struct ServerPlan {
  std::string binary;
  std::string data_folder;
  std::vector<std::uint16_t> receivers;  ///< Ports of 127.0.0.1 that webhooks may go to.
  double fsync_extra_ms = 0;             ///< Each fsync of the server takes so much longer …
  std::string slow_fsync;                ///< … through this library (not used where that is 0).
  std::vector<std::string> options;      ///< More of `serve`.
};

/// Started by the constructor, which returns when the server is ready to take events; killed by the
/// destructor at the latest. Made and started again by one thread.
class ServerProcess {
 public:
  explicit ServerProcess(ServerPlan plan);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::uint16_t port() const { return port_; }
  const std::string& token() const { return token_; }
  ProcessFigures figures() const;
  /// Of the data folder, as the disk counts them.
  std::uint64_t bytes_on_disk() const;
  /// One request, answered before this returns.
  Answer request(const std::string& method, const std::string& path, const std::string& body,
                 const std::string& content_type = "application/json") const;
  /// SIGTERM, then waits; the exit code.
  int stop();
  /// SIGKILL, as when the machine fails.
  void kill();
  /// After `stop` or `kill`: on the same data folder, on another port.
  void start();
  /// From the last start until it took events.
  double seconds_to_ready() const { return seconds_to_ready_; }

 private:
  bool listens(const std::string& port_file);
  void wait_until_ready(const std::string& port_file);

  ServerPlan plan_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  std::string token_;
  double seconds_to_ready_ = 0;
};
}  // namespace onward::bench
