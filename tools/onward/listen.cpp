#include "tools/onward/listen.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <list>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/secrets/signature.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/listen_parse.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
using Steady = std::chrono::steady_clock;

constexpr std::size_t kConnectionsMax = 1000;
constexpr std::size_t kReadSize = 64 * 1024;

/// The end of a pipe that a signal writes to; a handler may do little else.
std::atomic<int> signal_pipe = -1;
void on_signal(int) {
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(signal_pipe, &byte, 1);
}

struct Connection {
  int socket = -1;
  std::string in, out;
  ListenReader reader;
  std::optional<Steady::time_point> answer_at;  ///< While an answer waits for its time.
  std::string answer;
  bool close_after = false, ended = false;

  /// Ready for the next request.
  bool idle() const { return !ended && !close_after && !answer_at && out.empty(); }
};

std::string head_of(int status, std::string_view body, bool keep_open, int retry_after = -1) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{}{}\r\n{}", status,
      status < 300 ? "OK" : "Refused", body.size(),
      status >= 300 && retry_after >= 0 ? fmt::format("Retry-After: {}\r\n", retry_after) : "",
      keep_open ? "" : "Connection: close\r\n", body);
}

/// The request as it came in, but for the case of its headers' names.
std::string echo_of(const ListenRequest& request) {
  std::string text = fmt::format("{} {}\n", request.method, request.path);
  for (const auto& [name, value] : request.headers) text += fmt::format("{}: {}\n", name, value);
  return text + "\n" + request.body + "\n";
}

std::string_view header_of(const ListenRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers)
    if (key == name) return value;
  return {};
}

/// Text as JSON can hold it: what is no UTF-8 becomes one replacement character a byte.
std::string as_text(std::string_view bytes) {
  std::string text;
  std::size_t fault = 0;
  while (!valid_utf8(bytes, &fault)) {
    text += bytes.substr(0, fault);
    text += "\uFFFD";
    bytes.remove_prefix(fault + 1);
  }
  text += bytes;
  return text;
}

/// One thread and poll: a receiver to look at, not one to measure with.
class Listener {
 public:
  Listener(const ListenOptions& options, std::ostream& out, std::ostream& err)
      : options_{options}, out_{out}, err_{err} {}
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int run();

 private:
  bool open();
  bool bind_to(const addrinfo& address);
  bool announce();
  void catch_signals();
  void wait();
  void accept_one();
  void serve(Connection& connection, short events);
  void read(Connection& connection);
  bool parse(Connection& connection);
  void answer(Connection& connection, const ListenRequest& request);
  void refuse(Connection& connection, int status);
  void send_due(Connection& connection);
  void write_out(Connection& connection);
  void record(const ListenRequest& request, int status, const std::string& signature);
  bool read_secrets();
  std::string check_signature(const ListenRequest& request) const;
  int fail(const std::string& what) const;

  const ListenOptions& options_;
  std::ostream& out_;
  std::ostream& err_;
  std::ofstream log_;
  std::vector<std::string> keys_;
  int listener_ = -1;
  int signals_[2] = {-1, -1};
  std::uint16_t port_ = 0;
  std::size_t requests_ = 0;
  bool stopped_ = false;
  std::list<Connection> connections_;
};

Listener::~Listener() {
  for (Connection& connection : connections_) close(connection.socket);
  if (listener_ >= 0) close(listener_);
  if (signals_[0] >= 0) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal_pipe = -1;
    close(signals_[0]);
    close(signals_[1]);
  }
}

int Listener::fail(const std::string& what) const {
  const int error = errno;  // Writing may set another one.
  err_ << "onward listen: " << what << ": " << std::strerror(error) << '\n';
  return kExitIo;
}

bool Listener::bind_to(const addrinfo& address) {
  listener_ = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener_ < 0) return false;
  const int yes = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (bind(listener_, address.ai_addr, address.ai_addrlen) != 0 || ::listen(listener_, 128) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return false;
  }
  char service[NI_MAXSERV] = "";
  getnameinfo(reinterpret_cast<sockaddr*>(&bound), size, nullptr, 0, service, sizeof service,
              NI_NUMERICSERV);
  port_ = static_cast<std::uint16_t>(std::stoi(service));
  return true;
}

