// The real binary, with every secret that it can be given: used, repeated by receivers, mistyped,
// rotated, backed up and restored. Then all that was printed, answered, logged and written is
// searched for them.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "engine/core/base/base64.h"
#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "engine/secrets/bytes.h"
#include "tests/support/certificate.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {
using Words = std::vector<std::string>;

std::string text_of(const fs::path& file) {
  std::ostringstream all;
  all << std::ifstream{file, std::ios::binary}.rdbuf();
  return all.str();
}
void write(const fs::path& file, const std::string& text) {
  std::ofstream{file, std::ios::binary} << text;
}
std::string line_of(const std::string& text) { return text.substr(0, text.find('\n')); }
/// The master key in a file that has some words for people as well.
std::string key_in(const fs::path& file) {
  std::string line;
  for (std::ifstream in{file}; std::getline(in, line);)
    if (!line.starts_with('#')) break;
  REQUIRE(line.size() == 64);
  return line;
}

/// What `text` looks like somewhere inside of what was made base64: it depends on where it begins.
std::array<std::string, 3> inside_base64(const std::string& text) {
  std::array<std::string, 3> forms;
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string coded = base64_encode(std::string(before, 'x') + text);
    const std::size_t first = (before * 8 + 5) / 6, last = (before + text.size()) * 8 / 6;
    forms[before] = coded.substr(first, last - first);
  }
  return forms;
}

/// Everything that could be read, and what must not stand in it.
class Hunt {
 public:
  /// `text`, and what it becomes in base64 and hex.
  void hide(const std::string& name, const std::string& text) {
    auto& marks = hidden_.emplace_back(name, Words{text, hex_encode(text)}).second;
    for (std::string& form : inside_base64(text)) marks.push_back(std::move(form));
  }
  /// Random, so that its beginning is enough; a key also as the bytes that it stands for.
  void hide_random(const std::string& name, const std::string& text) {
    hide(name, text.substr(0, 24));
    if (const auto bytes = hex_decode(text)) hidden_.back().second.push_back(*bytes);
  }
  /// The one place where `name` may stand.
  void allow(const std::string& where, const std::string& name) { allowed_.insert({where, name}); }
  void see(const std::string& where, std::string text) { seen_[where] += std::move(text); }
  /// Each file by its path below `folder`.
  void see_files(const fs::path& folder) {
    for (const auto& entry : fs::recursive_directory_iterator{folder})
      if (entry.is_regular_file())
        see(fs::relative(entry.path(), folder).string(), text_of(entry.path()));
  }
  std::string in(const std::string& where) const {
    const auto found = seen_.find(where);
    return found == seen_.end() ? "" : found->second;
  }
  /// A line for each that was found, "" where all is well.
  std::string found() const {
    std::string lines;
    for (const auto& [where, text] : seen_)
      for (const auto& [name, marks] : hidden_)
        for (const std::string& mark : marks)
          if (text.find(mark) != std::string::npos && !allowed_.contains({where, name})) {
            lines += fmt::format("{} in {}\n", name, where);
            break;
          }
    return lines;
  }

 private:
  std::vector<std::pair<std::string, Words>> hidden_;
  std::set<std::pair<std::string, std::string>> allowed_;
  std::map<std::string, std::string> seen_;
};

/// Answers with all that it was sent: in the status line, in headers, in the body. The path begins
/// with the status; 0 ends the connection.
void echo(Peer& peer) {
  while (const auto request = peer.read()) {
    const std::string status = request->path.substr(1, 3);
    if (status.starts_with('0')) return peer.reset();
    std::string headers;
    for (const auto& [name, value] : request->headers)
      headers += fmt::format("X-Echo-{}: {}\r\nLocation: /200?{}\r\nRetry-After: {}\r\n", name,
                             value, value, value);
    const std::string body = request->head + request->body;
    const std::string auth = request->header("authorization").value_or("none");
    if (!peer.send(fmt::format("HTTP/1.1 {} {}\r\n{}Content-Length: {}\r\n\r\n{}", status, auth,
                               headers, body.size(), body)))
      return;
  }
}

