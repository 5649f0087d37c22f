#include "engine/core/segment/segment.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <compare>
#include <cstring>
#include <span>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/base/value_time.h"
#include "engine/core/segment/segment_term.h"

namespace onward {
namespace {
using Term = Segment::Term;
using Op = Term::Op;

constexpr SegmentResult kYes{Truth::Yes, std::nullopt};
constexpr SegmentResult kNo{Truth::No, std::nullopt};
constexpr SegmentResult kUnknown{Truth::Unknown, std::nullopt};

SegmentResult answer(bool yes) { return yes ? kYes : kNo; }

/// Whether `text` holds `part`, which is in lower case already where case is ignored.
struct TextMatch {
  bool ignore_case;

  bool same(char a, char b) const { return (ignore_case ? lower(a) : a) == b; }
  bool equal(std::string_view text, std::string_view other) const {
    return text.size() == other.size() && starts(text, other);
  }
  bool starts(std::string_view text, std::string_view part) const {
    return text.size() >= part.size() && std::equal(part.begin(), part.end(), text.begin(),
                                                    [&](char p, char t) { return same(t, p); });
  }
  bool ends(std::string_view text, std::string_view part) const {
    return text.size() >= part.size() && starts(text.substr(text.size() - part.size()), part);
  }
  /// Takes linear time whatever the two are, as `find` and `search` do not.
  bool holds(std::string_view text, std::string_view part) const {
    if (part.size() > text.size()) return false;
    if (!ignore_case) return memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
    std::string small{text};
    small = lower(small);
    return memmem(small.data(), small.size(), part.data(), part.size()) != nullptr;
  }
};

std::partial_ordering compare_whole(std::int64_t whole, double real) {
  constexpr double kBeyond = 9223372036854775808.0;  // 2^63
  if (std::isnan(real)) return std::partial_ordering::unordered;
  if (real >= kBeyond) return std::partial_ordering::less;
  if (real < -kBeyond) return std::partial_ordering::greater;
  const double below = std::floor(real);
  const auto integer = static_cast<std::int64_t>(below);
  if (whole != integer) return whole <=> integer;
  return real > below ? std::partial_ordering::less : std::partial_ordering::equivalent;
}

// Prices of what a condition does, in steps of 5 ns: the worst that was measured for each, on any
// text and any expression. Most work is far cheaper than its price.
constexpr std::size_t kTermSteps = 4;
constexpr std::size_t kLookupSteps = 2;    // and one for each thing that is compared
constexpr std::size_t kGroupSteps = 8;     // one look-up by name
constexpr std::size_t kPatternSteps = 32;  // and for each byte those of the program (NFA)
constexpr std::size_t kMomentSteps = 100;  // with time zones
constexpr std::size_t kYearlySteps = 120;
constexpr std::size_t kBytesPerCompared = 8;  // of two texts of one length, or a number's digits

/// Evaluates one segment for one subject.
class Evaluation {
 public:
  enum class Until : std::uint8_t { Asked, NotAsked };
  Evaluation(const SegmentSubject& subject, Until until)
      : subject_{subject},
        own_{kScenarioStepsMax},
        work_{subject.work == nullptr ? &own_ : subject.work},
        until_{until} {}
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  SegmentResult of(const Term& term) {
    SegmentResult result = (*this)(term);
    result.too_much_work = cut_ && result.truth == Truth::Unknown;
    return result;
  }

 private:
  SegmentResult operator()(const Term& term) {
    if (!spend(kTermSteps)) return kUnknown;
    switch (term.op) {
      case Op::Broken:
        return kUnknown;
      case Op::All:
        return combine(term, /*decided_by=*/Truth::No);
      case Op::Any:
        return combine(term, /*decided_by=*/Truth::Yes);
      case Op::Not: {
        const SegmentResult inner = (*this)(term.parts.front());
        return {opposite(inner.truth), inner.valid_until};
      }
      case Op::InGroup:
        if (!spend(term.names.size() * kGroupSteps)) return kUnknown;
        return answer(std::any_of(term.names.begin(), term.names.end(), [&](const auto& name) {
          return subject_.contact.in_group(name);
        }));
      case Op::Opened:
      case Op::Clicked:
      case Op::Received:
        return engaged(term);
      case Op::Exists:
      case Op::Empty:
      case Op::Is:
      case Op::Contains:
      case Op::StartsWith:
      case Op::EndsWith:
      case Op::Matches:
      case Op::Less:
      case Op::LessOrEqual:
      case Op::Greater:
      case Op::GreaterOrEqual:
      case Op::Before:
      case Op::After:
      case Op::On:
      case Op::Within:
      case Op::Next:
      case Op::Anniversary:
        return about_value(term);
    }
    return kUnknown;
  }

