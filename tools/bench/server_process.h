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

/// Started by the constructor, killed by the destructor at the latest.
class ServerProcess {
 public:
  /// Requests to each of `receivers` (ports of 127.0.0.1) are allowed; every fsync of the server
  /// takes `fsync_extra_us` longer, through the library `slow_fsync` (used where that is not 0).
  ServerProcess(std::string binary, std::string data_folder,
                const std::vector<std::uint16_t>& receivers, long fsync_extra_us,
                const std::string& slow_fsync);
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

 private:
  void wait_until_it_listens(const std::string& port_file);

  std::string data_folder_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  std::string token_;
};
}  // namespace onward::bench
