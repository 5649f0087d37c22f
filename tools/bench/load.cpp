#include "tools/bench/load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kBusyPause = kSecond / 50;       // after a 429: shorter than any Retry-After
constexpr std::int64_t kAnswerPatience = 30 * kSecond;  // for the last answers

std::mt19937_64& random_source() {
  thread_local std::mt19937_64 source{std::random_device{}()};
  return source;
}

/// The connections of one load and what became of its posts.
class Load {
 public:
  explicit Load(const LoadPlan& plan);
  ~Load();
  LoadResult run();

 private:
  struct Connection {
    int descriptor = -1;
    std::string in, out;
    std::size_t written = 0;
    bool waiting = false;      // for an answer
    bool wants_write = false;  // registered for EPOLLOUT
    std::int64_t posted_ns = 0;
    bool put_off = false;  // to be posted again, as it is, when the rest is over
    std::int64_t rests_until = 0;
  };

  bool done_posting(std::int64_t now) const;
  void post_what_is_due(std::int64_t now);
  void post_again(std::int64_t now);
  void post(Connection& connection, std::int64_t sent_ns);
  void write(Connection& connection);
  void read(Connection& connection);
  void answered(Connection& connection, std::string_view head, std::string_view body);
  std::int64_t next_wake(std::int64_t now) const;

  const LoadPlan& plan_;
  LoadResult result_;
  std::vector<Connection> connections_;
  std::string body_;  // reused
  int epoll_ = -1;
  std::size_t outstanding_ = 0;  // posts without a final answer, those put off among them
  std::size_t put_off_ = 0;
  std::uint64_t posted_ = 0;  // posts
  std::uint64_t number_ = 0;
  std::int64_t started_ns_ = 0;
  std::int64_t ends_ns_ = 0;
};

Load::Load(const LoadPlan& plan)
    : plan_{plan}, epoll_{::epoll_create1(EPOLL_CLOEXEC)}, number_{plan.first_number} {
  connections_.resize(static_cast<std::size_t>(plan.connections));
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    connections_[i].descriptor = connect_to_loopback(plan.port);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].descriptor, &event);
  }
}

Load::~Load() {
  for (const Connection& connection : connections_) ::close(connection.descriptor);
  ::close(epoll_);
}

LoadResult Load::run() {
  started_ns_ = now_ns();
  ends_ns_ = started_ns_ + static_cast<std::int64_t>(plan_.seconds * kSecond);
  std::array<epoll_event, 256> events;
  std::int64_t posting_ended = 0;
  while (true) {
    const std::int64_t now = now_ns();
    post_again(now);
    if (!done_posting(now)) {
      post_what_is_due(now);
    } else {
      if (posting_ended == 0) posting_ended = now;
      if (outstanding_ == 0) break;
      if (now > posting_ended + kAnswerPatience) give_up("the server stopped answering");
    }
    const std::int64_t patience = next_wake(now);
    const timespec timeout{.tv_sec = patience / kSecond, .tv_nsec = patience % kSecond};
    const int ready = ::epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < ready; ++i) {
      Connection& connection = connections_[events[i].data.u64];
      if (events[i].events & EPOLLOUT) write(connection);
      if (events[i].events & ~static_cast<std::uint32_t>(EPOLLOUT)) read(connection);
    }
  }
  result_.seconds = static_cast<double>(posting_ended - started_ns_) / kSecond;
  result_.next_number = number_;
  return std::move(result_);
}

bool Load::done_posting(std::int64_t now) const {
  return now >= ends_ns_ ||
         (plan_.events_max > 0 && number_ - plan_.first_number >= plan_.events_max);
}

void Load::post_what_is_due(std::int64_t now) {
  // In turn, so that at a low rate none lies idle until the server has enough of it.
  const std::size_t first = posted_ % connections_.size();
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_[(first + i) % connections_.size()];
    if (connection.waiting || connection.put_off || done_posting(now)) continue;
    if (plan_.rate <= 0) {
      post(connection, now_ns());
      continue;
    }
    const auto due = started_ns_ +
                     static_cast<std::int64_t>(static_cast<double>(posted_) * kSecond / plan_.rate);
    if (due > now) return;
    // A post that had to wait for a free connection counts from when it was due.
    const bool late = now - due > kSecond / 200;
    post(connection, late ? due : now_ns());
  }
}

