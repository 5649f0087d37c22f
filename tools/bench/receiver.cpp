#include "tools/bench/receiver.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace onward::bench {
namespace {
constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::uint64_t kMarksMax = 1u << 28;
}  // namespace

Receiver::Receiver(int delay_ms, std::uint16_t port)
    : listener_{listen_on_loopback(port)},
      epoll_{::epoll_create1(EPOLL_CLOEXEC)},
      delay_ns_{std::int64_t{delay_ms} * 1'000'000} {
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener_.descriptor}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_.descriptor, &event);
  thread_ = std::thread{[this] { serve(); }};
}

Receiver::~Receiver() {
  stopping_ = true;
  thread_.join();
  for (const auto& [descriptor, connection] : connections_) ::close(descriptor);
  ::close(listener_.descriptor);
  ::close(epoll_);
}

Arrivals Receiver::take() {
  const std::scoped_lock lock{mutex_};
  return std::exchange(arrivals_, {});
}

void Receiver::serve() {
  std::array<epoll_event, 256> events;
  while (!stopping_.load(std::memory_order_relaxed)) {
    int patience_ms = 50;
    if (!late_.empty()) {
      patience_ms = static_cast<int>(
          std::clamp<std::int64_t>((late_.front().due_ns - now_ns()) / 1'000'000, 0, 50));
    }
    const int ready = ::epoll_wait(epoll_, events.data(), events.size(), patience_ms);
    for (int i = 0; i < ready; ++i) {
      if (events[i].data.fd == listener_.descriptor) {
        accept_all();
      } else {
        read_from(events[i].data.fd);
      }
    }
    answer_late();
    if (batch_.requests == 0) continue;
    {
      const std::scoped_lock lock{mutex_};
      arrivals_.requests += batch_.requests;
      arrivals_.distinct += batch_.distinct;
      arrivals_.last_ns = batch_.last_ns;
      arrivals_.latencies_us.insert(arrivals_.latencies_us.end(), batch_.latencies_us.begin(),
                                    batch_.latencies_us.end());
    }
    // Last, so that who sees these counts finds the arrivals as well.
    distinct_.fetch_add(batch_.distinct);
    requests_.fetch_add(batch_.requests);
    batch_.requests = batch_.distinct = 0;
    batch_.latencies_us.clear();
  }
}

void Receiver::accept_all() {
  while (true) {
    const int descriptor =
        ::accept4(listener_.descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
    connections_[descriptor].serial = ++serials_;
  }
}

void Receiver::read_from(int descriptor) {
  Connection& connection = connections_[descriptor];
  std::array<char, 16 * 1024> buffer;
  const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return drop(descriptor);
  connection.in.append(buffer.data(), static_cast<std::size_t>(got));
  const std::int64_t now = now_ns();
  while (const auto message = first_message(connection.in)) {
    note(message->body, now);
    connection.in.erase(0, message->size);
    if (delay_ns_ > 0) {
      late_.push_back({now + delay_ns_, descriptor, connection.serial});
    } else {
      connection.out += kAnswer;
    }
  }
  flush(descriptor, connection);
}

void Receiver::flush(int descriptor, Connection& connection) {
  if (connection.out.empty()) return;
  // Answers are tiny and asked for one at a time: they fit the socket's buffer.
  const ssize_t sent =
      ::send(descriptor, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(connection.out.size())) return drop(descriptor);
  connection.out.clear();
}

void Receiver::answer_late() {
  const std::int64_t now = late_.empty() ? 0 : now_ns();
  while (!late_.empty() && late_.front().due_ns <= now) {
    const Late late = late_.front();
    late_.pop_front();
    const auto found = connections_.find(late.descriptor);
    if (found == connections_.end() || found->second.serial != late.serial) continue;
    found->second.out += kAnswer;
    flush(late.descriptor, found->second);
  }
}

void Receiver::note(std::string_view body, std::int64_t now) {
  ++batch_.requests;
  batch_.last_ns = now;
  body_bytes_.store(body.size(), std::memory_order_relaxed);
  const auto mark = find_mark(body);
  if (!mark || mark->number >= kMarksMax) return;
  if (mark->number >= seen_.size()) {
    seen_.resize(std::max<std::size_t>(mark->number + 1, 2 * seen_.size()));
  }
  if (seen_[mark->number]) return;
  seen_[mark->number] = true;
  ++batch_.distinct;
  batch_.latencies_us.push_back(static_cast<std::uint32_t>(
      std::clamp<std::int64_t>((now - mark->sent_ns) / 1'000, 0, UINT32_MAX)));
}

void Receiver::drop(int descriptor) {
  connections_.erase(descriptor);
  ::close(descriptor);
}
}  // namespace onward::bench
