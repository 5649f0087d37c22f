#include "engine/api/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <ctime>

#include "engine/api/problem.h"

namespace onward {
namespace {
namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t kReadFirst = 4u << 10;
constexpr std::size_t kReadMost = 64u << 10;
constexpr Duration kLinger = std::chrono::seconds{2};
/// Of TLS: what is read at once, a record's length; what is sealed at once; and how much may wait
/// for a caller who keeps asking without reading.
constexpr std::size_t kSealedRead = 17u << 10;
constexpr std::size_t kSealedWrite = 64u << 10;
constexpr std::size_t kSealedWaitMost = 1u << 20;

/// For a caller who speaks plain HTTP where TLS is spoken.
constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 35\r\n"
    "Connection: close\r\n\r\nThis port speaks https, not http.\r\n";

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// The Date header, made anew only when the second changes.
std::string_view http_date() {
  thread_local std::time_t made = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made) {
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
    made = now;
  }
  return text;
}

/// Whether a line of the header that `raw` begins with goes on in the next one. The parser would
/// join them; who stands in front of the server may have understood two headers.
bool has_folded_line(std::string_view raw) {
  for (std::size_t end = raw.find('\n'); end != raw.npos && end + 1 < raw.size();
       end = raw.find('\n', end + 1)) {
    const char next = raw[end + 1];
    if (next == ' ' || next == '\t') return true;
    if (next == '\r') return false;  // The empty line.
  }
  return false;
}

/// Whether the request line, with which `raw` begins, ends with LF alone: the parser takes that for
/// another version.
bool ends_with_bare_lf(const char* raw, std::size_t size) {
  const std::string_view text{raw, size};
  const std::size_t end = text.find('\n');
  return end != std::string_view::npos && (end == 0 || text[end - 1] != '\r');
}

/// The status, code and sentence of what the parser refuses.
ApiReply reply_to(boost::system::error_code fault, const HttpServerOptions& options) {
  if (fault == http::error::body_limit)
    return problem(413, "body_too_large",
                   fmt::format("The body may have at most {} bytes.", options.body_max));
  if (fault == http::error::header_limit || fault == http::error::buffer_overflow)
    return problem(431, "header_too_large",
                   fmt::format("The header may have at most {} bytes.", options.header_max));
  if (fault == http::error::bad_version)
    return problem(505, "bad_version", "This server speaks HTTP/1.1 and HTTP/1.0.");
  return problem(400, "bad_request", fmt::format("This is no HTTP request: {}.", fault.message()));
}
}  // namespace

void Outbox::push(std::weak_ptr<Connection> to, std::uint64_t request, Completion completion) {
  const std::lock_guard lock{mutex_};
  if (!io_) return;
  items_.push_back({std::move(to), request, std::move(completion)});
  wake();
}

void Outbox::gather(bool begins) {
  const std::lock_guard lock{mutex_};
  gathering_ += begins ? 1 : -1;
  if (io_) wake();
}

void Outbox::wake() {
  if (gathering_ > 0 || woken_ || items_.empty()) return;
  woken_ = true;
  asio::post(*io_, [self = shared_from_this()] { self->deliver(); });
}

void Outbox::close() {
  std::vector<Item> dropped;  // destroyed outside the lock: a dropped reply may come back here
  const std::lock_guard lock{mutex_};
  io_ = nullptr;
  dropped.swap(items_);
}

void Outbox::deliver() {
  std::vector<Item> items;
  {
    const std::lock_guard lock{mutex_};
    items.swap(items_);
    woken_ = false;
  }
  for (Item& item : items) {
    const auto connection = item.to.lock();
    if (!connection) continue;
    connection->answer(item.request, item.completion.make ? item.completion.make()
                                                          : std::move(item.completion.reply));
  }
}

Connection::Connection(asio::ip::tcp::socket socket, const HttpServerOptions& options,
                       std::shared_ptr<Outbox> outbox, std::function<void(Connection*)> closed)
    : socket_{std::move(socket)},
      timer_{socket_.get_executor()},
      options_{options},
      outbox_{std::move(outbox)},
      closed_{std::move(closed)},
      in_(kReadFirst) {
  if (!options.tls) return;
  tls_.emplace(*options.tls);
  sealed_in_.resize(kSealedRead);
}