  /// False where less is left: then the part at hand cannot be told.
  bool spend(std::uint64_t steps) {
    if (work_->spend(steps)) return true;
    cut_ = true;
    return false;
  }
  /// Whether the remaining parts cannot change the result.
  bool exhausted() const { return cut_ && work_->left() < kTermSteps; }

  /// As long as one deciding part stays as it is, so does the answer: it holds to the latest end
  /// among those. With none, the first part to change may change it.
  SegmentResult combine(const Term& term, Truth decided_by) {
    TruthOfParts parts{decided_by};
    std::optional<Instant> decided_until, soonest;
    for (const Term& part : term.parts) {
      if (exhausted()) {
        parts.add(Truth::Unknown);
        break;
      }
      const SegmentResult result = (*this)(part);
      const bool first = !parts.decided();
      if (parts.add(result.truth)) {
        if (!result.valid_until || until_ == Until::NotAsked) return {decided_by, std::nullopt};
        decided_until = first ? *result.valid_until : std::max(*decided_until, *result.valid_until);
      }
      if (result.valid_until)
        soonest = soonest ? std::min(*soonest, *result.valid_until) : *result.valid_until;
    }
    return {parts.answer(), parts.decided() ? decided_until : soonest};
  }

  SegmentResult about_value(const Term& term) {
    if (term.lookup.source == Lookup::Source::Groups) return about_groups(term);
    if (term.lookup.source == Lookup::Source::Event && !subject_.event) return kUnknown;
    Value scratch;
    const Value* value = nullptr;
    if (!find(term.lookup, scratch, value)) return kUnknown;
    if (term.op == Op::Exists) return answer(value != nullptr);
    if (term.op == Op::Empty) return answer(!value || is_empty(*value));
    if (!value) return kUnknown;
    if (!term.other) return compare_value(term, *value, term.constants);
    const auto constant = value_of_other(term, *value);
    return constant ? compare_value(term, *value, {&*constant, 1}) : kUnknown;
  }

  /// The other field's value in the place of a constant; nothing where it is none to compare with.
  std::optional<SegmentConstant> value_of_other(const Term& term, const Value& value) {
    using Kind = SegmentConstant::Kind;
    Value scratch;
    const Value* other = nullptr;
    if (!find(*term.other, scratch, other) || !other) return std::nullopt;
    if (!spend(kMomentSteps + text_size(*other))) return std::nullopt;
    SegmentConstant made;
    if (!other->list() && !other->map()) {  // what a text may contain
      made.text = to_text(*other);
      if (term.ignore_case) made.text = lower(made.text);
    }
    const bool is_day = value.get_if<Date>() || other->get_if<Date>();
    const bool is_time = value.get_if<Instant>() || other->get_if<Instant>();
    if (is_day || is_time || is_moment(term.op)) {
      const std::string* text = other->text();
      if (is_day || (text && parse_date(*text))) {
        const auto day = day_of(*other);
        if (!day) return std::nullopt;
        made.kind = Kind::Day;
        made.day = *day;
      } else {
        const auto time = instant_of(*other);
        if (!time) return std::nullopt;
        made.kind = Kind::Time;
        made.time = *time;
      }
      return made;
    }
    made.number = segment_number(*other);
    if (other->text()) {
      made.kind = Kind::Text;
    } else if (const bool* flag = other->get_if<bool>()) {
      made.kind = Kind::Flag;
      made.flag = *flag;
    } else if (made.number) {
      made.kind = Kind::Number;
    } else {
      return std::nullopt;
    }
    return made;
  }

  static bool is_moment(Op op) { return op == Op::Before || op == Op::After || op == Op::On; }

  SegmentResult about_groups(const Term& term) {
    const Contact& contact = subject_.contact;
    if (!spend(kGroupSteps)) return kUnknown;
    if (term.op == Op::Exists) return answer(!contact.groups.empty());
    if (term.op == Op::Empty) return answer(contact.groups.empty());
    if (!term.other) return answer(contact.in_group(term.constants.front().text));
    Value scratch;
    const Value* other = nullptr;
    if (!find(*term.other, scratch, other)) return kUnknown;
    return other && other->text() ? answer(contact.in_group(*other->text())) : kUnknown;
  }

