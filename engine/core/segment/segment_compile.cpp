// Segments as authors write them, checked and typed once. Every mistake is reported at its place.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/segment/segment.h"
#include "engine/core/segment/segment_reader.h"
#include "engine/core/segment/segment_term.h"
#include "engine/core/template/template.h"

namespace onward {
namespace {
using Term = Segment::Term;
using Op = Term::Op;

/// What sort of argument an operator takes.
enum class Argument : std::uint8_t { Scalar, Many, Range, Flag, Moment, Length, Yearly, Regex };

struct Operator {
  std::string_view name;
  Op op;
  bool negated;
  Argument argument;
  unsigned types;  // mask of FieldType
};

constexpr unsigned mask(FieldType type) { return 1U << static_cast<unsigned>(type); }
constexpr unsigned kTextKinds = mask(FieldType::Text), kNumber = mask(FieldType::Number),
                   kList = mask(FieldType::List), kFlag = mask(FieldType::Flag),
                   kTimes = mask(FieldType::Date) | mask(FieldType::Instant),
                   kScalars = kTextKinds | kNumber | kTimes | kFlag, kEvery = kScalars | kList;

constexpr std::array kOperators{
    Operator{"is", Op::Is, false, Argument::Scalar, kScalars},
    Operator{"is_not", Op::Is, true, Argument::Scalar, kScalars},
    Operator{"in", Op::Is, false, Argument::Many, kScalars},
    Operator{"not_in", Op::Is, true, Argument::Many, kScalars},
    Operator{"contains", Op::Contains, false, Argument::Scalar, kTextKinds | kList},
    Operator{"not_contains", Op::Contains, true, Argument::Scalar, kTextKinds | kList},
    Operator{"starts_with", Op::StartsWith, false, Argument::Scalar, kTextKinds},
    Operator{"ends_with", Op::EndsWith, false, Argument::Scalar, kTextKinds},
    Operator{"matches", Op::Matches, false, Argument::Regex, kTextKinds},
    Operator{"exists", Op::Exists, false, Argument::Flag, kEvery},
    Operator{"empty", Op::Empty, false, Argument::Flag, kEvery},
    Operator{"lt", Op::Less, false, Argument::Scalar, kNumber},
    Operator{"lte", Op::LessOrEqual, false, Argument::Scalar, kNumber},
    Operator{"gt", Op::Greater, false, Argument::Scalar, kNumber},
    Operator{"gte", Op::GreaterOrEqual, false, Argument::Scalar, kNumber},
    Operator{"between", Op::All, false, Argument::Range, kNumber | kTimes},
    Operator{"before", Op::Before, false, Argument::Moment, kTimes},
    Operator{"after", Op::After, false, Argument::Moment, kTimes},
    Operator{"on", Op::On, false, Argument::Moment, kTimes},
    Operator{"within", Op::Within, false, Argument::Length, kTimes},
    Operator{"next", Op::Next, false, Argument::Length, kTimes},
    Operator{"anniversary", Op::Anniversary, false, Argument::Yearly, kTimes},
};
// Keys that stand where a field would.
constexpr std::array<std::string_view, 8> kKeys{"all",          "any",    "not",     "in_group",
                                                "not_in_group", "opened", "clicked", "received"};
constexpr auto kNames = [] {
  std::array<std::string_view, kOperators.size() + kKeys.size()> names;
  for (std::size_t i = 0; i < kOperators.size(); ++i) names[i] = kOperators[i].name;
  for (std::size_t i = 0; i < kKeys.size(); ++i) names[kOperators.size() + i] = kKeys[i];
  return names;
}();
constexpr int kYearlyDaysMax = 364;
/// Steps (instructions of the compiled form) of all regular expressions of one scenario: some 0.5 s
/// of compiling at most. "^a.*z$" has about 10.
constexpr std::size_t kPatternStepsMax = 200'000;

const Operator* find_operator(std::string_view name) {
  for (const Operator& row : kOperators)
    if (row.name == name) return &row;
  return nullptr;
}

/// What an author who wrote `name` for a field of this type perhaps meant.
std::string_view counterpart(std::string_view name, FieldType type) {
  if ((mask(type) & kTimes) != 0) {
    if (name == "lt" || name == "lte") return "before";
    if (name == "gt" || name == "gte") return "after";
    if (name == "contains" || name == "starts_with") return "on";
  }
  if (type == FieldType::Number) {
    if (name == "before") return "lt";
    if (name == "after") return "gt";
    if (name == "on" || name == "contains") return "is";
  }
  if (type == FieldType::List && (name == "is" || name == "in")) return "contains";
  if (type == FieldType::List && (name == "is_not" || name == "not_in")) return "not_contains";
  return {};
}

Term negate(Term term) {
  Term made;
  made.op = Op::Not;
  made.parts.push_back(std::move(term));
  return made;
}

class SegmentCompiler {
 public:
  SegmentCompiler(std::string_view what, std::string_view zone, Diagnostics& diagnostics)
      : reader_{what, zone, diagnostics, reads_} {}

