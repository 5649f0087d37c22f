#include "tools/onward/cli.h"

#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/base/value.h"
#include "tools/onward/cli_words.h"
#include "tools/onward/command_line.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
/// A result that did not get out whole is none.
int unless_lost(int code) {
  std::cout.flush();
  if (code != kExitOk || (!output_lost() && std::cout)) return code;
  return complain("Cannot write to standard output; what was printed is not complete.", kExitIo);
}

int print_version(bool as_json) {
  print(as_json ? to_json(Value{ValueMap{{"version", ONWARD_VERSION}}}) + "\n"
                : "onward " ONWARD_VERSION "\n");
  return kExitOk;
}

/// An argument that a command is about is never empty: the path of a request would be another one.
void refuse_empty_arguments(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (option->get_positional() && option->get_required())
      option->check([](const std::string& text) {
        return text.empty() ? std::string{"must not be empty"} : std::string{};
      });
  for (CLI::App* sub : app.get_subcommands({})) refuse_empty_arguments(*sub);
}

void add_all(CommandLine& line) {
  line.app.require_subcommand(1);
  line.app.set_help_flag("-h,--help", "Print this help");
  line.app.set_version_flag("--version", "onward " ONWARD_VERSION, "Print the version");
  add_demo(line);
  add_serve(line);
  add_listen(line);
  add_offline(line);
  add_authors_tools(line);
  add_authoring(line);
  add_events(line);
  add_people(line);
  add_deliveries(line);
  add_watching(line);
  add_secrets(line);
  add_tokens(line);
  add_webhook(line);
  add_fields(line);
  add_operating(line);
  const auto topic = std::make_shared<std::vector<std::string>>();
  CLI::App* help = line.command(line.app, "help", "List the commands, or explain one",
                                [&line, topic] { return print_help(line.app, *topic); });
  help->add_option("command", *topic, "Its name; all of them where none is named");
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* version = line.command(line.app, "version", "Print the version",
                                   [as_json] { return print_version(*as_json); });
  version->add_flag("--json", *as_json, "Print it as JSON");
  refuse_empty_arguments(line.app);
}
}  // namespace

int run_command_line(int argc, const char* const* argv, const NodeKinds& kinds) {
  const ShownStreams streams;
  CommandLine line{kinds};
  add_all(line);
  if (argc < 2) {
    say(line.app.help());
    return kExitUsage;
  }
  if (const std::string wrong = unknown_word(line.app, argc, argv); !wrong.empty())
    return complain(wrong, kExitUsage);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return unless_lost(line.app.exit(asked));
  } catch (const CLI::ParseError& wrong) {
    return complain(
        fmt::format("{}. Try: {}", parse_fault(wrong, argc, argv), help_on(line.app, argc, argv)),
        kExitUsage);
  }
  return unless_lost(line.chosen());
}
}  // namespace onward
