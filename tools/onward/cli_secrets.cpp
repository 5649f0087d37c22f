// The commands for secrets, credentials and tokens, and for trying a webhook out.
#include <cstdint>
#include <memory>
#include <string>

#include "tools/onward/command_line.h"
#include "tools/onward/commands.h"

namespace onward {
namespace {
struct SecretArguments {
  SecretOptions secret;
  RemoveSecretOptions removed;
  CredentialOptions credential;
};

struct TokenArguments {
  TokenOptions token;
  std::string name;
};

void add_hosts(CLI::App* command, HostOptions& options) {
  add_repeated(command, "--host", options.hosts,
               "A host to which it may be sent: crm.example.com, crm.example.com:8443, "
               "*.example.com; may be repeated; replaces those it had");
  command->add_flag("--any-host", options.any, "It may be sent to any host");
  command->add_flag("--keep", options.keep,
                    "Keep the value and ask for none; change only the hosts");
}
}  // namespace

void add_secrets(CommandLine& line) {
  const auto args = std::make_shared<SecretArguments>();
  constexpr const char* kFrom = "Read the value from this file instead of standard input";
  CLI::App* secret = line.app.add_subcommand("secret", "Keep secrets for headers and signatures");
  secret->require_subcommand(1);
  CLI::App* set = line.client_command(
      *secret, "set", "Set a secret and its hosts; an empty value keeps the one it has",
      [&line, args] { return run_secret_set(line.client, args->secret); });
  set->add_option("name", args->secret.name, "Its name, as in {{ secret.NAME }}")->required();
  add_hosts(set, args->secret.hosts);
  set->add_option("--from", args->secret.from, kFrom);
  set->add_flag("--rotate", args->secret.rotate, "Keep the old value as a second one that signs");
  set->add_flag("--drop-old", args->secret.drop_old, "End a rotation: only the new value signs");
  set->add_flag("--generate", args->secret.generate, "Make a signing secret and print it, once");
  line.client_command(*secret, "list", "The names of the secrets, their hosts, and who uses them",
                      [&line] { return run_secret_list(line.client); });
  CLI::App* remove =
      line.client_command(*secret, "remove", "Remove a secret that no live scenario needs",
                          [&line, args] { return run_secret_remove(line.client, args->removed); });
  remove->add_option("name", args->removed.name, "Its name")->required();
  remove->add_flag("--force", args->removed.force, "Also where deliveries will wait for it");
  line.client_command(*secret, "rekey", "Make a new master key and seal everything under it",
                      [&line] { return run_rekey(line.client); });

  CLI::App* credential =
      line.app.add_subcommand("credential", "Keep what receivers want to know callers by");
  credential->require_subcommand(1);
  CLI::App* put = line.client_command(
      *credential, "set",
      "Set a credential and its hosts; an empty secret part keeps the one it has",
      [&line, args] { return run_credential_set(line.client, args->credential); });
  put->add_option("name", args->credential.name, "Its name, as in auth: { credential: NAME }")
      ->required();
  add_hosts(put, args->credential.hosts);
  put->add_option("--basic", args->credential.basic, "A username; its password is the secret part");
  put->add_flag("--bearer", args->credential.bearer, "The secret part is a bearer token");
  put->add_option("--header", args->credential.header,
                  "A header's name, such as X-Api-Key; its value is the secret part");
  put->add_option("--from", args->credential.from, kFrom);
  line.client_command(*credential, "list",
                      "The names of the credentials, their hosts, and who uses them",
                      [&line] { return run_credential_list(line.client); });
  CLI::App* drop = line.client_command(
      *credential, "remove", "Remove a credential that no live scenario needs",
      [&line, args] { return run_credential_remove(line.client, args->removed); });
  drop->add_option("name", args->removed.name, "Its name")->required();
  drop->add_flag("--force", args->removed.force, "Also where deliveries will wait for it");
}

void add_tokens(CommandLine& line) {
  const auto args = std::make_shared<TokenArguments>();
  CLI::App* token = line.app.add_subcommand("token", "Say who may call this server, and for what");
  token->require_subcommand(1);
  CLI::App* create =
      line.client_command(*token, "create", "Issue a token and print it, once",
                          [&line, args] { return run_token_create(line.client, args->token); });
  create->add_option("name", args->token.name, "Its name, as the log will show it")->required();
  create->add_option("--role", args->token.role, "read, ingest, metrics, author or admin")
      ->required()
      ->check(CLI::IsMember({"read", "ingest", "metrics", "author", "admin"}));
  create->add_option(
      "--expires", args->token.expires,
      "When it ends: a time, a day, or how long from now (90d); never where missing");
  line.client_command(*token, "list", "The tokens that were issued, never themselves",
                      [&line] { return run_token_list(line.client); });
  CLI::App* revoke =
      line.client_command(*token, "revoke", "From now on it opens nothing",
                          [&line, args] { return run_token_revoke(line.client, args->name); });
  revoke->add_option("name", args->name, "Its name")->required();
}

void add_webhook(CommandLine& line) {
  const auto args = std::make_shared<WebhookTestOptions>();
  WebhookTestOptions& options = *args;
  CLI::App* webhook = line.app.add_subcommand("webhook", "Try a node's webhook out");
  webhook->require_subcommand(1);
  CLI::App* test = line.client_command(
      *webhook, "test", "Send test data as a node would, and tell what came of it",
      [&line, args] { return run_webhook_test(line.client, *args); });
  test->add_option("scenario", options.what,
                   "The scenario's id; or a file, which is tested from here, without a server")
      ->required();
  test->add_option("node", options.node, "The node's id")->required();
  add_repeated(test, "--secret-file", options.secret_files,
               "With a file: NAME=FILE, a secret that the node names; may be repeated");
  add_repeated(test, "--allow-host", options.allow_hosts,
               "With a file: a private host that may be called, as of serve; may be repeated");
  add_repeated(test, "--allow-network", options.allow_networks,
               "With a file: a private network that may be called; may be repeated");
  test->add_option("--ca-file", options.ca_file, "With a file: trusted certificates (PEM)");
  test->add_flag("--https-only", options.https_only, "With a file: refuse plain http");
  test->add_option("--account-id", options.account_id, "With a file: idClient in the body")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, kAccountMax));
}
}  // namespace onward