  /// A mapping: all of its entries.
  Term condition(const Tree& tree) {
    if (!tree.is_map())
      return error(
          tree.at, "wrong_type",
          "wants a condition such as { email: { is: jane@example.org } }, found " + describe(tree));
    return group(Op::All, tree);
  }

  ReadSet take_reads() { return std::move(reads_); }

 private:
  Term group(Op op, const Tree& tree) {
    if (tree.is_map() ? tree.entries.empty() : tree.items.empty())
      return error(tree.at, "empty_segment", "has no condition here; say at least one");
    Term made;
    made.op = op;
    for (const Tree::Entry& part : tree.entries) made.parts.push_back(entry(part));
    for (const Tree& part : tree.items) made.parts.push_back(condition(part));
    if (made.parts.size() == 1) return Term{std::move(made.parts.front())};
    return made;
  }

  Term entry(const Tree::Entry& entry) {
    const Tree& value = entry.value;
    if (entry.key == "all" || entry.key == "any") {
      if (!value.is_list() && !value.is_map())
        return error(
            value.at, "wrong_type",
            fmt::format("\"{}\" wants a list of conditions, found {}", entry.key, describe(value)));
      return group(entry.key == "all" ? Op::All : Op::Any, value);
    }
    if (entry.key == "not") return negate(condition(value));
    if (entry.key == "in_group") return in_group(entry);
    if (entry.key == "not_in_group") return negate(in_group(entry));
    if (entry.key == "opened") return engaged(Op::Opened, entry);
    if (entry.key == "clicked") return engaged(Op::Clicked, entry);
    if (entry.key == "received") return engaged(Op::Received, entry);
    return field(entry);
  }

  Term in_group(const Tree::Entry& entry) {
    Term made;
    made.op = Op::InGroup;
    reads_.fields.insert("groups");
    const Tree& value = entry.value;
    if (value.is_scalar() && !value.text.empty()) made.names.push_back(value.text);
    for (const Tree& item : value.items) {
      if (!item.is_scalar() || item.text.empty())
        return error(
            item.at, "wrong_type",
            fmt::format("\"{}\" wants names of groups, found {}", entry.key, describe(item)));
      made.names.push_back(item.text);
    }
    if (made.names.empty())
      return error(value.at, "wrong_type",
                   fmt::format("\"{}\" wants a group or a list of groups, found {}", entry.key,
                               describe(value)));
    return made;
  }

