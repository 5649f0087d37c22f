#include "engine/api/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <ctime>

#include "engine/api/problem.h"
#include "engine/runtime/guarded.h"

namespace onward {
namespace {
namespace asio = boost::asio;

/// What is read at once: little, because what belongs to the next request is kept; only the body of
/// a client that has shown a valid token or secret is read in larger pieces.
constexpr std::size_t kReadLeast = 4u << 10;
constexpr Duration kLinger = std::chrono::seconds{2};
/// Of TLS: what is read at once, the length of a record; what is sealed at once; and how much may
/// wait for a client that keeps asking without reading.
constexpr std::size_t kSealedRead = 17u << 10;
constexpr std::size_t kSealedWrite = 64u << 10;
constexpr std::size_t kSealedWaitMost = 64u << 10;
/// A longer content of an answer is not copied behind its head.
constexpr std::size_t kCopiedMost = 16u << 10;

/// For a caller who speaks plain HTTP where TLS is spoken.
constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 35\r\n"
    "Connection: close\r\n\r\nThis port speaks https, not http.\r\n";

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

/// Empty where the other end has already gone.
std::string address_of_peer(const asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  return error ? std::string{} : peer.address().to_string();
}

ApiReply too_many_bodies() {
  return problem_for_now(503, "too_many_bodies",
                         "The requests that are on their way to this server take all the memory "
                         "that they may; send this one again later.",
                         std::chrono::seconds{1});
}
}  // namespace

void Outbox::push(std::weak_ptr<Connection> to, std::uint64_t request, Completion completion) {
  if (completion.long_reply)
    return long_replies_.post(
        [this, to = std::move(to), request, completion = std::move(completion)]() mutable {
          push(std::move(to), request, {.reply = made(std::move(completion)), .make = {}});
        });
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
  long_replies_.stop();
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
    connection->answer(item.request, made(std::move(item.completion)));
  }
}

ApiReply Outbox::made(Completion completion) const {
  if (!completion.make) return std::move(completion.reply);
  auto reply = guarded("http.reply", log_, completion.make);
  return reply ? std::move(*reply) : problem_of(reply.error());
}

Connection::Connection(asio::ip::tcp::socket socket, ConnectionHome& home)
    : socket_{std::move(socket)},
      timer_{socket_.get_executor()},
      home_{home},
      options_{home.options},
      peer_{address_of_peer(socket_)} {
  if (options_.tls) tls_.emplace(*options_.tls);
  // Last: a constructor that throws is followed by no destructor, which would leave again.
  place_ = home.ranks.join(this, rank_);
}

Connection::~Connection() {
  forget_answer();
  home_.ranks.leave(place_, rank_);
}

void Connection::enter(Phase phase) {
  phase_ = phase;
  entered_ = ++home_.entries;
  const auto rank = rank_of(phase);
  home_.ranks.move(place_, rank_, rank);
  rank_ = rank;
}

ConnectionRanks::Rank Connection::rank_of(Phase phase) const {
  using Rank = ConnectionRanks::Rank;
  if (known_) return phase == Phase::Idle ? Rank::KnownIdle : Rank::InUse;
  switch (phase) {
    case Phase::Idle:
      return Rank::StrangerIdle;
    case Phase::Header:
      return Rank::StrangerHeader;
    case Phase::Body:
      return Rank::StrangerBody;
    case Phase::Writing:
    case Phase::Lingering:
      return Rank::StrangerWriting;
    case Phase::Busy:
      return Rank::InUse;
  }
  return Rank::InUse;
}

template <class Step>
void Connection::run(Step step) noexcept {
  try {
    step();
  } catch (...) {
    give_up();
  }
}

/// In a `catch` block.
void Connection::give_up() noexcept {
  const Error error = caught("http.connection", options_.log);
  try {
    const bool unanswered = phase_ == Phase::Header || phase_ == Phase::Body ||
                            phase_ == Phase::Busy || (phase_ == Phase::Idle && !tls_);
    if (closed_already_ || !unanswered || reading_) return close();
    refuse(problem_of(error));
  } catch (...) {
    close();
  }
}

