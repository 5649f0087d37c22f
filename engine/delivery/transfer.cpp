#include "engine/delivery/transfer.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/delivery/tls_session.h"

namespace onward {
namespace {
/// Of all header blocks of an answer, provisional ones included.
constexpr std::size_t kHeaderMax = 256 * 1024;
/// Kept of where an answer points to.
constexpr std::size_t kLocationMax = 512;
/// Certificates and addresses are judged when a connection opens, so none lives longer.
constexpr long kConnectionLifeSeconds = 300;
/// libcurl repeats a request by itself when a reused connection turns out to be dead: the fresher,
/// the rarer.
constexpr long kConnectionIdleSeconds = 30;

/// Sets an option that cannot fail but for lack of memory.
template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  if (curl_easy_setopt(handle, option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc{};
}

bool has_control(std::string_view text, bool tab_allowed) {
  return std::any_of(text.begin(), text.end(), [&](char c) {
    return static_cast<unsigned char>(c) < 0x20 ? !(tab_allowed && c == '\t') : c == 0x7f;
  });
}

bool is_token(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string copy{text};
  curl_free(text);
  return copy;
}

/// Longer than anything may take; libcurl reads 0 as its own default of five minutes.
constexpr long kNoConnectLimitMs = 86'400'000;

/// Milliseconds for libcurl, which reads 0 as "no limit".
long limit_of(Duration duration) {
  return static_cast<long>(std::clamp<Duration::rep>(duration.count(), 1, 86'400'000));
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
    : options_{options}, easy_{curl_easy_init()}, url_{curl_url()} {
  if (!easy_ || !url_) throw std::bad_alloc{};
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
    set(easy, CURLOPT_CLOSESOCKETFUNCTION, &Transfer::on_close_socket);
    set(easy, CURLOPT_CLOSESOCKETDATA, options_.sockets);
  }
  set(easy, CURLOPT_PREREQFUNCTION, &Transfer::on_before_request);
  set(easy, CURLOPT_PREREQDATA, this);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_SSL_CTX_FUNCTION, &Transfer::on_tls_context);
  set(easy, CURLOPT_SSL_CTX_DATA, this);
  set(easy, CURLOPT_DEBUGFUNCTION, &Transfer::on_remark);
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
  answer_ = {};
  way_ = {};

  reply = {};
  reply.token = request_.token;
  reply.error = set_url(request_.url.empty() ? request_.request->url : request_.url);
  if (!reply.error.empty()) {
    reply.blocked = options_.https_only && url_part(url_.get(), CURLUPART_SCHEME) == "http";
    reply.code = reply.blocked ? "blocked_policy" : "bad_url";
    url_text_.clear();
    return false;
  }
  reply.error = set_headers();
  if (!reply.error.empty()) {
    reply.code = "bad_header";
    return false;
  }
  set_method_and_body();
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
  return now >= limit() || (address_over && connecting());
}

bool Transfer::unreached(CURLcode code) const {
  if (way_.requested || way_.stale || !way_.refusal.empty() || way_.socket_errno != 0) return false;
  if (code == CURLE_COULDNT_CONNECT) return true;
  long local_port = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_LOCAL_PORT, &local_port);
  return code == CURLE_OPERATION_TIMEDOUT && local_port <= 0;
}

bool Transfer::connecting() const {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  return !way_.requested && !way_.sockets.empty() &&
         getpeername(way_.sockets.back(), reinterpret_cast<sockaddr*>(&peer), &size) != 0;
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
  answer_ = {};
  aim();
  return true;
}

/// The host that the guard is asked about is the one that libcurl will read, since the parser is
/// the same. Returns what is wrong, without the URL, which may hold a secret.
std::string Transfer::set_url(const std::string& text) {
  if (text == url_text_) return {};
  if (curl_url_set(url_.get(), CURLUPART_URL, nullptr, 0) != CURLUE_OK) return "the URL is empty";
  if (text.find('\0') != std::string::npos) return "the URL holds a control character";
  if (const CURLUcode code =
          curl_url_set(url_.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER);
      code != CURLUE_OK) {
    return fmt::format("the URL cannot be called: {}", curl_url_strerror(code));
  }
  const std::string scheme = url_part(url_.get(), CURLUPART_SCHEME);
  if (options_.https_only && scheme == "http") {
    return "only https URLs may be called (--https-only)";
  }
  if (scheme != "http" && scheme != "https") {
    return fmt::format("only http and https URLs may be called, found {}", scheme);
  }
  const std::string port = url_part(url_.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::uint16_t number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  destination_.set_target(url_part(url_.get(), CURLUPART_HOST), number);
  set(easy_.get(), CURLOPT_URL, text.c_str());
  url_text_ = text;
  return {};
}

/// libcurl sends header text as it is, so what could begin a line of its own must not pass.
std::string Transfer::set_headers() {
  HeaderList list;
  const auto append = [&list](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (!longer) throw std::bad_alloc{};
    static_cast<void>(list.release());
    list.reset(longer);
  };
  bool typed = false;
  std::string line;
  const auto add = [&](const std::vector<Header>& headers) -> std::string {
    for (const auto& [name, value] : headers) {
      if (!is_token(name)) return fmt::format("the header name \"{}\" cannot be sent", name);
      if (has_control(value, /*tab_allowed=*/true)) {
        return fmt::format("the value of header {} holds a control character", name);
      }
      typed = typed || same_ignoring_case(name, "Content-Type");
      // libcurl takes "Name:" as an order to leave a header out, and "Name;" for an empty one.
      line.assign(name).append(trim(value).empty() ? ";" : ": ").append(trim(value));
      append(line);
    }
    return {};
  };
  const std::vector<Header>& own =
      request_.headers_replaced ? request_.headers : request_.request->headers;
  if (std::string wrong = add(own); !wrong.empty()) return wrong;
  if (std::string wrong = add(request_.extra_headers); !wrong.empty()) return wrong;
  append("Expect:");
  if (!typed) append("Content-Type:");
  set(easy_.get(), CURLOPT_HTTPHEADER, list.get());
  headers_ = std::move(list);
  return {};
}

/// Handles are not reset between attempts, so each of these is set every time.
void Transfer::set_method_and_body() {
  CURL* easy = easy_.get();
  const std::string& method = request_.request->method;
  const std::string& body = request_.request->body;
  if (body.empty() && method != "POST" && method != "PUT" && method != "PATCH") {
    set(easy, CURLOPT_HTTPGET, 1L);
    set(easy, CURLOPT_CUSTOMREQUEST, method == "GET" ? nullptr : method.c_str());
    return;
  }
  set(easy, CURLOPT_POST, 1L);
  set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(easy, CURLOPT_POSTFIELDS, body.c_str());  // Not copied: `request_` holds it.
  set(easy, CURLOPT_CUSTOMREQUEST, method == "POST" ? nullptr : method.c_str());
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
                       .header_limit = answer_.header_limit,
                       .provisional = answer_.block_status,
                       .connect_timeout = request_.connect_timeout,
                       .timeout = request_.timeout});
}