void Connection::start() {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
  socket_.non_blocking(true, ignored);
  // A new connection has as long as a header for its first word; only one that has been of use may
  // idle.
  set_deadline(options_.header_timeout);
  read();
}

void Connection::drain() {
  draining_ = true;
  if (phase_ == Phase::Idle) close();
}

void Connection::close() {
  if (closed_already_) return;
  closed_already_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  closed_(this);
}

void Connection::read() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (in_.size() > kReadFirst && phase_ == Phase::Idle) std::vector<char>(kReadFirst).swap(in_);
    // A read that filled the buffer says that more is coming: take it in larger pieces.
    if (filled_ && phase_ == Phase::Body && in_.size() < kReadMost) in_.resize(kReadMost);
  } else if (begin_ > 0) {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == in_.size()) in_.resize(in_.size() * 2);  // bounded: see process()
  if (tls_ && phase_ != Phase::Lingering) {
    // What was sealed together comes out in several pieces.
    if (const std::size_t count = tls_->read(in_.data() + end_, in_.size() - end_); count > 0)
      return on_read(count);
    if (!keep_session()) return;
  }
  reading_ = true;
  socket_.async_read_some(
      tls_ ? asio::buffer(sealed_in_) : asio::buffer(in_.data() + end_, in_.size() - end_),
      [self = shared_from_this()](boost::system::error_code error, std::size_t count) {
        self->reading_ = false;
        if (self->closed_already_) return;
        if (error) return self->close();
        if (!self->tls_) return self->on_read(count);
        if (self->phase_ != Phase::Lingering) self->tls_->take({self->sealed_in_.data(), count});
        if (self->phase_ != Phase::Writing) self->read();
      });
}

/// Sends what shaking hands asks for. False: the session is over.
bool Connection::keep_session() {
  if (tls_->plain_http()) {
    boost::system::error_code ignored;
    socket_.write_some(asio::buffer(kSpeakTls.data(), kSpeakTls.size()), ignored);
    linger();
    return false;
  }
  write_sealed();
  if (closed_already_) return false;
  if (tls_->ended())
    linger();  // Else the alert that says why would be taken away with the connection.
  else if (tls_->pending().size() > kSealedWaitMost)
    close();
  else
    return true;
  return false;
}

void Connection::on_read(std::size_t count) {
  if (phase_ == Phase::Writing) return;  // A refusal after a time-out: nothing more is taken.
  if (phase_ == Phase::Lingering) {
    begin_ = end_ = 0;
    return read();
  }
  end_ += count;
  filled_ = end_ == in_.size();
  process();
}

/// Parses what has been read; ends in a further read, a hand-over or a refusal.
void Connection::process() {
  if (!parser_) {
    parser_.emplace();
    parser_->eager(true);
    parser_->header_limit(static_cast<std::uint32_t>(options_.header_max));
    parser_->body_limit(options_.body_max);
    header_seen_ = false;
  }
  while (begin_ < end_) {
    boost::system::error_code fault;
    const std::size_t used = parser_->put(asio::buffer(in_.data() + begin_, end_ - begin_), fault);
    if (fault == http::error::bad_version && ends_with_bare_lf(in_.data() + begin_, end_ - begin_))
      return refuse(
          problem(400, "bad_request",
                  "This is no HTTP request: its first line ends with LF, not with CR LF."));
    begin_ += used;
    if (fault == http::error::need_more) break;
    if (fault) return refuse(fault);
    const std::string_view parsed{in_.data() + begin_ - used, used};
    if (parser_->is_header_done() && !header_seen_ && !header_arrived(parsed)) return;
    if (parser_->is_done()) return dispatch();
  }
  // Of a header, or of what frames a chunk: nothing else is left unparsed.
  if (end_ - begin_ > options_.header_max)
    return refuse(http::make_error_code(http::error::header_limit));
  if (phase_ == Phase::Idle) {
    phase_ = Phase::Header;
    set_deadline(options_.header_timeout);
  }
  read();
}