void Connection::start() {
  run([&] { take_up(); });
}

void Connection::take_up() {
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
  forget_answer();
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  home_.closed(this);
}

std::size_t Connection::read_most() const {
  const bool large =
      phase_ == Phase::Lingering || (phase_ == Phase::Body && reader_ && reader_->charge.proven());
  return large ? home_.input.size() : kReadLeast;
}

void Connection::read() {
  if (tls_ && phase_ != Phase::Lingering) {
    // What was sealed together comes out in several pieces.
    if (const std::size_t count = tls_->read(home_.input.data(), read_most()); count > 0)
      return on_read({home_.input.data(), count});
    if (!keep_session()) return;
  }
  reading_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](boost::system::error_code error) {
                       self->reading_ = false;
                       if (self->closed_already_) return;
                       if (error) return self->close();
                       self->run([&] { self->receive(); });
                     });
}

/// Reads what the socket has, into memory that all connections share.
void Connection::receive() {
  if (phase_ == Phase::Writing) return;  // A refusal after a time-out: nothing more is read.
  boost::system::error_code error;
  const std::size_t room = tls_ ? kSealedRead : read_most();
  const std::size_t count = socket_.read_some(asio::buffer(home_.input.data(), room), error);
  if (error == asio::error::would_block || error == asio::error::try_again) return read();
  if (error) return close();
  const std::string_view bytes{home_.input.data(), count};
  if (!tls_) return on_read(bytes);
  if (phase_ != Phase::Lingering) tls_->take(bytes);
  read();
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

void Connection::on_read(std::string_view bytes) {
  if (phase_ == Phase::Writing) return;
  if (phase_ == Phase::Lingering) return read();
  if (in_.empty()) return process(bytes);
  in_ += bytes;
  process(in_);
}

/// Parses what has been read, in `in_` or outside of it; ends in a further read, a hand-over or a
/// refusal.
void Connection::process(std::string_view bytes) {
  if (!reader_) {
    reader_ = std::make_unique<RequestReader>(
        RequestLimits{.header_max = options_.header_max, .body_max = options_.body_max}, peer_);
    reader_->charge = home_.bodies->open(known_);
  }
  while (true) {
    std::size_t used = 0;
    const auto step = reader_->read(bytes, used);
    bytes.remove_prefix(used);
    if (step == RequestReader::Step::Refused) return refuse(reader_->refusal());
    if (step == RequestReader::Step::Head) {
      if (!header_arrived()) return;
      continue;
    }
    keep(bytes);
    // A request without a body gives its memory back at once.
    const bool stays = step == RequestReader::Step::More || reader_->has_body();
    if (!charge() && stays && !make_room()) return refuse(too_many_bodies());
    if (step == RequestReader::Step::Whole) return dispatch();
    break;
  }
  if (phase_ == Phase::Idle) {
    enter(Phase::Header);
    set_deadline(options_.header_timeout);
  }
  read();
}

/// Leaves `rest` in `in_`, of which it may be a part, and gives other memory back.
void Connection::keep(std::string_view rest) {
  if (rest.size() != in_.size() || rest.data() != in_.data()) std::string{rest}.swap(in_);
}

/// Counts the memory of the request. False: that is more than there is room for.
bool Connection::charge() {
  const bool parsed_fits = reader_->charge.set(reader_->memory());
  if (in_.empty()) {
    in_charge_ = {};
    return parsed_fits;
  }
  in_charge_ = home_.bodies->open(known_);
  return in_charge_.set(in_.capacity()) && parsed_fits;
}

/// Refuses unfinished requests of other strangers, those first that have been on their way longest,
/// until the rest fits. So a client that sends slowly does not keep the others out.
bool Connection::make_room() {
  while (!home_.bodies->fits(reader_->charge.proven())) {
    Connection* const longest = longest_stranger();
    if (reader_->charge.proven() || longest == nullptr || longest == this) return false;
    longest->refuse(too_many_bodies());
  }
  return true;
}

/// Of those whose header or body is on its way, the one that has waited longest for the rest; null
/// where none is.
Connection* Connection::longest_stranger() const {
  using Rank = ConnectionRanks::Rank;
  Connection* const header = home_.ranks.first(Rank::StrangerHeader);
  Connection* const body = home_.ranks.first(Rank::StrangerBody);
  if (!header || !body) return header ? header : body;
  return header->entered_ < body->entered_ ? header : body;
}

/// Once per request, when its header is there. False where that was the end of it.
bool Connection::header_arrived() {
  head_only_ = reader_->head_only();
  Admission admission;
  // Without a body only the answer to who it is counts, which needs to be given once.
  if (options_.admit && (reader_->has_body() || !known_))
    admission = options_.admit(reader_->head());
  known_ |= admission.known;
  if (!reader_->has_body()) return true;
  if (admission.refusal) {
    refuse(*std::move(admission.refusal));
    return false;
  }
  reader_->charge = home_.bodies->open(admission.known);
  if (!admission.known &&
      !reader_->limit_body(options_.unproven_body_max,
                           fmt::format("A body that comes without a valid token or secret may have "
                                       "at most {} bytes.",
                                       options_.unproven_body_max))) {
    refuse(reader_->refusal());
    return false;
  }
  if (reader_->expects_continue()) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    send_ahead(kContinue);
    if (closed_already_) return false;
  }
  enter(Phase::Body);
  set_deadline(options_.body_timeout);
  return true;
}

