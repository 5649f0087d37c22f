#pragma once
// A command of this program as a child process.
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "engine/core/base/result.h"

namespace onward {
/// Ends with its owner: by SIGTERM when this object is destroyed, and by the kernel if the owning
/// process is killed. Use it from one thread, in a process without other threads.
class ChildProcess {
 public:
  /// Runs this program with `arguments`. Standard input is empty; standard output and standard
  /// error are appended to `output`. The environment has `environment` in addition ("NAME=value").
  static Result<ChildProcess> start(std::span<const std::string> arguments,
                                    const std::filesystem::path& output,
                                    std::span<const std::string> environment = {});
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() { stop(); }

  bool is_running();
  /// Sends SIGTERM and waits; after `patience` sends SIGKILL.
  void stop(std::chrono::milliseconds patience = std::chrono::seconds{10});

 private:
  explicit ChildProcess(pid_t pid) : pid_{pid} {}
  pid_t pid_ = -1;  // -1: none, or it has ended and was waited for.
};
}  // namespace onward