void Load::post_again(std::int64_t now) {
  if (put_off_ == 0) return;
  for (Connection& connection : connections_) {
    if (!connection.put_off || connection.rests_until > now) continue;
    connection.put_off = false;
    --put_off_;
    connection.waiting = true;
    connection.written = 0;
    write(connection);
  }
}

void Load::post(Connection& connection, std::int64_t sent_ns) {
  body_.clear();
  for (int i = 0; i < plan_.events_per_post; ++i) {
    plan_.write_event(body_, number_++, sent_ns);
    if (plan_.events_per_post > 1) body_ += '\n';
  }
  connection.out.clear();
  fmt::format_to(std::back_inserter(connection.out),
                 "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
                 "Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
                 plan_.path, plan_.token,
                 plan_.events_per_post > 1 ? "application/x-ndjson" : "application/json",
                 body_.size());
  connection.out += body_;
  connection.written = 0;
  connection.waiting = true;
  connection.posted_ns = sent_ns;
  ++outstanding_;
  ++posted_;
  write(connection);
}

void Load::write(Connection& connection) {
  while (connection.written < connection.out.size()) {
    const ssize_t sent = ::send(connection.descriptor, connection.out.data() + connection.written,
                                connection.out.size() - connection.written, MSG_NOSIGNAL);
    if (sent > 0) {
      connection.written += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR)
      give_up("the server closed a connection while it was posted to");
    if (errno == EAGAIN) break;
  }
  const bool more = connection.written < connection.out.size();
  if (more == connection.wants_write) return;
  connection.wants_write = more;
  epoll_event event{.events = EPOLLIN | (more ? EPOLLOUT : 0u),
                    .data = {.u64 = static_cast<std::uint64_t>(&connection - connections_.data())}};
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor, &event);
}

void Load::read(Connection& connection) {
  std::array<char, 64 * 1024> buffer;
  const ssize_t got = ::recv(connection.descriptor, buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) give_up("the server closed a connection before it answered");
  connection.in.append(buffer.data(), static_cast<std::size_t>(got));
  if (const auto message = first_message(connection.in)) {
    answered(connection, message->head, message->body);
    connection.in.erase(0, message->size);
  }
}

void Load::answered(Connection& connection, std::string_view head, std::string_view body) {
  const std::int64_t now = now_ns();
  connection.waiting = false;
  const auto status = number_after(head, "HTTP/1.1 ").value_or(0);
  if (status == 429 || status == 503) {
    ++result_.busy;
    ++put_off_;
    connection.put_off = true;
    connection.rests_until = now + kBusyPause;
    return;
  }
  --outstanding_;
  if (status < 200 || status > 299) {
    if (result_.refused++ == 0) result_.first_refusal = fmt::format("{}{}", head, body);
    return;
  }
  const auto accepted = static_cast<std::uint64_t>(
      number_after(body, "\"accepted\":").value_or(plan_.events_per_post));
  ++result_.posts;
  result_.accepted += accepted;
  if (now <= ends_ns_) result_.accepted_in_time += accepted;
  result_.answered_us.push_back(static_cast<std::uint32_t>((now - connection.posted_ns) / 1'000));
}

std::int64_t Load::next_wake(std::int64_t now) const {
  std::int64_t wake = now + kSecond / 20;
  // What is due waits for a connection where all of them are busy.
  const bool any_free = static_cast<std::size_t>(outstanding_) < connections_.size();
  if (plan_.rate > 0 && any_free) {
    const double next = static_cast<double>(posted_) * kSecond / plan_.rate;
    wake = std::min(wake, started_ns_ + static_cast<std::int64_t>(next));
  }
  for (const Connection& connection : connections_) {
    if (connection.put_off) wake = std::min(wake, connection.rests_until);
  }
  return std::max<std::int64_t>(wake - now, 0);
}
}  // namespace

LoadResult run_load(const LoadPlan& plan) { return Load{plan}.run(); }

std::string random_uuid() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string uuid = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  std::uint64_t bits = 0;
  int left = 0;
  for (char& c : uuid) {
    if (c != 'x' && c != 'y') continue;
    if (left == 0) {
      bits = random_source()();
      left = 16;
    }
    c = c == 'x' ? kHex[bits & 15] : kHex[8 + (bits & 3)];
    bits >>= 4;
    --left;
  }
  return uuid;
}

std::uint64_t random_below(std::uint64_t bound) { return random_source()() % bound; }
}  // namespace onward::bench