void Connection::dispatch() {
  enter(Phase::Busy);
  deadline_ = Clock::time_point::max();
  keep_alive_ = reader_->keep_alive();
  http10_ = reader_->http10();
  ++request_;
  if (draining_) return refuse(problem(503, "stopping", "The server is stopping."));
  const std::shared_ptr<RequestReader> reader{std::move(reader_)};
  Reply reply{[outbox = home_.outbox, to = weak_from_this(), number = request_](
                  Completion completion) { outbox->push(to, number, std::move(completion)); }};
  if (reader->body_size() <= options_.body_on_io_max) {
    ApiRequest request = reader->take();
    return options_.handle(request, std::move(reply));
  }
  // The reader keeps what the request points to, and the body's share of the budget.
  home_.large_bodies.post([reader, reply = std::move(reply), &options = options_]() mutable {
    try {
      ApiRequest request = reader->take();
      options.handle(request, reply);
    } catch (...) {
      reply(problem_of(caught("http.request", options.log)));
    }
  });
}

void Connection::answer(std::uint64_t request, ApiReply reply) {
  if (closed_already_ || phase_ != Phase::Busy || request != request_) return;
  run([&] {
    if (reply.close || draining_) keep_alive_ = false;
    send(std::move(reply));
  });
}

/// Also what has arrived of it, and of those behind it.
void Connection::forget_request() {
  reader_.reset();
  std::string{}.swap(in_);
  in_charge_ = {};
}

void Connection::refuse(ApiReply reply) {
  keep_alive_ = false;
  forget_request();
  send(std::move(reply));
}

void Connection::send(ApiReply reply) {
  enter(Phase::Writing);
  out_.clear();
  sent_ = 0;
  auto out = std::back_inserter(out_);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status, reason_phrase(reply.status),
                 http_date());
  for (const auto& [name, value] : reply.headers) fmt::format_to(out, "{}: {}\r\n", name, value);
  if (!reply.content_type.empty()) fmt::format_to(out, "Content-Type: {}\r\n", reply.content_type);
  const std::string_view content = reply.content();
  if (reply.status != 204) fmt::format_to(out, "Content-Length: {}\r\n", content.size());
  if (!keep_alive_)
    out_ += "Connection: close\r\n";
  else if (http10_)
    out_ += "Connection: keep-alive\r\n";
  out_ += "X-Content-Type-Options: nosniff\r\n\r\n";
  content_ = {};
  if (!head_only_ && reply.status != 204) {
    if (content.size() <= kCopiedMost)
      out_ += content;
    else
      content_ = std::move(reply);
  }
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

/// What comes of the answer at `at`: of its head, then of its content.
std::string_view Connection::out_from(std::size_t at) const {
  if (at < out_.size()) return std::string_view{out_}.substr(at);
  return content_.content().substr(at - out_.size());
}

