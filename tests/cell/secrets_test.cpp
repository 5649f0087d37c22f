#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/control/secret_book.h"
#include "engine/delivery/attempt.h"
#include "engine/disk/disk_calls.h"
#include "engine/store/memory/memory_store.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage.h"
#include "tests/support/unsynced_disk.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
namespace fs = std::filesystem;
constexpr auto kSecret = SecretKind::Secret;
constexpr auto kCredential = SecretKind::Credential;

constexpr std::string_view kSigned = R"(
scenario: relay
reentry: parallel
nodes:
  any:  { kind: trigger, event: opened, next: tell }
  tell:
    kind: send_webhook
    url: "https://crm.example.com/in"
    headers: { X-Key: "{{ secret.crm_key }}" }
    auth: { credential: crm }
    sign: hook
    next: end
)";

const SecretHosts kAnyHost{SecretHosts::Rule::Any};
constexpr std::string_view kOrigin = "https://crm.example.com:443";

SecretHosts only_to(const std::vector<std::string>& hosts) {
  auto rule = parse_secret_hosts(hosts);
  REQUIRE(rule);
  return *rule;
}

/// Secrets that kSigned names, set.
void set_all(Stage& stage) {
  REQUIRE(stage.engine().secrets().set(kSecret, "crm_key",
                                       {.value = "k3y-value", .hosts = kAnyHost}, "root"));
  REQUIRE(stage.engine().secrets().set(
      kSecret, "hook", {.value = "signing-one", .hosts = only_to({"crm.example.com"})}, "root"));
  REQUIRE(stage.engine().secrets().set(kCredential, "crm",
                                       {.value = "passw0rd",
                                        .scheme = AuthScheme::Basic,
                                        .login = "jane",
                                        .hosts = only_to({"*.example.com"})},
                                       ""));
}

std::string code(const Result<SecretAnswer>& answer) { return answer ? "" : answer.error().code; }
std::optional<std::string> value(Stage& stage, std::string_view name) {
  auto found = stage.engine().control().secrets.values()->secret(name, kOrigin);
  if (!found) return std::nullopt;
  return *std::move(found);
}
SecretInfo only(Stage& stage, SecretKind kind = kSecret) {
  const auto all = stage.engine().secrets().list(kind);
  REQUIRE(all.size() == 1);
  return all.front();
}

/// Where key files of a test stand.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "onward_secrets.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  RuntimeOptions options() const {
    RuntimeOptions options;
    options.key_file = path / "secret.key";
    return options;
  }
  std::string key() const {
    std::ostringstream text;
    text << std::ifstream{path / "secret.key"}.rdbuf();
    return text.str();
  }
  fs::path path;
};
}  // namespace

TEST_CASE("a file that names an unknown secret is refused, and taken when it is set",
          "[cell][secrets]") {
  Stage stage;
  const auto refused = stage.engine().scenarios().apply("relay", std::string{kSigned});
  REQUIRE(refused);
  CHECK(refused->refused);
  CHECK(refused->diagnostics.size() == 3);
  CHECK(refused->diagnostics[0].message.find("onward secret set") != std::string::npos);
  set_all(stage);
  const auto applied = stage.engine().scenarios().apply("relay", std::string{kSigned});
  REQUIRE(applied);
  CHECK_FALSE(applied->refused);
  CHECK(applied->diagnostics.empty());
}

TEST_CASE("an attempt gets the values as they are now, the stored request none",
          "[cell][secrets]") {
  Stage stage;
  set_all(stage);
  stage.apply(kSigned);
  stage.event("ada", "opened");
  REQUIRE(stage.sink().tasks.size() == 1);
  const DeliveryTask task = stage.sink().tasks.front();
  for (const Header& header : task.request->headers) {
    CHECK(header.second.find("k3y-value") == std::string::npos);
    CHECK(header.second.find("passw0rd") == std::string::npos);
  }
  const auto headers = [&] {
    const auto request =
        request_of(task, stage.engine().control().secrets.values().get(), stage.clock().now());
    REQUIRE(request);
    REQUIRE(request->headers.size() >= 2);
    return request->headers[request->headers.size() - 2].second;
  };
  CHECK(headers() == "k3y-value");
  REQUIRE(stage.engine().secrets().set(kSecret, "crm_key", {.value = "another"}, ""));
  CHECK(headers() == "another");
}