/// Refuses what would leave in doubt where the body ends, what it holds or who sends it.
std::optional<ApiReply> Connection::judge_header(std::string_view raw) const {
  const auto& message = parser_->get();
  if (has_folded_line(raw))
    return problem(400, "folded_header", "A line of the header goes on in the next one.");
  const auto count = message.count(http::field::transfer_encoding);
  if (count > 1 ||
      (count == 1 && !same_name(view(message[http::field::transfer_encoding]), "chunked")))
    return problem(501, "unknown_transfer_encoding",
                   "A body comes with its Content-Length or in chunks, in no other coding.");
  if (message.count(http::field::authorization) > 1)
    return problem(400, "two_tokens", "A request has one Authorization header.");
  const std::string_view coding = view(message[http::field::content_encoding]);
  if (!coding.empty() && !same_name(coding, "identity"))
    return problem(415, "unsupported_encoding", "Bodies come as they are, not compressed.");
  return std::nullopt;
}

/// Once per request, when its header is there; `raw` begins with it. False where that was the end
/// of it.
bool Connection::header_arrived(std::string_view raw) {
  header_seen_ = true;
  if (auto refusal = judge_header(raw)) {
    refuse(*refusal);
    return false;
  }
  if (parser_->is_done()) return true;
  const auto& message = parser_->get();
  const std::string_view expect = view(message[http::field::expect]);
  if (options_.admit) {
    ApiRequest request = view_request();
    if (auto refusal = options_.admit(request)) {
      refuse(*refusal);
      return false;
    }
  }
  if (!expect.empty() && message.version() >= 11) {
    if (!same_name(expect, "100-continue")) {
      refuse(problem(417, "unknown_expectation", "Only \"Expect: 100-continue\" is understood."));
      return false;
    }
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    send_ahead(kContinue);
    if (closed_already_) return false;
  }
  phase_ = Phase::Body;
  set_deadline(options_.body_timeout);
  return true;
}

ApiRequest Connection::view_request() {
  const auto& message = parser_->get();
  ApiRequest request;
  request.method = view(message.method_string());
  head_only_ = request.method == "HEAD";
  if (head_only_) request.method = "GET";
  std::string_view target = view(message.target());
  if (target.starts_with("http://") || target.starts_with("https://")) {  // absolute form
    const std::size_t path = target.find('/', target.find("://") + 3);
    target = path == std::string_view::npos ? std::string_view{"/"} : target.substr(path);
  }
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  for (const auto& field : message)
    request.headers.emplace_back(view(field.name_string()), view(field.value()));
  return request;
}

void Connection::dispatch() {
  const auto& message = parser_->get();
  phase_ = Phase::Busy;
  deadline_ = Clock::time_point::max();
  keep_alive_ = parser_->keep_alive();
  http10_ = message.version() < 11;
  ++request_;
  if (!http10_ && message.count(http::field::host) != 1)
    return refuse(problem(400, "no_host", "An HTTP/1.1 request has one Host header."));
  if (draining_) return refuse(problem(503, "stopping", "The server is stopping."));
  ApiRequest request = view_request();
  request.body = std::move(parser_->get().body());
  options_.handle(request, Reply{[outbox = outbox_, to = weak_from_this(),
                                  number = request_](Completion completion) {
                    outbox->push(to, number, std::move(completion));
                  }});
}

void Connection::answer(std::uint64_t request, const ApiReply& reply) {
  if (closed_already_ || phase_ != Phase::Busy || request != request_) return;
  if (reply.close || draining_) keep_alive_ = false;
  send(reply);
}

void Connection::refuse(boost::system::error_code fault) { refuse(reply_to(fault, options_)); }

void Connection::refuse(const ApiReply& reply) {
  keep_alive_ = false;
  send(reply);
}

void Connection::send(const ApiReply& reply) {
  phase_ = Phase::Writing;
  out_.clear();
  sent_ = 0;
  auto out = std::back_inserter(out_);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status, reason_phrase(reply.status),
                 http_date());
  for (const auto& [name, value] : reply.headers) fmt::format_to(out, "{}: {}\r\n", name, value);
  if (!reply.content_type.empty()) fmt::format_to(out, "Content-Type: {}\r\n", reply.content_type);
  if (reply.status != 204) fmt::format_to(out, "Content-Length: {}\r\n", reply.body.size());
  if (!keep_alive_)
    out_ += "Connection: close\r\n";
  else if (http10_)
    out_ += "Connection: keep-alive\r\n";
  out_ += "X-Content-Type-Options: nosniff\r\n\r\n";
  if (!head_only_ && reply.status != 204) out_ += reply.body;
  write();
}