/// Writes at once what the socket takes, which is nearly always all: no wait, no handler.
void Connection::write() {
  if (tls_) return write_sealed();
  boost::system::error_code error;
  const std::string_view piece = out_from(sent_);
  const std::string_view behind = sent_ < out_.size() ? content_.content() : std::string_view{};
  const std::array<asio::const_buffer, 2> pieces{asio::buffer(piece.data(), piece.size()),
                                                 asio::buffer(behind.data(), behind.size())};
  std::size_t count =
      behind.empty() ? socket_.write_some(pieces[0], error) : socket_.write_some(pieces, error);
  if (error == asio::error::would_block || error == asio::error::try_again) {
    error = {};
    count = 0;
  }
  if (error) return close();
  sent_ += count;
  if (sent_ == out_size()) return reply_written();
  await_reader();
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       if (self->closed_already_) return;
                       if (failed) return self->close();
                       self->run([&] { self->write(); });
                     });
}

/// The same under TLS, a piece of the reply after the other; and what the session itself has to
/// say.
void Connection::write_sealed() {
  boost::system::error_code error;
  while (!error) {
    if (tls_->pending().empty()) {
      if (phase_ != Phase::Writing) return;
      if (sent_ == out_size()) return reply_written();
      const std::string_view piece = out_from(sent_).substr(0, kSealedWrite);
      tls_->write(piece);
      sent_ += piece.size();
      if (tls_->ended()) return close();
    }
    const std::string_view sealed = tls_->pending();
    tls_->sent(socket_.write_some(asio::buffer(sealed.data(), sealed.size()), error));
  }
  if (error != asio::error::would_block && error != asio::error::try_again) return close();
  if (phase_ == Phase::Writing) await_reader();
  if (flushing_) return;
  flushing_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       self->flushing_ = false;
                       if (self->closed_already_) return;
                       if (failed) return self->close();
                       self->run([&] { self->write_sealed(); });
                     });
}

/// The socket takes no more of the answer: the client has to read on. It may pause for a while, and
/// has a limit for the whole answer.
void Connection::await_reader() {
  const auto now = home_.time.look(Clock::now());
  if (!unread_) {
    // A text for all clients takes no memory of this connection.
    unread_ = home_.unread.add(this, out_.capacity() + content_.body.capacity());
    answer_until_ = now + answer_time(out_size(), options_.body_timeout, options_.answer_rate_min);
    while (Connection* const longest = home_.unread.excess()) longest->close();
  }
  set_deadline(
      std::min(options_.body_timeout, std::chrono::duration_cast<Duration>(answer_until_ - now)));
}

/// Its memory is given back.
void Connection::forget_answer() {
  content_ = {};
  if (out_.capacity() > kReadLeast) std::string{}.swap(out_);
  if (unread_) home_.unread.remove(*unread_);
  unread_.reset();
}

void Connection::reply_written() {
  forget_answer();
  if (!keep_alive_) return linger();
  reader_.reset();
  head_only_ = false;
  enter(Phase::Idle);
  if (draining_) return close();
  if (!in_.empty()) return process(in_);  // The next request was sent ahead.
  set_deadline(options_.idle_timeout);
  read();
}

/// Closing with unread input would reset the connection and take the reply away before it is read:
/// the sending side ends first, and what still comes is thrown away for a while.
void Connection::linger() {
  enter(Phase::Lingering);
  forget_request();
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
  deadline_ = home_.time.look(Clock::now()) + from_now;
  // A later deadline needs no new timer: the armed one looks again when it fires.
  if (deadline_ < armed_until_) arm();
}

void Connection::arm() {
  armed_until_ = deadline_;
  timer_.expires_at(deadline_ + home_.time.lost());
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (error) return;
    if (const auto self = weak.lock()) self->run([&] { self->on_timer(); });
  });
}

void Connection::on_timer() {
  if (closed_already_) return;
  armed_until_ = Clock::time_point::max();
  if (home_.time.look(Clock::now()) >= deadline_) return timed_out();
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
