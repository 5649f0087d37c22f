#pragma once
// The little of HTTP/1.1 that a receiver must read. Pure.
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace onward {
inline constexpr std::size_t kHeadMax = 64 * 1024;
inline constexpr std::size_t kBodyMax = 16 * 1024 * 1024;

struct ListenRequest {
  std::string method, path;
  std::vector<std::pair<std::string, std::string>> headers;  ///< Names in lower case.
  std::string body;
  bool keep_open = true;
};

enum class ListenParse { More, Complete, Malformed, TooLarge };

/// What stands between a connection's bytes and a request.
class ListenReader {
 public:
  /// Reads on in `bytes`, all that has come in; on Complete takes the request's bytes away from
  /// their front and leaves the request in `request`.
  ListenParse read(std::string& bytes, ListenRequest& request);
  /// Whether the sender waits for "100 Continue" before it sends the body; true once a request.
  bool wants_continue();

 private:
  ListenParse read_head(const std::string& bytes);
  ListenParse read_fixed(const std::string& bytes);
  ListenParse read_chunks(const std::string& bytes);
  bool read_request_line(const std::string& line);
  bool read_field(const std::string& line);
  bool read_framing();

  ListenRequest request_;
  bool head_done_ = false, chunked_ = false, expects_ = false;
  std::size_t at_ = 0;       ///< Where reading goes on.
  std::size_t length_ = 0;   ///< Of a body that is not chunked.
  std::size_t scanned_ = 0;  ///< Where the end of the head was looked for already.
};
}  // namespace onward