TEST_CASE("an empty value keeps the old one", "[cell][secrets]") {
  Stage stage;
  CHECK(code(stage.engine().secrets().set(kSecret, "key", {}, "")) == "no_value");
  const auto made =
      stage.engine().secrets().set(kSecret, "key", {.value = "first", .hosts = kAnyHost}, "");
  REQUIRE(made);
  CHECK(made->created);
  CHECK(made->changed);
  stage.clock().pass(1h);
  const auto kept = stage.engine().secrets().set(kSecret, "key", {}, "");
  REQUIRE(kept);
  CHECK_FALSE(kept->created);
  CHECK_FALSE(kept->changed);
  CHECK(kept->info.set == made->info.set);
  CHECK(value(stage, "key") == "first");
}

TEST_CASE("while a secret is rotated both values sign, until the old one is dropped",
          "[cell][secrets]") {
  Stage stage;
  const auto set = [&](SecretChange change) {
    return stage.engine().secrets().set(kSecret, "hook", change, "");
  };
  const auto signing = [&] {
    return stage.engine().control().secrets.values()->signing("hook", kOrigin).value();
  };
  CHECK(code(set({.value = "first", .rotate = true})) == "unknown_secret");
  REQUIRE(set({.value = "first", .hosts = kAnyHost}));
  CHECK(code(set({.rotate = true})) == "no_value");
  stage.clock().pass(1h);
  REQUIRE(set({.value = "second", .rotate = true}));
  CHECK(signing() == std::vector<std::string>{"second", "first"});
  CHECK(only(stage).rotated == stage.clock().now());
  CHECK(value(stage, "hook") == "second");
  REQUIRE(set({.value = "third", .rotate = true}));
  CHECK(signing() == std::vector<std::string>{"third", "second"});
  CHECK(code(set({.value = "x-y-z", .drop_old = true})) == "conflict");
  REQUIRE(set({.drop_old = true}));
  CHECK(signing() == std::vector<std::string>{"third"});
  CHECK_FALSE(only(stage).rotated);
  CHECK_FALSE(set({.drop_old = true})->changed);
  REQUIRE(set({.value = "fourth", .rotate = true}));
  REQUIRE(set({.value = "fifth"}));
  CHECK(signing() == std::vector<std::string>{"fifth"});
}

TEST_CASE("a credential keeps its value while its username changes", "[cell][secrets]") {
  Stage stage;
  const auto set = [&](SecretChange change) {
    return stage.engine().secrets().set(kCredential, "crm", change, "");
  };
  const auto header = [&] {
    return stage.engine().control().secrets.values()->credential("crm", kOrigin).value().header;
  };
  CHECK(code(set({.value = "passw0rd"})) == "no_scheme");
  CHECK(code(set({.value = "passw0rd", .scheme = AuthScheme::Basic, .login = "a:b"})) ==
        "bad_value");
  REQUIRE(
      set({.value = "passw0rd", .scheme = AuthScheme::Basic, .login = "jane", .hosts = kAnyHost}));
  CHECK(header() == Header{"Authorization", "Basic amFuZTpwYXNzdzByZA=="});
  REQUIRE(set({.scheme = AuthScheme::Basic, .login = "joe"}));
  CHECK(header() == Header{"Authorization", "Basic am9lOnBhc3N3MHJk"});
  CHECK(code(set({.scheme = AuthScheme::Bearer})) == "no_value");
  REQUIRE(set({.value = "t0ken", .scheme = AuthScheme::Bearer}));
  CHECK(header() == Header{"Authorization", "Bearer t0ken"});
  CHECK(only(stage, kCredential).login == "");
}

TEST_CASE("what is wrong is refused without showing the value", "[cell][secrets]") {
  Stage stage;
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"a b", "good-value"}, {"", "good-value"}, {"key", "s3cr3t\n"}, {"key", "s3"}}) {
    const auto answer = stage.engine().secrets().set(kSecret, name, {.value = text}, "");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == ErrorKind::Invalid);
    CHECK(answer.error().message.find(text) == std::string::npos);
  }
  CHECK(stage.engine().secrets().list(kSecret).empty());
}

