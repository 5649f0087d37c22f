#pragma once
// Requests that were refused for who sent them: counted by reason, and logged, a line a second at
// most.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/http.h"
#include "engine/core/base/log_record.h"
#include "engine/host/runtime.h"

namespace onward {
/// Any thread. Takes the same memory however many are refused.
class LoginRefusals {
 public:
  /// `log` may be empty. `clock` must outlive this.
  LoginRefusals(LogSink log, const Clock& clock) : log_{std::move(log)}, clock_{clock} {}

  /// `reason` is the code of the answer. `route` is the pattern of the path, since the path itself
  /// may name a person. Neither token nor secret is taken.
  void note(std::string_view reason, const ApiRequest& request, std::string_view route);

  struct Count {
    std::string_view reason;
    std::uint64_t refused = 0;
  };
  /// Of every reason, also of those that never occurred.
  std::vector<Count> counts() const;

 private:
  static constexpr std::array<std::string_view, 11> kReasons{
      "no_token",      "wrong_token",     "expired_token",   "wrong_role",   "wrong_secret",
      "bad_signature", "stale_signature", "wrong_signature", "foreign_host", "foreign_origin",
      "other"};

  const LogSink log_;
  const Clock& clock_;
  std::array<std::atomic<std::uint64_t>, kReasons.size()> refused_{};

  std::mutex mutex_;
  std::optional<Instant> logged_;  // guarded by the mutex, as all below
  std::uint64_t left_out_ = 0;     // since then
};
}  // namespace onward
