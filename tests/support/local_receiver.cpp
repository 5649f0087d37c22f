#include "tests/support/local_receiver.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <stdexcept>

namespace onward {
namespace {
bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

/// Reads the head of a request; its body is still to come.
ReceivedRequest parse_head(const std::string& head) {
  ReceivedRequest request;
  request.head = head;
  const std::size_t first = head.find(' ');
  const std::size_t second = head.find(' ', first + 1);
  request.method = head.substr(0, first);
  request.path = head.substr(first + 1, second - first - 1);
  std::size_t line = head.find("\r\n") + 2;
  while (line < head.size()) {
    const std::size_t end = head.find("\r\n", line);
    const std::size_t colon = head.find(':', line);
    if (end == line || end == std::string::npos || colon > end) break;
    std::size_t value = colon + 1;
    while (value < end && head[value] == ' ') ++value;
    request.headers.emplace_back(head.substr(line, colon - line), head.substr(value, end - value));
    line = end + 2;
  }
  return request;
}
}  // namespace

std::optional<std::string> ReceivedRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return std::nullopt;
}

std::string http_reply(int status, std::string_view body, std::string_view headers) {
  return fmt::format("HTTP/1.1 {} Whatever\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                     headers, body);
}

Peer::Peer(int socket, int stop, std::size_t number, std::function<void(ReceivedRequest)> seen)
    : socket_{socket}, stop_{stop}, number_{number}, seen_{std::move(seen)} {}

Peer::~Peer() {
  if (socket_ >= 0) close(socket_);
}

bool Peer::wait(short events, int timeout_ms) {
  pollfd watched[2] = {{socket_, events, 0}, {stop_, POLLIN, 0}};
  if (socket_ < 0 || poll(watched, 2, timeout_ms) <= 0) return false;
  return watched[1].revents == 0;
}

bool Peer::fill() {
  if (!wait(POLLIN, -1)) return false;
  char bytes[16 * 1024];
  const ssize_t got = recv(socket_, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::optional<ReceivedRequest> Peer::read() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  end += 4;
  ReceivedRequest request = parse_head(buffer_.substr(0, end));
  request.connection = number_;
  const auto length = request.header("Content-Length");
  const std::size_t size = length ? std::strtoul(length->c_str(), nullptr, 10) : 0;
  while (buffer_.size() < end + size) {
    if (!fill()) return std::nullopt;
  }
  request.body = buffer_.substr(end, size);
  buffer_.erase(0, end + size);
  seen_(request);
  return request;
}

bool Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!wait(POLLOUT, -1)) return false;
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::size_t Peer::flood(std::string_view bytes) {
  std::size_t sent = 0;
  while (send(bytes)) sent += bytes.size();
  return sent;
}

bool Peer::drip(std::string_view bytes, std::chrono::milliseconds pause) {
  for (const char byte : bytes) {
    if (!send({&byte, 1})) return false;
    if (wait(POLLRDHUP, static_cast<int>(pause.count()))) return false;
    pollfd stop{stop_, POLLIN, 0};
    if (poll(&stop, 1, 0) > 0) return false;
  }
  return true;
}

void Peer::wait_for_close() {
  while (fill()) buffer_.clear();
}

void Peer::shut_sending() { shutdown(socket_, SHUT_WR); }

void Peer::reset() {
  const linger at_once{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(socket_);
  socket_ = -1;
}

LocalReceiver::LocalReceiver(Script script, ListenAt at)
    : script_{std::move(script)}, address_{std::move(at.address)} {
  if (!script_) script_ = answers({http_reply(200)});
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(at.port);
  inet_pton(AF_INET, address_.c_str(), &address.sin_addr);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || bind(listener_, generic, size) != 0 || listen(listener_, 512) != 0 ||
      getsockname(listener_, generic, &size) != 0 || pipe(stop_) != 0) {
    throw std::runtime_error{"no local receiver"};
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread{[this] { accept_all(); }};
}

LocalReceiver::~LocalReceiver() {
  close(stop_[1]);  // Whoever waits on the other end sees a hang-up.
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  close(stop_[0]);
  close(listener_);
}

void LocalReceiver::accept_all() {
  for (;;) {
    pollfd watched[2] = {{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    if (poll(watched, 2, -1) < 0 || watched[1].revents != 0) return;
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const std::lock_guard lock{mutex_};
    const std::size_t number = ++connections_;
    threads_.emplace_back([this, socket, number] {
      Peer peer{socket, stop_[0], number, [this](ReceivedRequest request) {
                  const std::lock_guard guard{mutex_};
                  requests_.push_back(std::move(request));
                  came_.notify_all();
                }};
      script_(peer);
    });
  }
}

std::string LocalReceiver::origin() const { return fmt::format("http://{}:{}", address_, port_); }

std::string LocalReceiver::url(std::string_view path) const {
  return fmt::format("{}{}", origin(), path);
}

std::vector<ReceivedRequest> LocalReceiver::requests() const {
  const std::lock_guard lock{mutex_};
  return requests_;
}

std::size_t LocalReceiver::connections() const {
  const std::lock_guard lock{mutex_};
  return connections_;
}

bool LocalReceiver::wait_for(std::size_t count) const {
  std::unique_lock lock{mutex_};
  return came_.wait_for(lock, std::chrono::seconds{10}, [&] { return requests_.size() >= count; });
}

LocalReceiver::Script LocalReceiver::answers(std::vector<std::string> replies) {
  auto next = std::make_shared<std::atomic<std::size_t>>(0);
  return [replies = std::move(replies), next](Peer& peer) {
    while (peer.read()) {
      if (!peer.send(replies[std::min(next->fetch_add(1), replies.size() - 1)])) return;
    }
  };
}
}  // namespace onward
