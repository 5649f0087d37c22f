#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/delivery/attempt.h"
#include "engine/store/memory_store.h"
#include "tests/support/stage.h"

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

/// Secrets that kSigned names, set.
void set_all(Stage& stage) {
  REQUIRE(stage.engine().set_secret(kSecret, "crm_key", {.value = "k3y-value"}, "root"));
  REQUIRE(stage.engine().set_secret(kSecret, "hook", {.value = "signing-one"}, "root"));
  REQUIRE(stage.engine().set_secret(
      kCredential, "crm", {.value = "passw0rd", .scheme = AuthScheme::Basic, .login = "jane"}, ""));
}

std::string code(const Result<SecretAnswer>& answer) { return answer ? "" : answer.error().code; }
std::optional<std::string> value(Stage& stage, std::string_view name) {
  return stage.engine().secrets().values()->secret(name);
}
SecretInfo only(Stage& stage, SecretKind kind = kSecret) {
  const auto all = stage.engine().list_secrets(kind);
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
          "[runtime][secrets]") {
  Stage stage;
  const auto refused = stage.engine().apply("relay", std::string{kSigned});
  REQUIRE(refused);
  CHECK(refused->refused);
  CHECK(refused->diagnostics.size() == 3);
  CHECK(refused->diagnostics[0].message.find("onward secret set") != std::string::npos);
  set_all(stage);
  const auto applied = stage.engine().apply("relay", std::string{kSigned});
  REQUIRE(applied);
  CHECK_FALSE(applied->refused);
  CHECK(applied->diagnostics.empty());
}

TEST_CASE("an attempt gets the values as they are now, the stored request none",
          "[runtime][secrets]") {
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
        request_of(task, stage.engine().secrets().values().get(), stage.clock().now());
    REQUIRE(request);
    REQUIRE(request->headers.size() >= 2);
    return request->headers[request->headers.size() - 2].second;
  };
  CHECK(headers() == "k3y-value");
  REQUIRE(stage.engine().set_secret(kSecret, "crm_key", {.value = "another"}, ""));
  CHECK(headers() == "another");
}

TEST_CASE("an empty value keeps the old one", "[runtime][secrets]") {
  Stage stage;
  CHECK(code(stage.engine().set_secret(kSecret, "key", {}, "")) == "no_value");
  const auto made = stage.engine().set_secret(kSecret, "key", {.value = "first"}, "");
  REQUIRE(made);
  CHECK(made->created);
  CHECK(made->changed);
  stage.clock().pass(1h);
  const auto kept = stage.engine().set_secret(kSecret, "key", {}, "");
  REQUIRE(kept);
  CHECK_FALSE(kept->created);
  CHECK_FALSE(kept->changed);
  CHECK(kept->info.set == made->info.set);
  CHECK(value(stage, "key") == "first");
}

TEST_CASE("while a secret is rotated both values sign, until the old one is dropped",
          "[runtime][secrets]") {
  Stage stage;
  const auto set = [&](SecretChange change) {
    return stage.engine().set_secret(kSecret, "hook", change, "");
  };
  const auto signing = [&] { return stage.engine().secrets().values()->signing("hook"); };
  CHECK(code(set({.value = "first", .rotate = true})) == "unknown_secret");
  REQUIRE(set({.value = "first"}));
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

TEST_CASE("a credential keeps its value while its username changes", "[runtime][secrets]") {
  Stage stage;
  const auto set = [&](SecretChange change) {
    return stage.engine().set_secret(kCredential, "crm", change, "");
  };
  const auto header = [&] { return *stage.engine().secrets().values()->credential("crm"); };
  CHECK(code(set({.value = "passw0rd"})) == "no_scheme");
  CHECK(code(set({.value = "passw0rd", .scheme = AuthScheme::Basic, .login = "a:b"})) ==
        "bad_value");
  REQUIRE(set({.value = "passw0rd", .scheme = AuthScheme::Basic, .login = "jane"}));
  CHECK(header() == Header{"Authorization", "Basic amFuZTpwYXNzdzByZA=="});
  REQUIRE(set({.scheme = AuthScheme::Basic, .login = "joe"}));
  CHECK(header() == Header{"Authorization", "Basic am9lOnBhc3N3MHJk"});
  CHECK(code(set({.scheme = AuthScheme::Bearer})) == "no_value");
  REQUIRE(set({.value = "t0ken", .scheme = AuthScheme::Bearer}));
  CHECK(header() == Header{"Authorization", "Bearer t0ken"});
  CHECK(only(stage, kCredential).login == "");
}

TEST_CASE("what is wrong is refused without showing the value", "[runtime][secrets]") {
  Stage stage;
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"a b", "good-value"}, {"", "good-value"}, {"key", "s3cr3t\n"}, {"key", "s3"}}) {
    const auto answer = stage.engine().set_secret(kSecret, name, {.value = text}, "");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == ErrorKind::Invalid);
    CHECK(answer.error().message.find(text) == std::string::npos);
  }
  CHECK(stage.engine().list_secrets(kSecret).empty());
}

