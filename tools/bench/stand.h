#pragma once
// Where a part of the benchmark measures: a real server on a fresh data folder, what is posted to
// it, and the check that nothing was lost, nothing came twice and the server's numbers add up.
#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench/limits.h"
#include "tools/bench/load.h"
#include "tools/bench/plan.h"
#include "tools/bench/receiver.h"
#include "tools/bench/report.h"
#include "tools/bench/server_process.h"

namespace onward::bench {
/// One run of one part.
struct Round {
  const Plan& plan;
  Report& report;
  Limits& limits;
  std::string folder;  ///< Its own, empty, removed after it.
};

/// Events of one type, which one scenario answers to, and where its webhooks arrive. Events are
/// numbered through, so a receiver belongs to one stream.
struct Stream {
  std::string scenario;
  std::string event;
  Receiver* receiver = nullptr;  ///< Null where nothing is to arrive.
  std::uint64_t next_number = 0;
  std::uint64_t accepted = 0;  ///< Events acknowledged so far.
};

/// How fast a stream went.
struct Rates {
  double acknowledged = 0;  ///< Events per second, answered in time.
  double received = 0;      ///< Webhooks per second, first arrivals while events were posted.
};

/// Owns the server. One thread, except `post`, which several may call, each with its own stream.
class Stand {
 public:
  /// `receivers`: the ports of 127.0.0.1 that webhooks may go to. `options`: more of `serve`.
  Stand(Round& round, std::vector<std::uint16_t> receivers, double fsync_extra_ms = 0,
        const std::string& name = "data", std::vector<std::string> options = {});

  ServerProcess& server() { return server_; }

  /// Applies and activates. Gives up where the server refuses.
  void apply(const std::string& id, const std::string& text);
  /// Makes contacts c0 … known, without starting anything; how many a second. Events are of these.
  double load_contacts(int count);

  /// Single posts on the plan's connections for the plan's seconds, of random known contacts.
  /// `stream` must live as long as what is returned here.
  LoadPlan single_posts(const Stream& stream) const;
  /// NDJSON on four connections for the plan's seconds.
  LoadPlan ndjson(const Stream& stream) const;
  /// One event of each contact from c0 on, as NDJSON, until `count` are posted.
  LoadPlan one_each(const Stream& stream, int count) const;
  /// Posts that are refused are a fault.
  LoadResult post(Stream& stream, const LoadPlan& load);
  /// Warms up for a second, posts, waits for all webhooks.
  Rates rates(Stream& stream, const LoadPlan& load);
  /// Waits until every acknowledged event's webhook has arrived.
  void drain(const Stream& stream);
  /// Waits until the server has written its journal into tables, which begins a second after the
  /// last input, and is idle.
  void settle();

  /// A number of the statistics: of the scenario where `node` is empty, else of the node. A fault
  /// and 0 where there is none.
  std::uint64_t count(const std::string& scenario, const std::string& node,
                      const std::string& name);
  /// A fault where they differ. `what` names the number.
  void must_be(const std::string& what, std::uint64_t expected, std::uint64_t found);
  /// The numbers of a `webhook_scenario` are those seen from outside: all events visited the
  /// condition; all of them, or none where there is no receiver, asked for a request that was
  /// accepted and came once.
  void check(const Stream& stream);
  /// Stops the server; a fault where it does not end well.
  void finish();

 private:
  Round& round_;
  ServerProcess server_;
  int contacts_;
};

/// How soon a stream's webhooks arrive.
struct Steady {
  double p50_us = 0, p99_us = 0;
  double rate = 0;  ///< Arrivals per second.
};
/// Single posts at `rate` for the plan's seconds, and all their webhooks.
Steady steady_posts(Stand& stand, Stream& stream, double rate);

/// One processor second is so many microseconds per event.
double per_event_us(double seconds, std::uint64_t events);
}  // namespace onward::bench
