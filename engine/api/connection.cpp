#include "engine/api/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/api/problem.h"
#include "engine/guard/guarded.h"

namespace onward {
namespace {
/// What is read at once: little, because what belongs to the next request is kept; only the body of
/// a client that has shown a valid token or secret is read in larger pieces.
constexpr std::size_t kReadLeast = 4u << 10;
constexpr Duration kLinger = std::chrono::seconds{2};

ApiReply too_many_bodies() {
  return problem_for_now(503, "too_many_bodies",
                         "The requests that are on their way to this server take all the memory "
                         "that they may; send this one again later.",
                         std::chrono::seconds{1});
}
}  // namespace

Connection::Connection(boost::asio::ip::tcp::socket socket, ConnectionHome& home)
    : home_{home},
      options_{home.options},
      transport_{std::move(socket), options_.tls.get()},
      deadline_{transport_.executor(), home.time},
      state_{this, home.ranks},
      request_{{.header_max = options_.header_max, .body_max = options_.body_max},
               *home.bodies,
               transport_.peer()} {}

Connection::~Connection() { forget_answer(); }

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
    const Phase phase = state_.phase();
    const bool unanswered = phase == Phase::Header || phase == Phase::Body ||
                            phase == Phase::Busy ||
                            (phase == Phase::Idle && !transport_.is_sealed());
    if (closed_already_ || !unanswered || transport_.is_reading()) return close();
    refuse(problem_of(error));
  } catch (...) {
    close();
  }
}

void Connection::start() {
  deadline_.bind(weak_from_this());
  run([&] {
    transport_.start();
    // A new connection has as long as a header for its first word; only one that has been of use
    // may idle.
    deadline_.set(options_.header_timeout);
    read();
  });
}

void Connection::drain() {
  draining_ = true;
  if (state_.phase() == Phase::Idle) close();
}

void Connection::close() {
  if (closed_already_) return;
  closed_already_ = true;
  forget_answer();
  transport_.close();
  deadline_.cancel();
  home_.closed(this);
}

std::size_t Connection::read_most() const {
  const Phase phase = state_.phase();
  const bool large = phase == Phase::Lingering || (phase == Phase::Body && request_.has_begun() &&
                                                   request_.reader().charge.proven());
  return large ? home_.input.size() : kReadLeast;
}

void Connection::read() {
  if (transport_.is_sealed() && state_.phase() != Phase::Lingering) {
    // What was sealed together comes out in several pieces.
    if (const std::size_t count = transport_.unseal(home_.input.data(), read_most()); count > 0)
      return on_read({home_.input.data(), count});
    if (!keep_session()) return;
  }
  transport_.when_readable([self = shared_from_this()](Transport::Error error) {
    if (self->closed_already_) return;
    if (error) return self->close();
    self->run([&] { self->receive(); });
  });
}

/// Reads what the socket has, into memory that all connections share.
void Connection::receive() {
  if (state_.phase() == Phase::Writing) return;  // A refusal after a time-out.
  const auto [count, failed] = transport_.receive(home_.input.data(), read_most());
  if (failed) return close();
  if (count == 0) return read();
  const std::string_view bytes{home_.input.data(), count};
  if (!transport_.is_sealed()) return on_read(bytes);
  if (state_.phase() != Phase::Lingering) transport_.take_sealed(bytes);
  read();
}

/// Sends what shaking hands asks for. False: the session is over.
bool Connection::keep_session() {
  using Session = Transport::Session;
  if (transport_.session() == Session::PlainHttp) {
    transport_.refuse_plain_http();
    linger();
    return false;
  }
  write();
  if (closed_already_) return false;
  const Session session = transport_.session();
  if (session == Session::Ended)
    linger();  // Else the alert that says why would be taken away with the connection.
  else if (session == Session::Flooded)
    close();
  return session == Session::Continues;
}

void Connection::on_read(std::string_view bytes) {
  if (state_.phase() == Phase::Writing) return;
  if (state_.phase() == Phase::Lingering) return read();
  process(request_.append(bytes));
}

/// Parses what has been read; ends in a further read, a hand-over or a refusal.
void Connection::process(std::string_view bytes) {
  request_.begin(state_.is_known());
  while (true) {
    const auto step = request_.read(bytes);
    if (step == RequestReader::Step::Refused) return refuse(request_.reader().refusal());
    if (step == RequestReader::Step::Head) {
      if (!header_arrived()) return;
      continue;
    }
    const bool fits = request_.keep(bytes, state_.is_known());
    // A request without a body gives its memory back at once.
    const bool stays = step == RequestReader::Step::More || request_.reader().has_body();
    if (!fits && stays && !make_room()) return refuse(too_many_bodies());
    if (step == RequestReader::Step::Whole) return dispatch();
    break;
  }
  if (state_.phase() == Phase::Idle) {
    state_.enter(Phase::Header);
    deadline_.set(options_.header_timeout);
  }
  read();
}

