#pragma once
// The real client: libcurl's multi interface, connections reused, the address guard at every
// socket.
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "engine/core/base/result.h"
#include "engine/delivery/address_guard.h"
#include "engine/delivery/http_client.h"
#include "engine/delivery/resolver.h"
#include "engine/guard/work_note.h"

namespace onward {
struct CurlOptions {
  AddressGuard guard;
  std::string user_agent;  ///< Empty: "Onward/" and the version. A request's own header wins.
  std::size_t connections_max = 2048;
  bool https_only = false;
  std::string ca_file;       ///< PEM; empty: the system's.
  ResolverOptions names;     ///< `answered` is the client's own, and `clock` where it is empty.
  WorkNote* note = nullptr;  ///< Whose answer is being read; may be null, and outlives the client.
  /// For time limits; any thread.
  std::function<std::chrono::steady_clock::time_point()> clock = std::chrono::steady_clock::now;
};
std::unique_ptr<HttpClient> make_curl_client(const CurlOptions& options);

/// One blocking call, for the command line. No guard: the user named the server.
struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};
struct HttpWay {
  std::string ca_file = {};  ///< PEM; empty: the system's.
  std::string address = {};  ///< "127.0.0.1:8787", whatever the URL's host; empty: where that is.
};
Result<HttpAnswer> http_call(const Request& request, Duration timeout, const HttpWay& way = {});
}  // namespace onward
