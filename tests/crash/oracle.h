#pragma once
// Whether what a client was told, what a receiver was sent and what a server counted fit together,
// whatever happened to the server in between. Pure.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace onward::crash {
/// Nanoseconds of one steady clock, of all that is recorded.
using Nanos = std::int64_t;

/// A request as the receiver saw it.
struct Arrival {
  std::string webhook_id;
  int event = 0;           ///< Its number, from the body.
  std::uint64_t body = 0;  ///< Hash of it.
  Nanos arrived = 0;
  Nanos answered = 0;  ///< 0: never; the connection broke.
  int status = 0;
  std::size_t life = 0;          ///< Of the server that sent it, from 0.
  std::vector<int> others = {};  ///< Of a batch: the events after the first.
  bool accepted() const { return answered != 0 && status == 200; }
};

/// Of one node, or with `entered` of the scenario.
struct Counts {
  std::int64_t visits = 0, unique = 0, requests = 0, accepted = 0, pending = 0, failed = 0,
               cancelled = 0;
};
struct Event {
  int contact = 0;
  std::string node;  ///< The one that asks for its delivery.
  Nanos posted = 0;  ///< For the first time.
  Nanos waits = 0;   ///< At least so long, before its delivery is asked for.
};
/// Deliveries of one request, at most.
inline constexpr std::size_t kBatchMax = 5;

/// The end of a life.
struct Kill {
  Nanos at = 0;
  std::string point;
};

struct Record {
  std::map<int, Event> events;  ///< Those acknowledged, by number: in the end all.
  std::vector<Arrival> arrivals;
  std::vector<Kill> kills;  ///< Of every life but the last, in order.
  std::int64_t entered = 0, done = 0, inside = 0;
  std::map<std::string, Counts> counts;       ///< By node, as the server tells them.
  std::map<std::string, std::int64_t> waits;  ///< Visits of the wait before it, by node.
  std::int64_t moved = 0;     ///< Runs of the node "moved" that ended on the last version.
  std::size_t set_aside = 0;  ///< Deliveries that it took for the cause of three crashes, retried.
  std::string unaccepted;     ///< What it says of deliveries that failed or were cancelled.
};

struct Finding {
  /// "lost_event", "body_differs", "second_id", "needless_repeat", "many_repeats", "early",
  /// "large_batch", "counter", …
  std::string what;
  std::string text;
};
struct Figures {
  std::size_t requests = 0, repeats = 0, unanswered = 0;
  std::string longest_at;        ///< The point of that kill.
  Nanos longest = 0;             ///< From an answer that was asked for again to the kill after it.
  std::size_t most_repeats = 0;  ///< After one end of a server.
};
struct Verdict {
  std::vector<Finding> findings;
  Figures figures;
};

/// What a kill may cost: answers that the server had not read, written down and synced, so that
/// their requests come again.
struct Allowed {
  Nanos known_for = 250'000'000;  ///< How long before the kill they came; of a busy machine.
  /// How many: an attempt holds one of the slots of its origin until its outcome is on the disk, so
  /// no more than the servers of the harness have (`--max-per-origin`).
  std::size_t repeats = 128;
};
Verdict judge(const Record& record, const Allowed& allowed);
}  // namespace onward::crash
