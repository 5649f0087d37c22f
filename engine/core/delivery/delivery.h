#pragma once
// A delivery: one webhook request asked for by one visit, and its attempts.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"

namespace onward {
enum class DeliveryState : std::uint8_t { Pending, Accepted, Failed, Cancelled };
std::string_view to_string(DeliveryState state);
std::optional<DeliveryState> parse_delivery_state(std::string_view text);
/// In the order of the enumeration.
std::span<const std::string_view> delivery_state_words();

using Header = std::pair<std::string, std::string>;

/// What is sent, frozen when the visit asked for it: every attempt sends the same bytes. Secrets
/// stand as references (see template.h). Immutable; store, queue and client share it.
struct Request {
  std::string method = "POST";
  std::string url;
  std::vector<Header> headers;  ///< Content-Type among them; in order.
  std::string body;
  bool operator==(const Request&) const = default;
};

/// When a refused delivery is tried again.
struct RetryPolicy {
  std::vector<Duration> delays;  ///< After the 1st, 2nd, … refusal; the last repeats.
  Duration window =
      std::chrono::hours{12};          ///< From creation to the last attempt, less time parked.
  std::vector<int> permanent = {410};  ///< Statuses that fail at once.
  std::vector<int> accept;             ///< Accepted statuses; empty: every 2xx.
  bool operator==(const RetryPolicy&) const = default;
};
/// At once, then after 5 s, 30 s, 2 min, 5 min, 15 min, 30 min, 1 h, 1.5 h and then each 2 h.
RetryPolicy default_retry_policy();

/// Deliveries that go out as one request: the members' events, one after the other. A batch is
/// fixed in a commit before its first attempt, and never regrouped.
struct BatchPolicy {
  std::size_t max = 100;                      ///< Members.
  Duration linger = std::chrono::seconds{1};  ///< How long a delivery waits for others.
  bool operator==(const BatchPolicy&) const = default;
};

/// The most that one request says, in bytes; of a batch as well.
inline constexpr std::size_t kRequestBodyMax = 1 << 20;

enum class LogBody : std::uint8_t { Off, Failures, All };

/// How a node's requests are made: the same for all deliveries of one (scenario, version, node), so
/// it is read from there and not stored with each.
struct DeliveryPolicy {
  std::string origin;  ///< "https://crm.example.com:443"
  RetryPolicy retry = default_retry_policy();
  Duration connect_timeout = std::chrono::seconds{5};
  Duration timeout = std::chrono::seconds{15};  ///< Of the whole attempt.
  LogBody log_body = LogBody::Failures;
  std::string sign;  ///< Name of the signing secret; empty: unsigned.
  std::optional<BatchPolicy> batch;
  bool active = true;  ///< First value of the node's switch; false: its deliveries are parked.
};

/// A queue of deliveries: the endpoint (scenario, node, origin). The origin is a constant of a
/// version, so the version stands for it.
struct EndpointKey {
  ScenarioKey scenario;
  NodeNumber node;
  Version version = 0;
  auto operator<=>(const EndpointKey&) const = default;
};

/// What one attempt came to. Made by delivery/, judged by settle().
struct AttemptResult {
  DeliveryKey delivery;
  std::uint32_t number = 1;  ///< From 1, within the delivery's life.
  Instant started{};
  Duration took{};
  int status = 0;     ///< Of a complete final header block; 0 where there was none.
  std::string code;   ///< Machine word where status is 0 or the attempt was refused by
                      ///< us: "connect_refused", "timeout", "dns", "blocked_policy", … Beside a
                      ///< status: "redirect", "body_truncated".
  std::string error;  ///< For a person.
  std::optional<Duration> retry_after;  ///< From the end of the attempt, already clamped to >= 0.
  std::string response;                 ///< Excerpt of the body, raw, at most 4 KiB.
  bool permanent = false;               ///< Our own refusal (bad_url, bad_header): fails at once.
  bool local = false;                   ///< Local trouble (no descriptors): costs no attempt.
};

/// The record of an attempt, as people read it.
struct Attempt {
  std::uint32_t number = 1;
  Instant started{};
  Duration took{};
  int status = 0;
  std::string code;
  std::string error;
  std::string response;
  bool operator==(const Attempt&) const = default;
};

/// One webhook request's life. The request stands apart (see Request) so that this row, which
/// changes with each attempt, stays small.
struct Delivery {
  DeliveryKey key;
  EndpointKey endpoint;
  bool test = false;
  ContactKey contact;
  RunKey run;
  Instant created{};
  Instant deadline{};  ///< Of the last attempt.
  DeliveryState state = DeliveryState::Pending;
  bool parked = false;                  ///< Pending, but its node is paused.
  std::optional<Instant> parked_since;  ///< Its window stands still from then on.
  /// The delivery under whose webhook-id it is sent, once its batch is fixed; the first member's
  /// own key for itself. One member carries the batch: it alone has a `due` and counts attempts
  /// before the batch is settled. That is the first, or the next one where it was forgotten.
  std::optional<DeliveryKey> batch;
  std::vector<DeliveryKey> members;  ///< Of the first member of a fixed batch: all, itself too.
  std::string reason;  ///< Why it failed or was cancelled: "deadline", "gone", "bad_header", …
  std::uint32_t attempts = 0;      ///< Made so far.
  std::uint32_t series = 0;        ///< Times it was taken back to pending by hand.
  std::uint32_t series_from = 0;   ///< `attempts` when the present series began.
  std::optional<Instant> due;      ///< The next attempt, while pending.
  std::optional<Instant> settled;  ///< When it ended.
  std::optional<Attempt> last;     ///< The newest attempt; earlier ones are rows of their own.
  bool operator==(const Delivery&) const = default;

  bool pending() const { return state == DeliveryState::Pending; }
};

/// Whether a receiver accepted a request by answering with `status`.
bool is_accepted(const RetryPolicy& policy, int status);
/// Whether an attempt was answered, and accepted by that: not refused by ourselves.
bool is_accepted(const RetryPolicy& policy, const AttemptResult& result);
}  // namespace onward
