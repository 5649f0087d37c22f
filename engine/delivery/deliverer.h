#pragma once
// The deliver thread: takes tasks in vectors, drives scheduler and client, hands results back in
// vectors.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/delivery/delivery.h"
#include "engine/delivery/http_client.h"
#include "engine/delivery/scheduler.h"
#include "engine/guard/work_note.h"
#include "engine/secrets/secret_source.h"

namespace onward {
struct DelivererOptions {
  ConcurrencyLimits limits;
  /// Called on the deliver thread with what finished since the last call; must not block.
  std::function<void(std::vector<AttemptResult>)> report;
  std::function<Instant()> clock;  ///< Any thread.
  const SecretSource* secrets = nullptr;
  WorkNote* note = nullptr;  ///< Of the deliver thread; may be null.
};

/// Figures for /metrics.
struct DelivererFigures {
  std::size_t in_flight = 0, waiting = 0, unrecorded = 0;
  std::uint64_t started = 0, reused = 0, blocked = 0;
  NameFigures names;
  std::vector<Scheduler::OriginState> origins;
};

/// Owns its thread from `start` to `stop`.
class Deliverer {
 public:
  Deliverer(std::unique_ptr<HttpClient> client, DelivererOptions options);
  ~Deliverer();
  void start();
  /// Any thread. One wake per call, and only of a sleeper.
  void submit(std::vector<DeliveryTask> tasks);
  /// Any thread. Those still waiting are not attempted any more; those in flight report as ever.
  void withdraw(std::vector<DeliveryKey> deliveries);
  /// Any thread. Those still waiting get their last attempt now.
  void expedite(const std::vector<DeliveryKey>& deliveries);
  /// Any thread. The outcomes that were reported of these are recorded (see
  /// `ConcurrencyLimits::until_recorded`).
  void recorded(const std::vector<DeliveryKey>& deliveries);
  /// Any thread. While it is paused nothing starts but probes; what is in flight goes on.
  void pause(bool paused);
  /// Any thread. From now on nothing starts, whether paused or not: `stop` is to follow.
  void start_no_more();
  /// Forgets waiting tasks, waits for those in flight up to `patience`, reports them, ends the
  /// thread.
  void stop(Duration patience);
  /// Any thread. Makes this one attempt at once, whatever pauses there are: it is no delivery,
  /// takes no turn of one, teaches nothing of its receiver and stands in no figure. `done` is
  /// called on the deliver thread, must not block, and is called in any case unless this answers an
  /// error: Busy where eight are under way, Unavailable at the end.
  Status probe(DeliveryTask task, std::function<void(AttemptResult)> done);
  DelivererFigures figures() const;

  /// One round without the thread, for virtual time: starts what may start, waits up to `longest`.
  void step(Duration longest);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads a Retry-After header (RFC 9110 10.2.3: seconds, or any of the three date forms), relative
/// to the reply's own Date where it has one, else `now`. Nonsense and negatives are nothing;
/// clamped to 7 days.
std::optional<Duration> parse_retry_after(std::string_view text, std::string_view date_header,
                                          Instant now);
}  // namespace onward
