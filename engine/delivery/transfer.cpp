#include "engine/delivery/transfer.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "engine/delivery/curl_option.h"
#include "engine/delivery/tls_session.h"

namespace onward {
namespace {
/// Certificates and addresses are judged when a connection opens, so none lives longer.
constexpr long kConnectionLifeSeconds = 300;
/// libcurl repeats a request by itself when a reused connection turns out to be dead: the fresher,
/// the rarer.
constexpr long kConnectionIdleSeconds = 30;

/// Longer than anything may take; libcurl reads 0 as its own default of five minutes.
constexpr long kNoConnectLimitMs = 86'400'000;

/// Milliseconds for libcurl, which reads 0 as "no limit".
long limit_of(Duration duration) {
  return static_cast<long>(std::clamp<Duration::rep>(duration.count(), 1, 86'400'000));
}

/// What came in one piece with an answer, but after it, is thrown away by libcurl, which says so in
/// its remarks alone, and before version 8 used the connection again.
int on_remark(CURL* handle, curl_infotype type, char* data, std::size_t size, void*) {
  const std::string_view remark{data, size};
  const auto begins_with = [&](std::string_view words) {
    return remark.substr(0, words.size()) == words;
  };
  if (type == CURLINFO_TEXT && (begins_with("Excess found") || begins_with("Leftovers after")))
    set(handle, CURLOPT_FORBID_REUSE, 1L);
  return 0;
}

/// Connections outlive the handle that opened them, so this knows the client's table alone.
int on_close_socket(void* sockets, curl_socket_t socket) {
  return static_cast<OpenSockets*>(sockets)->close(socket);
}
}  // namespace

void init_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
  });
}

Transfer::Transfer(const TransferOptions& options)
    : options_{options},
      easy_{curl_easy_init()},
      outgoing_{easy_.get(), options.https_only},
      reader_{options.body_read_max, options.body_keep_max} {
  if (!easy_) throw std::bad_alloc{};
  set_constants();
}

void Transfer::say_working() {
  if (options_.note && request_.delivery) options_.note->begin(request_.delivery);
}

void Transfer::set_constants() {
  CURL* easy = easy_.get();
  set(easy, CURLOPT_PRIVATE, this);
  set(easy, CURLOPT_ERRORBUFFER, message_);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_NOPROGRESS, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, options_.https_only ? "https" : "http,https");
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_PROXY,
      "");  // Whatever the environment says: behind a proxy the guard is blind.
  set(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  set(easy, CURLOPT_MAXLIFETIME_CONN, kConnectionLifeSeconds);
  set(easy, CURLOPT_MAXAGE_CONN, kConnectionIdleSeconds);
  if (!options_.ca_file.empty()) set(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
  set(easy, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(easy, CURLOPT_HEADERDATA, this);
  set(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(easy, CURLOPT_WRITEDATA, this);
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open_socket);
  set(easy, CURLOPT_OPENSOCKETDATA, this);
  if (options_.alarms) set(easy, CURLOPT_CONNECTTIMEOUT_MS, kNoConnectLimitMs);
  if (options_.sockets) {
    set(easy, CURLOPT_CLOSESOCKETFUNCTION, &on_close_socket);
    set(easy, CURLOPT_CLOSESOCKETDATA, options_.sockets);
  }
  set(easy, CURLOPT_PREREQFUNCTION, &Transfer::on_before_request);
  set(easy, CURLOPT_PREREQDATA, this);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_SSL_CTX_FUNCTION, &Transfer::on_tls_context);
  set(easy, CURLOPT_SSL_CTX_DATA, this);
  set(easy, CURLOPT_DEBUGFUNCTION, &on_remark);
  set(easy, CURLOPT_DEBUGDATA, this);
}

Transfer* Transfer::of(CURL* handle) {
  char* self = nullptr;
  curl_easy_getinfo(handle, CURLINFO_PRIVATE, &self);
  assert(self);
  return reinterpret_cast<Transfer*>(self);
}

bool Transfer::prepare(HttpRequest request, HttpReply& reply) {
  request_ = std::move(request);
  begun_ = options_.clock();
  earlier_.reset();
  reader_.begin(request_.want_body);
  way_ = {};

  reply = {};
  reply.token = request_.token;
  reply.error =
      outgoing_.set_url(request_.url.empty() ? request_.request->url : request_.url, destination_);
  if (!reply.error.empty()) {
    reply.blocked = options_.https_only && outgoing_.is_plain_http();
    reply.code = reply.blocked ? "blocked_policy" : "bad_url";
    outgoing_.forget_url();
    return false;
  }
  reply.error = outgoing_.set_headers(request_);
  if (!reply.error.empty()) {
    reply.code = "bad_header";
    return false;
  }
  outgoing_.set_method_and_body(request_);
  set(easy_.get(), CURLOPT_FRESH_CONNECT, 0L);
  set(easy_.get(), CURLOPT_FORBID_REUSE, 0L);
  set(easy_.get(), CURLOPT_VERBOSE, 0L);
  waited_ = {};
  aim();
  return true;
}

/// Where libcurl keeps the limits, the time that has passed is subtracted from them.
void Transfer::aim() {
  CURL* easy = easy_.get();
  message_[0] = '\0';
  next_address_at_.reset();
  set(easy, CURLOPT_CONNECT_TO, destination_.connect_to());
  if (options_.alarms) return;
  const Duration gone = std::chrono::floor<Duration>(waited_);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, limit_of(request_.connect_timeout - gone));
  set(easy, CURLOPT_TIMEOUT_MS, limit_of(request_.timeout - gone));
}

