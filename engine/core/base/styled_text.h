#pragma once
// Text for a terminal. Styles are kept beside the text, so that no text can bring its own.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace onward {
enum class Style : std::uint8_t {
  Plain,
  Bold,
  Faint,
  Red,
  Green,
  Yellow,
  Cyan,
  Grey,
  BoldRed,
  BoldGreen,
  BoldYellow
};

/// What is added is made `printable` first: an escape sequence comes from a style alone.
class StyledText {
 public:
  StyledText() = default;
  /// Implicit, since a plain text is a text without styles.
  StyledText(std::string_view text) : StyledText{Style::Plain, text} {}
  StyledText(const std::string& text) : StyledText{Style::Plain, text} {}
  StyledText(const char* text) : StyledText{Style::Plain, text} {}
  StyledText(Style style, std::string_view text);

  StyledText& operator+=(const StyledText& more);
  friend StyledText operator+(StyledText text, const StyledText& more) { return text += more; }

  bool empty() const { return text_.empty(); }
  const std::string& plain() const { return text_; }
  /// With the escape sequences of ECMA-48 (SGR) around each part that has a style.
  std::string coloured() const;

  friend bool operator==(const StyledText& text, std::string_view plain) {
    return text.text_ == plain;
  }

 private:
  struct Span {
    std::size_t from = 0, to = 0;
    Style style = Style::Plain;
  };
  std::string text_;
  std::vector<Span> spans_;  ///< Ascending; none of them empty or plain.
};
}  // namespace onward