  /// `opened: any`, `opened: spring`, `opened: { mailing: spring, within: 30d }`.
  Term engaged(Op op, const Tree::Entry& entry) {
    Term made;
    made.op = op;
    if (op == Op::Received) {
      reads_.events.insert({"sent", "opened", "clicked"});
    } else {
      reads_.events.insert(op == Op::Opened ? "opened" : "clicked");
    }
    const Tree& value = entry.value;
    if (value.is_scalar() && !value.text.empty()) {
      if (value.quoted || value.text != "any") made.names.push_back(value.text);
      return made;
    }
    if (!value.is_map() || value.entries.empty())
      return error(value.at, "wrong_type",
                   fmt::format("\"{}\" wants any, a mailing, or {{ mailing: …, within: 30d }}, "
                               "found {}",
                               entry.key, describe(value)));
    for (const Tree::Entry& part : value.entries) {
      if (part.key == "within") {
        made.duration = reader_.duration(part.key, part.value);
      } else if (part.key != "mailing") {
        constexpr std::array<std::string_view, 2> kParts{"mailing", "within"};
        error(part.key_at, "unknown_key",
              fmt::format("\"{}\" has no key \"{}\"; there are mailing and within", entry.key,
                          clipped(part.key)),
              reader_.diagnostics().nearest(part.key, kParts));
      } else if (!part.value.is_scalar() || part.value.text.empty()) {
        error(part.value.at, "wrong_type",
              fmt::format("\"mailing\" wants a name, found {}", describe(part.value)));
      } else if (part.value.quoted || part.value.text != "any") {
        made.names.push_back(part.value.text);
      }
    }
    return made;
  }

  Term field(const Tree::Entry& entry) {
    const auto found = operand(entry.key, entry.key_at);
    if (!found) return Term{};
    const Tree& value = entry.value;
    switch (value.kind) {
      case Tree::Kind::Null:
        return error(entry.key_at, "wrong_type",
                     fmt::format("\"{}\" wants a value or operators, found nothing; write "
                                 "{{ empty: true }} for a field that is not set",
                                 entry.key));
      case Tree::Kind::Scalar:
        return operation(*found, found->type == FieldType::List ? "contains" : "is", value.at,
                         value);
      case Tree::Kind::List:
        return operation(*found, "in", value.at, value);
      case Tree::Kind::Map:
        break;
    }
    if (value.entries.empty())
      return error(value.at, "empty_segment", fmt::format("\"{}\" has no operator", entry.key));
    Term made;
    made.op = Op::All;
    for (const Tree::Entry& part : value.entries)
      made.parts.push_back(operation(*found, part.key, part.key_at, part.value));
    if (made.parts.size() == 1) return Term{std::move(made.parts.front())};
    return made;
  }

  std::optional<SegmentOperand> operand(std::string_view name, Position at) {
    if (name.starts_with("event.") && is_path(name.substr(6))) {
      reads_.event_data = true;
      return SegmentOperand{event_lookup(name.substr(6)), std::nullopt, name};
    }
    const std::string_view own = name.starts_with("contact.") ? name.substr(8) : name;
    const auto lookup = find_contact_lookup(own);
    if (lookup && lookup->source != Lookup::Source::AllCustom) {
      if (!is_path(own) &&
          reader_.error_since(
              2, at, "bad_path",
              fmt::format("\"{}\" has an empty part; write one dot between two names",
                          clipped(name))))
        return std::nullopt;
      note_read(*lookup);
      note_custom_field(*lookup, at, reader_.diagnostics());
      return SegmentOperand{*lookup, lookup->type(), name};
    }
    unknown_field(name, at);
    return std::nullopt;
  }

  void note_read(const Lookup& lookup) {
    switch (lookup.source) {
      case Lookup::Source::Id:
        reads_.fields.insert("id");
        return;
      case Lookup::Source::Field:
        reads_.fields.emplace(info_of(lookup.field).name);
        return;
      case Lookup::Source::Custom:
        reads_.fields.insert(std::string{kCustom} + lookup.name);
        return;
      case Lookup::Source::Groups:
        reads_.fields.insert("groups");
        return;
      case Lookup::Source::CreatedAt:
        reads_.fields.insert("created_at");
        return;
      case Lookup::Source::UpdatedAt:
        reads_.fields.insert("updated_at");
        return;
      case Lookup::Source::Statistic:
        reads_.events.insert({"sent", "opened", "clicked"});
        return;
      case Lookup::Source::Ref:
        reads_.fields.insert({"id", std::string{kCustom} + "ref"});
        return;
      case Lookup::Source::AllCustom:
      case Lookup::Source::Event:
        return;
    }
  }