TEST_CASE("a secret in use stays, unless it is removed by force; then deliveries wait for it",
          "[runtime][secrets]") {
  Stage stage;
  set_all(stage);
  stage.apply(kSigned);
  CHECK(only(stage, kCredential).used_by == std::vector<std::string>{"relay"});
  const auto refused = stage.engine().remove_secret(kSecret, "crm_key", false, "");
  CHECK(code(refused) == "secret_in_use");
  CHECK(refused.error().message.find("relay") != std::string::npos);
  CHECK(code(stage.engine().remove_secret(kCredential, "crm", false, "")) == "credential_in_use");
  CHECK(code(stage.engine().remove_secret(kSecret, "crm_kez", false, "")) == "unknown_secret");
  REQUIRE(stage.engine().remove_secret(kSecret, "crm_key", true, ""));

  stage.event("ada", "opened");
  for (int round = 0; round < 3; ++round) {
    REQUIRE(stage.sink().tasks.size() == 1);
    const DeliveryTask task = stage.sink().tasks.front();
    const auto request =
        request_of(task, stage.engine().secrets().values().get(), stage.clock().now());
    REQUIRE_FALSE(request);
    CHECK(request.error().code == "secret_missing");
    stage.sink().tasks.clear();
    REQUIRE(stage.engine().work({}, {result_of(task, request.error(), stage.clock().now())}));
    CHECK(stage.deliveries().at(0).attempts == 0);
    CHECK(stage.deliveries().at(0).due == stage.clock().now() + 30s);
    stage.pass(30s);
  }
  const auto held = stage.engine().activate("relay", std::nullopt);
  REQUIRE_FALSE(held);
  CHECK(held.error().message.find("crm_key") != std::string::npos);
  REQUIRE(stage.engine().set_secret(kSecret, "crm_key", {.value = "again"}, ""));
  stage.reply(200);
  CHECK(stage.counts("tell")[Counter::Accepted] == 1);
}

TEST_CASE("a draft and an archived scenario hold no secret back", "[runtime][secrets]") {
  Stage stage;
  set_all(stage);
  stage.apply(kSigned, /*activate=*/false);
  REQUIRE(stage.engine().remove_secret(kSecret, "crm_key", false, ""));
  REQUIRE(stage.engine().set_secret(kSecret, "crm_key", {.value = "again"}, ""));
  REQUIRE(stage.engine().activate("relay", std::nullopt));
  stage.event("ada", "opened");
  REQUIRE(stage.engine().archive("relay", /*cancel_pending=*/false));
  // What it asked for is still to be sent.
  CHECK(code(stage.engine().remove_secret(kSecret, "crm_key", false, "")) == "secret_in_use");
  stage.reply(200);
  CHECK(stage.engine().list_secrets(kSecret)[0].used_by.empty());
  CHECK(stage.engine().remove_secret(kSecret, "crm_key", false, ""));
}

