#pragma once
// What is said of the words of a command line: of those that cannot be understood, and of commands
// that help is asked for.
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace onward {
/// What is wrong with the words, where it is a command or a flag that does not exist; else empty.
/// The parser would name it too, but not the one that was meant.
std::string unknown_word(const CLI::App& app, int argc, const char* const* argv);
/// How help is asked for about the command that was typed: "onward help events send".
std::string help_on(const CLI::App& app, int argc, const char* const* argv);
/// What the parser found wrong. Of commands about secrets and tokens it repeats no word that nobody
/// asked for: it may be the value, and what is on standard error is kept in logs and sent in mails.
std::string parse_fault(const CLI::ParseError& wrong, int argc, const char* const* argv);
/// Prints the help of the command that `topic` names, of all where it is empty. The exit code.
int print_help(const CLI::App& app, const std::vector<std::string>& topic);
}  // namespace onward