  void unknown_field(std::string_view name, Position at) {
    std::string sentence = fmt::format("unknown field \"{}\"", clipped(name));
    std::string near;
    if (find_operator(name)) {
      sentence =
          fmt::format("\"{0}\" is an operator and stands below a field: email: {{ {0}: … }}", name);
    } else if (name == "custom" || name == "event" || name == "event.") {
      sentence = fmt::format("\"{}\" is followed by a name: {}.plan", name,
                             name.substr(0, name.find('.')));
    } else {
      static const std::vector<std::string> kKnown = [] {
        std::vector<std::string> known = contact_names();
        known.insert(known.end(), kKeys.begin(), kKeys.end());
        return known;
      }();
      near = reader_.diagnostics().nearest(name, kKnown);
      sentence += "; fields of your own are custom.…, those of the event event.…";
    }
    error(at, "unknown_field", sentence, near);
  }

  /// One operator below a field. `at` is its key's place, or the value's where it is left out.
  Term operation(const SegmentOperand& operand, std::string_view name, Position at,
                 const Tree& argument) {
    const Operator* row = find_operator(name);
    if (!row) {
      std::string nearest = nearest_operator(name, operand);
      const bool perhaps_member = !operand.type && nearest.empty();
      return error(
          at, "unknown_operator",
          fmt::format("unknown operator \"{}\" for \"{}\"{}", clipped(name), clipped(operand.name),
                      perhaps_member ? "; a member of it is written with a dot" : ""),
          std::move(nearest));
    }
    if (operand.type && (row->types & mask(*operand.type)) == 0)
      return error(
          at, "wrong_type",
          fmt::format("\"{}\" cannot be asked of \"{}\", which is a {}; there are {}", name,
                      clipped(operand.name), to_string(*operand.type), operators_of(*operand.type)),
          std::string{counterpart(name, *operand.type)});
    Term made;
    made.op = row->op;
    made.lookup = operand.lookup;
    made.ignore_case = operand.is_email();
    made = with_argument(*row, operand, std::move(made), argument);
    return row->negated ? negate(std::move(made)) : made;
  }

  std::string nearest_operator(std::string_view name, const SegmentOperand& operand) {
    if (!reader_.diagnostics().suggests()) return {};
    std::vector<std::string_view> known;
    for (const Operator& row : kOperators)
      if (!operand.type || (row.types & mask(*operand.type)) != 0) known.emplace_back(row.name);
    return reader_.diagnostics().nearest(name, known);
  }

  static std::string operators_of(FieldType type) {
    std::string names;
    for (const Operator& row : kOperators)
      if ((row.types & mask(type)) != 0)
        names += (names.empty() ? "" : ", ") + std::string{row.name};
    return names;
  }

  Term with_argument(const Operator& row, const SegmentOperand& operand, Term made,
                     const Tree& argument) {
    const bool takes_field = row.argument == Argument::Scalar || row.argument == Argument::Moment;
    if (takes_field && argument.is_map() && argument.find("field"))
      return other_field(row, operand, std::move(made), argument);
    switch (row.argument) {
      case Argument::Scalar:
        return scalar(row, operand, std::move(made), argument);
      case Argument::Many:
        return many(row, operand, std::move(made), argument);
      case Argument::Range:
        return range(row, operand, made, argument);
      case Argument::Flag:
        return flag(row, std::move(made), argument);
      case Argument::Moment:
        if (auto constant = reader_.moment(row.name, operand, argument)) {
          made.constants.push_back(*std::move(constant));
          return made;
        }
        return Term{};
      case Argument::Length:
        reads_.time = true;
        reads_.fields.insert("timezone");
        made.duration = reader_.duration(row.name, argument);
        return made.duration ? std::move(made) : Term{};
      case Argument::Yearly:
        return yearly(std::move(made), argument);
      case Argument::Regex:
        return regex(std::move(made), argument);
    }
    return Term{};
  }

  Term scalar(const Operator& row, const SegmentOperand& operand, Term made, const Tree& argument) {
    const bool number = row.types == kNumber;
    const bool text = (row.types & kScalars) == kTextKinds && row.op != Op::Contains;
    auto value = number ? reader_.number(row.name, argument)
                 : text ? reader_.text(row.name, operand, argument)
                        : reader_.constant(row.name, operand, argument);
    if (!value) return Term{};
    made.constants.push_back(*std::move(value));
    return made;
  }

