#pragma once
// Speaks to a server: finds it and its token, makes one call, tells of refusals.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/base/result.h"
#include "engine/core/base/styled_text.h"
#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tools/onward/server_file.h"

namespace onward {
/// What every client command understands.
struct ClientOptions {
  std::string server;  ///< URL; empty: ONWARD_SERVER, else the one local server.
  std::string token;   ///< Empty: ONWARD_TOKEN, else that of the local server.
  std::string ca;      ///< PEM of who is believed, of https; empty: ONWARD_CA, else the system's.
  std::string data;    ///< Data folder of a local server; may be empty.
  bool json = false;   ///< Results as JSON.
};

/// A server's answer.
struct Answer {
  int status = 0;
  std::string content_type;
  std::string body;
  Value value;  ///< The body, where it is JSON; else null.
  bool ok() const { return status >= 200 && status < 300; }
  /// Text member `name`, or empty.
  std::string text(std::string_view name) const;
};

class Client {
 public:
  explicit Client(const ClientOptions& options);

  /// One call, whose good answer is a JSON object with the member `member`; where that is empty, an
  /// answer without a body. An error only where no answer of an Onward server came; the message
  /// names the server and what to do.
  Result<Answer> call(std::string_view method, std::string_view path, std::string_view member,
                      std::string body = {},
                      std::string_view content_type = "application/json") const;
  const std::string& server() const { return server_; }
  /// The same for people: without a user and a password.
  std::string shown() const;
  /// How it is reached, and whose certificates are believed.
  const HttpWay& way() const { return way_; }
  bool json() const { return json_; }

  /// Tells on standard error what the server refused, and answers the exit code.
  int refused(const Answer& answer) const;
  /// The same of an answer that says yes and counts less than was sent.
  int not_taken() const;

 private:
  void choose_server(const ClientOptions& options);
  void take_way(const ClientOptions& options, const LocalServer* local);
  void take_token(const ClientOptions& options, const std::optional<LocalServer>& local);
  void tell_choice(std::string_view method) const;

  std::optional<Error> fault_;  // Why there is no server to call.
  // The server whose announcement gave the address or the token; it must run at each call.
  std::optional<LocalServer> announced_;
  mutable std::string choice_;  // Who is written to, until that has been told.
  std::string server_;
  std::string token_;
  HttpWay way_;
  bool json_ = false;
};

/// Where the other of http and https is spoken at `url`: a sentence that says so; else empty.
std::string wrong_scheme(std::string_view url, const Result<HttpAnswer>& answer);
/// A segment of a path, percent-encoded; also "." and "..", which proxies and libraries take out
/// of a path otherwise.
std::string segment(std::string_view text);
/// An answer as the command prints it with --json: as it came, for people indented.
void print_json(const Answer& answer);
void print_json(const Value& value);

/// Fetches what has the member `member`, and prints it, as JSON or by `text`. The exit code.
int show(const ClientOptions& options, const std::string& path, std::string_view member,
         const std::function<StyledText(const Value&)>& text);

/// Members of an answer, read without care: empty, 0 or false where they are missing.
std::string text_of(const Value& value, std::string_view path);
std::int64_t number_of(const Value& value, std::string_view path);
bool flag_of(const Value& value, std::string_view path);
const ValueList& list_of(const Value& value, std::string_view path);
}  // namespace onward
