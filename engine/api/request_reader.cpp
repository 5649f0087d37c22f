#include "engine/api/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <iterator>
#include <utility>

#include "engine/api/problem.h"

namespace onward {
namespace {
namespace asio = boost::asio;
namespace http = boost::beast::http;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// The most that the parser allocates for a field, apart from its text.
constexpr std::size_t kFieldBytes = 96;
/// A text doubles its memory up to this size, and grows in such steps from there.
constexpr std::size_t kGrowthStep = std::size_t{8} << 10;
}  // namespace

/// Not by `reserve`, which takes twice the capacity that a text has, if that is more.
void BodyPieces::grow(std::string& piece, std::size_t capacity) {
  std::string larger;
  larger.reserve(capacity);
  larger += piece;
  piece.swap(larger);
}

void BodyPieces::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (pieces_.empty() || pieces_.back().size() == kPiece) {
      // The first one may stay small; one that grew by doubling would hold more than it is to.
      const bool first = pieces_.empty();
      pieces_.emplace_back();
      if (!first) pieces_.back().reserve(kPiece);
    }
    std::string& last = pieces_.back();
    const std::size_t count = std::min(bytes.size(), kPiece - last.size());
    if (const std::size_t need = last.size() + count; need > last.capacity())
      grow(last, std::min(kPiece, need + std::min(need, kGrowthStep)));
    last.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
  }
}

std::size_t BodyPieces::capacity() const {
  std::size_t bytes = 0;
  for (const std::string& piece : pieces_) bytes += piece.capacity();
  return bytes;
}

std::string BodyPieces::join() {
  std::vector<std::string> pieces = std::exchange(pieces_, {});
  const std::size_t size = std::exchange(size_, 0);
  if (pieces.empty()) return {};
  if (pieces.size() == 1) return std::move(pieces.front());
  std::string whole;
  whole.reserve(size);
  for (std::string& piece : pieces) {
    whole += piece;
    std::string{}.swap(piece);
  }
  return whole;
}

RequestReader::RequestReader(const RequestLimits& limits, std::string_view peer)
    : limits_{limits}, lines_{limits}, peer_{peer} {
  // The parser stops behind the header, so that it is judged before anything of the body is read.
  parser_.eager(false);
  parser_.header_limit(static_cast<std::uint32_t>(limits.header_max));
  parser_.body_limit(limits.body_max);
}

RequestReader::Step RequestReader::refuse(ApiReply reply) {
  refusal_ = std::move(reply);
  return Step::Refused;
}

/// The status, code and sentence of what the parser refuses.
RequestReader::Step RequestReader::refuse(boost::system::error_code fault) {
  if (fault == http::error::body_limit)
    return refuse(problem(413, "body_too_large",
                          body_limit_reason_.empty()
                              ? fmt::format("The body may have at most {} bytes.", limits_.body_max)
                              : body_limit_reason_));
  if (fault == http::error::header_limit || fault == http::error::buffer_overflow)
    return refuse(header_too_large(limits_));
  if (fault == http::error::bad_version)
    return refuse(problem(505, "bad_version", "This server speaks HTTP/1.1 and HTTP/1.0."));
  return refuse(
      problem(400, "bad_request", fmt::format("This is no HTTP request: {}.", fault.message())));
}

/// Once the parser has read the size of the last chunk, it asserts that at least five bytes follow
/// in the next call: "0", CR LF and the empty line.
bool RequestReader::awaits_last_chunk(std::string_view bytes) const {
  return in_framing_ && bytes.size() < 5 && bytes.starts_with('0');
}

RequestReader::Step RequestReader::read(std::string_view bytes, std::size_t& used) {
  used = 0;
  if (!head_seen_) return read_head(bytes, used);
  if (parser_.is_done()) return Step::Whole;
  while (used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    if (awaits_last_chunk(rest)) break;
    boost::system::error_code fault;
    used += parser_.put(asio::buffer(rest.data(), rest.size()), fault);
    in_framing_ = fault == http::error::need_more;
    if (in_framing_) break;
    if (fault) return refuse(fault);
    if (!parser_.is_done()) continue;
    // The parser keeps trailers with the fields.
    const auto& message = parser_.get();
    if (static_cast<std::size_t>(std::distance(message.begin(), message.end())) >
        head_.headers.size() + limits_.fields_max)
      return refuse(too_many_fields(limits_));
    return Step::Whole;
  }
  // What frames a chunk: nothing else is left unparsed.
  if (bytes.size() - used > limits_.header_max)
    return refuse(http::make_error_code(http::error::header_limit));
  return Step::More;
}