bool Transfer::go_to(Resolver::Found found, HttpReply& reply) {
  if (found->addresses.empty()) {
    const char* const code = found->not_begun ? "dns_busy" : found->local ? "local" : "dns";
    reply = refused({.code = code,
                     .error = fmt::format("the name in {} {}", destination_.where(), found->error),
                     .local = found->local});
    return false;
  }
  std::string refusal = destination_.begin(std::move(found), options_.guard);
  if (!refusal.empty()) {
    reply = refused({.code = "blocked_policy", .error = std::move(refusal), .blocked = true});
    return false;
  }
  waited_ = options_.clock() - begun_;
  aim();
  return true;
}

Transfer::Clock::time_point Transfer::limit() const {
  const Clock::time_point end = begun_ + request_.timeout;
  if (way_.requested) return end;
  const Clock::time_point connected = std::min(end, begun_ + request_.connect_timeout);
  return next_address_at_ ? std::min(connected, *next_address_at_) : connected;
}

bool Transfer::is_over(Clock::time_point now) {
  const bool address_over = next_address_at_ && now >= *next_address_at_;
  if (address_over) next_address_at_.reset();
  return now >= limit() || (address_over && way_.connecting());
}

bool Transfer::unreached(CURLcode code) const {
  if (way_.requested || way_.stale || !way_.refusal.empty() || way_.socket_errno != 0) return false;
  if (code == CURLE_COULDNT_CONNECT) return true;
  long local_port = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_LOCAL_PORT, &local_port);
  return code == CURLE_OPERATION_TIMEDOUT && local_port <= 0;
}

bool Transfer::Way::connecting() const {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  return !requested && !sockets.empty() &&
         getpeername(sockets.back(), reinterpret_cast<sockaddr*>(&peer), &size) != 0;
}

bool Transfer::again(CURLcode code) {
  if (way_.stale) {
    set(easy_.get(), CURLOPT_FRESH_CONNECT, 1L);
  } else {
    if (!unreached(code) || !destination_.more()) return false;
    const Clock::duration gone = options_.clock() - begun_;
    if (gone >= std::min(request_.connect_timeout, request_.timeout)) return false;
    earlier_ = failure_of(code);
    waited_ = gone;
    destination_.next();
  }
  way_ = {};
  reader_.begin(request_.want_body);
  aim();
  return true;
}

HttpReply Transfer::refused(Failure failure) {
  HttpReply reply;
  reply.token = request_.token;
  reply.code = std::move(failure.code);
  reply.error = std::move(failure.error);
  reply.blocked = failure.blocked;
  reply.local = failure.local;
  reply.took = std::chrono::floor<Duration>(options_.clock() - begun_);
  request_ = {};
  return reply;
}

Failure Transfer::failure_of(CURLcode code) const {
  CURL* easy = easy_.get();
  long os_errno = 0, local_port = 0;
  curl_off_t looked_up = 0;
  curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &local_port);
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
  curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up);
  return name_failure({.code = code,
                       .where = destination_.where(),
                       .message = message_,
                       .refusal = way_.refusal,
                       .socket_opened = !way_.sockets.empty(),
                       .ipv6 = way_.ipv6,
                       .socket_errno = way_.socket_errno,
                       .os_errno = static_cast<int>(os_errno),
                       .resolved = address() || looked_up > 0,
                       .connected = local_port > 0,
                       .requested = way_.requested,
                       .certificate_asked = way_.certificate_asked && *way_.certificate_asked,
                       .header_limit = reader_.answer().header_limit,
                       .provisional = reader_.answer().block_status,
                       .connect_timeout = request_.connect_timeout,
                       .timeout = request_.timeout});
}

