#include "engine/api/http_server.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <thread>
#include <unordered_map>

#include "engine/api/connection.h"
#include "engine/api/problem.h"
#include "engine/guard/guarded.h"

namespace onward {
namespace {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// How long the door stays shut when the process has no descriptor left for another connection.
constexpr Duration kAcceptPause = std::chrono::milliseconds{100};

/// For a caller whom the connection cap turns away: written at once or not at all.
std::string turned_away(std::size_t connections_max) {
  const ApiReply reply = problem_for_now(
      503, "too_many_connections",
      fmt::format("This server has the {} connections that it may have (--max-connections).",
                  connections_max),
      std::chrono::seconds{1});
  std::string text = fmt::format("HTTP/1.1 503 {}\r\n", reason_phrase(reply.status));
  for (const auto& [name, value] : reply.headers) text += fmt::format("{}: {}\r\n", name, value);
  text += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                      reply.content_type, reply.body.size());
  return text + reply.body;
}

/// An address that is not this machine's, or not for this user, is a setting that is wrong; one
/// that is taken may be free in a moment.
tl::unexpected<Error> cannot_listen(const tcp::endpoint& endpoint,
                                    const boost::system::error_code& error, std::string_view step) {
  namespace errc = boost::system::errc;
  const bool setting = error == errc::permission_denied || error == errc::address_not_available ||
                       error == errc::address_family_not_supported;
  return fail(setting ? ErrorKind::Invalid : ErrorKind::Io, "cannot_listen",
              fmt::format("Cannot listen on {} port {}: {} ({}).", endpoint.address().to_string(),
                          endpoint.port(), error.message(), step));
}

/// How long a client that is turned away may take to read the answer, and how many may at once.
constexpr Duration kFarewellMax = std::chrono::seconds{1};
constexpr std::size_t kFarewellsMax = 64;

/// A client that is turned away. The answer is written at once or not at all. The socket stays open
/// until the client has closed it: closing it before the request has come would reset the
/// connection, and the client could lose the answer. On the io thread.
class Farewell : public std::enable_shared_from_this<Farewell> {
 public:
  Farewell(tcp::socket socket, std::size_t& count) : socket_{std::move(socket)}, count_{count} {
    ++count_;
  }
  ~Farewell() { --count_; }
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

  void start(std::string_view answer) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.write_some(asio::buffer(answer), ignored);
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    limit_.expires_after(kFarewellMax);
    limit_.async_wait([self = shared_from_this()](boost::system::error_code) {
      boost::system::error_code unclosed;
      self->socket_.close(unclosed);
    });
    read();
  }

 private:
  void read() {
    socket_.async_read_some(
        asio::buffer(unread_),
        [self = shared_from_this()](boost::system::error_code error, std::size_t) {
          error ? static_cast<void>(self->limit_.cancel()) : self->read();
        });
  }

  tcp::socket socket_;
  asio::steady_timer limit_{socket_.get_executor()};
  std::array<char, 4096> unread_{};
  std::size_t& count_;
};
}  // namespace

struct HttpServer::Impl {
  explicit Impl(HttpServerOptions given)
      : options{std::move(given)}, full{turned_away(options.connections_max)} {
    home.outbox = std::make_shared<AnswerOutbox>(io, options.log);
    home.closed = [this](Connection* gone) { forget(gone); };
  }

