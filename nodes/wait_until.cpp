#include <array>

#include "nodes/awaited_date.h"
#include "nodes/nodes.h"
#include "nodes/open_window.h"
#include "nodes/time_of_day.h"

namespace onward {
namespace {
constexpr Duration kWaitTimeoutMax = std::chrono::days{3653};  // ten years
constexpr std::string_view kNext = "next";
constexpr std::string_view kOnTimeout = "on_timeout";
constexpr std::string_view kOnPast = "on_past";
/// Each is a form of its own.
constexpr std::array<std::string_view, 4> kForms = {"event", "if", "date", "window"};

/// How long an event or a segment is waited for; nothing: for ever.
std::optional<Duration> read_timeout(Settings& settings) {
  const auto timeout = settings.optional<Duration>("timeout");
  if (timeout && (*timeout <= Duration{} || *timeout > kWaitTimeoutMax))
    settings.error(settings.find("timeout")->at, "bad_duration",
                   "\"timeout\" wants a time of up to ten years, found " +
                       describe(*settings.find("timeout")));
  return timeout;
}

std::optional<Instant> end_of(const std::optional<Duration>& timeout, Instant from) {
  return timeout ? std::optional{from + *timeout} : std::nullopt;
}

Outcome leave_with(std::string_view port, std::string note) {
  Outcome outcome = leave_by(port);
  outcome.note = std::move(note);
  return outcome;
}

/// Holds a contact until an event arrives for it.
class WaitForEvent final : public Node {
 public:
  explicit WaitForEvent(Settings& settings)
      : listens_{EventListen{.events = settings.event_names("event"),
                             .where = settings.segment("where")}},
        timeout_{read_timeout(settings)} {}

  const Listen& listens() const override { return listens_; }
  Outcome enter(const Visit& visit) const override {
    return {.next = Hold{.until = end_of(timeout_, visit.arrived)}};
  }
  Outcome wake(const Visit& visit, const WakeCause& cause) const override {
    if (cause.kind == WakeCause::Kind::Event)
      return leave_with(kNext, cause.event ? cause.event->type : std::string{});
    return timeout_ ? leave_by(kOnTimeout) : enter(visit);
  }

 private:
  Listen listens_;
  std::optional<Duration> timeout_;
};

/// Holds a contact until it matches a segment; one that does already goes straight on.
class WaitForSegment final : public Node {
 public:
  explicit WaitForSegment(Settings& settings)
      : listens_{SegmentListen{.segment = settings.segment("if")}},
        timeout_{read_timeout(settings)} {}

  const Listen& listens() const override { return listens_; }
  Outcome enter(const Visit& visit) const override {
    const SegmentResult result = segment().evaluate(visit.segment_subject());
    if (result.truth == Truth::Yes)
      return leave_with(kNext, segment().explain(visit.segment_subject()));
    Outcome outcome{
        .next = Hold{.until = end_of(timeout_, visit.arrived), .recheck = result.valid_until}};
    if (result.too_much_work) {
      outcome.too_much_work = true;
      outcome.note = segment().explain(visit.segment_subject());
    }
    return outcome;
  }
  Outcome wake(const Visit& visit, const WakeCause& cause) const override {
    if (cause.kind == WakeCause::Kind::Segment)
      return leave_with(kNext, segment().explain(visit.segment_subject()));
    return timeout_ ? leave_by(kOnTimeout) : enter(visit);
  }

 private:
  const Segment& segment() const { return std::get<SegmentListen>(listens_).segment; }

  Listen listens_;
  std::optional<Duration> timeout_;
};

/// Holds a contact until a date; where that is past, or there is none, it goes straight on.
class WaitForDate final : public Node {
 public:
  explicit WaitForDate(Settings& settings)
      : date_{settings}, past_port_{settings.has(kOnPast) ? kOnPast : kNext} {}

  Outcome enter(const Visit& visit) const override {
    const auto date = date_.of(visit);
    if (!date) {
      Outcome outcome = leave_with(past_port_, date_.name() + " holds no date");
      outcome.unknown = true;
      return outcome;
    }
    if (*date > visit.arrived) return hold_until(*date);
    return leave_with(past_port_, format_instant(*date) + " is past");
  }
  Outcome wake(const Visit&, const WakeCause&) const override { return leave_by(kNext); }
  bool follows_zone() const override { return date_.local(); }
  bool keeps_local_time() const override { return true; }

 private:
  AwaitedDate date_;
  std::string_view past_port_;
};

/// Holds a contact that arrives outside some hours of the week until they begin.
class WaitForWindow final : public Node {
 public:
  explicit WaitForWindow(Settings& settings) : window_{read_window(settings, "window")} {}