// Each begins with the word that is looked for.
constexpr std::string_view kMark = "canary";
const std::string kKey = "canary-k3y \"one\" / two", kPath = "canary/p4th",
                  kPassword = "canary-passw0rd", kBearer = "canary-b3arer",
                  kBasic = "canary-basic-pw", kToken = "canary-t0ken",
                  kHeader = "canary-header-value", kHookTwo = "canary-signing-two",
                  kIntake = "canary-intake-secret";
const std::string kHook = "whsec_" + base64_encode("canary-signing-one-of-24");

constexpr const char* kScenario = R"(
scenario: relay
reentry: parallel
nodes:
  any:   { kind: trigger, event: opened, next: fine }
  fine:  { kind: send_webhook, url: "RECEIVER/200/{{ secret.path }}?k={{ secret.path }}",
           headers: { X-Key: "{{ secret.key }}" }, auth: { bearer: "{{ secret.token }}" },
           sign: hook, log_response_body: all, next: bad }
  bad:   { kind: send_webhook, url: "RECEIVER/400", retry: { permanent: [400] },
           auth: { credential: basic }, sign: hook, next: worse }
  worse: { kind: send_webhook, url: "RECEIVER/503", auth: { credential: bearer }, next: away }
  away:  { kind: send_webhook, url: "RECEIVER/302", auth: { credential: header }, next: lost }
  lost:  { kind: send_webhook, url: "RECEIVER/000/{{ secret.path }}",
           auth: { basic: { username: jane, password: "{{ secret.password }}" } }, next: end }
)";
constexpr std::array kNodes{"fine", "bad", "worse", "away", "lost"};

/// Folders, a receiver, and whatever commands and routes say.
struct House {
  House() {
    fs::create_directories(inputs);
    fs::create_directories(out);
    for (const std::string& mark :
         {std::string{kMark}, std::string{"Canary"}, std::string{"CANARY"}})
      hunt.hide("a canary", mark);
    write_certificate(certificate, key);
    std::string coded;
    for (std::istringstream lines{text_of(key)}; std::getline(lines, line);)
      if (!line.starts_with("---")) coded += line;
    // Of PKCS #8 what is secret stands behind 36 bytes that all keys of a curve share.
    hunt.hide("the TLS key", base64_decode(coded).value().substr(36, 32));
    hunt.hide("the TLS key", coded.substr(0, 60));
    write(inputs / "intake", kIntake + "\n");
    std::string text = kScenario;
    for (std::size_t at; (at = text.find("RECEIVER")) != text.npos;)
      text.replace(at, 8, receiver.origin());
    write(out / "relay.yaml", text);
  }
  /// A command on `data`; what it says is seen as `label`.
  CommandResult on(const fs::path& data, Words words, const std::string& input = {},
                   const std::string& label = {}) {
    words.insert(words.end(), {"--data", data.string()});
    return alone(words, input, label);
  }
  CommandResult alone(const Words& words, const std::string& input = {},
                      const std::string& label = {}) {
    CommandResult result = run_onward(words, input);
    hunt.see(label.empty() ? fmt::format("{}", fmt::join(words, " ")) : label,
             result.out + result.err);
    return result;
  }
  Words allowed() const { return {"--allow-host", fmt::format("127.0.0.1:{}", receiver.port())}; }
  Words sealed() const {
    Words words = allowed();
    words.insert(words.end(), {"--tls-cert", certificate, "--tls-key", key, "--intake-secret-file",
                               "egoi=" + (inputs / "intake").string(), "--log-format", "json"});
    return words;
  }
  HttpAnswer call(const std::string& url, Request request, const std::string& token) {
    request.url = url;
    if (!token.empty()) request.headers.push_back({"Authorization", "Bearer " + token});
    if (!request.body.empty()) request.headers.push_back({"Content-Type", "application/json"});
    const auto answer = http_call(request, 20s, {.ca_file = certificate});
    REQUIRE(answer);
    hunt.see(request.method + " " + url.substr(url.find("/v1") == url.npos ? 0 : url.find("/v1")),
             answer->body);
    return *answer;
  }

