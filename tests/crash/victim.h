#pragma once
// `onward serve`, started to be killed.
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/crash/oracle.h"

namespace onward::crash {
struct VictimOptions {
  std::filesystem::path data;
  std::vector<std::string> arguments;
  std::string kill;              ///< See killer.cpp; empty: none.
  std::filesystem::path note;    ///< Where that writes when.
  std::filesystem::path faults;  ///< Folder of the disk's faults; empty: none.
};

class Victim {
 public:
  explicit Victim(const VictimOptions& options);
  ~Victim();
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  /// Until it listens or is gone; its address, or nothing. At most until `deadline`.
  std::optional<std::string> wait_for_url(Nanos deadline);
  /// Until it is gone, at most until `deadline`. Whether it is.
  bool wait_for_end(Nanos deadline);
  /// SIGKILL, then the moment before it.
  Nanos kill();
  void terminate();
  /// Of the process that is gone, as waitpid tells it.
  int status() const { return status_; }
  /// What it said on standard error, so far as it was waited for.
  const std::string& said() const { return said_; }

 private:
  bool drain(int descriptor, std::string& into);
  bool reap(bool wait);

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1, process_ = -1;
  int status_ = 0;
  std::string listening_, said_;
};
}  // namespace onward::crash
