#pragma once
// The `tests` of a scenario file: journeys that must come out as written. Read and checked here;
// run by engine/simulation.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/tree.h"

namespace onward {
/// What a receiver says to one attempt: a status, or the word of an attempt that came to none.
struct ReceiverReply {
  int status = 0;
  std::string code;  ///< "timeout", "connect_refused"; where the status is 0.
};
/// "503" or "timeout"; nothing where it is neither.
std::optional<ReceiverReply> parse_receiver_reply(std::string_view text);

/// Something that is expected, and where that stands in the file.
template <class T>
struct Placed {
  T value{};
  Position at;
};

/// What `ended` may expect: the states of a run, and "never" for a contact that did not enter.
std::span<const std::string_view> test_end_words();

/// One line of `events`: time passes, then an event or a change of the contact, or nothing.
struct TestStep {
  Position at;
  std::optional<Instant> when;     ///< `at`: the clock is set to this.
  Duration after{};                ///< `after`: the clock moves on by this.
  std::optional<Duration> before;  ///< `before`: it is history, so long before the test began.
  std::string type;                ///< Canonical; empty: no event.
  std::string id, source;
  std::optional<ContactInput> contact;  ///< Who names nobody means the test's contact.
  Value data;
};

/// How the receiver of one node answers; everything else is accepted.
struct TestReceiver {
  std::string node;
  std::vector<ReceiverReply> replies;  ///< By attempt; the last one repeats.
  std::optional<Duration> lasts;       ///< From the beginning of the test.
};

struct ExpectedDelivery {
  Position at;
  static constexpr std::int64_t kCountMax = 100'000;
  std::int64_t count = 1;  ///< As many, one after the other: 0 to kCountMax.
  std::optional<Placed<std::string>> node, method, url, state, reason;
  std::optional<Placed<std::int64_t>> status, attempts;
  std::vector<std::pair<std::string, Placed<std::string>>> headers;
  std::optional<Placed<Value>> query, body;
  bool exact = false;                   ///< `query` and `body` have nothing else.
  std::optional<Placed<Instant>> when;  ///< When it was asked for.
};

struct Expectation {
  std::optional<Placed<std::vector<std::string>>> path;
  std::vector<Placed<std::string>> not_path;
  std::optional<Placed<std::string>> ended;  ///< A state of a run, or "never".
  std::optional<Placed<std::string>> reason;
  std::optional<Placed<std::int64_t>> runs;
  std::optional<Placed<std::vector<std::string>>> refused;
  std::vector<std::pair<std::string, Placed<Instant>>> arrivals;  ///< `at`, by node.
  std::optional<Placed<std::int64_t>> delivery_count;
  std::optional<Placed<std::vector<ExpectedDelivery>>> deliveries;
  std::optional<Placed<Value>> contact;
};

struct ScenarioTest {
  std::string name;
  Position at;
  Instant start{};  ///< Where its clock begins.
  ContactInput contact;
  std::vector<ContactInput> contacts;  ///< Others that are there.
  std::vector<TestStep> steps;
  std::vector<TestReceiver> receivers;
  Expectation expect;
};

/// Reads the list below `tests` and reports every mistake, node ids that are not among `nodes` too
/// (none are known where it is empty). Local times are in `zone`. Of a test with a mistake the rest
/// is there.
std::vector<ScenarioTest> read_tests(const Tree& tests, const std::vector<std::string_view>& nodes,
                                     std::string_view zone, Diagnostics& diagnostics);
}  // namespace onward
