#pragma once
// The load generator: posts events over keep-alive connections, as fast as answers come or at a
// fixed rate.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace onward::bench {
struct LoadPlan {
  std::uint16_t port = 0;
  std::string token;  ///< Of the Authorization header.
  std::string path = "/v1/events";
  int connections = 32;
  int events_per_post = 1;  ///< More than one: posted as NDJSON.
  double rate = 0;          ///< Posts per second; 0: each connection posts when it is answered.
  double seconds = 5;
  std::uint64_t events_max = 0;    ///< Ends early when so many have been posted; 0: no bound.
  std::uint64_t first_number = 0;  ///< Of the events' marks.
  /// Appends one event as JSON, without a newline.
  std::function<void(std::string& out, std::uint64_t number, std::int64_t sent_ns)> write_event;
};

struct LoadResult {
  std::uint64_t posts = 0;                 ///< That were answered with a 2xx.
  std::uint64_t accepted = 0;              ///< Events, by the answers' own count.
  std::uint64_t accepted_in_time = 0;      ///< Those answered before the time was up.
  std::uint64_t busy = 0;                  ///< Posts put off with 429 or 503, and posted again.
  std::uint64_t refused = 0;               ///< Posts with any other answer.
  std::string first_refusal;               ///< Its text.
  double seconds = 0;                      ///< From the first post to the end of posting.
  std::uint64_t next_number = 0;           ///< For the marks of a following load.
  std::vector<std::uint32_t> answered_us;  ///< From post to answer.
};

/// Runs on the calling thread until every post is answered.
LoadResult run_load(const LoadPlan& plan);

/// A random UUID (version 4).
std::string random_uuid();
/// A random number below `bound`, cheap.
std::uint64_t random_below(std::uint64_t bound);
}  // namespace onward::bench
