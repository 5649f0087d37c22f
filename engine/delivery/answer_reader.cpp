#include "engine/delivery/answer_reader.h"

#include <algorithm>
#include <charconv>

#include "engine/core/base/text.h"

namespace onward {
namespace {
/// Of all header blocks of an answer, provisional ones included.
constexpr std::size_t kHeaderMax = 256 * 1024;
/// Kept of where an answer points to.
constexpr std::size_t kLocationMax = 512;
}  // namespace

void AnswerReader::begin(bool want_body) {
  want_body_ = want_body;
  answer_ = {};
}

/// Only the end of the final block makes an answer; provisional blocks (1xx) come before it, and
/// trailers after the body are nobody's business.
AnswerReader::Line AnswerReader::line(std::string_view line) {
  answer_.header_bytes += line.size();
  if (answer_.header_bytes > kHeaderMax) {
    answer_.header_limit = !answer_.complete;
    return Line::Last;
  }
  if (answer_.body_began) return Line::Taken;
  if (line.substr(0, 5) == "HTTP/") {
    const std::size_t bytes = answer_.header_bytes;
    answer_ = {};
    answer_.header_bytes = bytes;
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view code = trimmed(line.substr(space)).substr(0, 3);
    std::from_chars(code.data(), code.data() + code.size(), answer_.block_status);
    return Line::Block;
  }
  if (line == "\r\n" || line == "\n") return end_block() ? Line::Taken : Line::Last;
  field(line);
  return Line::Taken;
}

/// False where nothing more is to be read. Nobody asked to switch protocols. And where headers
/// disagree about the length of a body, whatever follows may be taken for either: the status
/// counts, but the connection is not used again (RFC 9112 6.3).
bool AnswerReader::end_block() {
  answer_.complete = answer_.block_status >= 200;
  answer_.contradicts = answer_.contradicts || (answer_.sized && answer_.chunked);
  return answer_.block_status != 101 && !answer_.contradicts;
}

void AnswerReader::field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = trimmed(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same_ignoring_case(name, "Date")) {
    answer_.date = value;
  } else if (same_ignoring_case(name, "Location")) {
    answer_.location = value.substr(0, kLocationMax);
    answer_.location_cut = value.size() > kLocationMax;
  } else if (same_ignoring_case(name, "Content-Type")) {
    answer_.content_type = value;
  } else if (same_ignoring_case(name, "Content-Length")) {
    const bool number = value.find_first_not_of("0123456789") == std::string_view::npos;
    if (value.empty() || !number || (answer_.sized && value != answer_.length))
      answer_.contradicts = true;
    answer_.length = value;
    answer_.sized = true;
  } else if (same_ignoring_case(name, "Transfer-Encoding")) {
    answer_.chunked = true;
  } else if (same_ignoring_case(name, "Retry-After")) {
    ++answer_.retry_afters;
    answer_.retry_after = value;
  }
}

bool AnswerReader::body_part(std::string_view bytes) {
  answer_.body_began = true;
  answer_.body_bytes += bytes.size();
  if (want_body_) {
    const std::size_t room = keep_max_ - answer_.body.size();
    answer_.body.append(bytes.substr(0, room));
  }
  return answer_.body_bytes <= read_max_;
}
}  // namespace onward