  SegmentResult compare_value(const Term& term, const Value& value,
                              std::span<const SegmentConstant> constants) {
    switch (term.op) {
      case Op::Is:
        return {one_of(constants, value, term.ignore_case), std::nullopt};
      case Op::Contains:
        return {contains(constants.front(), value, term.ignore_case), std::nullopt};
      case Op::StartsWith:
      case Op::EndsWith:
        if (!spend(constants.front().text.size() / kBytesPerCompared)) return kUnknown;
        // A number in a field of one's own starts with nothing.
        return value.text() && constants.front().kind == SegmentConstant::Kind::Text
                   ? answer(fits(term, *value.text(), constants.front().text))
                   : kUnknown;
      case Op::Matches:
        if (!value.text()) return kUnknown;
        if (!spend(kPatternSteps + term.pattern->steps() * value.text()->size())) return kUnknown;
        return answer(term.pattern->found_in(*value.text()));
      case Op::Less:
      case Op::LessOrEqual:
      case Op::Greater:
      case Op::GreaterOrEqual:
        if (!spend(text_size(value) / kBytesPerCompared)) return kUnknown;
        return ordered(term.op, value, constants.front());
      case Op::Before:
      case Op::After:
      case Op::On:
        if (!spend(kMomentSteps + text_size(value) / kBytesPerCompared)) return kUnknown;
        return dated(term.op, value, constants.front());
      case Op::Within:
      case Op::Next:
        if (!spend(kMomentSteps + text_size(value) / kBytesPerCompared)) return kUnknown;
        return relative(term, value);
      case Op::Anniversary:
        if (!spend(kYearlySteps + text_size(value) / kBytesPerCompared)) return kUnknown;
        return anniversary(term, value);
      case Op::Broken:  // these are not about a value that is there
      case Op::All:
      case Op::Any:
      case Op::Not:
      case Op::Exists:
      case Op::Empty:
      case Op::InGroup:
      case Op::Opened:
      case Op::Clicked:
      case Op::Received:
        break;
    }
    return kUnknown;
  }

  static std::size_t text_size(const Value& value) {
    return value.text() ? value.text()->size() : 0;
  }

  /// `found` is null where there is no value. False: it was too much work to find out.
  bool find(const Lookup& lookup, Value& scratch, const Value*& found) {
    const bool own_ref = lookup.source == Lookup::Source::Ref && subject_.contact.get_custom("ref");
    if (lookup.source == Lookup::Source::Id ||
        (lookup.source == Lookup::Source::Ref && !own_ref)) {  // as text, however it came in
      found = nullptr;
      if (subject_.contact.id) {
        scratch = subject_.contact.id->text;
        found = &scratch;
      }
      return spend(kLookupSteps);
    }
    // What one look-up costs is known afterwards, and bounded by the size of an event.
    if (work_->left() < kLookupSteps) return spend(kLookupSteps);
    std::size_t looked_at = 0;
    found = lookup.find(subject_.contact, subject_.engagement, subject_.event, scratch, &looked_at);
    if (spend(kLookupSteps + looked_at)) return true;
    work_->charge(looked_at);
    return false;
  }

  static bool is_empty(const Value& value) {
    if (const auto* text = value.text()) return text->empty();
    if (const auto* list = value.list()) return list->empty();
    return value.map() && value.map()->empty();
  }

  /// Any of `equal`.
  Truth one_of(std::span<const SegmentConstant> constants, const Value& value, bool ignore_case) {
    TruthOfParts parts{/*decided_by=*/Truth::Yes};
    for (const SegmentConstant& constant : constants) {
      if (exhausted()) return Truth::Unknown;
      if (parts.add(equal(value, constant, ignore_case))) break;
    }
    return parts.answer();
  }

