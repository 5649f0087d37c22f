#pragma once
// Which pending delivery is attempted next: fair between endpoints, adaptive per origin. Pure: time
// is an argument; no thread, socket or lock.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
/// An attempt that is due. The policy lives as long as its owner (the scenario version) is held.
struct DeliveryTask {
  DeliveryKey delivery;
  EndpointKey endpoint;
  std::uint32_t number = 1;  ///< Of the attempt.
  bool last = false;         ///< The one at the end of the window: goes whatever the
                             ///< breaker says.
  std::shared_ptr<const Request> request;
  std::shared_ptr<const void> owner;  ///< Keeps `policy` alive.
  const DeliveryPolicy* policy = nullptr;
  std::string webhook_id;
};

struct ConcurrencyLimits {
  std::size_t first = 8;   ///< Per origin, at the beginning.
  std::size_t most = 512;  ///< Per origin.
  std::size_t total = 2048;
  double unhealthy_share = 0.25;  ///< Of `total`, for all unhealthy origins together.
  /// Whether an attempt holds its slot (of `most` and of `total`) until its outcome is recorded,
  /// not only until it ends: then a crash repeats at most `most` requests that one origin had
  /// accepted.
  bool until_recorded = false;
};

/// What an attempt says of its origin and endpoint.
struct Verdict {
  enum class Kind : std::uint8_t {
    Good,         ///< A status that is no sign of trouble (2xx to 4xx but 429).
    Overloaded,   ///< 429, 503: speaks for the endpoint; concurrency halves.
    Error,        ///< Another 5xx: speaks for the endpoint.
    Unreachable,  ///< Refused, DNS, TLS, time-out: speaks for the origin; concurrency halves.
    Local,        ///< Ours: says nothing of anybody.
  } kind = Kind::Good;
  std::optional<Duration> retry_after;
};

class Scheduler {
 public:
  explicit Scheduler(const ConcurrencyLimits& limits);
  ~Scheduler();
  Scheduler(Scheduler&&) noexcept;
  Scheduler& operator=(Scheduler&&) noexcept;

  void add(DeliveryTask task);
  /// Takes waiting tasks of an endpoint back (paused, cancelled); in-flight ones stay.
  std::vector<DeliveryTask> take_back(const EndpointKey& endpoint);
  /// Drops waiting tasks of these deliveries (cancelled); in-flight ones stay.
  void drop(const std::vector<DeliveryKey>& deliveries);
  /// Makes waiting tasks of these deliveries last attempts: they pass every pause.
  void expedite(const std::vector<DeliveryKey>& deliveries);
  /// The next tasks that may start now, at most `most`; the caller starts them all.
  std::vector<DeliveryTask> start(Instant now, std::size_t most = SIZE_MAX);
  /// Reports a started task's end. `now` is when.
  void finished(const DeliveryTask& task, const Verdict& verdict, Duration took, Instant now);
  /// The outcomes of these are recorded: no crash repeats their requests. Names nobody else.
  void recorded(const std::vector<DeliveryKey>& deliveries);
  /// When `start` may return something that it would not now, if time alone can do that.
  std::optional<Instant> next_change() const;

  std::size_t waiting() const;
  std::size_t in_flight() const;
  /// Attempts that ended and whose outcomes are not recorded; 0 unless slots are held that long.
  std::size_t unrecorded() const;
  struct OriginState {
    std::string origin;
    std::size_t limit = 0, in_flight = 0, waiting = 0;
    bool healthy = true;
    std::optional<Instant> paused_until;
  };
  std::vector<OriginState> origins() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
}  // namespace onward