  /// `custom.paid: { lt: { field: custom.price } }`.
  Term other_field(const Operator& row, const SegmentOperand& operand, Term made,
                   const Tree& argument) {
    const Tree& name = argument.find("field")->value;
    if (argument.entries.size() != 1 || !name.is_scalar())
      return error(
          argument.at, "wrong_type",
          fmt::format("\"{}\" wants a value, or one field to compare with, such as {{ "
                      "field: custom.price }}, found {}",
                      row.name, name.is_scalar() ? "more keys beside it" : describe(name)));
    const auto other = this->operand(name.text, name.at);
    if (!other) return Term{};
    if (other->type && !comparable(row, operand, *other->type))
      return error(
          name.at, "wrong_type",
          fmt::format("\"{}\" cannot compare \"{}\" with \"{}\", which is a {}", row.name,
                      clipped(operand.name), clipped(other->name), to_string(*other->type)));
    reads_.fields.insert("timezone");  // should they turn out to be days
    made.other = other->lookup;
    made.ignore_case = made.ignore_case || other->is_email();
    return made;
  }

  static bool comparable(const Operator& row, const SegmentOperand& operand, FieldType other) {
    if (row.op == Op::Contains) return (mask(other) & kScalars) != 0;
    if (row.op == Op::Is) {
      if (!operand.type) return other != FieldType::List;
      const bool times = (mask(*operand.type) & kTimes) != 0;
      return times ? (mask(other) & kTimes) != 0 : other == *operand.type;
    }
    return (row.types & mask(other)) != 0;
  }

  Term many(const Operator& row, const SegmentOperand& operand, Term made, const Tree& argument) {
    if (!argument.is_list() || argument.items.empty())
      return error(argument.at, "wrong_type",
                   fmt::format("\"{}\" wants a list of values, found {}", row.name,
                               argument.is_list() ? "an empty one" : describe(argument)));
    for (const Tree& item : argument.items)
      if (auto value = reader_.constant(row.name, operand, item))
        made.constants.push_back(*std::move(value));
    return made;
  }

  /// Both ends belong to it.
  Term range(const Operator& row, const SegmentOperand& operand, const Term& base,
             const Tree& argument) {
    if (!argument.is_list() || argument.items.size() != 2)
      return error(argument.at, "wrong_type",
                   fmt::format("\"{}\" wants two values, such as [18, 30], found {}", row.name,
                               argument.is_list() ? "another number of them" : describe(argument)));
    const bool numbers = operand.type == FieldType::Number ||
                         (!operand.type && to_value(argument.items[0]).is_number());
    const auto end = [&](const Tree& item) {
      return numbers ? reader_.number(row.name, item) : reader_.moment(row.name, operand, item);
    };
    auto low = end(argument.items[0]), high = end(argument.items[1]);
    if (!low || !high) return Term{};
    const std::string sentence = fmt::format("\"{}\" wants the smaller value first", row.name);
    if (numbers ? low->number->real > high->number->real
                : low->kind == high->kind && (low->day > high->day || low->time > high->time))
      return error(argument.at, "bad_range", sentence);
    // Format 1 compared whole numbers as reals, and a day with a time not at all.
    if (numbers && compare(*low->number, *high->number) > 0 &&
        reader_.error_since(2, argument.at, "bad_range", sentence))
      return Term{};
    if (low->kind != high->kind &&
        reader_.error_since(2, argument.at, "bad_range",
                            fmt::format("\"{}\" must have two days or two times, for example "
                                        "[2026-05-01, 2026-05-31]",
                                        row.name)))
      return Term{};
    Term from = base, to = base, made;
    from.op = numbers ? Op::GreaterOrEqual : Op::Before;
    to.op = numbers ? Op::LessOrEqual : Op::After;
    from.constants.push_back(*std::move(low));
    to.constants.push_back(*std::move(high));
    made.op = Op::All;
    made.parts.push_back(numbers ? std::move(from) : negate(std::move(from)));
    made.parts.push_back(numbers ? std::move(to) : negate(std::move(to)));
    return made;
  }

