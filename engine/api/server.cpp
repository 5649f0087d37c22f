#include "engine/api/server.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "engine/api/http_server.h"
#include "engine/api/resources.h"
#include "engine/api/router.h"

namespace onward {
struct Server::Impl {
  ServerOptions options;
  std::optional<Api> api;
  std::unique_ptr<HttpServer> http;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::bind(ServerOptions options) {
  if (options.no_auth && !names_loopback(options.address == "::1" ? "[::1]" : options.address))
    return fail(ErrorKind::Forbidden, "no_auth_in_public",
                fmt::format("A server without tokens listens on loopback only, not on {}.",
                            options.address));
  auto impl = std::make_unique<Impl>();
  HttpServerOptions http;
  http.address = options.address;
  http.port = options.port;
  http.connections_max = options.connections_max;
  http.header_timeout = options.header_timeout;
  http.body_timeout = options.body_timeout;
  http.idle_timeout = options.idle_timeout;
  http.body_max = options.body_max;
  http.tls = options.tls;
  http.log = options.log;
  http.handle = [of = impl.get()](ApiRequest& request, Responder reply) {
    of->api->handle(request, std::move(reply));
  };
  http.admit = [of = impl.get()](const ApiRequest& request) { return of->api->admit(request); };
  impl->options = std::move(options);
  auto bound = HttpServer::bind(std::move(http));
  if (!bound) return tl::make_unexpected(bound.error());
  impl->http = std::move(*bound);
  return std::unique_ptr<Server>{new Server{std::move(impl)}};
}

Status Server::open(Runtime& runtime) {
  const ServerOptions& options = impl_->options;
  const Clock& clock = options.clock ? *options.clock : runtime.clock();
  AccessOptions access;
  access.no_auth = options.no_auth;
  access.find_token = [&runtime](std::string_view sha256) {
    return runtime.shown().find_token(sha256);
  };
  access.clock = &clock;
  const auto refusals = std::make_shared<LoginRefusals>(options.log, clock);
  impl_->api.emplace(all_routes(runtime, clock, options.intake_secrets, refusals),
                     Access{std::move(access)}, options.log, refusals);
  runtime.around_answers(impl_->http->gatherer());
  return impl_->http->open();
}

Result<std::unique_ptr<Server>> Server::listen(Runtime& runtime, ServerOptions options) {
  auto bound = bind(std::move(options));
  if (!bound) return bound;
  if (const Status opened = (*bound)->open(runtime); !opened)
    return tl::make_unexpected(opened.error());
  return bound;
}

std::uint16_t Server::port() const { return impl_->http->port(); }
void Server::replace_tls(std::shared_ptr<const TlsContext> tls) {
  impl_->http->replace_tls(std::move(tls));
}
void Server::start() { impl_->http->start(); }
void Server::stop(Duration patience) { impl_->http->stop(patience); }
}  // namespace onward