HttpReply Transfer::finish(CURLcode code) {
  if (!answer_.complete) {
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
  reply.status = answer_.block_status;
  reply.body_truncated = code != CURLE_OK;
  if (answer_.retry_afters == 1) reply.retry_after = std::move(answer_.retry_after);
  reply.date = std::move(answer_.date);
  reply.location = std::move(answer_.location);
  reply.location_cut = answer_.location_cut;
  reply.body_cut = reply.body_truncated || answer_.body_bytes > answer_.body.size();
  reply.body = std::move(answer_.body);
  request_ = {};  // Bodies and resolved secrets are not kept by an idle handle.
  return reply;
}

std::size_t Transfer::on_header(char* data, std::size_t one, std::size_t size, void* self) {
  return static_cast<Transfer*>(self)->header_line({data, one * size});
}

std::size_t Transfer::on_body(char* data, std::size_t one, std::size_t size, void* self) {
  return static_cast<Transfer*>(self)->body_part({data, one * size});
}

/// Only the end of the final block makes an answer; provisional blocks (1xx) come before it, and
/// trailers after the body are nobody's business.
std::size_t Transfer::header_line(std::string_view line) {
  answer_.header_bytes += line.size();
  if (answer_.header_bytes > kHeaderMax) {
    answer_.header_limit = !answer_.complete;
    return 0;
  }
  if (answer_.body_began) return line.size();
  if (line.substr(0, 5) == "HTTP/") {
    say_working();
    const std::size_t bytes = answer_.header_bytes;
    answer_ = {};
    answer_.header_bytes = bytes;
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view code = trim(line.substr(space)).substr(0, 3);
    std::from_chars(code.data(), code.data() + code.size(), answer_.block_status);
  } else if (line == "\r\n" || line == "\n") {
    return end_block() ? line.size() : 0;
  } else {
    header_field(line);
  }
  return line.size();
}

/// False where nothing more is to be read. Nobody asked to switch protocols. And where headers
/// disagree about the length of a body, whatever follows may be taken for either: the status
/// counts, but the connection is not used again (RFC 9112 6.3).
bool Transfer::end_block() {
  answer_.complete = answer_.block_status >= 200;
  if (answer_.complete) set(easy_.get(), CURLOPT_VERBOSE, 1L);  // See `on_remark`.
  answer_.contradicts = answer_.contradicts || (answer_.sized && answer_.chunked);
  return answer_.block_status != 101 && !answer_.contradicts;
}

void Transfer::header_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = trim(line.substr(0, colon));
  const std::string_view value = trim(line.substr(colon + 1));
  if (same_ignoring_case(name, "Date")) {
    answer_.date = value;
  } else if (same_ignoring_case(name, "Location")) {
    answer_.location = value.substr(0, kLocationMax);
    answer_.location_cut = value.size() > kLocationMax;
  } else if (same_ignoring_case(name, "Content-Type")) {
    answer_.content_type = value;
  } else if (same_ignoring_case(name, "Content-Length")) {
    const bool number = value.find_first_not_of("0123456789") == std::string_view::npos;
    if (value.empty() || !number || (answer_.sized && value != answer_.length))
      answer_.contradicts = true;
    answer_.length = value;
    answer_.sized = true;
  } else if (same_ignoring_case(name, "Transfer-Encoding")) {
    answer_.chunked = true;
  } else if (same_ignoring_case(name, "Retry-After")) {
    ++answer_.retry_afters;
    answer_.retry_after = value;
  }
}

