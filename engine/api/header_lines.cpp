#include "engine/api/header_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/api/problem.h"

namespace onward {
namespace {
bool is_refused_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\r') || byte == 0x7f;
}
}  // namespace

ApiReply header_too_large(const RequestLimits& limits) {
  return problem(431, "header_too_large",
                 fmt::format("The header may have at most {} bytes.", limits.header_max));
}

ApiReply too_many_fields(const RequestLimits& limits) {
  return problem(431, "too_many_fields",
                 fmt::format("The header, and the trailers of a body, may have at most {} "
                             "fields each. Send fewer fields.",
                             limits.fields_max));
}

HeaderLines::Step HeaderLines::refuse(ApiReply reply) {
  refusal_ = std::move(reply);
  return Step::Refused;
}

HeaderLines::Step HeaderLines::read(std::string_view bytes) {
  while (scanned_ < bytes.size()) {
    const std::size_t lf = bytes.find('\n', scanned_);
    const bool whole = lf != std::string_view::npos;
    const std::size_t end = whole ? lf + 1 : bytes.size();
    if (!first_line_seen_ && has_control(bytes.substr(0, end), whole))
      return refuse(problem(400, "bad_request",
                            "This is not an HTTP request: its first line has a control "
                            "character."));
    if (size_ + end > limits_.header_max) return refuse(header_too_large(limits_));
    scanned_ = end;
    if (!whole) return Step::More;
    const std::string_view line = bytes.substr(line_, end - line_);
    if (!line.ends_with("\r\n"))
      return refuse(problem(400, "bad_request",
                            fmt::format("This is not an HTTP request: line {} of its header ends "
                                        "with LF; each line must end with CR LF.",
                                        first_line_seen_ ? fields_ + 2 : 1)));
    if (first_line_seen_ && line.size() > 2) {
      folded_ |= line.front() == ' ' || line.front() == '\t';
      if (++fields_ > limits_.fields_max) return refuse(too_many_fields(limits_));
      line_ = end;
      continue;
    }
    end_ = end;
    size_ += end;
    line_ = scanned_ = 0;
    return std::exchange(first_line_seen_, true) ? Step::Header : Step::FirstLine;
  }
  return Step::More;
}

/// Finds in the part of the first line that has arrived what can be refused before its end, for
/// example a TLS handshake.
bool HeaderLines::has_control(std::string_view first_line, bool whole) const {
  first_line = first_line.substr(0, limits_.header_max);
  if (whole && first_line.ends_with('\n')) first_line.remove_suffix(1);
  first_line.remove_prefix(std::min(scanned_, first_line.size()));
  return std::any_of(first_line.begin(), first_line.end(), is_refused_control);
}
}  // namespace onward
