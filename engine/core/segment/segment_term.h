#pragma once
// The compiled form of a segment: what segment_compile.cpp makes and segment.cpp evaluates
// and segment_explain.cpp tells. For these alone.
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/segment/pattern.h"
#include "engine/core/segment/segment.h"
#include "engine/core/template/lookup.h"

namespace onward {
/// Kleene's three-valued logic, here and nowhere else.
constexpr Truth truth_of(bool yes) { return yes ? Truth::Yes : Truth::No; }
constexpr Truth opposite(Truth truth) {
  return truth == Truth::Unknown ? truth : truth_of(truth == Truth::No);
}
/// What several parts answer together: all of them (decided by a No) or any (decided by a Yes).
class TruthOfParts {
 public:
  explicit constexpr TruthOfParts(Truth decided_by) : decided_by_{decided_by} {}
  /// Whether this part decides.
  constexpr bool add(Truth part) {
    unknown_ = unknown_ || part == Truth::Unknown;
    decided_ = decided_ || part == decided_by_;
    return part == decided_by_;
  }
  constexpr bool decided() const { return decided_; }
  constexpr Truth answer() const {
    if (decided_) return decided_by_;
    return unknown_ ? Truth::Unknown : opposite(decided_by_);
  }

 private:
  Truth decided_by_;
  bool decided_ = false;
  bool unknown_ = false;
};

/// A number that keeps 64 bits where it came with them.
struct SegmentNumber {
  bool whole = false;
  std::int64_t integer = 0;
  double real = 0;
};

/// Exactly: beyond 2^53 not every whole number is a real one.
std::partial_ordering compare(const SegmentNumber& a, const SegmentNumber& b);

/// What an author compares with, typed once.
struct SegmentConstant {
  enum class Kind : std::uint8_t { Text, Number, Flag, Day, Time };
  Kind kind = Kind::Text;
  std::string text;
  std::optional<SegmentNumber> number;  ///< Of a text too, where it reads as one.
  bool flag = false;
  Date day{};
  Instant time{};
};

struct Segment::Term {
  enum class Op : std::uint8_t {
    Broken,  ///< There was a mistake: unknown.
    All,
    Any,
    Not,
    Exists,
    Empty,
    Is,  ///< Equal to one of `constants`.
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Before,
    After,
    On,
    Within,
    Next,
    Anniversary,
    InGroup,
    Opened,
    Clicked,
    Received,
  };

  Op op = Op::Broken;
  std::vector<Term> parts;  ///< Of All, Any and Not.
  Lookup lookup;
  bool ignore_case = false;                ///< Addresses; constants are in lower case.
  std::vector<SegmentConstant> constants;  ///< One, but for Is.
  std::optional<Lookup> other;             ///< A field to compare with, instead of a constant.
  std::optional<Pattern> pattern;
  std::vector<std::string> names;    ///< Groups; the mailing, or none for any.
  std::optional<Duration> duration;  ///< Of Within, Next, Opened, Clicked, Received.
  int first_day = 0, last_day = 0;   ///< Of Anniversary: the days around it that match.
};

/// What one part of a segment answers, without `valid_until`.
SegmentResult decide_term(const Segment::Term& term, const SegmentSubject& subject);
/// About how much memory a term takes beside itself.
std::size_t term_bytes(const Segment::Term& term);
/// When a contact did last what Opened, Clicked or Received ask about; nothing: never.
std::optional<Instant> last_engaged(const Segment::Term& term, const Engagement& engagement);

/// The number that a text reads as, whole; nothing where it is none.
std::optional<SegmentNumber> parse_segment_number(std::string_view text);
std::optional<SegmentNumber> segment_number(const Value& value);
}  // namespace onward
