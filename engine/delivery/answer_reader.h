#pragma once
// What is kept of an answer, read from the lines and pieces that libcurl hands over.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace onward {
/// What is kept of an answer.
struct ReceivedAnswer {
  int block_status = 0;                 ///< Of the header block being read.
  bool complete = false;                ///< The final block was read to its end.
  bool sized = false, chunked = false;  ///< The two ways to tell the length of a body.
  bool contradicts = false;             ///< Two lengths, or one that is none.
  bool body_began = false;
  bool header_limit = false;
  std::size_t header_bytes = 0, body_bytes = 0;
  int retry_afters = 0;
  std::string length, retry_after, date, content_type, location, body;
  bool location_cut = false;
};

/// Reads one answer after another.
class AnswerReader {
 public:
  enum class Line : std::uint8_t {
    Taken,
    Block,  ///< Begins a block: an answer, or a provisional one (1xx).
    Last,   ///< Nothing more is to be read.
  };

  /// `read_max`: a longer body is not read to its end; `keep_max`: what is kept of it.
  AnswerReader(std::size_t read_max, std::size_t keep_max)
      : read_max_{read_max}, keep_max_{keep_max} {}

  /// Forgets the answer before. `want_body`: the body is kept.
  void begin(bool want_body);
  Line line(std::string_view line);
  /// False where nothing more is to be read.
  bool body_part(std::string_view bytes);

  const ReceivedAnswer& answer() const { return answer_; }
  ReceivedAnswer& answer() { return answer_; }

 private:
  bool end_block();
  void field(std::string_view line);

  const std::size_t read_max_, keep_max_;
  bool want_body_ = false;
  ReceivedAnswer answer_;
};
}  // namespace onward
