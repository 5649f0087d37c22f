#include "tests/api/front.h"
#include "engine/host/runtime.h"

#include <chrono>
#include <future>
#include <stdexcept>

#include "engine/api/access.h"
#include "engine/api/resources.h"
#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"
#include "tests/support/fake_http_client.h"

namespace onward {
namespace {
constexpr std::chrono::seconds kPatience{20};
}  // namespace

const Value& Told::at(std::string_view path) const {
  static const Value kNothing;
  const Value* found = json.find_path(path);
  return found ? *found : kNothing;
}

Front::Front(bool start) : Front{make_memory_store(), node_kinds(), {}, start} {}

Front::Front(std::unique_ptr<Store> store, const NodeKinds& kinds, LogSink log, bool start)
    : log_{std::move(log)} {
  auto client = std::make_unique<FakeHttpClient>(
      [status = status_](const HttpRequest&) { return FakeHttpClient::Answer{.status = *status}; });
  client_ = client.get();
  auto opened =
      Runtime::open(std::move(store), kinds, std::move(client), {}, system_clock(), {.log = log_});
  if (!opened) throw std::runtime_error(opened.error().message);
  runtime_ = std::move(*opened);
  api_ = std::make_unique<Api>(another({}));
  contract_ = std::make_unique<Contract>(api_->router().routes());
  if (start) runtime_->start();
}

Api Front::another(const IntakeSecrets& secrets) const {
  AccessOptions access;
  access.find_token = [this](std::string_view hash) -> std::optional<TokenRecord> {
    for (const auto& [token, role] :
         {std::pair{"read", Role::Read}, std::pair{"ingest", Role::Ingest},
          std::pair{"metrics", Role::Metrics}, std::pair{"author", Role::Author},
          std::pair{"admin", Role::Admin}})
      if (sha256_hex(token) == hash)
        return TokenRecord{.sha256 = std::string{hash}, .name = token, .role = role};
    return runtime_->shown().find_token(hash);
  };
  return Api{all_routes(*runtime_, system_clock(), secrets), Access{std::move(access)}, log_};
}

Front::~Front() { (void)runtime_->stop(std::chrono::seconds{5}); }

Told Front::ask(const Ask& what) const {
  ApiRequest request;
  request.method = what.method;
  request.path = what.path;
  request.query = what.query;
  request.body = what.body;
  const std::string authorization = "Bearer " + what.token;
  if (!what.token.empty()) request.headers.emplace_back("Authorization", authorization);
  if (!what.body.empty()) request.headers.emplace_back("Content-Type", what.content_type);
  if (!what.accept.empty()) request.headers.emplace_back("Accept", what.accept);
  auto promise = std::make_shared<std::promise<ApiReply>>();
  auto answered = promise->get_future();
  api_->handle(
      request, Responder{[promise](Completion completion) {
        promise->set_value(completion.make ? completion.make() : std::move(completion.reply));
      }});
  if (answered.wait_for(kPatience) != std::future_status::ready)
    throw std::runtime_error("no answer to " + what.method + " " + what.path);
  ApiReply reply = answered.get();
  if (reply.shared_body) reply.body = *reply.shared_body;
  if (const std::string broken = contract_->breach(api_->router(), request, reply); !broken.empty())
    throw std::runtime_error(what.method + " " + what.path + ": " + broken + "\n" + reply.body);
  Told told{reply.status, reply.body, {}, reply.headers};
  if (reply.content_type.find("json") != std::string::npos &&
      reply.content_type.find("ndjson") == std::string::npos) {
    auto json = parse_json(reply.body, {.depth = 64});
    if (!json) throw std::runtime_error("bad JSON: " + reply.body);
    told.json = std::move(*json);
  }
  return told;
}

Told Front::get(const std::string& path, const std::string& query) const {
  return ask({.method = "GET", .path = path, .query = query});
}
Told Front::post(const std::string& path, const std::string& body) const {
  return ask({.method = "POST", .path = path, .body = body});
}
Told Front::put(const std::string& path, const std::string& body) const {
  return ask({.method = "PUT", .path = path, .body = body});
}

std::vector<std::string> Front::sent() const {
  std::vector<std::string> all;
  for (const HttpRequest& request : client_->seen()) {
    std::string text = request.url.empty() ? request.request->url : request.url;
    for (const auto* headers :
         {request.headers_replaced ? &request.headers : &request.request->headers,
          &request.extra_headers})
      for (const auto& [name, value] : *headers) text += "\n" + name + ": " + value;
    all.push_back(std::move(text));
  }
  return all;
}

Told Front::settled(const std::string& scenario) const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    Told told = get("/v1/scenarios/" + scenario + "/stats");
    std::int64_t pending = 0;
    if (const ValueList* nodes = told.at("live.nodes").list())
      for (const Value& node : *nodes)
        if (const auto* count = node.find("pending")->get_if<std::int64_t>()) pending += *count;
    if (pending == 0) return told;
  }
  throw std::runtime_error("deliveries of " + scenario + " stay pending");
}
}  // namespace onward