  Outcome enter(const Visit& visit) const override {
    const auto opening = window_.next_opening(visit.now.at, zone_of(visit));
    return opening ? hold_until(*opening) : leave_by(kNext);
  }
  /// Whom nobody woke in time, since the server was down, may find it closed again.
  Outcome wake(const Visit& visit, const WakeCause&) const override { return enter(visit); }
  bool follows_zone() const override { return true; }

 private:
  OpenWindow window_;
};

/// The form that a node has: the first of them that it names; empty where it names none.
std::string_view form_of(const Tree& node) {
  for (const std::string_view form : kForms)
    if (node.find(form)) return form;
  return {};
}

std::vector<std::string> wait_ports(const Tree& node) {
  const std::string_view form = form_of(node);
  std::vector<std::string> ports{std::string{kNext}};
  const bool may_end = form == "event" || form == "if";
  if (may_end && node.find("timeout")) ports.emplace_back(kOnTimeout);
  if (form == "date" && node.find(kOnPast)) ports.emplace_back(kOnPast);
  return ports;
}

/// Reports keys that say nothing in this form.
void check_form(Settings& settings, std::string_view form) {
  struct Rule {
    std::string_view key;
    bool fits;
    std::string_view sentence;
  };
  const bool timed = form == "event" || form == "if";
  const std::array rules{
      Rule{"where", form == "event", "\"where\" filters an \"event\"; a segment is all in \"if\""},
      Rule{"timeout", timed, "\"timeout\" ends the wait for an \"event\" or for \"if\""},
      Rule{"offset", form == "date", "\"offset\" moves a \"date\""},
      Rule{"at", form == "date", "\"at\" is the time of day of a \"date\""},
      Rule{kOnPast, form == "date", "\"on_past\" is where a \"date\" that is past leads to"},
      Rule{kOnTimeout, timed && settings.has("timeout"),
           "\"on_timeout\" is never taken without \"timeout\""},
  };
  for (const Rule& rule : rules)
    if (const Tree* found = settings.find(rule.key); found && !rule.fits)
      settings.error(found->at, "conflict", std::string{rule.sentence});
  for (const std::string_view other : kForms)
    if (const Tree* found = settings.find(other); found && other != form)
      settings.error(found->at, "conflict",
                     "\"" + std::string{form} + "\" and \"" + std::string{other} +
                         "\" exclude each other; a node waits for one thing");
}

/// Takes the place of a node whose form is not known; the file is refused.
class WaitForNothing final : public Node {};

std::unique_ptr<Node> make(Settings& settings) {
  std::string_view form;
  for (const std::string_view candidate : kForms)
    if (form.empty() && settings.has(candidate)) form = candidate;
  if (form.empty()) {
    settings.error(settings.at(), "missing_key",
                   "wants one of \"event\", \"if\", \"date\" and \"window\", to say what it waits "
                   "for");
    return std::make_unique<WaitForNothing>();
  }
  check_form(settings, form);
  if (form == "event") return std::make_unique<WaitForEvent>(settings);
  if (form == "if") return std::make_unique<WaitForSegment>(settings);
  if (form == "date") return std::make_unique<WaitForDate>(settings);
  return std::make_unique<WaitForWindow>(settings);
}
}  // namespace

NodeKind wait_until_kind() {
  return {
      .name = "wait_until",
      .family = NodeFamily::Wait,
      .summary = "Holds a contact until an event, a segment, a date or an hour of the week.",
      .settings = {{"event", SettingType::EventNames,
                    "Until this event arrives, or one of a list: order"},
                   {"where", SettingType::Segment,
                    "Only where contact and event match: { event.survey: q1 }"},
                   {"if", SettingType::Segment, "Until the contact matches: { clicked: spring }"},
                   {"date", SettingType::Text,
                    "Until a time, 2026-12-24T09:00, or one that a field holds: custom.renewal"},
                   {"offset", SettingType::Duration, "Before or after the field's date: -3d"},
                   {"at",
                    SettingType::Text,
                    "Time of day of the field's date: \"09:00\"",
                    false,
                    {},
                    kTimeOfDaySchema},
                   {"window",
                    SettingType::Map,
                    "Until these hours: { days: [mon-fri], from: \"09:00\", to: \"17:00\" }",
                    false,
                    {},
                    kWindowSchema},
                   {"timeout", SettingType::Duration,
                    "How long an event or a segment is waited for, then on_timeout: 3d"}},
      .ports = {kNext, kOnTimeout, kOnPast},
      .ports_of = wait_ports,
      .make = make};
}
}  // namespace onward