  TemporaryFolder folder;
  const fs::path inputs = folder.path() / "inputs", out = folder.path() / "out",
                 data = out / "data";
  const std::string certificate = out / "cert.pem", key = inputs / "key.pem";
  LocalReceiver receiver{echo};
  Hunt hunt;
  std::string line;
};

/// Until each node's requests were attempted.
void wait_for_attempts(House& house, const fs::path& data) {
  const auto patience = std::chrono::steady_clock::now() + 30s;
  const auto attempted = [&] {
    for (const char* node : kNodes) {
      const CommandResult told = house.on(data, {"deliveries", "list", "relay", node, "--json"});
      const auto list = parse_json(told.out);
      if (!list || list->find("deliveries")->list()->empty()) return false;
      for (const Value& one : *list->find("deliveries")->list())
        if (*one.find("attempt_count") == Value{0}) return false;
    }
    return true;
  };
  while (!attempted()) REQUIRE(std::chrono::steady_clock::now() < patience);
}

std::vector<std::string> deliveries_of(House& house, const fs::path& data) {
  std::vector<std::string> ids;
  const auto list = parse_json(house.on(data, {"deliveries", "list", "--json"}).out).value();
  for (const Value& one : *list.find("deliveries")->list()) ids.push_back(*one.find("id")->text());
  return ids;
}

void set_secrets(House& house) {
  const auto set = [&](const Words& words, const std::string& value) {
    REQUIRE(house.on(house.data, words, value + "\n").code == 0);
  };
  set({"secret", "set", "key", "--any-host"}, kKey);
  set({"secret", "set", "path", "--any-host"}, kPath);
  set({"secret", "set", "password", "--json", "--any-host"}, kPassword);
  set({"secret", "set", "token", "--any-host"}, kToken);
  set({"secret", "set", "hook", "--any-host"}, kHook);
  set({"secret", "set", "hook", "--rotate"}, kHookTwo);
  set({"credential", "set", "bearer", "--bearer", "--any-host"}, kBearer);
  set({"credential", "set", "basic", "--basic", "joe", "--any-host"}, kBasic);
  set({"credential", "set", "header", "--header", "X-Tenant", "--any-host"}, kHeader);
}

/// A token that is shown once, to whoever made it.
std::string make_token(House& house, const std::string& name, const std::string& role) {
  const std::string label = "token create " + name;
  const CommandResult made =
      house.on(house.data, {"token", "create", name, "--role", role}, "", label);
  REQUIRE(made.code == 0);
  const std::string token = line_of(made.out);
  CHECK(made.out == token + "\n");
  CHECK(made.err.find(token) == std::string::npos);
  house.hunt.hide_random("the token " + name, token);
  house.hunt.allow(label, "the token " + name);
  return token;
}

/// Every route that only looks, with what there is.
void look_everywhere(House& house, const std::string& url, const std::string& token) {
  const HttpAnswer described = house.call(url + "/openapi.json", {.method = "GET"}, token);
  const Value paths = *parse_json(described.body, {.depth = 64}).value().find("paths");
  const std::string delivery = deliveries_of(house, house.data).front();
  std::size_t looked = 0;
  for (const auto& [path, methods] : *paths.map()) {
    if (!methods.find("get")) continue;
    std::string filled = path;
    const auto fill = [&](std::string_view name, std::string_view value) {
      if (const std::size_t at = filled.find(name); at != filled.npos)
        filled.replace(at, name.size(), value);
    };
    fill("{id}", path.starts_with("/v1/contacts")     ? "ada"
                 : path.starts_with("/v1/deliveries") ? delivery
                                                      : "relay");
    fill("{node}", "fine");
    fill("{name}", "plan");
    fill("{version}", "1");
    INFO(filled);
    CHECK(house.call(url + filled, {.method = "GET"}, token).status == 200);
    ++looked;
  }
  CHECK(looked > 20);
}