std::size_t Transfer::body_part(std::string_view bytes) {
  answer_.body_began = true;
  answer_.body_bytes += bytes.size();
  if (request_.want_body) {
    const std::size_t room = options_.body_keep_max - answer_.body.size();
    answer_.body.append(bytes.substr(0, room));
  }
  return answer_.body_bytes > options_.body_read_max ? 0 : bytes.size();
}

/// What came in one piece with an answer, but after it, is thrown away by libcurl, which says so in
/// its remarks alone, and before version 8 used the connection again.
int Transfer::on_remark(CURL* handle, curl_infotype type, char* data, std::size_t size, void*) {
  const std::string_view remark{data, size};
  const auto begins_with = [&](std::string_view words) {
    return remark.substr(0, words.size()) == words;
  };
  if (type == CURLINFO_TEXT && (begins_with("Excess found") || begins_with("Leftovers after")))
    set(handle, CURLOPT_FORBID_REUSE, 1L);
  return 0;
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

/// Connections outlive the handle that opened them, so this knows the client's table alone.
int Transfer::on_close_socket(void* sockets, curl_socket_t socket) {
  return static_cast<OpenSockets*>(sockets)->close(socket);
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

/// Whether the kept connection has something to read although nobody asked anything yet: the rest
/// of an answer, one that was sent unasked, or its end. libcurl would take it for our answer.
bool Transfer::out_of_step(const ConnectionEnds& ends) {
  if (!options_.sockets) return false;
  if (way_.sockets.empty()) {
    const int socket = options_.sockets->find(ends);
    char byte = 0;
    return socket >= 0 &&
           (recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || holds_unread(easy_.get()));
  }
  for (const int socket : way_.sockets) {
    if (local_port_of(socket) == ends.local_port) options_.sockets->connected(socket, ends);
  }
  return false;
}

/// Called for each request, on a reused connection too, where no socket is opened.
int Transfer::before_request(const ConnectionEnds& ends) {
  if (out_of_step(ends)) {
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
