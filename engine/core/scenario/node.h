#pragma once
// What a node kind is: data about it, and a pure function from a visit to an outcome.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/now.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/contact/event.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/scenario/settings.h"
#include "engine/core/segment/segment.h"
#include "engine/core/template/template.h"

namespace onward {
/// What a node sees when a run arrives. Nothing is owned; valid during the call.
struct Visit {
  const Contact& contact;
  const Engagement& engagement;
  const Event* event;  ///< What started the run; null where nothing did.
  Now now;
  /// When the contact came here, or to the node before that it was moved from: what a wait is
  /// reckoned from.
  Instant arrived{};
  RunKey run;
  std::string_view scenario;  ///< Id.
  std::string_view scenario_title;
  std::string_view timezone;  ///< The scenario's.
  NodeNumber node;
  std::string_view delivery_id;  ///< The webhook-id that a request of this visit gets.
  std::int64_t account_id;       ///< The server's, `idClient` in the standard envelope.
  /// Steps that conditions may still take; null: those of one scenario.
  WorkBudget* work = nullptr;
  /// Bytes that the input may still render; null: those of one input.
  WorkBudget* room = nullptr;

  /// What a segment of the node is asked about.
  SegmentSubject segment_subject() const;
  /// What a text of the node is rendered with. `run_text` is `run` as text.
  TemplateSubject template_subject(std::string_view run_text, WorkBudget& room_left) const;
};

/// Why a held run goes on.
struct WakeCause {
  enum class Kind : std::uint8_t { Time, Event, Segment } kind = Kind::Time;
  const Event* event = nullptr;
};

struct Leave {
  std::string_view port;  ///< Must outlive the scenario version: a literal or the node's own.
};
/// Stay until the instant, or what the node `listens` to, whichever is first.
struct Hold {
  std::optional<Instant> until;
  /// When time alone may change the segment that the node listens for: it is asked again then.
  std::optional<Instant> recheck = std::nullopt;
};
/// The run cannot go on by itself; listed, and resumed by hand.
struct Park {
  std::string reason;
};

/// A request that a node asks for. A non-empty `refusal` makes a delivery that is born failed.
struct RequestDraft {
  Request request;
  std::string refusal;  ///< "too_large", "bad_header: X-Name": a code first, then perhaps what.
};

/// What a node decided. The patch and the draft are applied before the next node is entered.
struct Outcome {
  std::variant<Leave, Hold, Park> next;
  std::optional<ContactPatch> patch = std::nullopt;
  std::optional<RequestDraft> request = std::nullopt;
  bool unknown = false;        ///< The condition could not be told; counted.
  bool too_much_work = false;  ///< Since steps, or bytes to render, ran out; counted as well.
  std::string note = {};       ///< Why, for the contact's journey.
};
inline Outcome leave_by(std::string_view port) { return {.next = Leave{port}}; }
inline Outcome hold_until(Instant instant) { return {.next = Hold{instant}}; }
inline Outcome park(std::string reason) { return {.next = Park{std::move(reason)}}; }

/// What a trigger starts runs on, or what wakes a held run. Data that the engine indexes.
struct EventListen {
  std::vector<std::string> events;  ///< Canonical names.
  Segment where;
};
/// Of a trigger: the change of a contact from no to yes. Of others: its being yes.
struct SegmentListen {
  Segment segment;
  bool backfill = false;      ///< Those who match when the scenario is activated enter too.
  std::optional<Instant> at;  ///< Asked of everybody once, at this instant, instead of on changes.
};
/// The day of a contact's field, or the same day of each year, moved by `offset`, at the local time
/// of day `at` in the contact's zone or else the scenario's. 29 February falls on 1 March in other
/// years.
struct DateListen {
  std::string field;  ///< "birth_date", "consent.expires_at", "custom.renewal"
  Duration offset{};
  Duration at{};  ///< Time of day, local.
  bool yearly = false;
  Segment where;  ///< Only contacts that match when the day comes.
};
using Listen = std::variant<std::monostate, EventListen, SegmentListen, DateListen>;

/// A node of a scenario: immutable, pure, shared by all runs. No clock, lock, thread or socket.
class Node {
 public:
  virtual ~Node() = default;
  /// Of a trigger: what starts a run. Of others: what wakes a held run.
  virtual const Listen& listens() const;
  virtual Outcome enter(const Visit& visit) const;
  virtual Outcome wake(const Visit& visit, const WakeCause& cause) const;
  /// Of a kind that asks for deliveries: how they are made; else null.
  virtual const DeliveryPolicy* delivery_policy() const { return nullptr; }
  /// Of a node that holds: whether a change of the contact's time zone moves the hold, so that the
  /// node is entered anew, uncounted.
  virtual bool follows_zone() const { return false; }
  /// Of one that does: whether it holds until a time that was read when the contact came, so that
  /// the same time on the contact's new clocks is waited for instead.
  virtual bool keeps_local_time() const { return false; }
  /// Secrets that its requests name.
  virtual std::vector<std::string> secrets() const { return {}; }
  /// Credentials that they name.
  virtual std::vector<std::string> credentials() const { return {}; }
  /// Of a kind that asks for deliveries: what its test button sends, the same whoever visits; the
  /// visit is a sample contact's. Nothing where there is none.
  virtual std::optional<RequestDraft> test_request(const Visit&) const { return std::nullopt; }
};

enum class NodeFamily : std::uint8_t { Trigger, Condition, Action, Wait };

/// What newer rules read in another way than older ones did, though they accept the text as well.
struct MeaningChange {
  RulesFormat since = kNewestFormat;
  /// A sentence for the author of a plan: "a date in the past now leaves by on_past".
  std::string_view sentence;
  std::function<bool(const Tree&)> concerns;  ///< Whether a node, given its mapping, is affected.
};

/// One kind of node: everything that validation, schema, documentation and forms need to know.
struct NodeKind {
  std::string_view name;
  NodeFamily family = NodeFamily::Action;
  std::string_view summary;                        ///< One sentence.
  std::vector<SettingSpec> settings = {};          ///< Beside `kind` and the ports.
  std::vector<std::string_view> ports = {"next"};  ///< Keys that name the next node; in order.
  bool sends = false;                              ///< Each visit asks for a delivery.
  /// The ports of a node, given its mapping, where they depend on it; else `ports` it is. Never
  /// fails: whatever is wrong there the constructor reports.
  std::function<std::vector<std::string>(const Tree&)> ports_of = {};
  bool ports_in_next = false;               ///< They are keys of a mapping below "next" (`split`).
  std::vector<MeaningChange> changes = {};  ///< Told by `plan` where a version takes newer rules.
  std::function<std::unique_ptr<Node>(Settings&)> make;
};
template <class T>
std::unique_ptr<Node> make_node(Settings& settings) {
  return std::make_unique<T>(settings);
}
using NodeKinds = std::vector<NodeKind>;
const NodeKind* find_kind(std::span<const NodeKind> kinds, std::string_view name);
}  // namespace onward
