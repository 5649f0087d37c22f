#pragma once
// Talking to a person or a pipe: results on standard output, talk on standard error.
//
// All that a command prints passes `printable`, whichever function or stream it uses, since most of
// it comes from elsewhere: servers, files, arguments. Colours come from the styles of a StyledText;
// they are shown on a terminal that is not "dumb", unless NO_COLOR is set.
#include <iosfwd>
#include <limits>
#include <memory>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>

#include "engine/core/base/printable.h"
#include "engine/core/base/result.h"
#include "engine/core/base/styled_text.h"
#include "engine/core/base/value.h"

namespace onward {
bool stdout_is_terminal();
bool stderr_is_terminal();
/// Columns of the terminal on standard output; kEndless (table.h) where it is none.
std::size_t terminal_width();

/// Each string in `value` made printable, names included, and in one line; what is text of several
/// lines (a request's body, a receiver's answer) keeps them.
Value shown(const Value& value);

/// Makes std::cout and std::cerr write as `print` and `ask` do, while it lives.
class ShownStreams {
 public:
  ShownStreams();
  ~ShownStreams();
  ShownStreams(const ShownStreams&) = delete;
  ShownStreams& operator=(const ShownStreams&) = delete;

 private:
  std::unique_ptr<std::streambuf> out_, err_;
  std::streambuf *out_before_, *err_before_;
};

/// Coloured by the ShownStreams, plain on other streams.
std::ostream& operator<<(std::ostream& out, const StyledText& text);

/// To standard output.
void print(const StyledText& text);
/// The same of data for a program or a file: as it is, unless standard output is a terminal. There
/// its lines end in a line feed, also where the data has CRLF.
void print_data(std::string_view text);
/// Clears the terminal on standard output.
void clear_screen();
/// In place of the line on standard error, which is a terminal; empty: only clears it.
void draw_line(std::string_view text);
/// Whether something printed did not get out: the disk is full, nobody reads.
bool output_lost();
/// To standard error with a newline.
void say(const StyledText& text);
/// `onward: message` to standard error; answers `exit_code`.
int complain(std::string_view message, int exit_code);
int complain(const Error& error);

/// To standard error, without a newline.
void ask(const StyledText& question);
/// Asks a person who must answer yes; false where there is nobody to ask.
bool confirmed(std::string_view question);
bool stdin_is_terminal();

/// A whole file, or standard input for "-"; at most `most` bytes of it. A FIFO that no program
/// writes to is refused after some seconds.
Result<std::string> read_input(const std::string& file,
                               std::size_t most = std::numeric_limits<std::size_t>::max());
/// A whole regular file.
Result<std::string> read_regular(const std::string& file);
}  // namespace onward
