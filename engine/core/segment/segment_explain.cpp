// Why a segment answers as it does, in a line for people.
#include <algorithm>
#include <array>

#include "engine/core/base/clipped.h"
#include "engine/core/base/value.h"
#include "engine/core/segment/segment.h"
#include "engine/core/segment/segment_term.h"

namespace onward {
namespace {
using Term = Segment::Term;
using Op = Term::Op;

constexpr std::size_t kMost = 200;  // bytes of the whole
constexpr std::size_t kShown = 60;  // bytes of one value
constexpr std::size_t kUsual = 96;  // bytes of a line that is short
constexpr std::string_view kMore = "…";

/// Cuts between two characters, and says so.
void cut_explanation(std::string& text, std::size_t begin, std::size_t most) {
  const std::string_view whole = std::string_view{text}.substr(begin);
  if (whole.size() <= most) return;
  text.resize(begin + leading_characters(whole, most - kMore.size()).size());
  text += kMore;
}

std::string_view words(Op op) {
  switch (op) {
    case Op::Contains:
      return " contains ";
    case Op::StartsWith:
      return " starts with ";
    case Op::EndsWith:
      return " ends with ";
    case Op::Matches:
      return " matches ";
    case Op::Less:
      return " < ";
    case Op::LessOrEqual:
      return " <= ";
    case Op::Greater:
      return " > ";
    case Op::GreaterOrEqual:
      return " >= ";
    case Op::Before:
      return " before ";
    case Op::After:
      return " after ";
    case Op::On:
      return " on ";
    case Op::Within:
      return " within ";
    case Op::Next:
      return " in the next ";
    case Op::Anniversary:
      return " has its anniversary";
    case Op::Opened:
      return "opened";
    case Op::Clicked:
      return "clicked";
    case Op::Received:
      return "received";
    case Op::Broken:
    case Op::All:
    case Op::Any:
    case Op::Not:
    case Op::Exists:
    case Op::Empty:
    case Op::Is:
    case Op::InGroup:
      break;
  }
  return " ";
}

/// Writes what decided, and stops when the line is full.
class Explanation {
 public:
  explicit Explanation(const SegmentSubject& subject) : subject_{subject}, own_{kScenarioStepsMax} {
    if (subject_.work == nullptr) subject_.work = &own_;
  }
  Explanation(const Explanation&) = delete;
  Explanation& operator=(const Explanation&) = delete;

  Segment::Judgement of(const Term& term) {
    out_.reserve(kUsual);
    const Truth truth = tell(term, /*negated=*/false);
    const bool too_much_work = cut_ && truth == Truth::Unknown;
    if (too_much_work) {
      out_ = kTooMuchWork;
      out_ += ": the conditions of a scenario may take ";
      out_ += std::to_string(kScenarioStepsMax);
      out_ += " steps for one event";
    }
    cut_explanation(out_, 0, kMost);
    return {truth, std::move(out_), too_much_work};
  }

 private:
  bool full() const { return out_.size() > kMost; }

  /// Tells why, and what is answered.
  Truth tell(const Term& term, bool negated) {
    if (term.op == Op::All) return tell_group(term, Truth::No, "");
    if (term.op == Op::Any) return tell_group(term, Truth::Yes, "none of: ");
    if (term.op == Op::Not) return opposite(tell(term.parts.front(), !negated));
    tell_part(term, negated);
    return decide(term);
  }

  void tell_part(const Term& term, bool negated) {
    switch (term.op) {
      case Op::Broken:
        out_ += "cannot be told";
        return;
      case Op::Not:
        return tell_part(term.parts.front(), !negated);
      case Op::All:
      case Op::Any:
        tell(term, negated);
        return;
      case Op::InGroup:
        return tell_groups(term.names);
      case Op::Opened:
      case Op::Clicked:
      case Op::Received:
        return tell_engaged(term);
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
        return tell_value(term, negated);
    }
  }

  /// The first part that decides by itself; else the first that cannot be told; else all of them.
  Truth tell_group(const Term& term, Truth decided_by, std::string_view otherwise) {
    TruthOfParts parts{decided_by};
    const Term* unknown = nullptr;
    for (const Term& part : term.parts) {
      const Truth truth = decide(part);
      if (parts.add(truth)) {
        tell_part(part, false);
        return parts.answer();
      }
      if (truth == Truth::Unknown && !unknown) unknown = &part;
    }
    if (unknown) {
      tell_part(*unknown, false);
      return parts.answer();
    }
    out_ += otherwise;
    const char* separator = "";
    for (const Term& part : term.parts) {
      if (full()) break;
      out_ += separator;
      separator = "; ";
      tell_part(part, false);
    }
    return parts.answer();
  }

  Truth decide(const Term& term) {
    const SegmentResult result = decide_term(term, subject_);
    cut_ = cut_ || result.too_much_work;
    return result.truth;
  }

