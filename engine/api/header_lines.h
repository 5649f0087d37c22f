#pragma once
// The lines of a request's header, judged one by one as they arrive. Knows no parser.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/api/http.h"

namespace onward {
struct RequestLimits {
  std::size_t header_max = 16u << 10;  ///< Also of a chunk's size line and of trailers.
  std::size_t body_max = 8u << 20;
  std::size_t fields_max = 100;  ///< Lines of the header behind the first one.
};

ApiReply header_too_large(const RequestLimits& limits);
ApiReply too_many_fields(const RequestLimits& limits);

/// Finds where the first line and the header end. The result does not depend on how the bytes were
/// split, and refuses what breaks the protocol before the rest of the header has arrived.
class HeaderLines {
 public:
  enum class Step : std::uint8_t {
    More,       ///< More bytes are needed; those behind the first line must be given again.
    FirstLine,  ///< It ends at `end`. The next call must give the bytes behind it.
    Header,     ///< All of it has arrived; it ends at `end`.
    Refused,    ///< `refusal` says why.
  };

  explicit HeaderLines(const RequestLimits& limits) : limits_{limits} {}

  Step read(std::string_view bytes);
  /// Of what `read` found, in the bytes that it was given.
  std::size_t end() const { return end_; }
  const ApiReply& refusal() const { return refusal_; }

  std::size_t size() const { return size_; }      ///< Bytes of what was found so far.
  std::size_t fields() const { return fields_; }  ///< Lines behind the first one so far.
  bool folded() const { return folded_; }  ///< A line of the header continues in the next one.

 private:
  Step refuse(ApiReply reply);
  bool has_control(std::string_view first_line, bool whole) const;

  const RequestLimits limits_;
  ApiReply refusal_;
  std::size_t end_ = 0;
  std::size_t size_ = 0;
  std::size_t line_ = 0;     ///< Where the line begins, in the bytes that are given again.
  std::size_t scanned_ = 0;  ///< Up to here these bytes have no further end of a line.
  std::size_t fields_ = 0;
  bool first_line_seen_ = false;
  bool folded_ = false;
};
}  // namespace onward
