// secret set|list|remove|rekey, credential set|list|remove.
#include <fmt/format.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <utility>

#include "engine/core/base/base64.h"
#include "engine/secrets/bytes.h"
#include "engine/secrets/stored_secret.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr std::size_t kSigningBytes = 32;

/// The terminal as it was, for a signal that ends the program while it is changed.
termios terminal_before;
void on_end(int which) {
  ::tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
  ::signal(which, SIG_DFL);
  ::raise(which);
}

/// While it lives, what is typed is not shown.
class Hidden {
 public:
  Hidden() : known_{::tcgetattr(STDIN_FILENO, &terminal_before) == 0} {
    if (!known_) return;
    for (const int which : {SIGINT, SIGTERM, SIGHUP}) ::signal(which, on_end);
    termios quiet = terminal_before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~Hidden() {
    if (!known_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
    for (const int which : {SIGINT, SIGTERM, SIGHUP}) ::signal(which, SIG_DFL);
  }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;

 private:
  bool known_;
};

Result<std::string> ask_hidden(const std::string& question) {
  ask(question);
  const Hidden hidden;
  std::string line;
  if (!std::getline(std::cin, line))
    return fail(ErrorKind::Invalid, "no_value", "Nothing was typed; nothing is changed.");
  return line;
}

/// A value never comes from an argument: those stand in the shell's history and in the list of
/// processes. Typed, it is asked for twice; else it is what comes in, without the last line's end.
Result<std::string> read_value(const std::string& file, const std::string& what) {
  if (file.empty() && ::isatty(STDIN_FILENO) == 1) {
    auto first = ask_hidden(what + " (not shown; empty keeps the one it has): ");
    if (!first || first->empty()) return first;
    auto second = ask_hidden("Once more: ");
    if (!second) return second;
    if (*first != *second)
      return fail(ErrorKind::Invalid, "not_the_same",
                  "The two are not the same; nothing is changed.");
    wipe(*second);
    return first;
  }
  auto text = read_input(file.empty() ? "-" : file);
  if (!text) return text;
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  return text;
}

std::string secret_path(std::string_view kind, const std::string& name) {
  return fmt::format("/v1/{}/{}", kind, segment(name));
}

std::string names_in(const Value& item, std::string_view member) {
  std::string names;
  for (const Value& name : list_of(item, member))
    names += (names.empty() ? "" : ", ") + to_text(name);
  return names;
}

/// "crm.example.com, *.example.org", "any host"; "any host (not set)" of one that was stored before
/// secrets had hosts.
std::string hosts_of(const Value& item) {
  if (!flag_of(item, "any_host")) return names_in(item, "hosts");
  return flag_of(item, "hosts_set") ? "any host" : "any host (not set)";
}

/// Why the options cannot be used, alone or together; empty where they can.
std::string conflict_in(const HostOptions& hosts, bool other_value) {
  for (const std::string& host : hosts.hosts)
    if (const auto rule = parse_secret_hosts({host}); !rule)
      return fmt::format("--host \"{}\": {}.", host, rule.error().message);
  if (hosts.any && !hosts.hosts.empty()) return "--host and --any-host exclude each other.";
  if (hosts.keep && other_value) return "--keep keeps the value, so no other option may change it.";
  if (hosts.keep && !hosts.any && hosts.hosts.empty())
    return "--keep changes only the hosts: add --host HOST or --any-host.";
  return {};
}

/// Adds the hosts to the body of a request.
Value with_hosts(ValueMap body, const HostOptions& hosts) {
  if (hosts.any) body.emplace_back("any_host", true);
  if (!hosts.hosts.empty())
    body.emplace_back("hosts", ValueList(hosts.hosts.begin(), hosts.hosts.end()));
  return Value{std::move(body)};
}

int put(const Client& client, std::string_view kind, const std::string& name, const Value& body,
        bool rotating) {
  std::string text = to_json(body);
  const auto answer = client.call("PUT", secret_path(kind, name), "name", std::move(text));
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  const bool both = !text_of(answer->value, "rotating_since").empty();
  print(fmt::format("{}: {}{}; hosts: {}\n", name,
                    flag_of(answer->value, "created")   ? "set"
                    : flag_of(answer->value, "changed") ? "changed"
                                                        : "unchanged",
                    both ? ", the old value signs too" : "", hosts_of(answer->value)));
  if (!flag_of(answer->value, "hosts_set"))
    say(
        fmt::format("Every author can send it to any host. Set its hosts: onward {} set {} --keep "
                    "--host HOST",
                    kind.substr(0, kind.size() - 1), name));
  if (const std::string refused = names_in(answer->value, "refused_hosts"); !refused.empty())
    say(
        fmt::format("Scenarios send it to {}, which is not allowed; their deliveries wait. Allow "
                    "the host, or apply a corrected file.",
                    refused));
  if (rotating && both)
    say(fmt::format("When the receiver knows the new value: onward secret set {} --drop-old",
                    name));
  return kExitOk;
}

int list(const ClientOptions& options, const std::string& kind, bool credentials) {
  const Client client{options};
  const auto answer = client.call("GET", "/v1/" + kind, kind);
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  Table table{{{credentials ? "credential" : "secret", Align::Left, true},
               {credentials ? "scheme" : "rotating since", Align::Left, true},
               {"hosts", Align::Left, true},
               {"set"},
               {"used by", Align::Left, true}}};
  std::vector<std::string> unset;
  for (const Value& item : list_of(answer->value, kind)) {
    std::string second = text_of(item, credentials ? "scheme" : "rotating_since");
    const std::string login =
        credentials ? text_of(item, "username") + text_of(item, "header") : std::string{};
    if (!login.empty()) second += " " + login;
    if (flag_of(item, "readable") && !flag_of(item, "hosts_set"))
      unset.push_back(text_of(item, "name"));
    table.add({text_of(item, "name"), second, hosts_of(item),
               flag_of(item, "readable") ? text_of(item, "set_at") : "unreadable",
               names_in(item, "used_by")});
  }
  if (table.empty())
    say(fmt::format("There is no {0} yet; set one with: onward {0} set NAME",
                    credentials ? "credential" : "secret"));
  else
    print(table.text(terminal_width()));
  if (!unset.empty())
    say(
        fmt::format("Every author can send these to any host: {}. Set the hosts of each: onward {} "
                    "set {} --keep --host HOST (hosts that scenarios use: --json, \"sent_to\")",
                    fmt::join(unset, ", "), credentials ? "credential" : "secret", unset.front()));
  return kExitOk;
}

int remove(const ClientOptions& options, std::string_view kind, const RemoveSecretOptions& which) {
  const Client client{options};
  const auto answer =
      client.call("DELETE", secret_path(kind, which.name) + (which.force ? "?force=true" : ""), "");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) {
    const int code = client.refused(*answer);
    if (answer->text("code").ends_with("_in_use") && !client.json()) say("By force: add --force.");
    return code;
  }
  if (client.json())
    print_json(Value{ValueMap{{"name", which.name}, {"removed", true}}});
  else
    print(fmt::format("{}: removed\n", which.name));
  return kExitOk;
}
}  // namespace