/// What people do wrong with secrets in their hands.
void mistype(House& house, const std::string& url, const std::string& token) {
  const auto refused = [&](int status, const HttpAnswer& answer) {
    INFO(answer.body);
    CHECK(answer.status == status);
  };
  const auto put = [&](const std::string& path, const std::string& body) {
    return house.call(url + path, {.method = "PUT", .body = body}, token);
  };
  refused(400, put("/v1/secrets/x", R"({"valeu":"canary-1"})"));
  refused(400, put("/v1/secrets/x", R"({"canary-as-member":"x"})"));
  refused(400, put("/v1/secrets/x", R"({"value":"canary-1)"));
  refused(400, put("/v1/secrets/x", R"({"value":"canary-1" "rotate":true})"));
  refused(400, put("/v1/secrets/x", R"("canary-1")"));
  refused(400, put("/v1/secrets/x", R"({"value":"canary-1\n"})"));
  refused(400, put("/v1/secrets/x", R"({"value":["canary-1"]})"));
  refused(400, put("/v1/secrets/x", R"({"value":" canary-blank"})"));
  refused(400, put("/v1/credentials/x", R"({"bearer":{"value":"canary-1"}})"));
  refused(400, put("/v1/credentials/x", R"({"canary-1":"x"})"));
  refused(400, put("/v1/credentials/x", R"({"basic":{"username":"j","canary-1":"x"}})"));
  refused(400,
          put("/v1/credentials/x", R"({"basic":{"username":"j:canary-1","password":"longer"}})"));
  refused(400,
          put("/v1/credentials/x", R"({"header":{"name":"X-Key: canary-1","value":"longer"}})"));
  for (const char* name : {"token", "access_token"})
    refused(400, house.call(url + "/v1/scenarios?" + name + "=" + token, {.method = "GET"}, token));
  refused(401, house.call(url + "/v1/scenarios", {.method = "GET"}, "canary-wrong-token"));
  refused(401, house.call(url + "/v1/scenarios",
                          {.method = "GET", .headers = {{"Authorization", "Basic canary"}}}, ""));
  const auto post = [&](std::vector<Header> headers) {
    return house.call(url + "/v1/intake/egoi",
                      {.method = "POST", .headers = std::move(headers), .body = "{}"}, "");
  };
  refused(401, post({{"X-Onward-Secret", "canary-wrong"}}));
  refused(401, post({{"X-Hub-Signature-256", "sha256=canary-wrong"}}));
  refused(400, post({{"X-Onward-Secret", kIntake}}));  // It is the body that is wrong.

  // Of what stands behind "onward" on the command line nothing is repeated, where a value may be
  // meant: what is on standard error is mailed and logged.
  for (const Words& words :
       {Words{"secret", "set", "x", "canary-1"}, Words{"secret", "set", "x", "--value=canary-1"},
        Words{"secret", "set", "x", "--value", "canary-1"},
        Words{"secret", "set", "x", "-vcanary-1"},
        Words{"secret", "set", "x", "--from=/nowhere", "canary-1"},
        Words{"secret", "remove", "x", "canary-1"},
        Words{"credential", "set", "x", "--bearer", "canary-1"},
        Words{"credential", "set", "x", "--bearer=canary-1"},
        Words{"credential", "set", "x", "--basic", "joe", "canary-1"},
        Words{"credential", "set", "x", "--password", "canary-1"},
        Words{"credential", "set", "x", "--header", "X-Key", "canary-1"},
        Words{"credential", "set", "x", "--header", "X-Key: canary-1"},
        Words{"credential", "set", "x", "--basic", "joe:canary-1"},
        Words{"scenarios", "--token", "canary-wrong-token"},
        Words{"scenarios", "--tokn", "canary-wrong-token"},
        Words{"scenarios", "--tokn=canary-wrong-token"},
        Words{"scenarios", "--token=canary-wrong-token"},
        Words{"token", "create", "x", "--role", "read", "canary-1"},
        Words{"token", "revoke", "first", "canary-1"}}) {
    const CommandResult result = house.on(house.data, words, "longer\n", "a mistyped command");
    INFO(fmt::format("{}: {}{}", fmt::join(words, " "), result.out, result.err));
    CHECK(result.code != 0);
    CHECK(result.err.find(kMark) == std::string::npos);
  }
  REQUIRE(::setenv("ONWARD_TOKEN", "canary-wrong-token", 1) == 0);
  CHECK(house.on(house.data, {"scenarios"}).code != 0);
  CHECK(house.alone({"scenarios", "--server", url, "--ca", house.certificate}).code != 0);
  ::unsetenv("ONWARD_TOKEN");
}

/// All that commands say of a server that works.
void ask_everything(House& house) {
  const std::string file = house.out / "relay.yaml", events = house.out / "events.json";
  write(events, R"({"type":"opened","at":"2026-05-01T09:00:00Z","contact":{"id":"ada"}})");
  for (const Words& words : {Words{"plan", file},
                             Words{"plan", file, "--json"},
                             Words{"validate", file},
                             Words{"graph", file},
                             Words{"graph", "relay"},
                             Words{"graph", "relay", "--format", "dot"},
                             Words{"graph", "relay", "--format", "mermaid"},
                             Words{"simulate", file, "--events", events},
                             Words{"simulate", "relay", "--events", events},
                             Words{"simulate", "relay", "--events", events, "--json"},
                             Words{"placeholders", file},
                             Words{"show", "relay"},
                             Words{"versions", "relay"},
                             Words{"scenarios"},
                             Words{"stats", "relay"},
                             Words{"stats", "relay", "--json"},
                             Words{"logs"},
                             Words{"logs", "--json"},
                             Words{"secret", "list"},
                             Words{"secret", "list", "--json"},
                             Words{"credential", "list"},
                             Words{"credential", "list", "--json"},
                             Words{"token", "list"},
                             Words{"token", "list", "--json"},
                             Words{"contacts", "get", "ada"},
                             Words{"contacts", "journey", "ada"},
                             Words{"contacts", "export"},
                             Words{"contacts", "export", "--format", "ndjson", "--statistics",
                                   "--out", house.out / "contacts.ndjson"},
                             Words{"deliveries", "list"},
                             Words{"runs", "list"},
                             Words{"doctor"},
                             Words{"doctor", "--json"}}) {
    const bool offline = words[0] == "validate" || words[0] == "placeholders";
    const CommandResult result = offline ? house.alone(words) : house.on(house.data, words);
    INFO(fmt::format("{}: {}{}", fmt::join(words, " "), result.out, result.err));
    CHECK((result.code == 0 || (words[0] == "doctor" && result.code == 1)));
  }
  for (const std::string& id : deliveries_of(house, house.data))
    CHECK(house.on(house.data, {"deliveries", "show", id}).code == 0);
  for (const char* node : kNodes) {
    house.on(house.data, {"webhook", "test", "relay", node});
    house.on(house.data, {"webhook", "test", "relay", node, "--json"});
  }
  write(house.inputs / "key", kKey);
  Words from_here{"webhook", "test", file, "fine"};
  for (const auto& [name, value] : {std::pair{"key", kKey}, std::pair{"path", kPath},
                                    std::pair{"token", kToken}, std::pair{"hook", kHook}}) {
    write(house.inputs / name, value);
    from_here.insert(from_here.end(),
                     {"--secret-file", fmt::format("{}={}", name, (house.inputs / name).string())});
  }
  for (const std::string& word : house.allowed()) from_here.push_back(word);
  CHECK(house.alone(from_here).code == 0);
}

/// Files that hold secrets and are not as they should be.
void start_with_wrong_files(House& house) {
  const fs::path wrong = house.inputs / "wrong", data = house.out / "never";
  write(wrong, "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n");
  const auto refused = [&](Words words) {
    words.insert(words.begin(), {"serve", "--listen", "127.0.0.1:0"});
    const CommandResult result = house.on(data, words);
    INFO(result.err);
    CHECK(result.code != 0);
  };
  refused({"--tls-cert", house.certificate, "--tls-key", wrong});
  write(wrong, "canary-short");
  refused({"--intake-secret-file", "egoi=" + wrong.string()});
  REQUIRE(::setenv("ONWARD_KEY_FILE", wrong.c_str(), 1) == 0);
  refused({});
  ::unsetenv("ONWARD_KEY_FILE");
  fs::create_directories(data);
  write(data / "token", "canary\n");
  refused({});
  fs::remove_all(data);
}

/// What the receiver was given: so all of it was really used.
void check_that_all_were_used(const House& house) {
  std::string all;
  for (const ReceivedRequest& request : house.receiver.requests()) {
    all += request.head;
    CHECK(request.body.find(kMark) == std::string::npos);
  }
  for (const std::string& value :
       {kKey, "Bearer " + kToken, "Bearer " + kBearer, std::string{"canary%2Fp4th"}, kHeader,
        base64_encode("joe:" + kBasic), base64_encode("jane:" + kPassword)})
    CHECK(all.find(value) != std::string::npos);
}
}  // namespace