  Term flag(const Operator& row, Term made, const Tree& argument) {
    const Value value = to_value(argument);
    const bool* wanted = value.get_if<bool>();
    if (!wanted)
      return error(
          argument.at, "wrong_type",
          fmt::format("\"{}\" wants true or false, found {}", row.name, describe(argument)));
    return *wanted ? std::move(made) : negate(std::move(made));
  }

  /// `anniversary: today`, `{ next: 7d }`, `{ within: 7d }`.
  Term yearly(Term made, const Tree& argument) {
    reads_.time = true;
    reads_.fields.insert("timezone");
    if (argument.is_scalar() && argument.text == "today") return made;
    const bool one = argument.is_map() && argument.entries.size() == 1;
    const Tree::Entry* entry = one ? &argument.entries.front() : nullptr;
    if (!entry || (entry->key != "next" && entry->key != "within"))
      return error(argument.at, "wrong_type",
                   "\"anniversary\" wants today, { next: 7d } or { within: 7d }, found " +
                       describe(argument));
    const auto length = reader_.duration(entry->key, entry->value);
    if (!length) return Term{};
    const auto days = std::chrono::floor<std::chrono::days>(*length);
    if (days != *length || days.count() > kYearlyDaysMax)
      return error(entry->value.at, "bad_duration",
                   fmt::format("\"{}\" wants whole days, 1d to {}d, of an anniversary", entry->key,
                               kYearlyDaysMax));
    const int count = static_cast<int>(days.count());
    made.first_day = entry->key == "next" ? -count : 0;
    made.last_day = entry->key == "next" ? -1 : count - 1;
    return made;
  }

  Term regex(Term made, const Tree& argument) {
    // The file is refused already; compiling on would cost as much again.
    if (reader_.diagnostics().format() >= 2 && reader_.diagnostics().has_errors() &&
        reader_.diagnostics().add_pattern_steps(0) > kPatternStepsMax)
      return error(argument.at, "bad_pattern", "too many regular expressions");
    if (!argument.is_scalar())
      return error(argument.at, "wrong_type",
                   "\"matches\" wants a regular expression, found " + describe(argument));
    auto pattern = Pattern::compile(argument.text, made.ignore_case);
    if (!pattern)
      return error(argument.at, "bad_pattern",
                   fmt::format("\"matches\" wants a regular expression, found {}: {}",
                               describe(argument), pattern.error().message));
    if (reader_.diagnostics().add_pattern_steps(pattern->steps()) > kPatternStepsMax &&
        reader_.error_since(
            2, argument.at, "bad_pattern",
            fmt::format("the regular expressions of a scenario may have {} steps in "
                        "all; repeat less, as in \"x{{100}}\", or use \"contains\" "
                        "and \"in\"",
                        kPatternStepsMax)))
      return Term{};
    made.pattern = *std::move(pattern);
    made.constants.push_back({.text = argument.text});  // to be told
    return made;
  }

  Term error(Position at, std::string code, const std::string& sentence, std::string nearest = {}) {
    reader_.error(at, std::move(code), sentence, std::move(nearest));
    return Term{};
  }

  ReadSet reads_;
  SegmentReader reader_;
};
}  // namespace

Segment Segment::compile(const Tree& tree, std::string_view what, std::string_view zone,
                         Diagnostics& diagnostics) {
  const std::size_t errors = diagnostics.errors();
  SegmentCompiler compiler{what, zone, diagnostics};
  Term root = compiler.condition(tree);
  Segment made;
  // Half a condition would match whom its author did not mean.
  made.root_ =
      std::make_shared<const Term>(diagnostics.errors() == errors ? std::move(root) : Term{});
  made.reads_ = std::make_shared<const ReadSet>(compiler.take_reads());
  made.bytes_ = sizeof(Term) + term_bytes(*made.root_);
  diagnostics.add_condition_bytes(made.bytes_, tree.at);
  return made;
}

std::span<const std::string_view> segment_operators() { return kNames; }
}  // namespace onward