HttpReply Transfer::finish(CURLcode code) {
  ReceivedAnswer& answer = reader_.answer();
  if (!answer.complete) {
    Failure failure = failure_of(code);
    // That we have no way to one address says less than what was met at another.
    if (failure.code == "unreachable" && earlier_) failure = std::move(*earlier_);
    return refused(std::move(failure));
  }
  long connects = 0;
  curl_off_t micros = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &connects);
  curl_easy_getinfo(easy_.get(), CURLINFO_TOTAL_TIME_T, &micros);

  HttpReply reply;
  reply.token = request_.token;
  // libcurl's figure is the finer one, but it counts a stop of this process and not our own limits.
  const Clock::duration all = options_.clock() - begun_;
  const Clock::duration measured = waited_ + std::chrono::microseconds{micros};
  reply.took = std::chrono::floor<Duration>(code == CURLE_OK ? std::min(all, measured) : all);
  reply.reused = way_.requested && connects == 0;
  reply.status = answer.block_status;
  reply.body_truncated = code != CURLE_OK;
  if (answer.retry_afters == 1) reply.retry_after = std::move(answer.retry_after);
  reply.date = std::move(answer.date);
  reply.location = std::move(answer.location);
  reply.location_cut = answer.location_cut;
  reply.body_cut = reply.body_truncated || answer.body_bytes > answer.body.size();
  reply.body = std::move(answer.body);
  request_ = {};  // Bodies and resolved secrets are not kept by an idle handle.
  return reply;
}

std::size_t Transfer::on_header(char* data, std::size_t one, std::size_t size, void* self) {
  Transfer& transfer = *static_cast<Transfer*>(self);
  const bool was_complete = transfer.reader_.answer().complete;
  const auto line = transfer.reader_.line({data, one * size});
  if (line == AnswerReader::Line::Block) transfer.say_working();
  if (!was_complete && transfer.reader_.answer().complete)
    set(transfer.handle(), CURLOPT_VERBOSE, 1L);  // See `on_remark`.
  return line == AnswerReader::Line::Last ? 0 : one * size;
}

std::size_t Transfer::on_body(char* data, std::size_t one, std::size_t size, void* self) {
  return static_cast<Transfer*>(self)->reader_.body_part({data, one * size}) ? one * size : 0;
}

curl_socket_t Transfer::on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  return static_cast<Transfer*>(self)->open_socket(address);
}

/// Called for each new connection; half of the time that is left is for each address but the last.
curl_socket_t Transfer::open_socket(curl_sockaddr* address) {
  if (options_.guard) {
    std::string refusal =
        options_.guard->refuse(&address->addr, destination_.host(), destination_.port());
    if (!refusal.empty()) {
      way_.refusal = std::move(refusal);
      return CURL_SOCKET_BAD;
    }
  }
  const int opened = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (opened < 0) {
    way_.socket_errno = errno;
    return CURL_SOCKET_BAD;
  }
  way_.sockets.push_back(opened);
  way_.ipv6 = address->family == AF_INET6;
  if (options_.alarms && destination_.more()) {
    const Clock::time_point now = options_.clock();
    next_address_at_ = now + (begun_ + request_.connect_timeout - now) / 2;
    options_.alarms->set(easy_.get(), limit());
  }
  return opened;
}

int Transfer::on_before_request(void* self, char* address, char* local, int port, int local_port) {
  return static_cast<Transfer*>(self)->before_request(
      {.remote = address, .local = local, .remote_port = port, .local_port = local_port});
}

CURLcode Transfer::on_tls_context(CURL*, void* context, void* self) {
  auto& asked = static_cast<Transfer*>(self)->way_.certificate_asked;
  asked = std::make_shared<bool>(false);
  return watch_for_request(context, asked);
}

bool Transfer::Way::out_of_step(OpenSockets& table, const ConnectionEnds& ends,
                                CURL* handle) const {
  if (sockets.empty()) {
    const int socket = table.find(ends);
    char byte = 0;
    return socket >= 0 &&
           (recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || holds_unread(handle));
  }
  for (const int socket : sockets)
    if (local_port_of(socket) == ends.local_port) table.connected(socket, ends);
  return false;
}

/// Called for each request, on a reused connection too, where no socket is opened.
int Transfer::before_request(const ConnectionEnds& ends) {
  if (options_.sockets && way_.out_of_step(*options_.sockets, ends, easy_.get())) {
    way_.stale = true;
    return CURL_PREREQFUNC_ABORT;
  }
  way_.requested = true;
  say_working();  // An answer that is there already is read before libcurl returns.
  if (!options_.guard) return CURL_PREREQFUNC_OK;
  const auto address = IpAddress::parse(std::string{ends.remote});
  way_.refusal =
      address ? options_.guard->refuse(address->get(), destination_.host(), destination_.port())
              : "the connection has no known address";
  return way_.refusal.empty() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}
}  // namespace onward
