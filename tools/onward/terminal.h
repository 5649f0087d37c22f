#pragma once
// Talking to a person or a pipe: results on standard output, talk on standard error.
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/result.h"

namespace onward {
bool stdout_is_terminal();
bool stderr_is_terminal();
/// Colour only on a terminal, never with NO_COLOR or on a dumb one.
bool colour_on_stdout();
bool colour_on_stderr();
/// Columns of the terminal on standard output; kEndless (table.h) where it is none.
std::size_t terminal_width();

/// To standard output as it is.
void print(std::string_view text);
/// Whether something printed did not get out: the disk is full, nobody reads.
bool output_lost();
/// To standard error with a newline.
void say(std::string_view text);
/// `onward: message` to standard error; answers `exit_code`.
int complain(std::string_view message, int exit_code);
int complain(const Error& error);

/// Asks a person who must answer yes; false where there is nobody to ask.
bool confirmed(std::string_view question);
bool stdin_is_terminal();

/// A whole file, or standard input for "-".
Result<std::string> read_input(const std::string& file);
/// A whole regular file.
Result<std::string> read_regular(const std::string& file);

/// Text for a terminal: control characters and escapes that would act there are shown as `\xNN`.
std::string printable(std::string_view text);
}  // namespace onward
