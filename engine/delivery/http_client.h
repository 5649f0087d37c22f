#pragma once
// The smallest interface through which requests leave the house; a test fakes it.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
/// One attempt to be made. Secrets are resolved.
struct HttpRequest {
  std::uint64_t token = 0;                 ///< Comes back with the reply.
  DeliveryKey delivery;                    ///< For WorkNote; 0: a probe.
  std::shared_ptr<const Request> request;  ///< Method, URL, headers, body. Not copied.
  std::vector<Header> extra_headers;       ///< webhook-id and its like; after the request's own.
  std::string url;                         ///< With secrets resolved; empty: request->url.
  std::vector<Header> headers;  ///< With secrets resolved; used where `url` or a header held one.
  bool headers_replaced = false;
  Duration connect_timeout{};
  Duration timeout{};
  bool want_body = false;  ///< Keep up to 4 KiB of the reply's body.
  /// The secret values that this request holds or was signed with, and texts made of them: must not
  /// be kept if an answer repeats them.
  std::vector<std::string> hidden;
};

/// What came of it. `status` is of a complete final header block, else 0 and `code` says why.
struct HttpReply {
  std::uint64_t token = 0;
  int status = 0;
  std::string code;  ///< See AttemptResult::code.
  std::string error;
  std::string retry_after;  ///< The header's text; empty where there was none or several.
  std::string location;     ///< That header, cut short; raw.
  std::string date;         ///< The Date header, for a Retry-After in date form.
  std::string body;
  bool body_truncated = false;  ///< By the receiver, or beyond what is read.
  bool body_cut = false;        ///< `body` is not all of it.
  bool location_cut = false;
  bool blocked = false;  ///< By the address guard.
  bool local = false;    ///< Our own lack of descriptors, ports or memory.
  Duration took{};
  bool reused = false;  ///< The connection had been used before.
};

/// How receivers' names were looked up.
struct NameFigures {
  std::uint64_t found = 0, failed = 0;  ///< Look-ups that ended.
  std::uint64_t late = 0;               ///< Answers "not in time".
  std::size_t under_way = 0;            ///< Begun, or waiting for a thread.
};

/// Used by one thread, except `wake` and `names`.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual void start(HttpRequest request) = 0;
  /// Waits until something happens, `wake` is called, or at most `longest`; appends ended replies.
  virtual void poll(Duration longest, std::vector<HttpReply>& done) = 0;
  virtual std::size_t in_flight() const = 0;
  /// Any thread.
  virtual void wake() = 0;
  /// Any thread.
  virtual NameFigures names() const { return {}; }
};
}  // namespace onward