  void accept() {
    accepting = true;
    acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      accepting = false;
      if (!acceptor.is_open()) return;
      if (error) return accept_later();
      // One for which there is no memory is closed.
      (void)guarded("http.accept", options.log, [&] { take(std::move(socket)); });
      accept();
    });
  }

  void accept_later() {
    accepting = true;
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](boost::system::error_code error) {
      accepting = false;
      if (!error && acceptor.is_open()) accept();
    });
  }

  /// What is thrown here was thrown between two connections: by Asio, for want of memory.
  void run() {
    while (!guarded("http.loop", options.log, [&] {
      if (!accepting && acceptor.is_open()) accept_later();
      io.run();
    })) {
      // The handler that threw has ended; the loop continues with the next one.
    }
  }

  void take(tcp::socket socket) {
    if (connections.size() >= options.connections_max)
      if (Connection* const longest = home.ranks.first()) longest->close();
    if (connections.size() >= options.connections_max) {
      if (options.tls) return;  // Shaking hands first is what there is no room for.
      if (farewells < std::min(kFarewellsMax, options.connections_max))
        std::make_shared<Farewell>(std::move(socket), farewells)->start(full);
      return;
    }
    boost::system::error_code unset;  // Then the kernel's own bound holds.
    socket.set_option(asio::socket_base::send_buffer_size(static_cast<int>(options.send_buffer)),
                      unset);
    auto connection = std::make_shared<Connection>(std::move(socket), home);
    connections.emplace(connection.get(), connection);
    if (!ticking) tick();
    connection->start();
  }

  /// Looks at the clock once a second while there are connections, so that a pause of this process
  /// shows as a gap.
  void tick() {
    ticking = !connections.empty();
    if (!ticking) return home.time.rest();
    home.time.look(std::chrono::steady_clock::now());
    clock_tick.expires_after(ActiveTime::kLookEvery);
    clock_tick.async_wait([this](boost::system::error_code error) {
      if (!error) tick();
    });
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
  std::string full;           // the answer to clients that are turned away
  std::size_t farewells = 0;  // clients that are being turned away
  // Before the context, which destroys the connections that its handlers hold.
  ConnectionHome home{.options = options,
                      .outbox = nullptr,
                      .bodies = std::make_shared<BodyBudget>(options.bodies)};
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  asio::steady_timer clock_tick{io};
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  bool accepting = false;  // or waiting to
  bool ticking = false;
  bool stopping = false;
  std::uint16_t port = 0;

  std::thread thread;
  std::mutex mutex;
  std::condition_variable ended_changed;
  bool ended = false;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}

HttpServer::~HttpServer() { stop(Duration{0}); }

Result<std::unique_ptr<HttpServer>> HttpServer::bind(HttpServerOptions options) {
  const std::string name = options.address == "localhost" ? "127.0.0.1" : options.address;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(name, error);
  if (error)
    return fail(ErrorKind::Invalid, "bad_address",
                fmt::format("\"{}\" is no IP address to listen on.", options.address));
  const tcp::endpoint endpoint{address, options.port};
  auto impl = std::make_unique<Impl>(std::move(options));
  const auto refused = [&](std::string_view step) { return cannot_listen(endpoint, error, step); };
  if (impl->acceptor.open(endpoint.protocol(), error)) return refused("socket");
  if (impl->acceptor.set_option(tcp::acceptor::reuse_address{true}, error))
    return refused("option");
  if (impl->acceptor.bind(endpoint, error)) return refused("bind");
  impl->port = impl->acceptor.local_endpoint().port();
  return std::unique_ptr<HttpServer>{new HttpServer{std::move(impl)}};
}

Status HttpServer::open() {
  boost::system::error_code error;
  const tcp::endpoint endpoint = impl_->acceptor.local_endpoint(error);
  if (impl_->acceptor.listen(asio::socket_base::max_listen_connections, error))
    return cannot_listen(endpoint, error, "listen");
  return {};
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(HttpServerOptions options) {
  auto bound = bind(std::move(options));
  if (!bound) return bound;
  if (const Status opened = (*bound)->open(); !opened) return tl::make_unexpected(opened.error());
  return bound;
}

std::uint16_t HttpServer::port() const { return impl_->port; }

std::function<void(bool begins)> HttpServer::gatherer() const {
  return [outbox = impl_->home.outbox](bool begins) { outbox->gather(begins); };
}

void HttpServer::start() {
  impl_->accept();
  impl_->home.large_bodies.start("onward-bodies");
  impl_->home.outbox->start();
  impl_->thread = std::thread{[impl = impl_.get()] {
    pthread_setname_np(pthread_self(), "onward-io");
    impl->run();
    const std::lock_guard lock{impl->mutex};
    impl->ended = true;
    impl->ended_changed.notify_all();
  }};
}

void HttpServer::replace_tls(std::shared_ptr<const TlsContext> tls) {
  asio::post(impl_->io, [impl = impl_.get(), tls = std::move(tls)]() mutable {
    impl->options.tls = std::move(tls);
  });
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
  impl_->home.large_bodies.stop();
  impl_->home.outbox->close();
  auto left = std::move(impl_->connections);
  impl_->connections.clear();
  for (const auto& [key, connection] : left) connection->close();
}
}  // namespace onward
