#pragma once
// Reads one HTTP request from the bytes of a connection. No socket, no clock: the answer to a
// request depends on its bytes alone, not on how they were split into packets. Includes
// Boost.Beast; only the connection includes this file.
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/body_budget.h"
#include "engine/api/header_lines.h"
#include "engine/api/http.h"

namespace onward {
/// A body in pieces, so that no step of the thread that reads takes or moves much memory at once.
class BodyPieces {
 public:
  static constexpr std::size_t kPiece = std::size_t{64} << 10;

  void append(std::string_view bytes);
  std::size_t size() const { return size_; }
  /// Of the memory that it takes.
  std::size_t capacity() const;
  /// All of it as one text; nothing is left here. What fits into one piece is only moved.
  std::string join();

 private:
  static void grow(std::string& piece, std::size_t capacity);

  std::vector<std::string> pieces_;  // all but the last hold kPiece bytes
  std::size_t size_ = 0;
};

/// A body that grows with the bytes that arrive. A `Content-Length` alone reserves nothing.
struct GrowingBody {
  using value_type = BodyPieces;

  class reader {
   public:
    template <bool kRequest, class Fields>
    reader(boost::beast::http::header<kRequest, Fields>&, value_type& body) : body_{body} {}
    void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& fault) {
      fault = {};
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::beast::error_code& fault) {
      fault = {};
      const std::size_t before = body_.size();
      for (const auto buffer : boost::beast::buffers_range_ref(buffers))
        body_.append({static_cast<const char*>(buffer.data()), buffer.size()});
      return body_.size() - before;
    }
    void finish(boost::beast::error_code& fault) { fault = {}; }

   private:
    value_type& body_;
  };
};

/// Not movable: the views of `head` point into it.
class RequestReader {
 public:
  enum class Step : std::uint8_t {
    More,   ///< More bytes are needed; those that were not used must be given again.
    Head,   ///< The header is complete and sound. Comes once, before any byte of the body is read.
    Whole,  ///< The request is complete.
    Refused,  ///< `refusal` says why. Nothing more can be read.
  };

  /// `peer` is the address of the other end, or empty.
  explicit RequestReader(const RequestLimits& limits, std::string_view peer = {});
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  /// Reads on in `bytes` and sets `used` to how many of them it needs no more.
  Step read(std::string_view bytes, std::size_t& used);

  /// From Step::Head on: the request without its body. Trailers of a chunked body are checked and
  /// dropped, because a proxy in front of this server has not seen them as headers.
  const ApiRequest& head() const { return head_; }
  bool head_only() const { return head_only_; }  ///< HEAD, which `head` calls GET.
  bool has_body() const { return has_body_; }
  bool expects_continue() const { return expects_continue_; }
  bool keep_alive() const { return keep_alive_; }
  bool http10() const { return http10_; }

  /// At Step::Head: a smaller limit for this body. False: its Content-Length is larger already, and
  /// `refusal` says so.
  bool limit_body(std::size_t body_max, std::string_view why);
  /// The memory that the request takes so far: this object, the parsed head and the body. An upper
  /// bound, because the size of what the parser allocates for a field is not known exactly.
  std::size_t memory() const;
  std::size_t body_size() const { return parser_.get().body().size(); }
  std::size_t body_capacity() const { return parser_.get().body().capacity(); }

  /// After Step::Whole, once, on any thread: that of a large body takes time.
  ApiRequest take();
  const ApiReply& refusal() const { return refusal_; }

  BodyBudget::Charge charge;  ///< For `memory()`, for as long as the reader lives.

 private:
  using Parser = boost::beast::http::request_parser<GrowingBody>;

  Step refuse(boost::system::error_code fault);
  Step refuse(ApiReply reply);
  Step read_head(std::string_view bytes, std::size_t& used);
  Step header_arrived();
  std::optional<ApiReply> judge_header() const;
  bool awaits_last_chunk(std::string_view bytes) const;

  RequestLimits limits_;
  HeaderLines lines_;
  std::string peer_;
  std::string body_limit_reason_;
  Parser parser_;
  ApiRequest head_;
  ApiReply refusal_;
  bool head_seen_ = false;
  bool in_framing_ = false;  ///< The last call ended inside the size line of a chunk.
  bool head_only_ = false;
  bool has_body_ = false;
  bool expects_continue_ = false;
  bool keep_alive_ = false;
  bool http10_ = false;
};
}  // namespace onward
