#pragma once
// A segment: a predicate over a contact (and the triggering event), three-valued, compiled once.
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "engine/core/base/time.h"
#include "engine/core/base/work_budget.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/contact/event.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/tree.h"

namespace onward {
enum class Truth : std::uint8_t { No, Yes, Unknown };

/// What a segment is asked about. Nothing is owned.
struct SegmentSubject {
  const Contact& contact;
  const Engagement& engagement;
  const Event* event = nullptr;  ///< `event.*` is unknown where there is none.
  Instant now;
  std::string_view timezone;  ///< Where the contact has none of its own.
  /// The steps that may still be spent; null: those of one scenario.
  WorkBudget* work = nullptr;
};

/// Why a condition could not be told where it would have taken more steps than are left.
inline constexpr std::string_view kTooMuchWork = "too_much_work";

struct SegmentResult {
  Truth truth = Truth::Unknown;
  /// The next instant at which time alone can change the answer; nothing: never.
  std::optional<Instant> valid_until;
  /// It is unknown since steps ran out. What was decided without them stands.
  bool too_much_work = false;
};

/// What a segment depends on, for indexes.
struct ReadSet {
  std::set<std::string, std::less<>> fields;  ///< "email", "custom.plan", "groups"
  std::set<std::string, std::less<>> events;  ///< "opened", "clicked", "sent": personal statistics.
  bool event_data = false;                    ///< Reads event.*.
  bool time = false;                          ///< Time alone can change it.
};

/// Immutable after compile; copies share. Evaluation parses no text, locks nothing, never fails.
/// Its steps are counted: a part that would take more than are left is unknown.
class Segment {
 public:
  Segment();  ///< Always yes.
  /// Reads the form of the scenario file (docs/segments.md). Reports every mistake;
  /// where there is one the result answers unknown. `zone` is the scenario's, for dates in the
  /// text. `what` names the key for messages: `node "is_tester": "if"`.
  static Segment compile(const Tree& tree, std::string_view what, std::string_view zone,
                         Diagnostics& diagnostics);

  SegmentResult evaluate(const SegmentSubject& subject) const;
  /// The same without `valid_until`: stops as soon as the answer is decided.
  SegmentResult decide(const SegmentSubject& subject) const;
  /// What decided, with the values compared, for the contact's journey: `email is
  /// "jane@example.org": found "ada@example.org"`. At most 200 bytes of UTF-8.
  std::string explain(const SegmentSubject& subject) const { return judge(subject).why; }
  struct Judgement {
    Truth truth = Truth::Unknown;
    std::string why;  ///< See explain; begins with kTooMuchWork where that is why.
    bool too_much_work = false;
  };
  /// Both at once: nothing is asked twice.
  Judgement judge(const SegmentSubject& subject) const;
  const ReadSet& reads() const;
  bool always() const { return !root_; }
  /// About how much memory the compiled form takes, or may take while it is used.
  std::size_t bytes() const { return bytes_; }

  struct Term;  ///< Opaque.

 private:
  std::shared_ptr<const Term> root_;
  std::shared_ptr<const ReadSet> reads_;
  std::size_t bytes_ = 0;
};

/// The operators, for documentation, schema and nearest names.
std::span<const std::string_view> segment_operators();
}  // namespace onward
