#pragma once
// A server with a `webhook_scenario` and its receiver, to be compared with others of its kind in
// the same run.
#include <span>
#include <string>

#include "tools/bench/stand.h"

namespace onward::bench {
class Site {
 public:
  /// `name` is that of its data folder; so many contacts are known.
  Site(Round& round, const std::string& name, int contacts, double fsync_extra_ms = 0);

  Stand& stand() { return stand_; }
  /// Webhooks received per second over all turns.
  double rate() const { return seconds_ > 0 ? received_ / seconds_ : 0; }
  /// Of the server's processor time, microseconds per event over all turns.
  double processor_us() const { return per_event_us(processor_s_, events_); }
  /// Posts single events for so long and waits for all webhooks.
  void turn(int connections, double seconds);
  /// Makes the turns so far a warm-up.
  void forget_turns() {
    received_ = seconds_ = processor_s_ = 0;
    events_ = 0;
  }
  /// Checks the numbers and stops the server.
  void finish();

 private:
  Receiver receiver_;
  Stream stream_;
  Stand stand_;
  double received_ = 0, seconds_ = 0, processor_s_ = 0;
  std::uint64_t events_ = 0;
};

/// Gives each site `seconds` of load, in slices and in turn, so that a busy minute of the machine
/// meets all of them, and their rates can be compared.
void measure_in_turn(std::span<Site* const> sites, int connections, double seconds);
}  // namespace onward::bench