TEST_CASE("the hunt for secrets finds them in every dress", "[end_to_end][canary]") {
  const auto found = [](const std::string& text) {
    Hunt hunt;
    hunt.hide("it", std::string{kMark});
    hunt.see("here", text);
    hunt.see("there", text);
    hunt.allow("there", "it");
    return hunt.found();
  };
  const std::string told = "it in here\n";
  CHECK(found("nothing") == "");
  CHECK(found("a canary") == told);
  CHECK(found(hex_encode("a canary")) == told);
  for (const char* login : {"", "j", "jo", "joe", "jane"})
    CHECK(found(base64_encode(std::string{login} + "canary-1")) == told);
}

TEST_CASE("a server that crashes leaves no core, whatever takes cores on its machine",
          "[end_to_end][secrets][canary]") {
  TemporaryFolder folder;
  ServerChild server{folder.path() / "data"};
  const std::string limits = text_of(fmt::format("/proc/{}/limits", server.pid()));
  const std::size_t cores = limits.find("Max core file size");
  REQUIRE(cores != limits.npos);
  std::istringstream figures{limits.substr(cores + std::string_view{"Max core file size"}.size())};
  std::string soft, hard;
  figures >> soft >> hard;
  CHECK(soft == "0");
  CHECK(hard == "0");
#ifndef ONWARD_SANITIZED_ADDRESSES
  // What may not be dumped belongs to root, whoever runs it.
  struct stat memory {};
  REQUIRE(::stat(fmt::format("/proc/{}/mem", server.pid()).c_str(), &memory) == 0);
  CHECK(memory.st_uid == 0);
  // As a pipe would be: without a limit. Few may take it away, and then there must be none still.
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  ::prlimit(server.pid(), RLIMIT_CORE, &all, nullptr);
#endif
  const int status = server.end(SIGABRT);
  CHECK(WIFSIGNALED(status));
  CHECK_FALSE(WCOREDUMP(status));
}

