#pragma once
// What the outcomes of attempts add to figures and logs.
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/cell/batch_deliveries.h"
#include "engine/cell/context.h"
#include "engine/control/recent_log.h"

namespace onward {
class AttemptLog {
 public:
  explicit AttemptLog(CellContext& cell)
      : cell_{cell}, recent_{std::make_shared<RecentLog>(cell.now())} {}

  /// Outcomes that were committed.
  void add(std::span<const Settled> settled);
  /// A delivery that failed at its creation.
  void add_failed(const Delivery& delivery);
  /// What deliveries met lately; any thread may read it.
  const std::shared_ptr<RecentLog>& recent() const { return recent_; }

 private:
  void log_attempt(const Settled& settled);
  void log_deferred(const AttemptResult& result);
  void add_recent(const Settled& settled);
  bool is_news(const EndpointKey& endpoint, const AttemptResult& result);

  CellContext& cell_;
  std::shared_ptr<RecentLog> recent_;
  /// Attempts that a local fault postponed, by code: when that was last logged, and how many since.
  struct Deferred {
    std::optional<Instant> logged;
    std::size_t attempts = 0;
  };
  std::map<std::string, Deferred> deferred_;
  std::map<EndpointKey, std::optional<Instant>> mishaps_logged_;  ///< See `is_news`.
};
}  // namespace onward
