#include "engine/api/http_server.h"

#include <fmt/format.h>
#include <pthread.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <thread>
#include <unordered_map>

#include "engine/api/connection.h"

namespace onward {
namespace {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// How long the door stays shut when the process has no descriptor left for another connection.
constexpr Duration kAcceptPause = std::chrono::milliseconds{100};

/// For a caller whom the connection cap turns away: written at once or not at all.
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
    "Connection: close\r\n\r\n";
}  // namespace

struct HttpServer::Impl {
  explicit Impl(HttpServerOptions given) : options{std::move(given)} {}

  void accept() {
    acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (!acceptor.is_open()) return;
      if (error) return accept_later();
      take(std::move(socket));
      accept();
    });
  }

  void accept_later() {
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](boost::system::error_code error) {
      if (!error && acceptor.is_open()) accept();
    });
  }

  void take(tcp::socket socket) {
    if (connections.size() >= options.connections_max) {
      if (options.tls) return;  // Shaking hands first is what there is no room for.
      boost::system::error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(kFull.data(), kFull.size()), ignored);
      return;
    }
    auto connection = std::make_shared<Connection>(std::move(socket), options, outbox,
                                                   [this](Connection* gone) { forget(gone); });
    connections.emplace(connection.get(), connection);
    connection->start();
  }

  void forget(Connection* gone) {
    connections.erase(gone);
    if (stopping && connections.empty()) io.stop();
  }

  /// On the io thread.
  void close_door() {
    stopping = true;
    boost::system::error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    std::vector<std::shared_ptr<Connection>> present;
    for (const auto& [key, connection] : connections) present.push_back(connection);
    for (const auto& connection : present) connection->drain();
    if (connections.empty()) io.stop();
  }

  HttpServerOptions options;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  std::shared_ptr<Outbox> outbox = std::make_shared<Outbox>(io);
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  bool stopping = false;
  std::uint16_t port = 0;

  std::thread thread;
  std::mutex mutex;
  std::condition_variable ended_changed;
  bool ended = false;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}

HttpServer::~HttpServer() { stop(Duration{0}); }

Result<std::unique_ptr<HttpServer>> HttpServer::listen(HttpServerOptions options) {
  const std::string name = options.address == "localhost" ? "127.0.0.1" : options.address;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(name, error);
  if (error)
    return fail(ErrorKind::Invalid, "bad_address",
                fmt::format("\"{}\" is no IP address to listen on.", options.address));
  const tcp::endpoint endpoint{address, options.port};
  auto impl = std::make_unique<Impl>(std::move(options));
  const auto refused = [&](std::string_view step) {
    return fail(ErrorKind::Io, "cannot_listen",
                fmt::format("Cannot listen on {} port {}: {} ({}).", name, endpoint.port(),
                            error.message(), step));
  };
  if (impl->acceptor.open(endpoint.protocol(), error)) return refused("socket");
  if (impl->acceptor.set_option(tcp::acceptor::reuse_address{true}, error))
    return refused("option");
  if (impl->acceptor.bind(endpoint, error)) return refused("bind");
  if (impl->acceptor.listen(asio::socket_base::max_listen_connections, error))
    return refused("listen");
  impl->port = impl->acceptor.local_endpoint().port();
  return std::unique_ptr<HttpServer>{new HttpServer{std::move(impl)}};
}

std::uint16_t HttpServer::port() const { return impl_->port; }

std::function<void(bool begins)> HttpServer::gatherer() const {
  return [outbox = impl_->outbox](bool begins) { outbox->gather(begins); };
}

void HttpServer::start() {
  impl_->accept();
  impl_->thread = std::thread{[impl = impl_.get()] {
    pthread_setname_np(pthread_self(), "onward-io");
    impl->io.run();
    const std::lock_guard lock{impl->mutex};
    impl->ended = true;
    impl->ended_changed.notify_all();
  }};
}

void HttpServer::stop(Duration patience) {
  if (impl_->thread.joinable()) {
    asio::post(impl_->io, [impl = impl_.get()] { impl->close_door(); });
    std::unique_lock lock{impl_->mutex};
    impl_->ended_changed.wait_for(lock, patience, [this] { return impl_->ended; });
    lock.unlock();
    impl_->io.stop();
    impl_->thread.join();
  }
  // From here nothing runs on the io thread's behalf: what is left is taken down by this one.
  impl_->outbox->close();
  auto left = std::move(impl_->connections);
  impl_->connections.clear();
  for (const auto& [key, connection] : left) connection->close();
}
}  // namespace onward
