#pragma once
// Those who post events: they know what they were told, send again what nobody answered, and hold
// the engine to its answers.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/cell/cell.h"
#include "tests/chaos/shadow.h"
#include "tests/chaos/world_clock.h"

namespace onward::chaos {
/// One event as its sender knows it.
struct Told {
  EventInput input;
  int certain = 0;  ///< Times that it was taken, by the answers.
  int maybe = 0;    ///< Posts of it that nobody answered.
  std::optional<Instant> taken;
  std::optional<Instant> asked;  ///< When nobody answered, first.
  std::int64_t of = 0;           ///< The event whose id it has, with another body; 0: its own.
  bool untimed = false;          ///< Names no time: each post of it is of that moment.
  std::optional<Instant> taken_steady;  ///< `taken` by the clock that only goes forward.
};

class Clients {
 public:
  Clients(const WorldClock& clock, Duration dedupe_for) : clock_{clock}, dedupe_for_{dedupe_for} {}

  /// A new event, known from now on by the number that stands in its data.
  std::int64_t add(Told told);
  std::int64_t count() const { return static_cast<std::int64_t>(told_.size()); }
  const Told& at(std::int64_t number) const { return told_.at(number); }
  /// The job that posts these; what is never answered is noted by `lost`.
  Task post(std::vector<std::int64_t> numbers);
  /// The process died: nobody answers what is open.
  void lost();
  /// Events with an id whose fate is not known.
  std::vector<std::int64_t> unknown() const;
  /// Each event has had its effect as often as its sender was told.
  void check(const Shadow& shadow) const;

  struct Figures {
    std::uint64_t events = 0, posts = 0, accepted = 0, duplicates = 0, conflicts = 0, rejected = 0,
                  unanswered = 0;
  } figures;

 private:
  struct Open {
    std::vector<std::int64_t> numbers;
    bool answered = false;
  };
  void answered(std::int64_t number, const EventAnswer& answer);
  void accepted(std::int64_t number, Told& told);
  bool taken_lately(const Told& told) const;

  const WorldClock& clock_;
  Duration dedupe_for_;
  std::map<std::int64_t, Told> told_;
  std::vector<std::shared_ptr<Open>> open_;
};
}  // namespace onward::chaos
