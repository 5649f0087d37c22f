// Secrets go through the whole house, past receivers that repeat everything they are sent; then
// they are looked for wherever something is kept or shown.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "engine/api/access.h"
#include "engine/api/resources.h"
#include "engine/core/template/template.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "nodes/nodes.h"
#include "tests/api/front.h"
#include "tests/support/fake_http_client.h"

using namespace onward;

namespace {
namespace fs = std::filesystem;
constexpr std::chrono::seconds kPatience{20};
constexpr std::string_view kKey = "canary/k3y \"one\"";
constexpr std::string_view kPassword = "canary-passw0rd";
constexpr std::string_view kSigning = "whsec_Y2FuYXJ5LXNpZ25pbmcta2V5LW9uZQ==";
constexpr std::string_view kRotated = "canary-signing-two";
constexpr std::string_view kToken = "canary-t0ken";
constexpr std::string_view kHeader = "canary-header-value";
// base64 of jane:canary-passw0rd and of joe:canary-basic-pw
constexpr std::string_view kMade[] = {"amFuZTpjYW5hcnktcGFzc3cwcmQ=",
                                      "am9lOmNhbmFyeS1iYXNpYy1wdw=="};

constexpr const char* kScenario = R"(
scenario: relay
reentry: parallel
nodes:
  any:   { kind: trigger, event: opened, next: fine }
  fine:  { kind: send_webhook, url: "https://crm.example.com/200/{{ secret.key }}?k={{ secret.key }}",
           headers: { X-Key: "{{ secret.key }}" }, auth: { bearer: "{{ secret.token }}" },
           sign: signing, log_response_body: all, next: bad }
  bad:   { kind: send_webhook, url: "https://crm.example.com/400", retry: { permanent: [400] },
           auth: { basic: { username: jane, password: "{{ secret.password }}" } },
           headers: { X-Key: "{{ secret.key }}" }, next: worse }
  worse: { kind: send_webhook, url: "https://crm.example.com/500", auth: { credential: head }, next: last }
  last:  { kind: send_webhook, url: "https://crm.example.com/0", auth: { credential: basic }, next: end }
)";

