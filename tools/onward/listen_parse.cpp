#include "tools/onward/listen_parse.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "engine/core/base/text.h"

namespace onward {
namespace {
constexpr std::string_view kLine = "\r\n";
constexpr std::string_view kInLine = " \t";  // blanks between the parts of a header
constexpr std::size_t kChunkLineMax = 1024;

bool read_number(std::string_view text, int base, std::size_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}
}  // namespace

ListenParse ListenReader::read(std::string& bytes, ListenRequest& request) {
  if (!head_done_) {
    const ListenParse head = read_head(bytes);
    if (head != ListenParse::Complete) return head;
  }
  const ListenParse body = chunked_ ? read_chunks(bytes) : read_fixed(bytes);
  if (body != ListenParse::Complete) return body;
  bytes.erase(0, at_);
  request = std::move(request_);
  *this = ListenReader{};
  return ListenParse::Complete;
}

bool ListenReader::wants_continue() { return std::exchange(expects_, false); }

ListenParse ListenReader::read_head(const std::string& bytes) {
  const std::size_t end = bytes.find("\r\n\r\n", scanned_);
  if (end == std::string::npos ? bytes.size() > kHeadMax : end > kHeadMax) {
    return ListenParse::TooLarge;
  }
  if (end == std::string::npos) {
    scanned_ = bytes.size() < 3 ? 0 : bytes.size() - 3;
    return ListenParse::More;
  }
  std::size_t line = bytes.find(kLine);
  if (!read_request_line(bytes.substr(0, line))) return ListenParse::Malformed;
  while (line < end) {
    const std::size_t from = line + kLine.size();
    line = bytes.find(kLine, from);
    if (!read_field(bytes.substr(from, line - from))) return ListenParse::Malformed;
  }
  if (!read_framing()) return ListenParse::Malformed;
  if (length_ > kBodyMax) return ListenParse::TooLarge;
  at_ = end + 4;
  head_done_ = true;
  return ListenParse::Complete;
}

bool ListenReader::read_request_line(const std::string& line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string::npos || first == 0 || last == first) return false;
  request_.method = line.substr(0, first);
  request_.path = line.substr(first + 1, last - first - 1);
  const std::string version = line.substr(last + 1);
  request_.keep_open = version == "HTTP/1.1";
  return (version == "HTTP/1.1" || version == "HTTP/1.0") && !request_.path.empty() &&
         request_.path.find(' ') == std::string::npos;
}

bool ListenReader::read_field(const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string_view name = std::string_view{line}.substr(0, colon);
  if (name.find_first_of(" \t") != std::string_view::npos) return false;
  request_.headers.emplace_back(lower(name),
                                trimmed(std::string_view{line}.substr(colon + 1), kInLine));
  return true;
}

/// How long the body is. Two answers to that question are none.
bool ListenReader::read_framing() {
  bool sized = false;
  for (const auto& [name, value] : request_.headers) {
    if (name == "content-length") {
      std::size_t length = 0;
      if (!read_number(value, 10, length) || (sized && length != length_)) return false;
      length_ = length;
      sized = true;
    } else if (name == "transfer-encoding") {
      if (lower(value) != "chunked" || chunked_) return false;
      chunked_ = true;
    } else if (name == "connection") {
      if (lower(value) == "close") request_.keep_open = false;
    } else if (name == "expect") {
      expects_ = lower(value) == "100-continue";
    }
  }
  return !(sized && chunked_);
}

ListenParse ListenReader::read_fixed(const std::string& bytes) {
  if (bytes.size() - at_ < length_) return ListenParse::More;
  request_.body = bytes.substr(at_, length_);
  at_ += length_;
  return ListenParse::Complete;
}

ListenParse ListenReader::read_chunks(const std::string& bytes) {
  // Chunks of a byte each would make little of a great deal.
  if (bytes.size() > 2 * kBodyMax) return ListenParse::TooLarge;
  for (;;) {
    const std::size_t end = bytes.find(kLine, at_);
    if (end == std::string::npos) {
      return bytes.size() - at_ > kChunkLineMax ? ListenParse::Malformed : ListenParse::More;
    }
    std::string_view size_text = std::string_view{bytes}.substr(at_, end - at_);
    size_text = trimmed(size_text.substr(0, size_text.find(';')), kInLine);
    std::size_t size = 0;
    if (!read_number(size_text, 16, size)) return ListenParse::Malformed;
    if (size > kBodyMax || request_.body.size() + size > kBodyMax) return ListenParse::TooLarge;
    const std::size_t from = end + kLine.size();
    if (size == 0) {
      // Trailers, if any, end with an empty line.
      if (bytes.compare(from, 2, kLine) == 0) {
        at_ = from + 2;
        return ListenParse::Complete;
      }
      const std::size_t last = bytes.find("\r\n\r\n", from);
      if (last == std::string::npos) {
        return bytes.size() - from > kHeadMax ? ListenParse::TooLarge : ListenParse::More;
      }
      at_ = last + 4;
      return ListenParse::Complete;
    }
    if (bytes.size() < from + size + kLine.size()) return ListenParse::More;
    if (bytes.compare(from + size, 2, kLine) != 0) return ListenParse::Malformed;
    request_.body.append(bytes, from, size);
    at_ = from + size + kLine.size();
  }
}
}  // namespace onward
