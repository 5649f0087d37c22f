#include "engine/core/base/styled_text.h"

#include "engine/core/base/printable.h"

namespace onward {
namespace {
std::string_view sequence_of(Style style) {
  switch (style) {
    case Style::Plain:
      return "\x1b[0m";
    case Style::Bold:
      return "\x1b[1m";
    case Style::Faint:
      return "\x1b[2m";
    case Style::Red:
      return "\x1b[31m";
    case Style::Green:
      return "\x1b[32m";
    case Style::Yellow:
      return "\x1b[33m";
    case Style::Cyan:
      return "\x1b[36m";
    case Style::Grey:
      return "\x1b[90m";
    case Style::BoldRed:
      return "\x1b[1;31m";
    case Style::BoldGreen:
      return "\x1b[1;32m";
    case Style::BoldYellow:
      return "\x1b[1;33m";
  }
  return {};
}
}  // namespace

StyledText::StyledText(Style style, std::string_view text) : text_{printable(text)} {
  if (style != Style::Plain && !text_.empty()) spans_.push_back({0, text_.size(), style});
}

StyledText& StyledText::operator+=(const StyledText& more) {
  const std::size_t before = text_.size();
  for (Span span : more.spans_) {
    span.from += before;
    span.to += before;
    spans_.push_back(span);
  }
  text_ += more.text_;
  return *this;
}

std::string StyledText::coloured() const {
  std::string out;
  std::size_t at = 0;
  for (const Span& span : spans_) {
    out.append(text_, at, span.from - at);
    out += sequence_of(span.style);
    out.append(text_, span.from, span.to - span.from);
    out += sequence_of(Style::Plain);
    at = span.to;
  }
  return out.append(text_, at);
}
}  // namespace onward
