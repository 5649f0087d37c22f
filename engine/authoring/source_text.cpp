#include "engine/authoring/source_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "engine/core/base/utf8.h"

namespace onward {
namespace {
/// A file with more bad characters than this is not a text: the others are only counted.
constexpr std::size_t kFaultsMax = 20;

bool is_direction_mark(std::uint32_t code) {
  return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool is_invisible(std::uint32_t code) {
  return code == 0x200B || code == 0x2060 || code == 0xFEFF || code == 0x00AD;
}

bool is_control(std::uint32_t code) {
  return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0);
}

void report_character(std::uint32_t code, Position at, Diagnostics& diagnostics) {
  if (code == 0) {
    diagnostics.error(at, "control_character",
                      "a NUL character stands here; save the file as plain UTF-8 text");
  } else if (is_control(code)) {
    diagnostics.error(at, "control_character",
                      fmt::format("an invisible control character (U+{0:04X}) stands here; remove "
                                  "it, or write \"\\u{0:04x}\" in double quotes",
                                  code));
  } else if (is_direction_mark(code)) {
    diagnostics.error(at, "direction_mark",
                      fmt::format("an invisible mark that changes the reading direction "
                                  "(U+{0:04X}) stands here, so that the file may not be what it "
                                  "looks like; remove it, or write \"\\u{0:04x}\" in double quotes",
                                  code));
  } else {
    diagnostics.error(at, "invisible_character",
                      fmt::format("an invisible character (U+{0:04X}) stands here; remove it, or "
                                  "write \"\\u{0:04x}\" in double quotes",
                                  code));
  }
}

/// Other encodings, told by how they begin: "UTF-16", or nothing.
std::string_view foreign_encoding(std::string_view raw) {
  if (raw.starts_with("\xFF\xFE") || raw.starts_with("\xFE\xFF")) return "UTF-16";
  if (raw.size() >= 4 && ((raw[0] == 0 && raw[1] != 0) || (raw[0] != 0 && raw[1] == 0)))
    return "UTF-16";
  return {};
}
}  // namespace

std::size_t keep_in_lines(std::string_view text, std::vector<Diagnostic>& diagnostics) {
  // One pass: a file may be one line of four megabytes with a thousand findings in it.
  Position place{1, 1};
  std::size_t at = 0;
  for (Diagnostic& found : diagnostics) {
    while (place.line < found.at.line && at < text.size()) {
      at = std::min(text.find('\n', at), text.size() - 1) + 1;
      place = {place.line + 1, 1};
    }
    if (place.line != found.at.line) continue;
    for (; place.column < found.at.column && at < text.size() && text[at] != '\n'; ++place.column)
      at = next_character(text, at);
    found.at.column = std::min(found.at.column, place.column);
  }
  return at;
}

std::optional<SourceText> SourceText::check(std::string_view raw, Diagnostics& diagnostics) {
  if (const auto encoding = foreign_encoding(raw); !encoding.empty()) {
    diagnostics.error({1, 1}, "bad_encoding",
                      fmt::format("the file is {} text; save it as UTF-8", encoding));
    return std::nullopt;
  }
  if (raw.starts_with("\xEF\xBB\xBF")) raw.remove_prefix(3);

  std::string text;
  text.reserve(raw.size() + 1);
  Position at{1, 1};
  std::size_t faults = 0;
  Position first_counted;  // of those that are only counted
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] == '\r' && i + 1 < raw.size() && raw[i + 1] == '\n') {
      ++i;
      continue;
    }
    const Character found = first_character(raw.substr(i));
    const bool allowed = found.length > 0 && !is_control(found.point) &&
                         !is_direction_mark(found.point) && !is_invisible(found.point);
    if (allowed) {
      text.append(raw.substr(i, found.length));
    } else {
      text += '_';  // means nothing in YAML, wherever it stands
      if (++faults > kFaultsMax) {
        if (faults == kFaultsMax + 1) first_counted = at;
      } else if (found.length == 0)
        diagnostics.error(
            at, "bad_utf8",
            fmt::format("the byte 0x{:02X} is not valid UTF-8; save the file as UTF-8",
                        static_cast<unsigned char>(raw[i])));
      else
        report_character(found.point, at, diagnostics);
    }
    if (found.point == '\n' && found.length == 1) {
      ++at.line;
      at.column = 1;
    } else {
      ++at.column;
    }
    i += std::max<std::size_t>(found.length, 1);
  }
  if (faults > kFaultsMax) {
    diagnostics.error(first_counted, "more",
                      fmt::format("and {} more from here on", faults - kFaultsMax));
    return std::nullopt;
  }
  return SourceText{std::move(text)};
}

SourceText::SourceText(std::string text) : text_{std::move(text)} {
  starts_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i)
    if (text_[i] == '\n') starts_.push_back(i + 1);
}

std::string_view SourceText::line(int number) const {
  if (number < 1 || static_cast<std::size_t>(number) > starts_.size()) return {};
  const auto index = static_cast<std::size_t>(number - 1);
  const std::size_t begin = starts_[index];
  const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] - 1 : text_.size();
  return std::string_view{text_}.substr(begin, end - begin);
}

Position SourceText::position(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  std::size_t line = cursor_.line;
  const auto covers = [&](std::size_t l) {
    return starts_[l] <= offset && (l + 1 == starts_.size() || offset < starts_[l + 1]);
  };
  if (!covers(line)) {
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
    line = static_cast<std::size_t>(after - starts_.begin()) - 1;
    cursor_ = {starts_[line], line, 1};
  }
  // From the last answer, either way: a file may be one line of four megabytes.
  const std::string_view all{text_};
  if (offset >= cursor_.offset)
    cursor_.column += count_characters(all.substr(cursor_.offset, offset - cursor_.offset));
  else
    cursor_.column -= count_characters(all.substr(offset, cursor_.offset - offset));
  cursor_.offset = offset;
  return {static_cast<int>(line) + 1, cursor_.column};
}
}  // namespace onward
