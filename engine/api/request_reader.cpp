#include "engine/api/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <utility>

#include "engine/api/problem.h"

namespace onward {
namespace {
namespace asio = boost::asio;
namespace http = boost::beast::http;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// Whether the request line, with which `text` begins, ends with LF alone: the parser takes that
/// for another version.
bool ends_with_bare_lf(std::string_view text) {
  const std::size_t end = text.find('\n');
  return end != std::string_view::npos && (end == 0 || text[end - 1] != '\r');
}
}  // namespace

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
    : limits_{limits}, peer_{peer} {
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
    return refuse(
        problem(431, "header_too_large",
                fmt::format("The header may have at most {} bytes.", limits_.header_max)));
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
  if (head_seen_ && parser_.is_done()) return Step::Whole;
  while (used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    if (awaits_last_chunk(rest)) break;
    boost::system::error_code fault;
    const std::size_t count = parser_.put(asio::buffer(rest.data(), rest.size()), fault);
    if (fault == http::error::bad_version && ends_with_bare_lf(rest))
      return refuse(
          problem(400, "bad_request",
                  "This is no HTTP request: its first line ends with LF, not with CR LF."));
    if (!head_seen_)
      for (const char c : rest.substr(0, count)) {
        folded_ |= after_lf_ && (c == ' ' || c == '\t');
        after_lf_ = c == '\n';
      }
    used += count;
    in_framing_ = head_seen_ && fault == http::error::need_more;
    if (fault == http::error::need_more) break;
    if (fault) return refuse(fault);
    if (!head_seen_ && parser_.is_header_done()) return header_arrived();
    if (parser_.is_done()) return Step::Whole;
  }
  // Of a header, or of what frames a chunk: nothing else is left unparsed.
  if (bytes.size() - used > limits_.header_max)
    return refuse(http::make_error_code(http::error::header_limit));
  return Step::More;
}

/// Refuses what would leave in doubt where the body ends, what it holds or who sends it.
std::optional<ApiReply> RequestReader::judge_header() const {
  const auto& message = parser_.get();
  if (folded_)
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