bool Listener::open() {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string host = options_.address == "localhost" ? "127.0.0.1" : options_.address;
  if (getaddrinfo(host.c_str(), std::to_string(options_.port).c_str(), &hints, &found) != 0) {
    errno = EINVAL;
    return false;
  }
  const bool bound = bind_to(*found);
  const int error = errno;
  freeaddrinfo(found);
  errno = error;
  return bound;
}

void Listener::catch_signals() {
  if (pipe2(signals_, O_CLOEXEC | O_NONBLOCK) != 0) return;
  signal_pipe = signals_[1];
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Listener::announce() {
  const bool v6 = options_.address.find(':') != std::string::npos;
  const std::string shown = v6 ? "[" + options_.address + "]" : options_.address;
  if (!options_.quiet && !options_.json) {
    out_ << fmt::format("listening on http://{}:{}\n", shown, port_) << std::flush;
  }
  if (options_.port_file.empty()) return true;
  std::ofstream file{options_.port_file};
  file << port_ << '\n' << std::flush;
  return file.good();
}

bool Listener::read_secrets() {
  for (const std::string& file : options_.secret_files) {
    std::ifstream in{file, std::ios::binary};
    std::string secret;
    std::getline(in, secret);
    if (secret.ends_with('\r')) secret.pop_back();
    if (!in && secret.empty()) {
      err_ << "onward listen: cannot read a secret from " << file << '\n';
      return false;
    }
    auto key = signing_key(secret);
    if (!key) {
      err_ << fmt::format("onward listen: {}: {}\n", file, key.error().message);
      return false;
    }
    keys_.push_back(std::move(*key));
  }
  return true;
}

/// Empty where nothing is checked, "right", or what is wrong.
std::string Listener::check_signature(const ListenRequest& request) const {
  if (keys_.empty()) return {};
  const SignedHeaders headers{.id = header_of(request, "webhook-id"),
                              .timestamp = header_of(request, "webhook-timestamp"),
                              .signature = header_of(request, "webhook-signature")};
  const Status sound = verify_webhook(
      keys_, headers, request.body, std::chrono::floor<Duration>(std::chrono::system_clock::now()));
  return sound ? "right" : sound.error().message;
}

int Listener::run() {
  if (!read_secrets()) return kExitNoInput;
  if (!options_.log.empty()) {
    log_.open(options_.log, std::ios::app);
    if (!log_) return fail("cannot write " + options_.log);
  }
  if (!open()) return fail(fmt::format("cannot listen on {}:{}", options_.address, options_.port));
  catch_signals();
  if (!announce()) return fail("cannot write " + options_.port_file);
  while (!stopped_) wait();
  return kExitOk;
}

void Listener::wait() {
  std::vector<pollfd> watched{{signals_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
  int timeout = -1;
  if (connections_.size() >= kConnectionsMax) watched[1].events = 0;
  for (const Connection& connection : connections_) {
    short events = 0;
    if (connection.answer_at) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(*connection.answer_at - Steady::now());
      const int ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
      timeout = timeout < 0 ? ms : std::min(timeout, ms);
    } else if (connection.out.empty()) {
      events = POLLIN;
    } else {
      events = POLLOUT;
    }
    watched.push_back({connection.socket, events, 0});
  }
  if (poll(watched.data(), watched.size(), timeout) < 0 && errno != EINTR) return;
  char byte = 0;
  if (::read(signals_[0], &byte, 1) == 1) stopped_ = true;
  auto at = connections_.begin();
  for (std::size_t n = 2; n < watched.size(); ++n) {
    serve(*at, watched[n].revents);
    if (at->ended) {
      close(at->socket);
      at = connections_.erase(at);
    } else {
      ++at;
    }
  }
  if (watched[1].revents != 0) accept_one();
}

void Listener::accept_one() {
  const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket < 0) return;
  connections_.emplace_back();
  connections_.back().socket = socket;
}

void Listener::serve(Connection& connection, short events) {
  if (connection.answer_at) {
    if (events & (POLLERR | POLLHUP)) connection.ended = true;
    send_due(connection);
  } else if (!connection.out.empty()) {
    write_out(connection);
  } else if (events != 0) {
    read(connection);
  }
  // Several requests may have come at once.
  while (!connection.in.empty() && connection.idle() && parse(connection)) {
  }
}

void Listener::read(Connection& connection) {
  char bytes[kReadSize];
  const ssize_t got = recv(connection.socket, bytes, sizeof bytes, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    connection.ended = true;
    return;
  }
  connection.in.append(bytes, static_cast<std::size_t>(got));
}

/// Takes one request from what has come in; false where it is not complete yet.
bool Listener::parse(Connection& connection) {
  ListenRequest request;
  switch (connection.reader.read(connection.in, request)) {
    case ListenParse::More:
      if (connection.reader.wants_continue()) {
        connection.out += "HTTP/1.1 100 Continue\r\n\r\n";
        write_out(connection);
      }
      return false;
    case ListenParse::Complete:
      answer(connection, request);
      return true;
    case ListenParse::Malformed:
      refuse(connection, 400);
      return true;
    case ListenParse::TooLarge:
      refuse(connection, 413);
      return true;
  }
  return false;
}

void Listener::answer(Connection& connection, const ListenRequest& request) {
  const std::string signature = check_signature(request);
  const bool forged = !signature.empty() && signature != "right";
  const int status = requests_++ < options_.refuse_first ? 503 : forged ? 401 : options_.status;
  const bool bodiless = status == 204 || status == 304 || status < 200;
  connection.close_after = !request.keep_open;
  connection.answer = head_of(status,
                              bodiless || request.method == "HEAD" ? ""
                              : options_.echo                      ? echo_of(request)
                              : status < 300                       ? "ok\n"
                                                                   : "refused\n",
                              request.keep_open, options_.retry_after);
  record(request, status, signature);
  connection.answer_at = Steady::now() + options_.delay;
  send_due(connection);
}

void Listener::refuse(Connection& connection, int status) {
  err_ << fmt::format("refused what is no request for us ({})\n", status) << std::flush;
  connection.close_after = true;
  connection.out += head_of(status, "refused\n", false);
  write_out(connection);
}

void Listener::send_due(Connection& connection) {
  if (Steady::now() < *connection.answer_at) return;
  connection.answer_at.reset();
  connection.out += std::exchange(connection.answer, {});
  write_out(connection);
}

void Listener::write_out(Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t sent =
        send(connection.socket, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent <= 0) {
      connection.ended = true;
      return;
    }
    connection.out.erase(0, static_cast<std::size_t>(sent));
  }
  connection.ended = connection.close_after;
}

