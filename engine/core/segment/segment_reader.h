#pragma once
// What authors compare with in a segment, read from the tree: texts, numbers, days, times and
// lengths, each mistake reported at its place. For segment_compile.cpp alone.
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/segment/segment.h"
#include "engine/core/segment/segment_term.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/tree.h"
#include "engine/core/template/lookup.h"

namespace onward {
/// A field in a segment.
struct SegmentOperand {
  Lookup lookup;
  std::optional<FieldType> type;  ///< Nothing: only the value itself can tell.
  std::string_view name;          ///< As written.

  bool is_email() const {
    return lookup.source == Lookup::Source::Field && lookup.field == Field::Email;
  }
};

/// Every method answers nothing where it has reported a mistake. `op` names the operator for
/// messages. All arguments of the constructor outlive it.
class SegmentReader {
 public:
  SegmentReader(std::string_view what, std::string_view zone, Diagnostics& diagnostics,
                ReadSet& reads)
      : what_{what}, zone_{zone}, diagnostics_{diagnostics}, reads_{reads} {}

  /// A constant of the operand's type; of the kind it is written in where that has none.
  std::optional<SegmentConstant> constant(std::string_view op, const SegmentOperand& operand,
                                          const Tree& tree);
  std::optional<SegmentConstant> text(std::string_view op, const SegmentOperand& operand,
                                      const Tree& tree);
  std::optional<SegmentConstant> number(std::string_view op, const Tree& tree);
  /// A day, or an instant; without an offset it is one in the scenario's zone.
  std::optional<SegmentConstant> moment(std::string_view op, const SegmentOperand& operand,
                                        const Tree& tree);
  /// Longer than nothing.
  std::optional<Duration> duration(std::string_view op, const Tree& tree);

  void error(Position at, std::string code, std::string_view sentence, std::string nearest = {});
  /// As Diagnostics::error_since.
  bool error_since(RulesFormat since, Position at, std::string code, std::string_view sentence);
  Diagnostics& diagnostics() { return diagnostics_; }

 private:
  std::optional<SegmentConstant> as_written(std::string_view op, const Tree& tree);
  std::nullopt_t not_scalar(std::string_view op, const Tree& tree);

  std::string_view what_;
  std::string_view zone_;
  Diagnostics& diagnostics_;
  ReadSet& reads_;
};
}  // namespace onward