/// The parser gets the first line, then all others at once, so that the answer does not depend on
/// how the header was split, and so that a header that is not complete takes no more memory than
/// its bytes.
RequestReader::Step RequestReader::read_head(std::string_view bytes, std::size_t& used) {
  while (true) {
    const auto step = lines_.read(bytes);
    if (step == HeaderLines::Step::Refused) return refuse(lines_.refusal());
    if (step == HeaderLines::Step::More) return Step::More;
    const std::size_t end = lines_.end();
    boost::system::error_code fault;
    const std::size_t taken = parser_.put(asio::buffer(bytes.data(), end), fault);
    used += taken;
    if (fault && fault != http::error::need_more) return refuse(fault);
    if (parser_.is_header_done()) return header_arrived();
    // A header that has ended for us must have ended for the parser.
    if (step == HeaderLines::Step::Header || taken != end)
      return refuse(http::make_error_code(http::error::bad_value));
    bytes.remove_prefix(end);
  }
}

std::size_t RequestReader::memory() const {
  return sizeof *this + lines_.size() + lines_.fields() * kFieldBytes +
         head_.headers.capacity() * sizeof head_.headers.front() + body_capacity();
}

/// Refuses what would leave in doubt where the body ends, what it holds or who sends it.
std::optional<ApiReply> RequestReader::judge_header() const {
  const auto& message = parser_.get();
  if (lines_.folded())
    return problem(400, "folded_header", "A line of the header goes on in the next one.");
  const auto count = message.count(http::field::transfer_encoding);
  if (count > 1 ||
      (count == 1 && !same_name(view(message[http::field::transfer_encoding]), "chunked")))
    return problem(501, "unknown_transfer_encoding",
                   "A body comes with its Content-Length or in chunks, in no other coding.");
  if (message.count(http::field::authorization) > 1)
    return problem(400, "two_tokens", "A request has one Authorization header.");
  if (!http10_ && message.count(http::field::host) != 1)
    return problem(400, "no_host", "An HTTP/1.1 request has one Host header.");
  const std::string_view coding = view(message[http::field::content_encoding]);
  if (!coding.empty() && !same_name(coding, "identity"))
    return problem(415, "unsupported_encoding", "Bodies come as they are, not compressed.");
  const std::string_view expect = view(message[http::field::expect]);
  if (!http10_ && !expect.empty() && !same_name(expect, "100-continue"))
    return problem(417, "unknown_expectation", "Only \"Expect: 100-continue\" is understood.");
  return std::nullopt;
}

/// Everything that is read from the header is read here, before a trailer can add to it.
RequestReader::Step RequestReader::header_arrived() {
  head_seen_ = true;
  const auto& message = parser_.get();
  http10_ = message.version() < 11;
  keep_alive_ = parser_.keep_alive();
  has_body_ = !parser_.is_done();
  if (auto refusal = judge_header()) return refuse(*std::move(refusal));
  expects_continue_ = has_body_ && !http10_ && !message[http::field::expect].empty();
  head_.method = view(message.method_string());
  head_only_ = head_.method == "HEAD";
  if (head_only_) head_.method = "GET";
  std::string_view target = view(message.target());
  if (target.starts_with("http://") || target.starts_with("https://")) {  // absolute form
    const std::size_t path = target.find('/', target.find("://") + 3);
    target = path == std::string_view::npos ? std::string_view{"/"} : target.substr(path);
  }
  const std::size_t mark = target.find('?');
  head_.path = target.substr(0, mark);
  if (mark != std::string_view::npos) head_.query = target.substr(mark + 1);
  head_.headers.reserve(lines_.fields());
  for (const auto& field : message)
    head_.headers.emplace_back(view(field.name_string()), view(field.value()));
  head_.peer = peer_;
  head_.body_follows = has_body_;
  parser_.eager(true);
  return Step::Head;
}

bool RequestReader::limit_body(std::size_t body_max, std::string_view why) {
  if (body_max >= limits_.body_max) return true;
  body_limit_reason_ = why;
  parser_.body_limit(body_max);
  const auto length = parser_.content_length();
  if (!length || *length <= body_max) return true;
  (void)refuse(http::make_error_code(http::error::body_limit));
  return false;
}

ApiRequest RequestReader::take() {
  head_.body = parser_.get().body().join();
  head_.body_follows = false;
  return std::move(head_);
}
}  // namespace onward