  void tell_groups(const std::vector<std::string>& names) {
    const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return subject_.contact.in_group(name);
    });
    if (found != names.end()) {
      out_ += "groups has ";
      return text(*found);
    }
    out_ += names.size() == 1 ? "groups has no " : "groups has none of ";
    list(names, [&](const std::string& name) { text(name); });
  }

  void tell_engaged(const Term& term) {
    out_ += words(term.op);
    if (!term.names.empty()) {
      out_ += ' ';
      text(term.names.front());
    }
    if (term.duration) out_ += " within " + format_duration(*term.duration);
    const auto last = last_engaged(term, subject_.engagement);
    out_ += ": ";
    out_ += last ? format_instant(*last) : "never";
  }

  void tell_value(const Term& term, bool negated) {
    const std::string name = term.lookup.written();
    if (term.lookup.source == Lookup::Source::Groups && term.op == Op::Contains && !term.other)
      return tell_groups({term.constants.front().text});
    Value scratch;
    const Value* value =
        term.lookup.find(subject_.contact, subject_.engagement, subject_.event, scratch);
    out_ += name;
    if (term.lookup.source == Lookup::Source::Event && !subject_.event) {
      out_ += ": there is no event";
      return;
    }
    if (term.op == Op::Exists || term.op == Op::Empty) return tell_presence(term, value);
    tell_comparison(term, negated);
    out_ += ": ";
    if (!value) {
      out_ += "not set";
      return;
    }
    out_ += "found ";
    show(*value);
  }

  void tell_presence(const Term& term, const Value* value) {
    if (term.op == Op::Exists) {
      out_ += value ? " is set" : " is not set";
    } else {
      out_ += decide(term) == Truth::Yes ? " is empty" : " is not empty";
    }
  }

  void tell_comparison(const Term& term, bool negated) {
    const auto& constants = term.constants;
    if (term.op == Op::Is) {
      const bool one = constants.size() <= 1;
      out_ += negated ? (one ? " is not " : " is none of ") : one ? " is " : " is one of ";
    } else {
      if (negated) out_ += " not";
      out_ += words(term.op);
    }
    if (term.op == Op::Anniversary) {
      out_ += term.first_day == 0 && term.last_day == 0 ? " today"
              : term.first_day < 0 ? " in the next " + std::to_string(-term.first_day) + "d"
                                   : " within " + std::to_string(term.last_day + 1) + "d";
    }
    if (term.duration) out_ += format_duration(*term.duration);
    if (term.other) return tell_other(*term.other);
    list(constants, [&](const SegmentConstant& constant) { show(constant); });
  }

  void tell_other(const Lookup& other) {
    Value scratch;
    const Value* value = other.find(subject_.contact, subject_.engagement, subject_.event, scratch);
    out_ += other.written() + " (";
    if (value)
      show(*value);
    else
      out_ += "not set";
    out_ += ')';
  }

  template <class Items, class Show>
  void list(const Items& items, Show show_one) {
    const char* separator = "";
    for (const auto& item : items) {
      if (full()) return;
      out_ += separator;
      separator = ", ";
      show_one(item);
    }
  }

  void show(const SegmentConstant& constant) {
    switch (constant.kind) {
      case SegmentConstant::Kind::Text:
        return text(constant.text);
      case SegmentConstant::Kind::Number:
        return show(constant.number->whole ? Value{constant.number->integer}
                                           : Value{constant.number->real});
      case SegmentConstant::Kind::Flag:
        return show(Value{constant.flag});
      case SegmentConstant::Kind::Day:
        out_ += format_date(constant.day);
        return;
      case SegmentConstant::Kind::Time:
        out_ += format_instant(constant.time);
        return;
    }
  }

  void show(const Value& value) {
    if (const auto* found = value.text()) return text(*found);
    if (const auto* day = value.get_if<Date>()) {
      out_ += format_date(*day);
    } else if (const auto* instant = value.get_if<Instant>()) {
      out_ += format_instant(*instant);
    } else {
      const std::size_t begin = out_.size();
      (void)append_json(out_, value, begin + kShown);
      cut_explanation(out_, begin, kShown);
    }
  }

  /// In quotes. What is cut is cut before it is escaped, so that no escape is torn.
  void text(std::string_view found) {
    if (found.size() <= kShown) return append_json_string(out_, found);
    std::string shown{found.substr(0, kShown + 1)};
    cut_explanation(shown, 0, kShown);
    append_json_string(out_, shown);
  }

  SegmentSubject subject_;
  WorkBudget own_;
  bool cut_ = false;  ///< A part could not be told since steps ran out.
  std::string out_;
};
}  // namespace

Segment::Judgement Segment::judge(const SegmentSubject& subject) const {
  return root_ ? Explanation{subject}.of(*root_) : Judgement{Truth::Yes, {}};
}
}  // namespace onward