TEST_CASE("a secret in use stays, unless it is removed by force; then deliveries wait for it",
          "[cell][secrets]") {
  Stage stage;
  set_all(stage);
  stage.apply(kSigned);
  CHECK(only(stage, kCredential).used_by == std::vector<std::string>{"relay"});
  const auto refused = stage.engine().secrets().remove(kSecret, "crm_key", false, "");
  CHECK(code(refused) == "secret_in_use");
  CHECK(refused.error().message.find("relay") != std::string::npos);
  CHECK(code(stage.engine().secrets().remove(kCredential, "crm", false, "")) ==
        "credential_in_use");
  CHECK(code(stage.engine().secrets().remove(kSecret, "crm_kez", false, "")) == "unknown_secret");
  REQUIRE(stage.engine().secrets().remove(kSecret, "crm_key", true, ""));

  stage.event("ada", "opened");
  for (int round = 0; round < 3; ++round) {
    REQUIRE(stage.sink().tasks.size() == 1);
    const DeliveryTask task = stage.sink().tasks.front();
    const auto request =
        request_of(task, stage.engine().control().secrets.values().get(), stage.clock().now());
    REQUIRE_FALSE(request);
    CHECK(request.error().code == "secret_missing");
    stage.sink().tasks.clear();
    REQUIRE(drive(stage.engine(), {}, {result_of(task, request.error(), stage.clock().now())}));
    CHECK(stage.deliveries().at(0).attempts == 0);
    CHECK(stage.deliveries().at(0).due == stage.clock().now() + 30s);
    stage.pass(30s);
  }
  const auto held = stage.engine().scenarios().activate("relay", std::nullopt);
  REQUIRE_FALSE(held);
  CHECK(held.error().message.find("crm_key") != std::string::npos);
  REQUIRE(
      stage.engine().secrets().set(kSecret, "crm_key", {.value = "again", .hosts = kAnyHost}, ""));
  stage.reply(200);
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
}

TEST_CASE("a draft and an archived scenario hold no secret back", "[cell][secrets]") {
  Stage stage;
  set_all(stage);
  stage.apply(kSigned, /*activate=*/false);
  REQUIRE(stage.engine().secrets().remove(kSecret, "crm_key", false, ""));
  REQUIRE(
      stage.engine().secrets().set(kSecret, "crm_key", {.value = "again", .hosts = kAnyHost}, ""));
  REQUIRE(stage.engine().scenarios().activate("relay", std::nullopt));
  stage.event("ada", "opened");
  REQUIRE(stage.engine().scenarios().archive("relay", /*cancel_pending=*/false));
  // What it asked for is still to be sent.
  CHECK(code(stage.engine().secrets().remove(kSecret, "crm_key", false, "")) == "secret_in_use");
  stage.reply(200);
  CHECK(stage.engine().secrets().list(kSecret)[0].used_by.empty());
  CHECK(stage.engine().secrets().remove(kSecret, "crm_key", false, ""));
}

TEST_CASE("secrets outlive the process, sealed; a change of keys leaves them readable",
          "[cell][secrets]") {
  const Folder folder;
  Stage stage{{}, nullptr, folder.options()};
  CHECK(folder.key().empty());
  set_all(stage);
  const std::string first = folder.key();
  CHECK(first.size() > 64);
  stage.restart();
  CHECK(value(stage, "crm_key") == "k3y-value");
  const auto snapshot = stage.engine().store().snapshot();
  REQUIRE(snapshot);
  for (const AdminRecord& row : snapshot->control.admin) {
    CHECK(row.content.find("k3y-value") == std::string::npos);
    CHECK(row.content.find("jane") == std::string::npos);
  }
  const auto rekeyed = stage.engine().secrets().rekey("root");
  REQUIRE(rekeyed);
  CHECK(rekeyed->sealed == 3);
  CHECK(rekeyed->unreadable == 0);
  CHECK(folder.key().size() == first.size());
  CHECK(folder.key() != first);
  stage.restart();
  CHECK(value(stage, "crm_key") == "k3y-value");
  CHECK(stage.engine().control().secrets.values()->credential("crm", kOrigin)->header.second ==

        "Basic amFuZTpwYXNzdzByZA==");
}

