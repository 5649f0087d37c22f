#pragma once
// Who may do what: bearer tokens, known by their SHA-256, with a role each.
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/api/http.h"
#include "engine/host/runtime.h"

namespace onward {
/// What a route asks of its caller. An author may also read and ingest; an admin may do everything;
/// ingest tokens only write events and contacts; metrics tokens read /metrics and nothing else,
/// which all may that read.
enum class Need : std::uint8_t { Nothing, Metrics, Read, Ingest, Author, Admin };
std::string_view to_string(Need need);
bool allows(Role role, Need need);

/// Lower-case hex.
std::string sha256_hex(std::string_view bytes);
/// A new one: "onw_" and 64 hex digits that nobody can guess.
Result<std::string> new_token();
/// The token of an Authorization header; nothing where it is not of the Bearer form.
std::optional<std::string_view> bearer_token(std::string_view authorization);

struct AccessOptions {
  /// By SHA-256 in hex. Any thread.
  std::function<std::optional<TokenRecord>(std::string_view sha256)> find_token;
  /// Everybody may do everything. Only for a server on loopback: then a request must name a
  /// loopback host and come from no foreign web page, or any site in a browser on this machine
  /// could drive the server.
  bool no_auth = false;
  const Clock* clock = nullptr;  ///< Of tokens that expire; null: the system's.
};

/// Why a request may not pass.
struct LoginRefusal {
  int status = 401;
  std::string code;
  std::string message;
};

/// Immutable; any thread.
class Access {
 public:
  explicit Access(AccessOptions options) : options_{std::move(options)} {}
  /// Nothing where the caller may pass.
  std::optional<LoginRefusal> judge(const ApiRequest& request, Need need) const;
  /// The refusal (401, 403, 421), or nothing where the caller may pass.
  std::optional<ApiReply> refuse(const ApiRequest& request, Need need) const;
  /// The name of the token behind a request that may pass; "anyone" where none was asked for.
  std::string name_of(const ApiRequest& request) const;
  bool asks_for_tokens() const { return !options_.no_auth; }

 private:
  bool expired(const TokenRecord& token) const;
  AccessOptions options_;
};

/// Whether `host` ("127.0.0.1:8787", "localhost", "[::1]:80") names this machine's loopback.
bool names_loopback(std::string_view host);
}  // namespace onward
