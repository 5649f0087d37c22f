#include "engine/api/server.h"

#include <fmt/format.h>

#include "engine/api/http_server.h"
#include "engine/api/resources.h"
#include "engine/api/router.h"

namespace onward {
struct Server::Impl {
  explicit Impl(Api given) : api{std::move(given)} {}
  Api api;
  std::unique_ptr<HttpServer> http;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::listen(Runtime& runtime, ServerOptions options) {
  if (options.no_auth && !names_loopback(options.address == "::1" ? "[::1]" : options.address))
    return fail(ErrorKind::Forbidden, "no_auth_in_public",
                fmt::format("A server without tokens listens on loopback only, not on {}.",
                            options.address));
  AccessOptions access;
  access.no_auth = options.no_auth;
  access.find_token = [&runtime](std::string_view sha256) { return runtime.find_token(sha256); };
  const Clock& clock = options.clock ? *options.clock : system_clock();
  access.clock = &clock;
  auto impl = std::make_unique<Impl>(
      Api{all_routes(runtime, clock, options.intake_secrets), Access{std::move(access)}});

  HttpServerOptions http;
  http.address = options.address;
  http.port = options.port;
  http.connections_max = options.connections_max;
  http.header_timeout = options.header_timeout;
  http.body_timeout = options.body_timeout;
  http.idle_timeout = options.idle_timeout;
  http.body_max = options.body_max;
  http.tls = options.tls;
  http.handle = [api = &impl->api](ApiRequest& request, Reply reply) {
    api->handle(request, std::move(reply));
  };
  http.admit = [api = &impl->api](const ApiRequest& request) { return api->admit(request); };
  auto listening = HttpServer::listen(std::move(http));
  if (!listening) return tl::make_unexpected(listening.error());
  impl->http = std::move(*listening);
  runtime.around_answers(impl->http->gatherer());
  return std::unique_ptr<Server>{new Server{std::move(impl)}};
}

std::uint16_t Server::port() const { return impl_->http->port(); }
void Server::start() { impl_->http->start(); }
void Server::stop(Duration patience) { impl_->http->stop(patience); }
}  // namespace onward
