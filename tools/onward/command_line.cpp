#include "tools/onward/command_line.h"

#include <utility>

namespace onward {
CLI::App* CommandLine::command(CLI::App& parent, const std::string& name,
                               const std::string& summary, std::function<int()> run) {
  CLI::App* sub = parent.add_subcommand(name, summary);
  sub->callback([this, run = std::move(run)] { chosen = run; });
  return sub;
}

CLI::App* CommandLine::client_command(CLI::App& parent, const std::string& name,
                                      const std::string& summary, std::function<int()> run) {
  CLI::App* sub = command(parent, name, summary, std::move(run));
  sub->add_option("--server", client.server,
                  "The server's URL; else ONWARD_SERVER, else the one on this machine");
  sub->add_option("--token", client.token,
                  "The token; better in ONWARD_TOKEN, or found by itself for a local server");
  sub->add_option("--ca", client.ca,
                  "Whose certificates are believed (PEM), of an https server; else ONWARD_CA, else "
                  "the system's");
  sub->add_option("--data", client.data, "The data folder of a local server");
  sub->add_flag("--json", client.json, "Print the result as JSON");
  return sub;
}

void add_repeated(CLI::App* sub, const std::string& name, std::vector<std::string>& into,
                  const std::string& summary) {
  sub->add_option(name, into, summary)->allow_extra_args(false);
}
}  // namespace onward
