#pragma once
// A server at a socket, and a caller who sends what it likes, for tests of the door itself.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "engine/api/http_server.h"
#include "engine/api/problem.h"

namespace onward {
/// A blocking connection to the server; reads give up after ten seconds instead of hanging.
class Caller {
 public:
  explicit Caller(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Caller() { ::close(socket_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // The server may have ended the connection already.
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// Reads until `end` stands in what came, or the connection ends.
  std::string until(std::string_view end) {
    while (read_.find(end) == std::string::npos && more()) {
    }
    const std::size_t at = read_.find(end);
    const std::string part = read_.substr(0, at == std::string::npos ? at : at + end.size());
    read_.erase(0, part.size());
    return part;
  }
  /// Reads until the connection ends, or nothing comes any more.
  std::string rest() {
    while (more()) {
    }
    return std::move(read_);
  }
  /// Whether something came, or comes soon.
  bool has_answer(int wait_ms) const {
    pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
    return !read_.empty() || ::poll(&one, 1, wait_ms) > 0;
  }
  /// Whether the server has said that no more will come.
  bool ended() const { return ended_; }
  int socket() const { return socket_; }

 private:
  bool more() {
    char buffer[4096];
    const auto count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count > 0) read_.append(buffer, static_cast<std::size_t>(count));
    ended_ = count == 0;
    return count > 0;
  }
  int socket_;
  bool ended_ = false;
  std::string read_;
};

inline constexpr std::size_t kLarge = 5'000'000;

/// A server whose handler tells method, path, query and body back; "/later" is answered by
/// `release`, "/large" by kLarge bytes; "/throw" throws, "/throw/later" when its reply is made.
class Stand {
 public:
  explicit Stand(HttpServerOptions options = {}) {
    options.handle = [this](ApiRequest& request, Responder reply) {
      if (request.path == "/later") return held_.set_value(std::move(reply));
      if (request.path == "/throw") throw std::out_of_range{"thrown by the handler"};
      if (request.path == "/throw/later")
        return reply.later([]() -> ApiReply { throw std::bad_alloc{}; });
      if (request.path == "/large")
        return reply(ApiReply{200, "text/plain", std::string(kLarge, 'x')});
      std::string text{request.method};
      text.append(" ").append(request.path).append(" ").append(request.query);
      text.append(" ").append(std::to_string(request.body.size())).append(".");
      reply(ApiReply{200, "text/plain", text});
    };
    options.admit = [](const ApiRequest& request) -> Admission {
      if (request.path == "/closed") return {.refusal = problem(401, "no_token", "")};
      return {.known = !request.header("authorization").empty()};
    };
    auto listening = HttpServer::listen(std::move(options));
    REQUIRE(listening);
    server = std::move(*listening);
    server->start();
  }
  std::uint16_t port() const { return server->port(); }
  Responder held() { return held_.get_future().get(); }

 private:
  std::promise<Responder> held_;  // outlives the server's thread

 public:
  std::unique_ptr<HttpServer> server;
};

inline constexpr std::string_view kHost = "Host: localhost\r\n";
inline std::string get(std::string_view target) {
  return "GET " + std::string{target} + " HTTP/1.1\r\n" + std::string{kHost} + "\r\n";
}
}  // namespace onward
