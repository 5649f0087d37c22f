#include "tools/onward/cli_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "engine/core/source/diagnostic.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr std::size_t kSecretMin = 4;  // Bytes; no value is shorter.

CLI::App* find_command(const CLI::App& parent, const std::string& name) {
  for (const CLI::App* sub : parent.get_subcommands([](const CLI::App*) { return true; }))
    if (sub->get_name() == name) return const_cast<CLI::App*>(sub);
  return nullptr;
}

std::vector<std::string> command_names(const CLI::App& parent) {
  std::vector<std::string> names;
  for (const CLI::App* sub : parent.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string meant(const std::string& nearest) {
  return nearest.empty() ? "" : fmt::format(" Did you mean \"{}\"?", nearest);
}

/// Whether `message` shows what was typed as a value.
bool repeats_a_value(std::string_view message, int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word.starts_with('-')) word.remove_prefix(std::min(word.find('='), word.size() - 1) + 1);
    if (word.size() >= kSecretMin && message.find(word) != message.npos) return true;
  }
  return false;
}
}  // namespace

std::string unknown_word(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* at = &app;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") return {};
    if (word.starts_with("--")) {
      const std::string flag = word.substr(0, word.find('='));
      const CLI::Option* option = at->get_option_no_throw(flag);
      if (!option && flag == "--value" && at->get_option_no_throw("--from"))
        return "A secret is not typed as a word, where other users and the shell's history would "
               "see "
               "it: give it on standard input, or a file with --from.";
      if (!option)
        return fmt::format("There is no {} here.{}", flag,
                           meant(nearest_name(flag, flag_names(*at))));
      // The following word is this flag's value, whatever it looks like.
      if (word == flag && option->get_items_expected_min() > 0) ++i;
      continue;
    }
    const std::vector<std::string> names = command_names(*at);
    if (names.empty() || word.starts_with('-')) continue;
    const CLI::App* next = find_command(*at, word);
    if (!next)
      return fmt::format("There is no command \"{}\".{}", word, meant(nearest_name(word, names)));
    at = next;
  }
  return {};
}

std::string help_on(const CLI::App& app, int argc, const char* const* argv) {
  std::string asked = "onward help";
  const CLI::App* at = &app;
  for (int i = 1; i < argc && at; ++i) {
    const CLI::App* next = find_command(*at, argv[i]);
    if (!next) break;
    asked.append(" ").append(argv[i]);
    at = next;
  }
  return asked;
}

std::string parse_fault(const CLI::ParseError& wrong, int argc, const char* const* argv) {
  const std::string_view about = argc > 1 ? argv[1] : "";
  const bool secret = about == "secret" || about == "credential";
  const auto kind = static_cast<CLI::ExitCodes>(wrong.get_exit_code());
  const bool repeats =
      kind == CLI::ExitCodes::ExtrasError || repeats_a_value(wrong.what(), argc, argv);
  const bool of_a_choice = kind == CLI::ExitCodes::ValidationError;  // Of a role, say.
  if ((!secret && about != "token") || of_a_choice || !repeats) return wrong.what();
  return secret ? "There is a word too many. A value is not typed as a word, where other users and "
                  "the shell's history would see it: give it on standard input, or a file with "
                  "--from"
                : "There is a word too many";
}

int print_help(const CLI::App& app, const std::vector<std::string>& topic) {
  const CLI::App* at = &app;
  std::string name = app.get_name();
  for (const std::string& word : topic) {
    const CLI::App* next = find_command(*at, word);
    if (!next)
      return complain(fmt::format("There is no command \"{}\".{}", word,
                                  meant(nearest_name(word, command_names(*at)))),
                      kExitUsage);
    at = next;
    name += " " + at->get_name();
  }
  // Not help(), which would explain the command that was typed: "help" itself.
  print(at->get_formatter()->make_help(at, name, CLI::AppFormatMode::Normal));
  return kExitOk;
}
}  // namespace onward
