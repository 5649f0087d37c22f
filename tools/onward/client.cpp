#include "tools/onward/client.h"

#include <fmt/format.h>

#include <cstdlib>
#include <system_error>

#include "engine/api/access.h"
#include "engine/core/base/url_login.h"
#include "engine/core/template/template.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr std::string_view kDefaultServer = "http://127.0.0.1:8787";
/// A post of events waits for its commit; everything else is quicker.
constexpr Duration kPatience = std::chrono::seconds{60};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// "127.0.0.1:8787" of "http://127.0.0.1:8787/"; empty where there is no scheme.
std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  return url.substr(0, url.find('/'));
}

bool on_this_machine(std::string_view url) { return names_loopback(authority_of(url)); }

bool speaks_tls(std::string_view url) { return url.starts_with("https://"); }

std::string_view port_of(std::string_view url) {
  const std::string_view authority = authority_of(url);
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos) return authority.substr(colon + 1);
  return speaks_tls(url) ? "443" : "80";
}

/// The same URL, or two names of this machine with one port. A server with TLS is known by the name
/// in its certificate, and is on this machine all the same.
bool same_server(const LocalServer& server, std::string_view url) {
  if (server.url == url) return true;
  const bool here = !server.address.empty() || on_this_machine(server.url);
  return here && on_this_machine(url) && port_of(server.url) == port_of(url);
}

std::optional<LocalServer> server_on(const std::vector<LocalServer>& servers,
                                     const std::string& data) {
  std::error_code error;
  for (const LocalServer& server : servers)
    if (std::filesystem::equivalent(server.data, data, error)) return server;
  return std::nullopt;
}

std::optional<LocalServer> server_at(const std::vector<LocalServer>& servers,
                                     std::string_view url) {
  for (const LocalServer& server : servers)
    if (same_server(server, url)) return server;
  return std::nullopt;
}

Error which_one(const std::vector<LocalServer>& servers) {
  std::string message = "Several servers run on this machine; choose one with --server or --data:";
  for (const LocalServer& server : servers)
    message += fmt::format("\n  --server {}   --data {}", server.url, server.data.string());
  return {ErrorKind::Unavailable, "several_servers", std::move(message)};
}

Error not_onward(std::string_view server) {
  return {ErrorKind::Unavailable, "not_onward",
          fmt::format("{} answers, but is no Onward server. Name the right one with --server or "
                      "ONWARD_SERVER.",
                      server)};
}
}  // namespace

std::string Answer::text(std::string_view name) const { return text_of(value, name); }

Client::Client(const ClientOptions& options) : json_{options.json} {
  server_ = options.server;
  // The folder that was named says more about the server than the environment does.
  if (server_.empty() && options.data.empty()) server_ = environment("ONWARD_SERVER");
  token_ = options.token.empty() ? environment("ONWARD_TOKEN") : options.token;
  choose_server(options);
}

/// Completes `server_`, and finds the token of a server on this machine.
void Client::choose_server(const ClientOptions& options) {
  const std::vector<LocalServer> servers = local_servers();
  std::optional<LocalServer> local;
  if (server_.empty() && !options.data.empty()) {
    local = server_on(servers, options.data);
    if (!local) server_ = environment("ONWARD_SERVER");
    if (!local && server_.empty()) {
      fault_ = no_server_on(options.data);
      return;
    }
  } else if (server_.empty()) {
    if (servers.size() > 1) {
      fault_ = which_one(servers);
      return;
    }
    if (!servers.empty()) local = servers.front();
    if (local && !same_server(*local, kDefaultServer))
      choice_ = fmt::format("Writing to {} ({}).", local->url, local->data.string());
  }
  if (local) {
    server_ = local->url;
    announced_ = local;
  }
  if (server_.empty()) server_ = kDefaultServer;
  while (server_.ends_with('/')) server_.pop_back();
  if (server_.find("://") == std::string::npos) server_ = "http://" + server_;

  if (!local) local = server_at(servers, server_);
  take_way(options, local ? &*local : nullptr);
  take_token(options, local);
}

/// Reads the token of a data folder, for a server on this machine that works on that folder: what
/// listens at the address otherwise is another program.
void Client::take_token(const ClientOptions& options, const std::optional<LocalServer>& local) {
  if (!token_.empty() || !(on_this_machine(server_) || !way_.address.empty())) return;
  std::error_code error;
  const bool same = local && (options.data.empty() ||
                              std::filesystem::equivalent(local->data, options.data, error));
  if (same) {
    token_ = read_token_file(local->token_file()).value_or(std::string{});
    announced_ = local;
  } else if (!options.data.empty()) {
    // The caller says that the server at this address works on the folder, such as one of another
    // user: then somebody works on it.
    if (is_in_use(options.data))
      token_ = read_token_file(std::filesystem::path{options.data} / "token").value_or("");
    else
      fault_ = no_server_on(options.data);
  }
}

/// How a server that speaks TLS is reached, and whose certificate is believed.
void Client::take_way(const ClientOptions& options, const LocalServer* local) {
  way_.ca_file = options.ca.empty() ? environment("ONWARD_CA") : options.ca;
  if (!local || local->certificate.empty() || !speaks_tls(server_)) return;
  server_ = local->url;
  way_.address = local->address;
  if (options.ca.empty()) way_.ca_file = local->certificate;
}