TEST_CASE("secrets outlive the process, sealed; a change of keys leaves them readable",
          "[runtime][secrets]") {
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
  for (const AdminRecord& row : snapshot->admin) {
    CHECK(row.content.find("k3y-value") == std::string::npos);
    CHECK(row.content.find("jane") == std::string::npos);
  }
  const auto rekeyed = stage.engine().rekey("root");
  REQUIRE(rekeyed);
  CHECK(rekeyed->sealed == 3);
  CHECK(rekeyed->unreadable == 0);
  CHECK(folder.key().size() == first.size());
  CHECK(folder.key() != first);
  stage.restart();
  CHECK(value(stage, "crm_key") == "k3y-value");
  CHECK(stage.engine().secrets().values()->credential("crm")->second ==
        "Basic amFuZTpwYXNzdzByZA==");
}

TEST_CASE("a change of keys that was cut off is brought to its end at the next start",
          "[runtime][secrets]") {
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

TEST_CASE("without their key secrets are unreadable, and all else goes on", "[runtime][secrets]") {
  const Folder folder;
  Stage stage{{}, nullptr, folder.options()};
  set_all(stage);
  const std::string key = folder.key();
  fs::remove(folder.path / "secret.key");
  stage.restart();
  CHECK(stage.engine().secrets().unreadable() == 3);
  CHECK_FALSE(value(stage, "crm_key"));
  CHECK_FALSE(stage.engine().list_secrets(kSecret)[0].readable);
  CHECK(code(stage.engine().set_secret(kSecret, "crm_key", {}, "")) == "no_value");

  std::ofstream{folder.path / "secret.key"} << key;
  fs::permissions(folder.path / "secret.key", fs::perms::owner_read | fs::perms::owner_write);
  stage.restart();
  CHECK(value(stage, "crm_key") == "k3y-value");

  fs::remove(folder.path / "secret.key");
  stage.restart();
  REQUIRE(stage.engine().set_secret(kSecret, "crm_key", {.value = "set anew"}, ""));
  CHECK(value(stage, "crm_key") == "set anew");
  CHECK(stage.engine().secrets().unreadable() == 2);
  const auto rekeyed = stage.engine().rekey("");
  REQUIRE(rekeyed);
  CHECK(rekeyed->sealed == 1);
  CHECK(rekeyed->unreadable == 2);
}

TEST_CASE("what was done to secrets is written down, without values", "[runtime][secrets]") {
  Stage stage;
  set_all(stage);
  REQUIRE(
      stage.engine().set_secret(kSecret, "hook", {.value = "signing-two", .rotate = true}, "jo"));
  REQUIRE(stage.engine().remove_secret(kSecret, "hook", true, "jo"));
  REQUIRE(stage.engine().rekey("jo"));
  REQUIRE(stage.engine().fold());
  const auto reader = stage.engine().store().open_reader();
  REQUIRE(reader);
  std::string lines;
  const auto written = (*reader)->activity("", 100, "");
  REQUIRE(written);
  for (const auto& [number, row] : written->rows)
    lines += row.what + " " + row.text + " " + row.who + "\n";
  CHECK(lines ==
        "secret.rekeyed new master key jo\nsecret.removed hook jo\nsecret.rotated hook jo\n"
        "credential.set crm \nsecret.set hook root\nsecret.set crm_key root\n");
}

TEST_CASE("the test button sends what the node would, recorded nowhere", "[runtime][secrets]") {
  Stage stage;
  set_all(stage);
  stage.apply(kSigned, /*activate=*/false);
  const auto task = stage.engine().webhook_test("relay", "tell");
  REQUIRE(task);
  CHECK(task->webhook_id.size() == std::string_view{"test_evt_GppedVq2CWTWxUUxrm26bic0C"}.size());
  CHECK(task->request->body.find(R"({"id":")" + task->webhook_id) == 0);
  CHECK(task->policy->sign == "hook");
  CHECK(stage.deliveries().empty());
  const auto fault = [&](const char* scenario, const char* node) {
    const auto refused = stage.engine().webhook_test(scenario, node);
    return refused ? "" : refused.error().code;
  };
  CHECK(fault("relai", "tell") == "unknown_scenario");
  CHECK(fault("relay", "tel") == "unknown_node");
  CHECK(fault("relay", "any") == "sends_nothing");
}

TEST_CASE("the test button sends the payload that S2 prints", "[runtime][secrets]") {
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
  const auto task = stage.engine().webhook_test("relay", "tell");
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
