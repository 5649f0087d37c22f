#pragma once
// A file's text made safe to parse: valid UTF-8, LF line ends, no characters that hide or mislead;
// with the places of its bytes.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/source/diagnostic.h"

namespace onward {
class SourceText {
 public:
  /// Reports bad UTF-8, control, direction and invisible characters, each at its place, and puts
  /// "_" where they stood. Nothing where the text is no text at all (another encoding, binary).
  static std::optional<SourceText> check(std::string_view raw, Diagnostics& diagnostics);

  const std::string& text() const { return text_; }
  std::size_t lines() const { return starts_.size(); }
  /// Line `number`, from 1, without its end; empty where there is no such line.
  std::string_view line(int number) const;
  /// The place of the byte at `offset`. Cheap where offsets mostly grow.
  Position position(std::size_t offset) const;

 private:
  explicit SourceText(std::string text);
  std::string text_;
  std::vector<std::size_t> starts_;  // of the lines
  struct Cursor {
    std::size_t offset = 0;
    std::size_t line = 0;  // from 0
    int column = 1;
  };
  mutable Cursor cursor_;  // the last answer; positions are asked for by one thread
};

/// Moves places behind the end of their line to that end: a scalar over several lines is folded to
/// one text, so a place that was counted in it may be outside the file. `text` is as its author has
/// it; `diagnostics` are in the order of the file. Returns how many bytes it looked at.
std::size_t keep_in_lines(std::string_view text, std::vector<Diagnostic>& diagnostics);
}  // namespace onward