std::string Client::shown() const { return hide_url_logins(server_); }

/// Who writes to a server that nobody named is told which one it is, once.
void Client::tell_choice(std::string_view method) const {
  if (method == "GET" || choice_.empty()) return;
  say(choice_);
  choice_.clear();
}

Result<Answer> Client::call(std::string_view method, std::string_view path, std::string_view member,
                            std::string body, std::string_view content_type) const {
  if (fault_) return tl::make_unexpected(*fault_);
  if (announced_ && !still_runs(*announced_))
    return fail(ErrorKind::Unavailable, "server_ended",
                fmt::format("The server on {} has ended. Nothing was sent to {}, where another "
                            "program may listen now. Start it with `onward serve --data {}`.",
                            announced_->data.string(), shown(), announced_->data.string()));
  tell_choice(method);
  Request request;
  request.method = method;
  request.url = server_ + std::string{path};
  request.headers.emplace_back("Accept", "application/json");
  if (!token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + token_);
  if (!body.empty()) request.headers.emplace_back("Content-Type", std::string{content_type});
  request.body = std::move(body);
  auto reply = http_call(request, kPatience, way_);
  if (std::string wrong = wrong_scheme(shown(), reply); !wrong.empty())
    return fail(ErrorKind::Unavailable, "wrong_scheme", std::move(wrong));
  if (!reply && reply.error().code == "tls_cert")
    return fail(ErrorKind::Unavailable, reply.error().code,
                fmt::format("The certificate of {} is not believed: {}\nName the authority that "
                            "signed it with --ca FILE or ONWARD_CA.",
                            shown(), reply.error().message));
  if (!reply)
    return fail(ErrorKind::Unavailable, reply.error().code,
                fmt::format("No answer from {}: {}\nIs the server running? Start one with `onward "
                            "serve --data DIR`, or name it with --server or ONWARD_SERVER.",
                            shown(), reply.error().message));
  Answer answer{reply->status, std::move(reply->content_type), std::move(reply->body), {}};
  if (answer.content_type.find("json") != std::string::npos)
    if (auto value = parse_json(answer.body, {.depth = 64})) answer.value = std::move(*value);
  const bool expected =
      member.empty() ? answer.status == 204 : answer.value.find(member) != nullptr;
  if (answer.ok() && !expected) return tl::make_unexpected(not_onward(shown()));
  return answer;
}

int Client::refused(const Answer& answer) const {
  if (json_) {
    say(answer.body);
    return exit_code_of_status(answer.status);
  }
  std::string message = printable_line(answer.text("detail"));
  if (message.empty())
    message =
        fmt::format("{} answered {} and not why. Is it an Onward server?", shown(), answer.status);
  if (answer.status == 401)
    message += " Give one with --token or ONWARD_TOKEN, or the server's folder with --data.";
  return complain(message, exit_code_of_status(answer.status));
}

int Client::not_taken() const { return complain(not_onward(shown())); }

std::string wrong_scheme(std::string_view url, const Result<HttpAnswer>& answer) {
  if (answer && answer->status == 400 && !speaks_tls(url) &&
      answer->body.find("speaks https") != std::string::npos)
    return fmt::format("{} speaks TLS: name it with https:// in place of http://.", url);
  if (!answer && answer.error().code == "tls" &&
      answer.error().message.find("wrong version number") != std::string::npos)
    return fmt::format(
        "{} speaks plain http and no TLS: name it with http:// in place of https://.", url);
  return {};
}

std::string segment(std::string_view text) {
  std::string encoded;
  if (text != "." && text != "..") return percent_encode(text);
  for (std::size_t i = 0; i < text.size(); ++i) encoded += "%2E";
  return encoded;
}

void print_json(const Value& value) {
  print((stdout_is_terminal() ? to_pretty_json(value) : to_json(value)) + "\n");
}

void print_json(const Answer& answer) {
  if (answer.value.is_null())
    print(answer.body.empty() ? "null\n" : answer.body + "\n");
  else
    print_json(answer.value);
}

int show(const ClientOptions& options, const std::string& path, std::string_view member,
         const std::function<StyledText(const Value&)>& text) {
  const Client client{options};
  const auto answer = client.call("GET", path, member);
  if (!answer) return complain(answer.error());
  if (!answer->ok()) return client.refused(*answer);
  if (client.json())
    print_json(*answer);
  else
    print(text(shown(answer->value)));
  return kExitOk;
}

std::string text_of(const Value& value, std::string_view path) {
  const Value* member = value.find_path(path);
  return member ? to_text(*member) : std::string{};
}

std::int64_t number_of(const Value& value, std::string_view path) {
  const Value* member = value.find_path(path);
  const std::int64_t* number = member ? member->get_if<std::int64_t>() : nullptr;
  return number ? *number : 0;
}

bool flag_of(const Value& value, std::string_view path) {
  const Value* member = value.find_path(path);
  const bool* flag = member ? member->get_if<bool>() : nullptr;
  return flag && *flag;
}

const ValueList& list_of(const Value& value, std::string_view path) {
  static const ValueList kNone;
  const Value* member = value.find_path(path);
  const ValueList* list = member ? member->list() : nullptr;
  return list ? *list : kNone;
}
}  // namespace onward
