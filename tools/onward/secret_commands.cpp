// secret set|list|remove|rekey, credential set|list|remove.
#include <fmt/format.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <utility>

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

std::string path_of(std::string_view kind, const std::string& name) {
  return fmt::format("/v1/{}/{}", kind, segment(name));
}

int put(const Client& client, std::string_view kind, const std::string& name, const Value& body,
        bool rotating) {
  std::string text = to_json(body);
  const auto answer = client.call("PUT", path_of(kind, name), "name", std::move(text));
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json()) {
    print_json(*answer);
    return kExitOk;
  }
  const bool both = !text_of(answer->value, "rotating_since").empty();
  print(fmt::format("{}: {}{}\n", name,
                    flag_of(answer->value, "created")   ? "set"
                    : flag_of(answer->value, "changed") ? "changed"
                                                        : "unchanged",
                    both ? ", the old value signs too" : ""));
  if (rotating && both)
    say(fmt::format("When the receiver knows the new value: onward secret set {} --drop-old",
                    name));
  return kExitOk;
}

std::string names_in(const Value& item, std::string_view member) {
  std::string names;
  for (const Value& name : list_of(item, member))
    names += (names.empty() ? "" : ", ") + to_text(name);
  return names;
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
               {"set"},
               {"used by", Align::Left, true}}};
  for (const Value& item : list_of(answer->value, kind)) {
    std::string second = text_of(item, credentials ? "scheme" : "rotating_since");
    const std::string login =
        credentials ? text_of(item, "username") + text_of(item, "header") : std::string{};
    if (!login.empty()) second += " " + printable(login);
    table.add({text_of(item, "name"), second,
               flag_of(item, "readable") ? text_of(item, "set_at") : "unreadable",
               names_in(item, "used_by")});
  }
  if (table.empty())
    say(fmt::format("There is no {0} yet; set one with: onward {0} set NAME",
                    credentials ? "credential" : "secret"));
  else
    print(table.text(terminal_width(), colour_on_stdout()));
  return kExitOk;
}

int remove(const ClientOptions& options, std::string_view kind, const RemoveSecretOptions& which) {
  const Client client{options};
  const auto answer =
      client.call("DELETE", path_of(kind, which.name) + (which.force ? "?force=true" : ""), "");
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
  if (secret.drop_old && (secret.rotate || secret.generate || !secret.from.empty()))
    return complain("--drop-old goes alone.", kExitUsage);
  if (secret.generate && !secret.from.empty())
    return complain("--generate makes the value, so there is none to read --from.", kExitUsage);
  const Client client{options};
  if (secret.drop_old)
    return put(client, "secrets", secret.name, ValueMap{{"drop_old", true}}, false);
  if (secret.generate) {
    const auto bytes = random_bytes(kSigningBytes);
    if (!bytes) return complain(bytes.error());
    const std::string made = "whsec_" + base64_encode(*bytes);
    const int code = put(client, "secrets", secret.name,
                         ValueMap{{"value", made}, {"rotate", secret.rotate}}, secret.rotate);
    if (code == kExitOk) print(made + "\n");
    if (code == kExitOk) say("Give this to the receiver; it is not shown again.");
    return code;
  }
  auto value = read_value(secret.from, "Value of " + secret.name);
  if (!value) return complain(value.error());
  return put(client, "secrets", secret.name,
             ValueMap{{"value", std::move(*value)}, {"rotate", secret.rotate}}, secret.rotate);
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
  if (schemes != 1)
    return complain("A credential wants one of --basic USER, --bearer and --header NAME.",
                    kExitUsage);
  auto value = read_value(credential.from, credential.bearer ? "Token" : "Secret part");
  if (!value) return complain(value.error());
  Value body;
  if (credential.bearer)
    body = ValueMap{{"bearer", std::move(*value)}};
  else if (!credential.basic.empty())
    body = ValueMap{
        {"basic", ValueMap{{"username", credential.basic}, {"password", std::move(*value)}}}};
  else
    body =
        ValueMap{{"header", ValueMap{{"name", credential.header}, {"value", std::move(*value)}}}};
  return put(Client{options}, "credentials", credential.name, body, false);
}

int run_credential_list(const ClientOptions& client) { return list(client, "credentials", true); }

int run_credential_remove(const ClientOptions& client, const RemoveSecretOptions& which) {
  return remove(client, "credentials", which);
}
}  // namespace onward