void Listener::record(const ListenRequest& request, int status, const std::string& signature) {
  const Instant now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  const bool wanted = log_.is_open() || (options_.json && !options_.quiet);
  std::string line;
  if (wanted) {
    Value headers{ValueMap{}};
    for (const auto& [name, value] : request.headers) {
      const std::string key = as_text(name);
      const Value* earlier = headers.find(key);
      headers.set(key, earlier ? *earlier->text() + ", " + as_text(value) : as_text(value));
    }
    Value entry{ValueMap{}};
    entry.set("at", Value{format_instant(now)});
    entry.set("method", Value{as_text(request.method)});
    entry.set("path", Value{as_text(request.path)});
    entry.set("headers", std::move(headers));
    entry.set("body", Value{as_text(request.body)});
    entry.set("status", Value{static_cast<std::int64_t>(status)});
    if (!signature.empty()) entry.set("signature", Value{signature});
    line = to_json(entry) + "\n";
  }
  if (log_.is_open()) log_ << line << std::flush;
  if (options_.quiet) return;
  if (options_.json) {
    out_ << line << std::flush;
  } else {
    out_ << fmt::format("{} {} {} -> {} ({} bytes){}{}\n", format_instant(now),
                        printable_line(request.method), printable_line(request.path), status,
                        request.body.size(), signature.empty() ? "" : ", signature: ", signature);
    if (options_.show) {
      for (const auto& [name, value] : request.headers)
        out_ << fmt::format("  {}: {}\n", printable_line(name), printable_line(value));
      if (!request.body.empty()) out_ << "\n  " << printable(request.body) << "\n\n";
    }
    out_ << std::flush;
  }
}
}  // namespace

int listen_main(const ListenOptions& options, std::ostream& out, std::ostream& err) {
  return Listener{options, out, err}.run();
}
}  // namespace onward
