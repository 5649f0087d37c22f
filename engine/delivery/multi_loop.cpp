#include "engine/delivery/multi_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include "engine/delivery/transfer.h"

namespace onward {
namespace {
/// Taken from epoll at once; the rest is there the next time. Few, so that one receiver's many
/// answers do not keep the requests to another waiting.
constexpr std::size_t kEventsMax = 64;

std::uint32_t events_of(int what) {
  switch (what) {
    case CURL_POLL_IN:
      return EPOLLIN;
    case CURL_POLL_OUT:
      return EPOLLOUT;
    case CURL_POLL_INOUT:
      return EPOLLIN | EPOLLOUT;
    default:
      return 0;
  }
}
}  // namespace

MultiLoop::MultiLoop(std::size_t connections_max)
    : connections_max_{static_cast<long>(connections_max)},
      epoll_{epoll_create1(EPOLL_CLOEXEC)},
      wakes_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      events_(kEventsMax) {
  init_curl();
  epoll_event event{.events = EPOLLIN, .data = {.fd = wakes_}};
  if (epoll_ < 0 || wakes_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wakes_, &event) != 0)
    throw std::system_error{errno, std::generic_category(), "epoll"};
  open();
}

MultiLoop::~MultiLoop() {
  curl_multi_cleanup(multi_);
  close(wakes_);
  close(epoll_);
}

void MultiLoop::open() {
  multi_ = curl_multi_init();
  if (!multi_) throw std::bad_alloc{};
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections_max_);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &MultiLoop::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &MultiLoop::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

void MultiLoop::reopen() {
  curl_multi_cleanup(multi_);
  timer_.reset();
  open();
}

void MultiLoop::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wakes_, &one, sizeof one);
}

CURLMsg* MultiLoop::next_message() {
  int left = 0;
  return curl_multi_info_read(multi_, &left);
}

int MultiLoop::on_socket(CURL* handle, curl_socket_t socket, int what, void* self, void*) {
  static_cast<MultiLoop*>(self)->want(handle, socket, events_of(what));
  return 0;
}

/// A new timer replaces the one before.
int MultiLoop::on_timer(CURLM*, long wait_ms, void* self) {
  auto& timer = static_cast<MultiLoop*>(self)->timer_;
  timer.reset();
  if (wait_ms == 0) timer = Clock::time_point::min();
  if (wait_ms > 0) timer = Clock::now() + Duration{wait_ms};
  return 0;
}

void MultiLoop::want(CURL* handle, int socket, std::uint32_t events) {
  const auto at = static_cast<std::size_t>(socket);
  if (at >= interests_.size()) interests_.resize(at + 1);
  Interest& interest = interests_[at];
  interest.wanted = events;
  interest.handle = handle;
  // A connection that is kept will be read from again.
  if (events == 0 && (interest.told & EPOLLOUT) == 0) return;
  if (events != interest.told) tell(socket, interest, events);
}

void MultiLoop::tell(int socket, Interest& interest, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.fd = socket}};
  const int what = interest.told == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  interest.told = epoll_ctl(epoll_, what, socket, &event) == 0 ? events : 0;
}

void MultiLoop::forget(int socket) {
  const auto at = static_cast<std::size_t>(socket);
  if (at < interests_.size()) interests_[at] = {};
}

int MultiLoop::wait_of(Duration longest) const {
  constexpr Duration kLongest = std::chrono::hours{1};
  Duration wait = std::clamp(longest, Duration{}, kLongest);
  if (timer_ && *timer_ == Clock::time_point::min()) return 0;
  if (timer_ && wait > Duration{})
    wait = std::min(wait, std::chrono::ceil<Duration>(*timer_ - Clock::now()));
  return static_cast<int>(std::max(wait, Duration{}).count());
}

bool MultiLoop::run() {
  if (!timer_) return true;
  if (*timer_ != Clock::time_point::min() && Clock::now() < *timer_) return true;
  timer_.reset();
  return work(CURL_SOCKET_TIMEOUT, 0);
}

bool MultiLoop::work(int socket, int ready) {
  int running = 0;
  const bool fine = curl_multi_socket_action(multi_, socket, ready, &running) == CURLM_OK;
  if (after_) after_();
  return fine;
}

bool MultiLoop::act(const epoll_event& event) {
  const int socket = event.data.fd;
  if (socket == wakes_) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(wakes_, &count, sizeof count);
    return true;
  }
  Interest& interest = interests_[static_cast<std::size_t>(socket)];
  if (interest.wanted == 0) {
    if (interest.told != 0) tell(socket, interest, 0);
    return true;
  }
  int ready = 0;
  if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP)) != 0) ready |= CURL_CSELECT_IN;
  if ((event.events & EPOLLOUT) != 0) ready |= CURL_CSELECT_OUT;
  if ((event.events & EPOLLERR) != 0) ready |= CURL_CSELECT_ERR;
  if (before_) before_(interest.handle);
  return work(socket, ready);
}

bool MultiLoop::take_events(int wait_ms, int& count) {
  count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), wait_ms);
  bool fine = true;
  for (int n = 0; n < count && fine; ++n) fine = act(events_[static_cast<std::size_t>(n)]);
  return fine;
}

bool MultiLoop::wait(Duration longest) {
  int count = 0;
  return take_events(wait_of(longest), count) && run();
}

/// epoll hands out ready sockets in turn, so this many rounds reach all of them.
bool MultiLoop::read_ready() {
  int count = static_cast<int>(kEventsMax);
  for (std::size_t n = 0; n <= interests_.size() && count == static_cast<int>(kEventsMax);
       n += kEventsMax)
    if (!take_events(0, count)) return false;
  return run();
}
}  // namespace onward
