#pragma once
// Requests and replies as the resources see them: plain values, nothing of Beast.
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace onward {
/// One request, whole. The views are valid until the handler returns; keep copies of what is needed
/// later. `body` may be moved from.
struct ApiRequest {
  std::string_view method;  ///< "GET"; HEAD arrives as GET.
  std::string_view path;    ///< As sent, still percent-encoded: "/v1/contacts/jane%40x"
  std::string_view query;   ///< Without "?".
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string body;
  std::string_view peer = {};  ///< The address of the other end: of the client, or of its proxy.
  bool body_follows = false;   ///< Only the head has arrived so far, and a body will follow.

  /// The first header of that name, whatever its case; empty where there is none.
  std::string_view header(std::string_view name) const;
};

struct ApiReply {
  int status = 200;
  std::string content_type = "application/json";  ///< Empty where there is no body.
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool close = false;  ///< The connection ends after it.
  /// Sent instead of `body` where it is set: one text for all clients, never copied.
  std::shared_ptr<const std::string> shared_body = nullptr;

  std::string_view content() const { return shared_body ? *shared_body : body; }
};

/// What a request's header says about its sender.
struct Admission {
  std::optional<ApiReply> refusal = std::nullopt;  ///< Spares reading the body.
  bool known = false;                              ///< It brings a valid token or secret.
};

/// What travels back to the io thread: a reply, or what makes one.
struct Completion {
  ApiReply reply;
  std::function<ApiReply()> make;
  bool long_reply = false;  ///< `make` runs on the thread of long replies, not on the io thread.
};

/// How a request is answered: once, from any thread. Copies are the same answer. Where the last
/// copy goes unanswered (the engine ended under way), the caller gets 503.
class Responder {
 public:
  using Sink = std::function<void(Completion)>;
  explicit Responder(Sink sink);
  void operator()(ApiReply reply) const;
  /// `make` runs on the io thread, so that nothing is rendered on the engine's. For short replies:
  /// meanwhile no other client is served.
  void later(std::function<ApiReply()> make) const;
  /// The same for a reply that may be long: `make` runs on a thread of its own.
  void later_at_length(std::function<ApiReply()> make) const;

 private:
  struct Ticket;
  std::shared_ptr<Ticket> ticket_;
};

/// "%40" to "@", and "+" to a blank where `plus`; nothing where an escape is broken or the result
/// holds a control character or is no UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus = false);

/// A query's parameters, decoded, in order; nothing where one cannot be decoded.
using QueryParameters = std::vector<std::pair<std::string, std::string>>;
std::optional<QueryParameters> parse_query(std::string_view query);

/// Whether two names are equal but for ASCII case.
bool same_name(std::string_view a, std::string_view b);
/// The media type of a Content-Type header, lower case, without parameters.
std::string media_type(std::string_view content_type);

/// "Not Found"
std::string_view reason_phrase(int status);
}  // namespace onward