  Truth equal(const Value& value, const SegmentConstant& constant, bool ignore_case) {
    using Kind = SegmentConstant::Kind;
    const std::size_t size = text_size(value);
    const bool read = size > 0 && constant.kind == Kind::Number;  // a text as a number
    if (!spend((read ? 3 : 1) + (constant.kind != Kind::Text || size == constant.text.size()
                                     ? size / kBytesPerCompared
                                     : 0)))
      return Truth::Unknown;
    switch (constant.kind) {
      case Kind::Text:
        if (value.text())
          return truth_of(TextMatch{ignore_case}.equal(*value.text(), constant.text));
        if (!value.is_number() || !constant.number) return Truth::Unknown;
        return truth_of(compare(*segment_number(value), *constant.number) == 0);
      case Kind::Number: {
        const auto number = segment_number(value);
        return number ? truth_of(compare(*number, *constant.number) == 0) : Truth::Unknown;
      }
      case Kind::Flag: {
        const bool* flag = value.get_if<bool>();
        return flag ? truth_of(*flag == constant.flag) : Truth::Unknown;
      }
      case Kind::Day:
      case Kind::Time:
        return spend(kMomentSteps) ? dated(Op::On, value, constant).truth : Truth::Unknown;
    }
    return Truth::Unknown;
  }

  /// A text holds a text; a list holds an equal item.
  Truth contains(const SegmentConstant& constant, const Value& value, bool ignore_case) {
    if (const auto* items = value.list()) {
      const bool cut_before = std::exchange(cut_, false);
      bool found = false;
      for (const Value& item : *items) {
        found = equal(item, constant, ignore_case) == Truth::Yes;
        if (found || exhausted()) break;
      }
      const bool told = found || !cut_;
      cut_ = cut_ || cut_before;
      if (!told) return Truth::Unknown;
      return truth_of(found);
    }
    if (!value.text()) return Truth::Unknown;
    const std::size_t size = value.text()->size();
    if (constant.text.size() <= size && !spend((ignore_case ? 2 : 1) * size)) return Truth::Unknown;
    return truth_of(TextMatch{ignore_case}.holds(*value.text(), constant.text));
  }

  static bool fits(const Term& term, std::string_view text, std::string_view part) {
    const TextMatch match{term.ignore_case};
    return term.op == Op::StartsWith ? match.starts(text, part) : match.ends(text, part);
  }

  static SegmentResult ordered(Op op, const Value& value, const SegmentConstant& constant) {
    const auto number = segment_number(value);
    if (!number || !constant.number) return kUnknown;
    const auto order = compare(*number, *constant.number);
    if (op == Op::Less) return answer(order < 0);
    if (op == Op::LessOrEqual) return answer(order <= 0);
    if (op == Op::Greater) return answer(order > 0);
    return answer(order >= 0);
  }

  /// A day is compared with the day that the contact's clocks show, an instant with the instant.
  SegmentResult dated(Op op, const Value& value, const SegmentConstant& constant) const {
    std::strong_ordering order = std::strong_ordering::equal;
    if (constant.kind == SegmentConstant::Kind::Day) {
      const auto day = day_of(value);
      if (!day) return kUnknown;
      order = *day <=> constant.day;
    } else {
      const auto time = instant_of(value);
      if (!time) return kUnknown;
      order = *time <=> constant.time;
    }
    if (op == Op::Before) return answer(order < 0);
    if (op == Op::After) return answer(order > 0);
    return answer(order == 0);
  }

  /// within: value <= now < value + duration. next: value - duration <= now < value.
  SegmentResult relative(const Term& term, const Value& value) const {
    const auto time = instant_of(value);
    if (!time) return kUnknown;
    const bool past = term.op == Op::Within;
    return between(past ? *time : *time - *term.duration, past ? *time + *term.duration : *time);
  }

  /// Yes from `begin` until `end`.
  SegmentResult between(Instant begin, Instant end) const {
    if (subject_.now < begin) return {Truth::No, begin};
    if (subject_.now < end) return {Truth::Yes, end};
    return kNo;
  }

  SegmentResult anniversary(const Term& term, const Value& value) const {
    using namespace std::chrono;
    const auto origin = day_of(value);
    if (!origin) return kUnknown;
    const Date today = to_local(subject_.now, zone()).date;
    // A year back, since the days after an anniversary may reach into the next year.
    year y = std::max(year_month_day{today}.year() - years{1},
                      year_month_day{*origin}.year() + years{1});
    for (;; ++y) {
      const Date day = anniversary_in(y, *origin);
      const Date begin = day + days{term.first_day}, end = day + days{term.last_day + 1};
      if (today >= end) continue;
      if (today < begin) return {Truth::No, to_instant(begin, Duration{}, zone())};
      return {Truth::Yes, to_instant(end, Duration{}, zone())};
    }
  }

