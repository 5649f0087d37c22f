#include "engine/core/segment/segment_reader.h"

#include <fmt/format.h>

#include <utility>

#include "engine/core/base/time_zone.h"

namespace onward {
std::optional<SegmentConstant> SegmentReader::constant(std::string_view op,
                                                       const SegmentOperand& operand,
                                                       const Tree& tree) {
  if (!operand.type) return as_written(op, tree);
  switch (*operand.type) {
    case FieldType::Text:
    case FieldType::List:
      return text(op, operand, tree);
    case FieldType::Number:
      return number(op, tree);
    case FieldType::Date:
    case FieldType::Instant:
      return moment(op, operand, tree);
    case FieldType::Flag:
      return as_written(op, tree);
  }
  return std::nullopt;
}

std::optional<SegmentConstant> SegmentReader::as_written(std::string_view op, const Tree& tree) {
  const Value value = tree.is_scalar() ? to_value(tree) : Value{};
  if (value.is_null()) return not_scalar(op, tree);
  SegmentConstant made;
  made.number = segment_number(value);
  if (const bool* flag = value.get_if<bool>()) {
    made.kind = SegmentConstant::Kind::Flag;
    made.flag = *flag;
    made.text = tree.text;
  } else if (value.is_number()) {
    made.kind = SegmentConstant::Kind::Number;
    made.text = tree.text;
  } else {
    made.text = *value.text();
  }
  return made;
}

std::optional<SegmentConstant> SegmentReader::text(std::string_view op,
                                                   const SegmentOperand& operand,
                                                   const Tree& tree) {
  if (!tree.is_scalar()) return not_scalar(op, tree);
  SegmentConstant made;
  made.text = operand.is_email() ? normal_email(tree.text) : tree.text;
  made.number = parse_segment_number(made.text);
  return made;
}

std::optional<SegmentConstant> SegmentReader::number(std::string_view op, const Tree& tree) {
  const Value value = tree.is_scalar() ? to_value(tree) : Value{};
  if (!value.is_number()) {
    error(tree.at, "wrong_type",
          fmt::format("\"{}\" wants a number, found {}", op, describe(tree)));
    return std::nullopt;
  }
  SegmentConstant made;
  made.kind = SegmentConstant::Kind::Number;
  made.number = segment_number(value);
  return made;
}

std::optional<SegmentConstant> SegmentReader::moment(std::string_view op,
                                                     const SegmentOperand& operand,
                                                     const Tree& tree) {
  SegmentConstant made;
  const bool days_only = operand.type == FieldType::Date;
  if (const auto day = tree.is_scalar() ? parse_date(tree.text) : std::nullopt) {
    if (!days_only) reads_.fields.insert("timezone");
    made.kind = SegmentConstant::Kind::Day;
    made.day = *day;
    return made;
  }
  const auto time =
      tree.is_scalar() && !days_only ? parse_instant_in(tree.text, zone_) : std::nullopt;
  if (time) {
    made.kind = SegmentConstant::Kind::Time;
    made.time = *time;
    return made;
  }
  error(tree.at, "wrong_type",
        fmt::format("\"{}\" wants a day such as 2026-05-01{}, found {}", op,
                    days_only ? "" : " or a time such as 2026-05-01T09:00", describe(tree)));
  return std::nullopt;
}

std::optional<Duration> SegmentReader::duration(std::string_view op, const Tree& tree) {
  const auto length = tree.is_scalar() ? parse_duration(tree.text) : std::nullopt;
  if (length && *length > Duration{}) {
    reads_.time = true;
    return length;
  }
  error(tree.at, "bad_duration",
        fmt::format("\"{}\" wants a duration such as 90s, 2h or 3d, found {}", op, describe(tree)));
  return std::nullopt;
}

std::nullopt_t SegmentReader::not_scalar(std::string_view op, const Tree& tree) {
  error(tree.at, "wrong_type",
        fmt::format("\"{}\" wants a value, found {}{}", op, describe(tree),
                    tree.is_map() || tree.is_list()
                        ? ""
                        : "; write { empty: true } for a field that is not set"));
  return std::nullopt;
}

bool SegmentReader::error_since(RulesFormat since, Position at, std::string code,
                                std::string_view sentence) {
  return diagnostics_.error_since(since, at, std::move(code),
                                  fmt::format("{}: {}", what_, sentence));
}

void SegmentReader::error(Position at, std::string code, std::string_view sentence,
                          std::string nearest) {
  if (diagnostics_.full()) return diagnostics_.error(at, {}, {});
  diagnostics_.error(at, std::move(code), fmt::format("{}: {}", what_, sentence),
                     std::move(nearest));
}
}  // namespace onward