TEST_CASE("a change of keys that was cut off is brought to its end at the next start",
          "[cell][secrets]") {
  const Folder folder;
  Stage stage{{}, nullptr, folder.options()};
  set_all(stage);
  {
    // The new key is in the file, and nothing is sealed under it yet.
    auto vault = Vault::open({folder.path / "secret.key", true});
    REQUIRE(vault);
    REQUIRE(vault->add_key());
  }
  const std::string both = folder.key();
  stage.restart();
  CHECK(value(stage, "crm_key") == "k3y-value");
  CHECK(folder.key().size() == both.size() - 65);
  stage.restart();
  CHECK(value(stage, "crm_key") == "k3y-value");
}

TEST_CASE("without their key secrets are unreadable, and all else goes on", "[cell][secrets]") {
  const Folder folder;
  Stage stage{{}, nullptr, folder.options()};
  set_all(stage);
  const std::string key = folder.key();
  fs::remove(folder.path / "secret.key");
  stage.restart();
  CHECK(stage.engine().control().secrets.unreadable() == 3);
  CHECK_FALSE(value(stage, "crm_key"));
  CHECK_FALSE(stage.engine().secrets().list(kSecret)[0].readable);
  CHECK(code(stage.engine().secrets().set(kSecret, "crm_key", {}, "")) == "no_value");
  CHECK(code(stage.engine().secrets().set(kSecret, "crm_key", {.drop_old = true}, "")) ==
        "no_value");

  std::ofstream{folder.path / "secret.key"} << key;
  fs::permissions(folder.path / "secret.key", fs::perms::owner_read | fs::perms::owner_write);
  stage.restart();
  CHECK(value(stage, "crm_key") == "k3y-value");

  fs::remove(folder.path / "secret.key");
  stage.restart();
  REQUIRE(stage.engine().secrets().set(kSecret, "crm_key", {.value = "set anew", .hosts = kAnyHost},
                                       ""));
  CHECK(value(stage, "crm_key") == "set anew");
  CHECK(stage.engine().control().secrets.unreadable() == 2);
  const auto rekeyed = stage.engine().secrets().rekey("");
  REQUIRE(rekeyed);
  CHECK(rekeyed->sealed == 1);
  CHECK(rekeyed->unreadable == 2);
}

TEST_CASE("what was done to secrets is written down, without values", "[cell][secrets]") {
  Stage stage;
  set_all(stage);
  REQUIRE(stage.engine().secrets().set(kSecret, "hook", {.value = "signing-two", .rotate = true},
                                       "jo"));
  REQUIRE(stage.engine().secrets().remove(kSecret, "hook", true, "jo"));
  REQUIRE(stage.engine().secrets().rekey("jo"));
  REQUIRE(stage.engine().store().fold());
  const auto reader = stage.engine().store().open_reader();
  REQUIRE(reader);
  std::string lines;
  const auto written = (*reader)->activity("", 100, "");
  REQUIRE(written);
  for (const auto& [number, row] : written->rows)
    lines += row.what + " " + row.text + " " + row.who + "\n";
  CHECK(lines ==
        "secret.rekeyed new master key jo\nsecret.removed hook jo\nsecret.rotated hook jo\n"
        "credential.hosts_set crm: *.example.com \ncredential.set crm \n"
        "secret.hosts_set hook: crm.example.com root\nsecret.set hook root\n"
        "secret.hosts_set crm_key: any host root\nsecret.set crm_key root\n");
}