/// Refuses unfinished requests of other strangers, those first that have been on their way longest,
/// until the rest fits. So a client that sends slowly does not keep the others out.
bool Connection::make_room() {
  using Rank = ConnectionRanks::Rank;
  const bool proven = request_.reader().charge.proven();
  while (!home_.bodies->fits(proven)) {
    Connection* const longest = home_.ranks.first(Rank::StrangerHeader, Rank::StrangerBody);
    if (proven || longest == nullptr || longest == this) return false;
    longest->refuse(too_many_bodies());
  }
  return true;
}

/// Once per request, when its header is there. False where that was the end of it.
bool Connection::header_arrived() {
  RequestReader& reader = request_.reader();
  form_.head_only = reader.head_only();
  Admission admission;
  // Without a body only the answer to who it is counts, which needs to be given once.
  if (options_.admit && (reader.has_body() || !state_.is_known()))
    admission = options_.admit(reader.head());
  if (admission.known) state_.know();
  if (!reader.has_body()) return true;
  if (admission.refusal) {
    refuse(*std::move(admission.refusal));
    return false;
  }
  request_.charge_as(admission.known);
  if (!admission.known &&
      !reader.limit_body(options_.unproven_body_max,
                         fmt::format("A body that comes without a valid token or secret may have "
                                     "at most {} bytes.",
                                     options_.unproven_body_max))) {
    refuse(reader.refusal());
    return false;
  }
  if (reader.expects_continue()) {
    transport_.send_ahead("HTTP/1.1 100 Continue\r\n\r\n");
    write();
    if (closed_already_) return false;
  }
  state_.enter(Phase::Body);
  deadline_.set(options_.body_timeout);
  return true;
}

void Connection::dispatch() {
  state_.enter(Phase::Busy);
  deadline_.clear();
  form_.keep_alive = request_.reader().keep_alive();
  form_.http10 = request_.reader().http10();
  ++number_;
  if (draining_) return refuse(problem(503, "stopping", "The server is stopping."));
  const std::shared_ptr<RequestReader> reader{request_.take()};
  Responder reply{[outbox = home_.outbox, to = weak_from_this(), number = number_](
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
  if (closed_already_ || state_.phase() != Phase::Busy || request != number_) return;
  run([&] {
    if (reply.close || draining_) form_.keep_alive = false;
    send(std::move(reply));
  });
}

/// Drops what has arrived of the request, and of those behind it.
void Connection::refuse(ApiReply reply) {
  form_.keep_alive = false;
  request_.forget();
  send(std::move(reply));
}

void Connection::send(ApiReply reply) {
  state_.enter(Phase::Writing);
  answer_.set(std::move(reply), form_);
  write();
}

/// Sends what the socket takes: the answer, and under TLS what the session itself has to say.
void Connection::write() {
  using Sending = Transport::Sending;
  const bool answers = state_.phase() == Phase::Writing;
  const Sending sending = answers ? transport_.send(answer_) : transport_.flush();
  if (sending == Sending::Failed) return close();
  if (sending == Sending::Done) return answers ? reply_written() : void();
  if (answers) await_reader();
  transport_.when_writable([self = shared_from_this()](Transport::Error error) {
    if (self->closed_already_) return;
    if (error) return self->close();
    self->run([&] { self->write(); });
  });
}

/// The socket takes no more of the answer: the client has to read on. It may pause for a while, and
/// has a limit for the whole answer.
void Connection::await_reader() {
  const auto now = home_.time.look(std::chrono::steady_clock::now());
  if (!unread_) {
    const Duration most =
        answer_time(answer_.size(), options_.body_timeout, options_.answer_rate_min);
    unread_ = home_.unread.add(this, answer_.memory(), now + most);
    while (Connection* const longest = home_.unread.excess()) longest->close();
  }
  if (closed_already_) return;
  deadline_.set(std::min(options_.body_timeout,
                         std::chrono::duration_cast<Duration>((*unread_)->until - now)));
}

/// Its memory is given back.
void Connection::forget_answer() {
  answer_.forget();
  if (unread_) home_.unread.remove(*unread_);
  unread_.reset();
}

void Connection::reply_written() {
  forget_answer();
  if (!form_.keep_alive) return linger();
  form_.head_only = false;
  state_.enter(Phase::Idle);
  if (draining_) return close();
  if (!request_.kept().empty()) return process(request_.kept());  // The next one was sent ahead.
  deadline_.set(options_.idle_timeout);
  read();
}

/// Closing with unread input would reset the connection and take the reply away before it is read:
/// the sending side ends first, and what still comes is thrown away for a while.
void Connection::linger() {
  state_.enter(Phase::Lingering);
  request_.forget();
  transport_.end_session();
  write();
  if (closed_already_) return;
  if (!transport_.shut_down()) return close();
  deadline_.set(kLinger);
  if (!transport_.is_reading()) read();  // After a time-out the read under way goes on.
}

void Connection::timer_fired() noexcept {
  run([&] {
    if (!closed_already_ && deadline_.passed()) timed_out();
  });
}

void Connection::timed_out() {
  switch (state_.phase()) {
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
