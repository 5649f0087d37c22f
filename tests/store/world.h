#pragma once
// A small world that changes at random, but only as the engine would change it.
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/store/store.h"

namespace onward {
class World {
 public:
  /// A commit with a few changes; the same for the same seed in the same world.
  Commit next(std::uint32_t seed);
  Instant now() const;

  /// The first thing that two stores answer differently, as the engine asks; "" where there is
  /// none.
  std::string difference(Store& a, Store& b) const;
  /// The same as people ask.
  std::string difference(ReadModel& a, ReadModel& b) const;

 private:
  using Random = std::mt19937;
  void change_contact(Random& random, Commit& commit);
  void rename(Random& random, Contact& contact, Commit& commit);
  void change_ledger(Random& random, Commit& commit);
  void start_run(Random& random, Commit& commit);
  void advance_run(Random& random, Commit& commit);
  void ask_for_delivery(Random& random, Run& run, Commit& commit);
  void settle_delivery(Random& random, Commit& commit);
  void change_timer(Random& random, Commit& commit);
  void see_event(Random& random, Commit& commit);
  void count(Random& random, Commit& commit);
  void author(Random& random, Commit& commit);
  void forget(Random& random, Commit& commit);

  Sequence seq_ = 0;
  std::int64_t clock_ = 0;
  std::uint64_t last_contact_ = 0;
  std::uint32_t ordinal_ = 0;
  std::map<ContactKey, Contact> contacts_;
  std::map<RunKey, Run> runs_;  ///< Live.
  std::map<DeliveryKey, Delivery> deliveries_;
  std::set<ContactKey> forgotten_;
  std::vector<Timer> timers_;
  std::vector<Hash128> seen_;
};
}  // namespace onward