TEST_CASE("the test button sends what the node would, recorded nowhere", "[cell][secrets]") {
  Stage stage;
  set_all(stage);
  stage.apply(kSigned, /*activate=*/false);
  const auto task = stage.engine().secrets().webhook_test("relay", "tell");
  REQUIRE(task);
  CHECK(task->webhook_id.size() == std::string_view{"test_evt_GppedVq2CWTWxUUxrm26bic0C"}.size());
  CHECK(task->request->body.find(R"({"id":")" + task->webhook_id) == 0);
  CHECK(task->policy->sign == "hook");
  CHECK(stage.deliveries().empty());
  const auto fault = [&](const char* scenario, const char* node) {
    const auto refused = stage.engine().secrets().webhook_test(scenario, node);
    return refused ? "" : refused.error().code;
  };
  CHECK(fault("relai", "tell") == "unknown_scenario");
  CHECK(fault("relay", "tel") == "unknown_node");
  CHECK(fault("relay", "any") == "sends_nothing");
}

TEST_CASE("the test button sends the payload that S2 prints", "[cell][secrets]") {
  std::ifstream in{"tests/golden/automation_test.json"};
  std::ostringstream text;
  text << in.rdbuf();
  auto printed = parse_json(text.str());
  REQUIRE(printed);
  Stage stage;
  stage.apply(
      "scenario: relay\nnodes:\n"
      "  any: {kind: trigger, event: subscription, next: tell}\n"
      "  tell: {kind: send_webhook, url: \"https://crm.example.com/in\", next: end}\n",
      /*activate=*/false);
  const auto task = stage.engine().secrets().webhook_test("relay", "tell");
  REQUIRE(task);
  // All but what differs from one press of the button to the next, and between accounts.
  const auto sent = parse_json(task->request->body);
  REQUIRE(sent);
  const std::string& id = *sent->find("id")->text();
  CHECK(id.starts_with("test_evt_"));
  CHECK(id.size() == printed->find("id")->text()->size());
  for (const char* name : {"id", "timestamp", "idClient"}) printed->set(name, *sent->find(name));
  CHECK(task->request->body == to_json(*printed));
}

// ---- hosts ----

namespace {
/// `place` is a setting of the node that sends, at the host `host`.
std::string scenario_to(const std::string& host, const std::string& place) {
  return "scenario: relay\nreentry: parallel\nnodes:\n"
         "  any:  { kind: trigger, event: opened, next: tell }\n"
         "  tell:\n    kind: send_webhook\n    url: \"https://" +
         host + "/in\"\n    " + place + "\n    next: end\n";
}

/// Each way in which a node names the secret "key" or the credential "crm".
const std::vector<std::pair<SecretKind, std::string>> kNamings{
    {kSecret, R"(query: { k: "{{ secret.key }}" })"},
    {kSecret, R"(query: "k={{ secret.key }}")"},
    {kSecret, R"(headers: { X-Key: "{{ secret.key }}" })"},
    {kSecret, R"(headers: { X-Key: "a {{ secret.key }} b" })"},
    {kSecret, R"(auth: { bearer: "{{ secret.key }}" })"},
    {kSecret, R"(auth: { basic: { username: jane, password: "{{ secret.key }}" } })"},
    {kSecret, R"(auth: { basic: { username: "{{ secret.key }}", password: "x" } })"},
    {kSecret, R"(sign: key)"},
    {kCredential, R"(auth: { credential: crm })"},
};

/// The secret "key" and the credential "crm", for `hosts`.
void set_both(Stage& stage, const SecretHosts& hosts) {
  REQUIRE(
      stage.engine().secrets().set(kSecret, "key", {.value = "k3y-value", .hosts = hosts}, "root"));
  REQUIRE(stage.engine().secrets().set(
      kCredential, "crm", {.value = "t0ken", .scheme = AuthScheme::Bearer, .hosts = hosts},
      "root"));
}

void set_hosts(Stage& stage, const SecretHosts& hosts) {
  REQUIRE(stage.engine().secrets().set(kSecret, "key", {.hosts = hosts}, "root"));
  REQUIRE(stage.engine().secrets().set(kCredential, "crm", {.hosts = hosts}, "root"));
}
}  // namespace

TEST_CASE("a file that sends a secret to another host is refused at the URL, for each naming",
          "[cell][secrets]") {
  Stage stage;
  set_both(stage, only_to({"crm.example.com", "*.example.org"}));
  for (const auto& [kind, naming] : kNamings) {
    CAPTURE(naming);
    const auto refused =
        stage.engine().scenarios().apply("relay", scenario_to("evil.example.com", naming));
    REQUIRE(refused);
    CHECK(refused->refused);
    REQUIRE(refused->diagnostics.size() == 1);
    const Diagnostic& one = refused->diagnostics[0];
    CHECK(one.code == kSecretHostRefused);
    CHECK(one.severity == Severity::Error);
    CHECK(one.at == Position{7, 10});
    const std::string name = kind == kSecret ? "secret \"key\"" : "credential \"crm\"";
    CHECK(one.message.find("node \"tell\": the " + name +
                           " may not be sent to evil.example.com; allowed: *.example.org, "
                           "crm.example.com") != std::string::npos);
    CHECK(one.message.find("--keep --host \"*.example.org\" --host crm.example.com --host "
                           "evil.example.com") != std::string::npos);
    for (const char* host : {"crm.example.com", "crm.example.com:8443", "a.b.example.org"}) {
      const auto applied = stage.engine().scenarios().apply("relay", scenario_to(host, naming));
      REQUIRE(applied);
      CHECK(applied->diagnostics.empty());
    }
  }
  // In the URL itself, where another place could be at fault as well.
  std::string text = scenario_to("evil.example.com/{{ secret.key }}", "method: POST");
  CHECK(stage.engine().scenarios().apply("relay", text)->refused);
  // A host cannot be made of a placeholder, so what is checked is what is called.
  text = scenario_to("{{ contact.id }}.example.com", kNamings[2].second);
  const auto placed = stage.engine().scenarios().apply("relay", text);
  REQUIRE(placed);
  CHECK(placed->diagnostics.front().code == "placeholder_in_host");
}

TEST_CASE("hosts that change later: no request leaves, deliveries wait until the host is allowed",
          "[cell][secrets]") {
  for (const auto& [kind, naming] : kNamings) {
    CAPTURE(naming);
    Stage stage;
    set_both(stage, {SecretHosts::Rule::Any});
    stage.apply(scenario_to("crm.example.com", naming));
    set_hosts(stage, only_to({"other.example.com"}));
    const SecretInfo info = only(stage, kind);
    CHECK(info.sent_to == std::vector<std::string>{"crm.example.com"});
    CHECK(info.refused_hosts == info.sent_to);
    CHECK(info.used_by == std::vector<std::string>{"relay"});

    stage.event("ada", "opened");
    for (int round = 0; round < 3; ++round) {
      REQUIRE(stage.sink().tasks.size() == 1);
      const DeliveryTask task = stage.sink().tasks.front();
      const auto request =
          request_of(task, stage.engine().control().secrets.values().get(), stage.clock().now());
      REQUIRE_FALSE(request);
      CHECK(request.error().code == kSecretHostRefused);
      stage.sink().tasks.clear();
      REQUIRE(drive(stage.engine(), {}, {result_of(task, request.error(), stage.clock().now())}));
      CHECK(stage.deliveries().at(0).pending());
      CHECK(stage.deliveries().at(0).attempts == 0);
      CHECK(stage.deliveries().at(0).due == stage.clock().now() + 30s);
      stage.pass(30s);
    }
    REQUIRE(stage.engine().scenarios().hold("relay", ""));
    const auto held = stage.engine().scenarios().activate("relay", std::nullopt);
    REQUIRE_FALSE(held);
    CHECK(held.error().code == kSecretHostRefused);
    CHECK(held.error().message.find("crm.example.com; allowed: other.example.com") !=
          std::string::npos);
    // The same text is not taken again either: the file is checked anew.
    CHECK(stage.engine()
              .scenarios()
              .apply("relay", scenario_to("crm.example.com", naming) + "\n")
              ->refused);

    set_hosts(stage, only_to({"crm.example.com", "other.example.com"}));
    CHECK(only(stage, kind).refused_hosts.empty());
    REQUIRE(stage.sink().tasks.size() == 1);
    CHECK(request_of(stage.sink().tasks.front(), stage.engine().control().secrets.values().get(),
                     stage.clock().now()));
    stage.reply(200);
    CHECK(stage.counts("tell")[Counter::Accepted] == 1);
    CHECK(stage.engine().scenarios().activate("relay", std::nullopt));
  }
}

TEST_CASE("a host that is refused until the end of the window is asked for once more, then fails",
          "[cell][secrets]") {
  Stage stage;
  set_both(stage, {SecretHosts::Rule::Any});
  stage.apply(scenario_to("crm.example.com", kNamings[2].second));
  set_hosts(stage, only_to({"other.example.com"}));
  const Instant from = stage.clock().now();
  stage.event("ada", "opened");
  bool last = false;
  while (!last) {
    REQUIRE(stage.clock().now() <= from + 12h);
    REQUIRE(stage.sink().tasks.size() == 1);
    const DeliveryTask task = stage.sink().tasks.front();
    last = task.last;
    const auto request =
        request_of(task, stage.engine().control().secrets.values().get(), stage.clock().now());
    REQUIRE_FALSE(request);
    stage.sink().tasks.clear();
    REQUIRE(drive(stage.engine(), {}, {result_of(task, request.error(), stage.clock().now())}));
    CHECK(stage.deliveries().at(0).pending() != last);
    if (!last) stage.pass(30s);
  }
  CHECK(stage.clock().now() == from + 12h);
  CHECK(stage.deliveries().at(0).state == DeliveryState::Failed);
  CHECK(stage.deliveries().at(0).reason == kSecretHostRefused);
  CHECK(stage.broken() == "");
}

TEST_CASE("a new secret must have hosts, a known one keeps them", "[cell][secrets]") {
  const Folder folder;
  Stage stage{{}, nullptr, folder.options()};
  const auto set = [&](SecretKind kind, SecretChange change) {
    return stage.engine().secrets().set(kind, kind == kSecret ? "key" : "crm", change, "root");
  };
  for (const SecretKind kind : {kSecret, kCredential}) {
    const AuthScheme scheme = kind == kSecret ? AuthScheme::None : AuthScheme::Bearer;
    const auto refused = set(kind, {.value = "first", .scheme = scheme});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "no_hosts");
    CHECK(refused.error().message.find("--host crm.example.com") != std::string::npos);
    CHECK(refused.error().message.find("--any-host") != std::string::npos);
    CHECK(refused.error().message.find("first") == std::string::npos);
    REQUIRE(set(kind, {.value = "first", .scheme = scheme, .hosts = only_to({"a.example.com"})}));
    REQUIRE(set(kind, {.value = "second", .scheme = scheme}));
    CHECK(only(stage, kind).hosts == only_to({"a.example.com"}));
    const auto moved = set(kind, {.hosts = only_to({"b.example.com"})});
    REQUIRE(moved);
    CHECK(moved->changed);
    CHECK_FALSE(set(kind, {.hosts = only_to({"b.example.com"})})->changed);
    stage.restart();
    REQUIRE(stage.engine().secrets().rekey(""));
    stage.restart();
    CHECK(only(stage, kind).hosts == only_to({"b.example.com"}));
    CHECK(stage.engine().control().secrets.without_hosts().empty());
  }
  CHECK(code(set(kSecret, {.drop_old = true, .hosts = kAnyHost})) == "conflict");
  CHECK(value(stage, "key") == std::nullopt);  // not for crm.example.com
  CHECK(*stage.engine().control().secrets.values()->secret("key", "https://b.example.com:443") ==
        "second");

  // One that cannot be read has hosts that nobody knows: they are not widened in silence.
  fs::remove(folder.path / "secret.key");
  stage.restart();
  CHECK(code(set(kSecret, {.value = "third"})) == "no_hosts");
  REQUIRE(set(kSecret, {.value = "third", .hosts = only_to({"c.example.com"})}));
}