  SegmentResult engaged(const Term& term) {
    const bool all = term.names.empty() && term.op == Op::Received;
    if (!spend(all ? subject_.engagement.mailings.size() : kGroupSteps)) return kUnknown;
    const auto last = last_engaged(term, subject_.engagement);
    if (!last || !term.duration) return answer(last.has_value());
    // A sender's clock may be ahead of ours; what has arrived has happened.
    const Instant end = *last + *term.duration;
    return subject_.now < end ? SegmentResult{Truth::Yes, end} : kNo;
  }

  std::string_view zone() const { return clock_zone(subject_.contact, subject_.timezone); }

  /// By the contact's clocks.
  std::optional<Date> day_of(const Value& value) const { return onward::day_of(value, zone()); }
  std::optional<Instant> instant_of(const Value& value) const {
    return onward::instant_of(value, zone());
  }

  const SegmentSubject& subject_;
  WorkBudget own_;
  WorkBudget* work_;
  Until until_;
  bool cut_ = false;  ///< A part was left out since steps ran out.
};
}  // namespace

std::partial_ordering compare(const SegmentNumber& a, const SegmentNumber& b) {
  if (a.whole && b.whole) return a.integer <=> b.integer;
  if (a.whole) return compare_whole(a.integer, b.real);
  if (b.whole) return 0 <=> compare_whole(b.integer, a.real);
  return a.real <=> b.real;
}

std::optional<SegmentNumber> parse_segment_number(std::string_view text) {
  const char* end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(text.data(), end, integer);
      read.ec == std::errc{} && read.ptr == end)
    return SegmentNumber{true, integer, static_cast<double>(integer)};
  double real = 0;
  const auto read = std::from_chars(text.data(), end, real);
  if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(real)) return std::nullopt;
  return SegmentNumber{false, 0, real};
}

std::optional<SegmentNumber> segment_number(const Value& value) {
  if (const auto* integer = value.get_if<std::int64_t>())
    return SegmentNumber{true, *integer, static_cast<double>(*integer)};
  if (const auto* real = value.get_if<double>()) return SegmentNumber{false, 0, *real};
  return value.text() ? parse_segment_number(*value.text()) : std::nullopt;
}

SegmentResult decide_term(const Term& term, const SegmentSubject& subject) {
  return Evaluation{subject, Evaluation::Until::NotAsked}.of(term);
}

std::size_t term_bytes(const Term& term) {
  std::size_t bytes = term.parts.capacity() * sizeof(Term) +
                      term.constants.capacity() * sizeof(SegmentConstant) +
                      term.names.capacity() * sizeof(std::string) + term.lookup.name.capacity() +
                      term.lookup.rest.capacity() + (term.pattern ? term.pattern->bytes() : 0);
  for (const Term& part : term.parts) bytes += term_bytes(part);
  for (const SegmentConstant& constant : term.constants) bytes += constant.text.capacity();
  for (const std::string& name : term.names) bytes += name.capacity();
  return bytes;
}

std::optional<Instant> last_engaged(const Term& term, const Engagement& engagement) {
  if (!term.names.empty()) {
    const MailingStats* mailing = engagement.find(term.names.front());
    if (!mailing) return std::nullopt;
    if (term.op == Op::Opened) return mailing->opened_last;
    if (term.op == Op::Clicked) return mailing->clicked_last;
    return mailing->arrived();
  }
  if (term.op == Op::Opened) return engagement.opened_last;
  if (term.op == Op::Clicked) return engagement.clicked_last;
  std::optional<Instant> last;
  for (const MailingStats& mailing : engagement.mailings)
    if (const auto at = mailing.arrived(); at && (!last || *at > *last)) last = at;
  return last;
}

Segment::Segment() = default;

SegmentResult Segment::evaluate(const SegmentSubject& subject) const {
  return root_ ? Evaluation{subject, Evaluation::Until::Asked}.of(*root_) : kYes;
}

SegmentResult Segment::decide(const SegmentSubject& subject) const {
  return root_ ? decide_term(*root_, subject) : kYes;
}

const ReadSet& Segment::reads() const {
  static const ReadSet kNothing;
  return reads_ ? *reads_ : kNothing;
}
}  // namespace onward
