#pragma once
// The moment that a wait holds for, as its author names it.
#include <optional>
#include <string>

#include "engine/core/base/time.h"
#include "engine/core/scenario/node.h"
#include "engine/core/scenario/settings.h"
#include "engine/core/template/lookup.h"

namespace onward {
/// A fixed moment, or one that a field of the contact or of the event holds. Reads `date`, `offset`
/// and `at`, and reports what is wrong.
class AwaitedDate {
 public:
  explicit AwaitedDate(Settings& settings);

  /// The moment for this visit; nothing where the field is missing or holds no day or time.
  std::optional<Instant> of(const Visit& visit) const;
  /// Whether it depends on the contact's time zone.
  bool local() const { return !fixed_; }
  /// As written, for messages: "custom.renewal".
  const std::string& name() const { return name_; }

 private:
  void read(Settings& settings, const Tree& tree);
  Instant moved(Date day, Duration time, std::string_view zone) const;

  std::string name_;
  std::optional<Instant> fixed_;  ///< With an offset from UTC.
  std::optional<Date> day_;       ///< On the contact's clocks.
  Duration time_{};               ///< Of that day.
  Lookup field_;                  ///< Where neither of the two is set.
  std::optional<Duration> at_;    ///< Time of day, instead of the field's own.
  Duration offset_{};
};
}  // namespace onward