TEST_CASE("secrets that were stored before they had hosts go on, and are told", "[cell][secrets]") {
  std::vector<std::string> told;
  const Folder folder;
  RuntimeOptions options = folder.options();
  options.log = [&](const LogRecord& record) {
    if (record.level == LogLevel::Warning) told.emplace_back(record.event);
  };
  Stage stage{{}, nullptr, options};
  set_both(stage, SecretHosts{});  // The row that an earlier version wrote has no hosts either.
  CHECK(stage.engine().control().secrets.without_hosts() ==
        std::vector<std::string>{"secret key", "credential crm"});
  stage.restart();
  CHECK(told == std::vector<std::string>{"secrets.without_hosts"});
  for (const auto& [kind, naming] : kNamings) {
    CAPTURE(naming);
    const auto applied =
        stage.engine().scenarios().apply("relay", scenario_to("crm.example.com", naming));
    REQUIRE(applied);
    CHECK_FALSE(applied->refused);
    REQUIRE(applied->diagnostics.size() == 1);
    CHECK(applied->diagnostics[0].code == "secret_without_hosts");
    CHECK(applied->diagnostics[0].severity == Severity::Warning);
    CHECK(applied->diagnostics[0].message.find("--keep --host crm.example.com") !=
          std::string::npos);
  }
  REQUIRE(stage.engine().scenarios().activate("relay", std::nullopt));
  stage.event("ada", "opened");
  REQUIRE(stage.sink().tasks.size() == 1);
  CHECK(request_of(stage.sink().tasks.front(), stage.engine().control().secrets.values().get(),
                   stage.clock().now()));
  // A new value leaves it as it is: nothing that works stops working.
  REQUIRE(stage.engine().secrets().set(kSecret, "key", {.value = "another"}, ""));
  CHECK(only(stage).hosts.rule == SecretHosts::Rule::Unset);
  set_hosts(stage, only_to({"crm.example.com"}));
  CHECK(stage.engine().control().secrets.without_hosts().empty());
  stage.restart();
  CHECK(told.size() == 1);
  const auto applied =
      stage.engine().scenarios().apply("relay", scenario_to("crm.example.com", kNamings[2].second));
  REQUIRE(applied);
  CHECK(applied->diagnostics.empty());
}

