#include "tools/bench/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "engine/core/base/text.h"

namespace onward::bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void no_delay(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
}  // namespace

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void give_up(const std::string& why) {
  fmt::print(stderr, "onward_bench: {}\n", why);
  std::exit(70);
}

std::string_view header(std::string_view head, std::string_view name) {
  for (std::size_t line = head.find("\r\n"); line != std::string_view::npos;
       line = head.find("\r\n", line + 2)) {
    const std::string_view rest = head.substr(line + 2);
    if (rest.size() <= name.size() || rest[name.size()] != ':') continue;
    bool same = true;
    for (std::size_t i = 0; same && i < name.size(); ++i) same = lower(rest[i]) == name[i];
    if (!same) continue;
    std::string_view value = rest.substr(name.size() + 1, rest.find("\r\n") - name.size() - 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
  }
  return {};
}

std::optional<std::int64_t> number_after(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t number = 0;
  const char* first = text.data() + at + key.size();
  while (first != text.data() + text.size() && *first == ' ') ++first;
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return number;
}

std::optional<Message> first_message(std::string_view buffer) {
  const std::size_t blank = buffer.find("\r\n\r\n");
  if (blank == std::string_view::npos) return std::nullopt;
  const std::string_view head = buffer.substr(0, blank + 2);
  std::size_t length = 0;
  const std::string_view text = header(head, "content-length");
  std::from_chars(text.data(), text.data() + text.size(), length);
  const std::size_t size = blank + 4 + length;
  if (buffer.size() < size) return std::nullopt;
  return Message{head, buffer.substr(blank + 4, length), size};
}

Listener listen_on_loopback(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (descriptor < 0 || ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(descriptor, 4096) != 0 ||
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    give_up(fmt::format("cannot listen on 127.0.0.1: {}", std::strerror(errno)));
  }
  return {descriptor, ntohs(address.sin_port)};
}

std::uint16_t closed_port() {
  const Listener listener = listen_on_loopback();
  ::close(listener.descriptor);
  return listener.port;
}

bool is_open(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const int refused =
      ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::close(descriptor);
  return refused == 0;
}

int connect_to_loopback(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (descriptor < 0 ||
      ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    give_up(fmt::format("cannot connect to 127.0.0.1:{}: {}", port, std::strerror(errno)));
  }
  no_delay(descriptor);
  // Only now non-blocking: connecting to the loopback is done at once.
  const int flags = ::fcntl(descriptor, F_GETFL);
  ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  return descriptor;
}

std::string mark(std::uint64_t number, std::int64_t sent_ns) {
  return fmt::format("{}.{}", number, sent_ns);
}

std::optional<Mark> find_mark(std::string_view body) {
  constexpr std::string_view kKey = "\"mark\":\"";
  const std::size_t at = body.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  Mark found;
  const char* end = body.data() + body.size();
  const auto number = std::from_chars(body.data() + at + kKey.size(), end, found.number);
  if (number.ec != std::errc{} || number.ptr == end || *number.ptr != '.') return std::nullopt;
  const auto sent = std::from_chars(number.ptr + 1, end, found.sent_ns);
  if (sent.ec != std::errc{}) return std::nullopt;
  return found;
}
}  // namespace onward::bench
