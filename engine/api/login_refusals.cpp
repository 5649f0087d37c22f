#include "engine/api/login_refusals.h"

#include <algorithm>

namespace onward {
namespace {
constexpr Duration kPause = std::chrono::seconds{1};
}  // namespace

void LoginRefusals::note(std::string_view reason, const ApiRequest& request,
                         std::string_view route) {
  const auto known = std::ranges::find(kReasons, reason);
  const std::size_t last = kReasons.size() - 1;
  ++refused_[std::min<std::size_t>(static_cast<std::size_t>(known - kReasons.begin()), last)];
  if (!log_) return;
  const Instant now = clock_.now();
  std::uint64_t left_out = 0;
  {
    const std::lock_guard lock{mutex_};
    // A clock that was set back suppresses nothing.
    if (logged_ && now >= *logged_ && now - *logged_ < kPause) {
      ++left_out_;
      return;
    }
    logged_ = now;
    left_out = std::exchange(left_out_, 0);
  }
  LogRecord line{"login.refused",
                 {{"reason", reason},
                  {"peer", request.peer.empty() ? std::string_view{"-"} : request.peer},
                  {"method", request.method},
                  {"route", route}},
                 LogLevel::Warning};
  if (left_out > 0) line.fields.emplace_back("left_out", count_value(left_out));
  log_(line);
}

std::vector<LoginRefusals::Count> LoginRefusals::counts() const {
  std::vector<Count> counts;
  for (std::size_t i = 0; i < kReasons.size(); ++i)
    counts.push_back({.reason = kReasons[i], .refused = refused_[i]});
  return counts;
}
}  // namespace onward