TEST_CASE("no secret is ever told by the real binary: outputs, logs, answers, files, backups",
          "[end_to_end][secrets][canary]") {
  House house;
  Hunt& hunt = house.hunt;
  start_with_wrong_files(house);
  std::string first, shop, generated;
  {
    ServerChild server{house.data, house.sealed(), house.out / "first.log"};
    hunt.see("the list of processes", text_of(fmt::format("/proc/{}/cmdline", server.pid())));
    first = line_of(text_of(house.data / "token"));
    hunt.hide_random("the first token", first);
    hunt.allow("data/token", "the first token");
    set_secrets(house);
    hunt.hide_random("the master key", key_in(house.data / "secret.key"));
    hunt.allow("data/secret.key", "the master key");
    const CommandResult made = house.on(
        house.data, {"secret", "set", "made", "--generate", "--any-host"}, "", "secret generate");
    generated = made.out.substr(made.out.find("whsec_") + 6, 24);
    hunt.hide_random("the generated secret", generated);
    hunt.allow("secret generate", "the generated secret");

    const std::string file = house.out / "relay.yaml";
    REQUIRE(house.on(house.data, {"apply", file}).code == 0);
    REQUIRE(house.on(house.data, {"activate", "relay"}).code == 0);
    REQUIRE(house.on(house.data, {"fields", "declare", "plan"}).code == 0);
    shop = make_token(house, "shop", "ingest");
    const std::string gone = make_token(house, "gone", "admin");
    REQUIRE(house.on(house.data, {"scenarios", "--token", gone}, "", "by --token").code == 0);
    REQUIRE(house.on(house.data, {"token", "revoke", "gone"}).code == 0);
    CHECK(house.call(server.url() + "/v1/scenarios", {.method = "GET"}, gone).status == 401);
    CHECK(house.call(server.url() + "/v1/scenarios", {.method = "GET"}, shop).status == 403);
    CHECK(house
              .call(server.url() + "/v1/events",
                    {.method = "POST", .body = R"({"type":"opened","contact":{"id":"ada"}})"}, shop)
              .status == 202);
    wait_for_attempts(house, house.data);

    ask_everything(house);
    mistype(house, server.url(), first);
    look_everywhere(house, server.url(), first);
    REQUIRE(house.on(house.data, {"backup", house.out / "bare"}).code == 0);
    REQUIRE(house.on(house.data, {"backup", house.out / "whole", "--with-key", "--json"}).code ==
            0);
    hunt.allow("whole/token", "the first token");
    hunt.allow("whole/secret.key", "the master key");
    hunt.see_files(house.out);  // While the journal and the file of what is worked on are in use.
    REQUIRE(house.on(house.data, {"events", "send", "opened", "--contact", "bob"}).code == 0);
    server.kill();
  }
  CHECK(house.on(house.data, {"doctor"}).code != 2);
  hunt.see_files(house.out);
  {
    ServerChild server{house.data, house.allowed(), house.out / "second.log"};
    wait_for_attempts(house, house.data);
    REQUIRE(house.on(house.data, {"secret", "set", "hook", "--drop-old"}).code == 0);
    REQUIRE(house.on(house.data, {"secret", "rekey"}).code == 0);
    hunt.hide_random("the new master key", key_in(house.data / "secret.key"));
    hunt.allow("data/secret.key", "the new master key");
    CHECK(house.on(house.data, {"secret", "remove", "hook"}).code != 0);
    CHECK(house.on(house.data, {"secret", "remove", "made"}).code == 0);
    look_everywhere(house, server.url(), first);
    CHECK(server.stop() == 0);
  }
  // Without the key: its secrets cannot be read, and that is told without them.
  for (const char* backup : {"bare", "whole"}) {
    const fs::path copy = house.out / (std::string{backup} + "-copy");
    REQUIRE(house.alone({"restore", house.out / backup, "--data", copy}).code == 0);
    const std::string token = line_of(text_of(copy / "token")),
                      name = "the token of " + copy.string();
    hunt.hide_random(name, token);
    hunt.allow(copy.filename() / "token", name);
    if (backup == std::string{"whole"}) {
      CHECK(token == first);
      hunt.allow("whole-copy/token", "the first token");
      hunt.allow("whole-copy/secret.key", "the master key");
      hunt.allow("data/token", name);
      hunt.allow("whole/token", name);
    }
    ServerChild server{copy, house.allowed(), house.out / (std::string{backup} + ".log")};
    const CommandResult list = house.on(copy, {"secret", "list"});
    CHECK((list.out.find("unreadable") != std::string::npos) == (backup == std::string{"bare"}));
    house.on(copy, {"webhook", "test", "relay", "fine"});
    REQUIRE(house.on(copy, {"events", "send", "opened", "--contact", "eve"}).code == 0);
    REQUIRE(house.on(copy, {"resume-sending", "--yes"}).code == 0);
    house.on(copy, {"doctor"});
    house.on(copy, {"logs"});
    for (const std::string& id : deliveries_of(house, copy))
      house.on(copy, {"deliveries", "show", id});
    CHECK(server.stop() == 0);
  }
  hunt.see_files(house.out);
  check_that_all_were_used(house);
  CHECK(hunt.found() == "");
  // What was searched is what was meant.
  for (const char* log : {"first.log", "second.log", "bare.log", "whole.log"})
    CHECK(hunt.in(log).find("server.started") != std::string::npos);
  CHECK(hunt.in("first.log").find(R"("event":"delivery.attempted")") != std::string::npos);
  CHECK(hunt.in("whole/secret.key").size() > 60);
  CHECK(hunt.in("data/onward.db").size() > 10'000);
  CHECK(hunt.in("contacts.ndjson").find("ada") != std::string::npos);
  bool masked = false;
  for (const std::string& id :
       {std::string{"webhook test relay fine --data " + house.data.string()}})
    masked |= hunt.in(id).find("***") != std::string::npos;
  CHECK(masked);  // The echo came back.
}