std::string json_text(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

/// Everything that was sent, as text and as JSON; 4 KiB of it, as the client keeps them.
FakeHttpClient::Answer echo(const HttpRequest& request) {
  const std::string& url = request.url.empty() ? request.request->url : request.url;
  std::string head = url + "\n";
  std::string json;
  for (const auto* headers :
       {request.headers_replaced ? &request.headers : &request.request->headers,
        &request.extra_headers})
    for (const auto& [name, value] : *headers) {
      head += name + ": " + value + "\n";
      json += json_text(name) + ":" + json_text(value) + ",";
    }
  FakeHttpClient::Answer answer;
  answer.body = head + json + std::string(4096, '.');
  answer.body.resize(4096 - 8, '.');
  // The last thing kept is the beginning of a secret, where the receiver was told one.
  answer.body += head.find(kKey) == std::string::npos ? "........" : kKey.substr(0, 8);
  const std::size_t path = url.find(".com/") + 5;
  answer.status = std::stoi(url.substr(path));
  if (answer.status == 0) answer.code = "reset";
  if (request.url.empty() && answer.status == 0) answer.body.clear();
  return answer;
}

struct House {
  House() {
    std::string name = (fs::temp_directory_path() / "onward_canary.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    SqliteOptions sqlite;
    sqlite.folder = folder;
    RuntimeOptions options;
    options.key_file = folder / "secret.key";
    options.log = [this](const LogRecord& record) {
      const std::lock_guard lock{mutex};
      seen += to_line(record, system_clock().now());
      seen += '\n';
    };
    auto opened =
        Runtime::open(open_sqlite_store(sqlite).value(), node_kinds(),
                      std::make_unique<FakeHttpClient>(echo), {}, system_clock(), options);
    if (!opened) throw std::runtime_error(opened.error().message);
    runtime = std::move(*opened);
    AccessOptions access;
    access.find_token = [](std::string_view) {
      return std::optional{TokenRecord{.name = "root", .role = Role::Admin}};
    };
    api = std::make_unique<Api>(all_routes(*runtime, system_clock()), Access{std::move(access)});
    runtime->start();
  }
  ~House() {
    (void)runtime->stop(std::chrono::seconds{5});
    runtime.reset();
    fs::remove_all(folder);
  }
  /// What is answered is seen.
  Told ask(const std::string& method, const std::string& path, const std::string& body = {},
           const std::string& type = "application/json") {
    ApiRequest request;
    request.method = method;
    const std::string_view whole{path};  // The request only looks at it.
    request.path = whole.substr(0, whole.find('?'));
    if (whole.find('?') != whole.npos) request.query = whole.substr(whole.find('?') + 1);
    request.body = body;
    request.headers.emplace_back("Authorization", "Bearer x");
    request.headers.emplace_back("Content-Type", type);
    auto promise = std::make_shared<std::promise<ApiReply>>();
    auto answered = promise->get_future();
    api->handle(
        request, Responder{[promise](Completion completion) {
          promise->set_value(completion.make ? completion.make() : std::move(completion.reply));
        }});
    if (answered.wait_for(kPatience) != std::future_status::ready)
      throw std::runtime_error("no answer to " + path);
    const ApiReply reply = answered.get();
    {
      const std::lock_guard lock{mutex};
      seen += reply.body + "\n";
    }
    Told told{reply.status, reply.body, {}, {}};
    if (reply.content_type.find("json") != std::string::npos)
      told.json = parse_json(reply.body, {.depth = 64}).value();
    return told;
  }
  std::string files() const {
    std::ostringstream all;
    for (const auto& entry : fs::recursive_directory_iterator{folder})
      if (entry.is_regular_file()) all << std::ifstream{entry.path(), std::ios::binary}.rdbuf();
    return all.str();
  }

  fs::path folder;
  std::mutex mutex;
  std::string seen;
  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<Api> api;
};

/// The first secret that stands in `text`, in whatever form; empty where none does.
std::string found_in(const std::string& text) {
  std::vector<std::string> wanted{kMade[0].data(), kMade[1].data(), "canary-basic-pw"};
  for (const std::string_view value : {kKey, kPassword, kSigning, kRotated, kToken, kHeader}) {
    wanted.emplace_back(value);
    wanted.push_back(percent_encode(value));
    wanted.push_back(json_text(value).substr(1, json_text(value).size() - 2));
  }
  wanted.emplace_back(kKey.substr(0, 8));
  for (const std::string& value : wanted)
    if (text.find(value) != std::string::npos) return value;
  return {};
}
}  // namespace

TEST_CASE("no secret is ever found in clear: answers, log, figures, files", "[api][secrets]") {
  House house;
  const auto set = [&](const std::string& path, const std::string& body) {
    REQUIRE(house.ask("PUT", path, body).status < 300);
  };
  const auto value = [](std::string_view text) {
    return R"({"hosts":["crm.example.com"],"value":)" + json_text(text) + "}";
  };
  set("/v1/secrets/key", value(kKey));
  set("/v1/secrets/password", value(kPassword));
  set("/v1/secrets/token", value(kToken));
  set("/v1/secrets/signing", value(kSigning));
  set("/v1/secrets/signing", "{\"rotate\":true,\"value\":" + json_text(kRotated) + "}");
  set("/v1/credentials/head",
      R"({"any_host":true,"header":{"name":"X-Tenant","value":)" + json_text(kHeader) + "}}");
  set("/v1/credentials/basic",
      R"({"basic":{"username":"joe","password":"canary-basic-pw"},"any_host":true})");
  REQUIRE(house.ask("PUT", "/v1/scenarios/relay", kScenario, "application/yaml").status == 201);
  REQUIRE(house.ask("POST", "/v1/scenarios/relay/activate").status == 200);
  for (int i = 0; i < 3; ++i)
    REQUIRE(house.ask("POST", "/v1/events", R"({"type":"opened","contact":{"id":"ada"}})").status ==
            202);

  // Until each node's requests were attempted: accepted, failed, and two kinds of refusal.
  const auto attempted = [&] {
    for (const char* node : {"fine", "bad", "worse", "last"}) {
      const Told told =
          house.ask("GET", std::string{"/v1/scenarios/relay/nodes/"} + node + "/deliveries");
      REQUIRE(told.at("deliveries").list()->size() == 3);
      for (const Value& delivery : *told.at("deliveries").list())
        if (*delivery.find("attempt_count") == Value{0}) return false;
    }
    return true;
  };
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!attempted()) REQUIRE(std::chrono::steady_clock::now() < until);

  std::size_t masked = 0;
  for (const char* node : {"fine", "bad", "worse", "last"}) {
    const std::string path = std::string{"/v1/scenarios/relay/nodes/"} + node;
    const Told list = house.ask("GET", path + "/deliveries");
    for (const Value& delivery : *list.at("deliveries").list()) {
      const Told one = house.ask("GET", "/v1/deliveries/" + *delivery.find("id")->text());
      REQUIRE(one.status == 200);
      if (one.body.find("***") != std::string::npos) ++masked;
    }
    REQUIRE(house.ask("POST", path + "/test").status == 200);
  }
  CHECK(masked >= 9);  // The echo did reach the store; of what was cut off nothing is kept.
  for (const char* path :
       {"/v1/secrets", "/v1/credentials", "/v1/scenarios/relay", "/v1/scenarios/relay/stats",
        "/v1/contacts/ada", "/v1/contacts/ada/runs", "/metrics"})
    REQUIRE(house.ask("GET", path).status == 200);
  CHECK(found_in(house.files()) == "");  // While the journal still holds what was not folded.
  REQUIRE(house.ask("POST", "/v1/secrets/rekey").status == 200);
  REQUIRE(house.ask("PUT", "/v1/secrets/password", value(std::string{kPassword} + "\n")).status ==
          400);
  REQUIRE(house.ask("DELETE", "/v1/secrets/key").status == 409);
  REQUIRE(house.runtime->stop(std::chrono::seconds{5}));
  CHECK(found_in(house.files()) == "");
  CHECK(found_in(house.seen) == "");
  CHECK(house.seen.find("secret.rotated") != std::string::npos);
  CHECK(house.seen.find("delivery.attempted") != std::string::npos);
}
