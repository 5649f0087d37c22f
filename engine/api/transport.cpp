#include "engine/api/transport.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>

namespace onward {
namespace {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// Of TLS: what is read at once, the length of a record; what is sealed at once; and how much may
/// wait for a client that keeps asking without reading.
constexpr std::size_t kSealedRead = 17u << 10;
constexpr std::size_t kSealedWrite = 64u << 10;
constexpr std::size_t kSealedWaitMost = 64u << 10;

/// For a client that speaks plain HTTP where TLS is spoken.
constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 35\r\n"
    "Connection: close\r\n\r\nThis port speaks https, not http.\r\n";

bool would_block(const boost::system::error_code& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

asio::const_buffer buffer_of(std::string_view text) {
  return asio::buffer(text.data(), text.size());
}
}  // namespace

Transport::Transport(tcp::socket socket, const TlsContext* tls) : socket_{std::move(socket)} {
  if (tls) tls_.emplace(*tls);
}

std::string Transport::peer() const {
  Error error;
  const auto peer = socket_.remote_endpoint(error);
  return error ? std::string{} : peer.address().to_string();
}

void Transport::start() {
  Error ignored;
  socket_.set_option(tcp::no_delay{true}, ignored);
  socket_.non_blocking(true, ignored);
}

void Transport::close() {
  Error ignored;
  socket_.close(ignored);
}

Transport::Session Transport::session() const {
  if (!tls_) return Session::Continues;
  if (tls_->plain_http()) return Session::PlainHttp;
  if (tls_->ended()) return Session::Ended;
  return tls_->pending().size() > kSealedWaitMost ? Session::Flooded : Session::Continues;
}

Transport::Received Transport::receive(char* bytes, std::size_t room) {
  Error error;
  const std::size_t count =
      socket_.read_some(asio::buffer(bytes, tls_ ? kSealedRead : room), error);
  if (would_block(error)) return {};
  return {.count = count, .failed = bool{error}};
}

Transport::Sending Transport::send(OutgoingAnswer& answer) {
  if (!tls_) return send_plain(answer);
  while (true) {
    if (const Sending flushed = flush(); flushed != Sending::Done) return flushed;
    if (answer.is_sent()) return Sending::Done;
    const std::string_view piece = answer.unsent().first.substr(0, kSealedWrite);
    tls_->write(piece);
    answer.sent(piece.size());
    if (tls_->ended()) return Sending::Failed;
  }
}

/// Writes at once what the socket takes, which is nearly always all: no wait, no handler.
Transport::Sending Transport::send_plain(OutgoingAnswer& answer) {
  Error error;
  const auto [first, second] = answer.unsent();
  const std::array<asio::const_buffer, 2> pieces{buffer_of(first), buffer_of(second)};
  const std::size_t count =
      second.empty() ? socket_.write_some(pieces[0], error) : socket_.write_some(pieces, error);
  if (would_block(error)) return Sending::Blocked;
  if (error) return Sending::Failed;
  answer.sent(count);
  return answer.is_sent() ? Sending::Done : Sending::Blocked;
}

Transport::Sending Transport::flush() {
  while (tls_ && !tls_->pending().empty()) {
    Error error;
    tls_->sent(socket_.write_some(buffer_of(tls_->pending()), error));
    if (would_block(error)) return Sending::Blocked;
    if (error) return Sending::Failed;
  }
  return Sending::Done;
}

void Transport::send_ahead(std::string_view text) {
  if (tls_) return tls_->write(text);
  Error ignored;
  socket_.write_some(buffer_of(text), ignored);
}

void Transport::refuse_plain_http() {
  Error ignored;
  socket_.write_some(buffer_of(kSpeakTls), ignored);
}

void Transport::end_session() {
  if (tls_) tls_->close();
}

bool Transport::shut_down() {
  Error error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  return !error;
}
}  // namespace onward
