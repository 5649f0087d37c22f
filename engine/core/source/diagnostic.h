#pragma once
// What is wrong with a scenario file, and where. Loaders report all mistakes, not the first.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/source/rules_format.h"

namespace onward {
/// A place in a text: lines and columns from 1, columns in characters (code points), not bytes.
/// Line 0 means the text as a whole.
struct Position {
  int line = 0;
  int column = 0;
  auto operator<=>(const Position&) const = default;
};

enum class Severity : std::uint8_t { Error, Warning };

/// One finding. `code` is stable ("unknown_key"); `message` is a sentence that says what was
/// expected and what was found; `nearest` is the known name that was perhaps meant, or empty.
struct Diagnostic {
  Severity severity = Severity::Error;
  Position at;
  std::string code;
  std::string message;
  std::string nearest;
  /// Set in a warning that is an error in texts of this format and later ones; else 0.
  RulesFormat error_since = 0;
  bool operator==(const Diagnostic&) const = default;
};

/// Findings kept of one text; of more, only the number is told.
inline constexpr std::size_t kFindingsMax = 1000;
/// Letters compared to suggest names for one text, some 0.1 s of work: enough for a thousand wrong
/// keys, or for some twenty wrong ids among 10,000 nodes.
inline constexpr std::size_t kSuggestionStepsMax = 20'000'000;

/// Memory of all compiled conditions of one scenario. A condition takes about 0.5 KiB, a constant
/// of a list 0.1 KiB, a regular expression 64 KiB or more.
inline constexpr std::size_t kConditionBytesMax = std::size_t{64} << 20;

/// Suggests a known name for an unknown one. The work of all suggestions of one object is bounded
/// by kSuggestionStepsMax; when that is used up, the answers are empty.
class Suggestions {
 public:
  /// See nearest_name.
  std::string nearest(std::string_view name, std::span<const std::string_view> candidates,
                      std::size_t edits_max = 64);
  std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
  bool used_up() const { return steps_ >= kSuggestionStepsMax; }
  std::size_t steps() const { return steps_; }  ///< Letters compared so far.

 private:
  template <class Names>
  std::string nearest_of(std::string_view name, const Names& candidates, std::size_t edits_max);

  std::size_t steps_ = 0;
};

/// A custom field that a text reads or sets, by its name without "custom.", and where it says so.
struct CustomMention {
  std::string name;
  Position at;
  bool operator==(const CustomMention&) const = default;
};

/// Collects what the readers of one text find: its mistakes, and the custom fields that it names.
/// The order of the file is restored by `sorted`. No message keeps the user and password of a URL.
/// Knows the format by whose rules the text is checked: each reader of scenario texts has its
/// `Diagnostics`, so each of them can ask.
class Diagnostics {
 public:
  explicit Diagnostics(RulesFormat format = kNewestFormat) : format_{format} {}

  /// The rules that bind the text. A construct whose meaning differs between formats is read as
  /// this format defines it.
  RulesFormat format() const { return format_; }
  /// Reports what only the rules of `since` and later formats refuse: an error for their texts, a
  /// warning for older ones, which keep working. After a warning the caller continues as the older
  /// rules did. True if it is an error.
  bool error_since(RulesFormat since, Position at, std::string code, std::string message,
                   std::string nearest = {});
  void error(Position at, std::string code, std::string message, std::string nearest = {});
  void warning(Position at, std::string code, std::string message, std::string nearest = {});
  /// Whether further findings are only counted, so that nobody needs to write their messages.
  bool full() const { return found_.size() >= kFindingsMax; }
  /// As nearest_name, within the bound of Suggestions for the whole text; empty when full.
  std::string nearest(std::string_view name, std::span<const std::string_view> candidates,
                      std::size_t edits_max = 64);
  std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
  /// Whether `nearest` may still answer. Ask before you gather many candidates.
  bool suggests() const { return !full() && !suggestions_.used_up(); }
  const Suggestions& suggestions() const { return suggestions_; }

  /// Templates, segments and settings call this for each custom field that they read or set.
  void mention(std::string_view custom_field, Position at);
  const std::vector<CustomMention>& mentions() const { return mentions_; }

  /// Adds the steps of one more regular expression, and returns those of the text so far.
  std::size_t add_pattern_steps(std::size_t steps) { return pattern_steps_ += steps; }

  /// Adds the memory of one more compiled condition, at `at`.
  void add_condition_bytes(std::size_t bytes, Position at) {
    const bool within = condition_bytes_ <= kConditionBytesMax;
    condition_bytes_ += bytes;
    if (within && condition_bytes_ > kConditionBytesMax) conditions_exceed_at_ = at;
  }
  std::size_t condition_bytes() const { return condition_bytes_; }
  /// The condition with which they went beyond kConditionBytesMax.
  Position conditions_exceed_at() const { return conditions_exceed_at_; }

  bool has_errors() const { return errors_ > 0; }
  std::size_t errors() const { return errors_; }
  bool empty() const { return found_.empty(); }
  std::vector<Diagnostic> sorted() const;

 private:
  void add(Diagnostic found);

  RulesFormat format_;
  std::vector<Diagnostic> found_;
  std::vector<CustomMention> mentions_;
  Suggestions suggestions_;
  std::size_t pattern_steps_ = 0;
  std::size_t condition_bytes_ = 0;
  Position conditions_exceed_at_;
  std::size_t errors_ = 0;
  std::size_t left_out_ = 0;
};

/// The candidate that `name` is another word for (synonyms.h); else the closest one by edits
/// (Damerau-Levenshtein, case ignored), if it is close enough to be meant: at most a third of the
/// letters differ, and `edits_max`; else empty.
std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates,
                         std::size_t edits_max = 64);
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);
}  // namespace onward