TEST_CASE("no secret is sealed before its key is durable", "[cell][secrets][power]") {
  const Folder folder;
  UnsyncedDisk disk{folder.path};
  const ReplacedDiskCalls replaced{disk};
  const auto open_book = [&](const fs::path& key, const std::vector<AdminRecord>& rows) {
    auto vault = Vault::open({key});
    REQUIRE(vault);
    return SecretBook{std::move(*vault), ControlSnapshot{.admin = rows}};
  };
  // The rows can be committed, and survive a power failure, from here on.
  const auto check = [&](const std::vector<AdminRecord>& rows) {
    REQUIRE_FALSE(rows.empty());
    const Folder next;
    for (const Files& files : disk.left_now()) {
      replace_files(next.path, files);
      CHECK(open_book(next.path / "secret.key", rows).unreadable() == 0);
    }
  };
  const Instant now{1s};
  std::vector<AdminRecord> rows;
  std::string first;
  {
    SecretBook book = open_book(folder.path / "secret.key", {});
    const auto set = book.set(kSecret, "a", {.value = "k3y-value", .hosts = kAnyHost}, "root", now);
    REQUIRE(set);
    rows = set->change.rows;
    check(rows);
    book.adopt(set->change);
    first = folder.key();
    const auto rekeyed = book.rekey("root", now);
    REQUIRE(rekeyed);
    check(rekeyed->rows);
    check(rows);
  }
  // A process that changes keys ends before any of it is durable, and the next one finishes.
  std::size_t found = 0;
  for (std::size_t call = 0; call < 7; ++call) {
    INFO("ends at call " << call);
    const Folder other;
    replace_files(other.path, {{"secret.key", first}});
    UnsyncedDisk other_disk{other.path};
    const ReplacedDiskCalls again{other_disk};
    other_disk.end_at(call);
    SecretBook book = open_book(other.path / "secret.key", rows);
    CHECK_THROWS_AS(book.rekey("root", now), ProcessEnded);
    other_disk.end_at(static_cast<std::size_t>(-1));
    SecretBook next = open_book(other.path / "secret.key", rows);
    const auto sealed = next.reseal();
    REQUIRE(sealed);
    if (sealed->rows.empty()) continue;
    ++found;
    const Folder after;
    for (const Files& files : other_disk.left_now()) {
      replace_files(after.path, files);
      CHECK(open_book(after.path / "secret.key", sealed->rows).unreadable() == 0);
    }
  }
  CHECK(found == 2);  // Between the rename and the sync of the folder.
}

TEST_CASE("the old key stays in its file until what the new one sealed is on the disk",
          "[cell][secrets]") {
  const Folder folder;
  const auto faults = std::make_shared<Faults>();
  Stage stage{{}, make_faulty_store(make_memory_store(), faults), folder.options()};
  set_all(stage);
  const std::string before = folder.key();
  faults->unsyncable = true;
  CHECK_FALSE(stage.engine().secrets().rekey("root"));
  CHECK(folder.key().find(before.substr(before.find('\n') + 1)) != std::string::npos);
  CHECK(folder.key() != before);
}