int run_secret_set(const ClientOptions& options, const SecretOptions& secret) {
  const HostOptions& hosts = secret.hosts;
  if (secret.drop_old && (secret.rotate || secret.generate || !secret.from.empty() || hosts.any ||
                          hosts.keep || !hosts.hosts.empty()))
    return complain("--drop-old goes alone.", kExitUsage);
  if (const auto conflict =
          conflict_in(hosts, secret.rotate || secret.generate || !secret.from.empty());
      !conflict.empty())
    return complain(conflict, kExitUsage);
  if (secret.generate && !secret.from.empty())
    return complain("--generate makes the value, so there is none to read --from.", kExitUsage);
  const Client client{options};
  if (secret.drop_old)
    return put(client, "secrets", secret.name, ValueMap{{"drop_old", true}}, false);
  if (hosts.keep) return put(client, "secrets", secret.name, with_hosts({}, hosts), false);
  if (secret.generate) {
    const auto bytes = random_bytes(kSigningBytes);
    if (!bytes) return complain(bytes.error());
    const std::string made = "whsec_" + base64_encode(*bytes);
    const int code =
        put(client, "secrets", secret.name,
            with_hosts({{"value", made}, {"rotate", secret.rotate}}, hosts), secret.rotate);
    if (code == kExitOk) print(made + "\n");
    if (code == kExitOk) say("Give this to the receiver; it is not shown again.");
    return code;
  }
  auto value = read_value(secret.from, "Value of " + secret.name);
  if (!value) return complain(value.error());
  return put(client, "secrets", secret.name,
             with_hosts({{"value", std::move(*value)}, {"rotate", secret.rotate}}, hosts),
             secret.rotate);
}

int run_secret_list(const ClientOptions& client) { return list(client, "secrets", false); }

int run_secret_remove(const ClientOptions& client, const RemoveSecretOptions& which) {
  return remove(client, "secrets", which);
}

int run_rekey(const ClientOptions& options) {
  const Client client{options};
  const auto answer = client.call("POST", "/v1/secrets/rekey", "sealed");
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  print(fmt::format("{} sealed under a new master key\n", number_of(answer->value, "sealed")));
  if (const auto left = number_of(answer->value, "unreadable"); left > 0)
    say(
        fmt::format("{} cannot be read with the keys that are here; the old keys stay in the key "
                    "file for them. Set them anew.",
                    left));
  return kExitOk;
}

int run_credential_set(const ClientOptions& options, const CredentialOptions& credential) {
  const int schemes = (credential.basic.empty() ? 0 : 1) + (credential.bearer ? 1 : 0) +
                      (credential.header.empty() ? 0 : 1);
  const HostOptions& hosts = credential.hosts;
  if (const auto conflict = conflict_in(hosts, schemes > 0 || !credential.from.empty());
      !conflict.empty())
    return complain(conflict, kExitUsage);
  if (hosts.keep)
    return put(Client{options}, "credentials", credential.name, with_hosts({}, hosts), false);
  if (schemes != 1)
    return complain("A credential wants one of --basic USER, --bearer and --header NAME.",
                    kExitUsage);
  auto value = read_value(credential.from, credential.bearer ? "Token" : "Secret part");
  if (!value) return complain(value.error());
  ValueMap body;
  if (credential.bearer)
    body = {{"bearer", std::move(*value)}};
  else if (!credential.basic.empty())
    body = {{"basic", ValueMap{{"username", credential.basic}, {"password", std::move(*value)}}}};
  else
    body = {{"header", ValueMap{{"name", credential.header}, {"value", std::move(*value)}}}};
  return put(Client{options}, "credentials", credential.name, with_hosts(std::move(body), hosts),
             false);
}

int run_credential_list(const ClientOptions& client) { return list(client, "credentials", true); }

int run_credential_remove(const ClientOptions& client, const RemoveSecretOptions& which) {
  return remove(client, "credentials", which);
}
}  // namespace onward