/// Before the answer.
void Connection::send_ahead(std::string_view text) {
  if (tls_) {
    tls_->write(text);
    return write_sealed();
  }
  boost::system::error_code ignored;  // Where it does not fit the caller sends anyway, later.
  socket_.write_some(asio::buffer(text.data(), text.size()), ignored);
}

/// Writes at once what the socket takes, which is nearly always all: no wait, no handler.
void Connection::write() {
  if (tls_) return write_sealed();
  boost::system::error_code error;
  std::size_t count =
      socket_.write_some(asio::buffer(out_.data() + sent_, out_.size() - sent_), error);
  if (error == asio::error::would_block || error == asio::error::try_again) {
    error = {};
    count = 0;
  }
  if (error) return close();
  sent_ += count;
  if (sent_ == out_.size()) return reply_written();
  set_deadline(options_.body_timeout);
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       if (self->closed_already_) return;
                       if (failed) return self->close();
                       self->write();
                     });
}

/// The same under TLS, a piece of the reply after the other; and what the session itself has to
/// say.
void Connection::write_sealed() {
  boost::system::error_code error;
  while (!error) {
    if (tls_->pending().empty()) {
      if (phase_ != Phase::Writing) return;
      if (sent_ == out_.size()) return reply_written();
      const std::string_view piece = std::string_view{out_}.substr(sent_, kSealedWrite);
      tls_->write(piece);
      sent_ += piece.size();
      if (tls_->ended()) return close();
    }
    const std::string_view sealed = tls_->pending();
    tls_->sent(socket_.write_some(asio::buffer(sealed.data(), sealed.size()), error));
  }
  if (error != asio::error::would_block && error != asio::error::try_again) return close();
  if (phase_ == Phase::Writing) set_deadline(options_.body_timeout);
  if (flushing_) return;
  flushing_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       self->flushing_ = false;
                       if (self->closed_already_) return;
                       if (failed) return self->close();
                       self->write_sealed();
                     });
}

void Connection::reply_written() {
  if (out_.capacity() > kReadMost) std::string{}.swap(out_);
  if (!keep_alive_) return linger();
  parser_.reset();
  head_only_ = false;
  phase_ = Phase::Idle;
  if (draining_) return close();
  if (begin_ < end_) return process();  // The next request was sent ahead.
  set_deadline(options_.idle_timeout);
  read();
}

/// Closing with unread input would reset the connection and take the reply away before it is read:
/// the sending side ends first, and what still comes is thrown away for a while.
void Connection::linger() {
  phase_ = Phase::Lingering;
  parser_.reset();
  begin_ = end_ = 0;
  if (tls_) {
    tls_->close();
    write_sealed();
    if (closed_already_) return;
  }
  boost::system::error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return close();
  set_deadline(kLinger);
  if (!reading_) read();  // After a time-out the read under way goes on.
}

void Connection::set_deadline(Duration from_now) {
  deadline_ = Clock::now() + from_now;
  // A later deadline needs no new timer: the armed one looks again when it fires.
  if (deadline_ < armed_until_) arm();
}

void Connection::arm() {
  armed_until_ = deadline_;
  timer_.expires_at(deadline_);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (error) return;
    if (const auto self = weak.lock()) self->on_timer();
  });
}

void Connection::on_timer() {
  if (closed_already_) return;
  armed_until_ = Clock::time_point::max();
  if (Clock::now() >= deadline_) return timed_out();
  if (deadline_ != Clock::time_point::max()) arm();
}

void Connection::timed_out() {
  switch (phase_) {
    case Phase::Header:
    case Phase::Body:
      return refuse(problem(408, "too_slow", "The request did not arrive in time."));
    case Phase::Idle:
    case Phase::Writing:
    case Phase::Lingering:
      return close();
    case Phase::Busy:
      return;
  }
}
}  // namespace onward
