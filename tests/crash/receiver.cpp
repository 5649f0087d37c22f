#include "tests/crash/receiver.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <functional>
#include <stdexcept>

namespace onward::crash {
namespace {
constexpr Nanos kLateBy = 15'000'000;
constexpr std::string_view kYes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
constexpr std::string_view kNo = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";

std::string_view after(std::string_view text, std::string_view mark, std::string_view until) {
  const std::size_t at = text.find(mark);
  if (at == text.npos) return {};
  text.remove_prefix(at + mark.size());
  return text.substr(0, text.find(until));
}

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void watch(int epoll, int descriptor) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}
}  // namespace

Nanos now_nanos() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000L + now.tv_nsec;
}

Receiver::Receiver(std::uint64_t seed) : seed_{seed} {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 512) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::pipe2(stop_, O_CLOEXEC) != 0)
    throw std::runtime_error("no socket to receive on");
  port_ = ntohs(address.sin_port);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  watch(epoll_, listener_);
  watch(epoll_, stop_[0]);
  thread_ = std::thread{[this] { serve(); }};
}

Receiver::~Receiver() {
  ::close(stop_[1]);
  thread_.join();
  for (const auto& [descriptor, connection] : connections_) ::close(descriptor);
  for (const int descriptor : {listener_, epoll_, stop_[0]}) ::close(descriptor);
}

std::vector<Arrival> Receiver::arrivals() const {
  const std::lock_guard lock{mutex_};
  return arrivals_;
}

void Receiver::next_life() {
  // Connections are accepted in order: once this one is done with, those of the dead are known.
  const int last = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(port_);
  char nothing = 0;
  if (::connect(last, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::shutdown(last, SHUT_WR) != 0 || ::read(last, &nothing, 1) != 0)
    throw std::runtime_error("the receiver does not answer");
  ::close(last);
  std::unique_lock lock{mutex_};
  if (!gone_.wait_for(lock, std::chrono::seconds{30}, [&] { return open_ == 0; }))
    throw std::runtime_error("a connection outlives its server");
  ++life_;
}

void Receiver::serve() {
  std::array<epoll_event, 64> events;
  while (true) {
    const int ready = ::epoll_wait(epoll_, events.data(), events.size(), answer_late());
    for (int i = 0; i < ready; ++i) {
      const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
      if (descriptor == stop_[0]) return;
      if (descriptor == listener_)
        accept_all();
      else
        read_from(descriptor);
    }
  }
}

void Receiver::accept_all() {
  while (true) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) return;
    connections_[descriptor].serial = ++serial_;
    {
      const std::lock_guard lock{mutex_};
      ++open_;
    }
    watch(epoll_, descriptor);
  }
}

void Receiver::read_from(int descriptor) {
  std::array<char, 16'384> buffer;
  const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), 0);
  if (got <= 0) return drop(descriptor);
  std::string& in = connections_[descriptor].in;
  in.append(buffer.data(), static_cast<std::size_t>(got));
  while (true) {
    const std::size_t end = in.find("\r\n\r\n");
    if (end == in.npos) return;
    const std::string head = lower(std::string_view{in}.substr(0, end + 2));
    const std::size_t size = number(after(head, "content-length: ", "\r"));
    if (in.size() < end + 4 + size) return;
    take(descriptor, std::string_view{in}.substr(0, end + 2),
         std::string_view{in}.substr(end + 4, size));
    in.erase(0, end + 4 + size);
  }
}

void Receiver::take(int descriptor, std::string_view head, std::string_view body) {
  Arrival arrival;
  // A batch names several.
  constexpr std::string_view kName = "\"n\":\"";
  arrival.event = static_cast<int>(number(after(body, kName, "\"")));
  for (std::size_t at = body.find(kName); (at = body.find(kName, at + 1)) != body.npos;)
    arrival.others.push_back(static_cast<int>(number(after(body.substr(at), kName, "\""))));
  arrival.body = std::hash<std::string_view>{}(body);
  arrival.arrived = now_nanos();
  const std::string small = lower(head);
  const std::size_t at = small.find("webhook-id: ");
  if (at != small.npos) arrival.webhook_id = after(head.substr(at), ": ", "\r");
  const std::uint64_t chance =
      (std::hash<std::string>{}(arrival.webhook_id) + seed_ + 7 * tries_[arrival.webhook_id]++) %
      100;
  arrival.status = chance < 8 ? 500 : 200;
  std::size_t index = 0;
  {
    const std::lock_guard lock{mutex_};
    index = arrivals_.size();
    arrival.life = life_;
    arrivals_.push_back(std::move(arrival));
  }
  if (chance >= 90)
    late_.push_back({now_nanos() + kLateBy, descriptor, connections_[descriptor].serial, index});
  else
    answer(descriptor, index);
}

void Receiver::answer(int descriptor, std::size_t arrival) {
  const std::lock_guard lock{mutex_};
  const std::string_view bytes = arrivals_[arrival].status == 200 ? kYes : kNo;
  // Before it leaves: what comes of it must not be earlier.
  const Nanos now = now_nanos();
  if (::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
      static_cast<ssize_t>(bytes.size()))
    arrivals_[arrival].answered = now;
}

/// Milliseconds until the next one is due; -1 without any.
int Receiver::answer_late() {
  const Nanos now = now_nanos();
  Nanos next = -1;
  std::erase_if(late_, [&](const Late& late) {
    if (late.due > now) {
      next = next < 0 ? late.due : std::min(next, late.due);
      return false;
    }
    const auto connection = connections_.find(late.descriptor);
    if (connection != connections_.end() && connection->second.serial == late.serial)
      answer(late.descriptor, late.arrival);
    return true;
  });
  return next < 0 ? -1 : static_cast<int>((next - now) / 1'000'000 + 1);
}

void Receiver::drop(int descriptor) {
  connections_.erase(descriptor);
  ::close(descriptor);
  const std::lock_guard lock{mutex_};
  if (--open_ == 0) gone_.notify_all();
}
}  // namespace onward::crash
