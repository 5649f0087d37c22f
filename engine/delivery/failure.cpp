#include "engine/delivery/failure.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

namespace onward {
namespace {
Failure local(std::string error, std::string code = "local") {
  return {.code = std::move(code), .error = std::move(error), .local = true};
}

Failure name_connect(const FailedTransfer& failed) {
  const std::string what = fmt::format("could not connect to {}: ", failed.where);
  switch (failed.os_errno) {
    case ECONNREFUSED:
      return {.code = "connect_refused", .error = what + "connection refused"};
    case ETIMEDOUT:
      return {.code = "connect_timeout", .error = what + "no answer"};
    case ECONNRESET:
      return {.code = "reset", .error = what + "connection reset"};
    case EADDRNOTAVAIL:
      return local(what + "no free local port");
    case ENETUNREACH:
      // Without a route to any IPv4 network it is our network that is down; many machines simply
      // have no IPv6.
      if (!failed.ipv6) return local(what + "no network", "no_network");
      return {.code = "unreachable", .error = what + "network is unreachable"};
    default:
      break;
  }
  const char* why = failed.os_errno != 0 ? std::strerror(failed.os_errno) : "it cannot be reached";
  return {.code = "unreachable", .error = what + why};
}

Failure name_timeout(const FailedTransfer& failed) {
  const std::string& where = failed.where;
  if (failed.requested) {
    return {.code = "timeout",
            .error = fmt::format("no complete answer from {} within {}", where,
                                 format_duration(failed.timeout))};
  }
  if (!failed.resolved) {
    return {.code = "dns", .error = fmt::format("the name in {} was not resolved in time", where)};
  }
  if (!failed.connected) {
    return {.code = "connect_timeout",
            .error = fmt::format("could not connect to {} within {}", where,
                                 format_duration(failed.connect_timeout))};
  }
  return {.code = "tls", .error = fmt::format("the TLS handshake with {} took too long", where)};
}

/// Whoever demands a certificate says so by name in TLS 1.3 alone, after the handshake, where a
/// reset may overtake it.
std::optional<Failure> lacks_certificate(const FailedTransfer& failed) {
  const bool named = failed.message.find("certificate required") != std::string::npos;
  if (!named && !failed.certificate_asked) return std::nullopt;
  constexpr std::string_view kDemands = "demands a client certificate";
  constexpr std::string_view kHungUp = "asked for a client certificate, got none, and hung up";
  return Failure{.code = "tls_client_cert",
                 .error = fmt::format("{} {}", failed.where, named ? kDemands : kHungUp)};
}

/// The connection broke, or what came over it is no answer.
Failure name_broken(const FailedTransfer& failed) {
  if (auto lacking = lacks_certificate(failed)) return *std::move(lacking);
  if (failed.code == CURLE_GOT_NOTHING) {
    return {.code = "reset",
            .error = fmt::format("{} closed the connection without an answer", failed.where)};
  }
  return {.code = "reset",
          .error = fmt::format("the connection to {} broke before an answer", failed.where)};
}

Failure name_tls(const FailedTransfer& failed, std::string code) {
  return {.code = std::move(code),
          .error = fmt::format("TLS with {} failed: {}", failed.where, failed.message)};
}

Failure header_limit(const FailedTransfer& failed) {
  return {.code = "header_limit", .error = fmt::format("{} sent endless headers", failed.where)};
}

Failure protocol(const FailedTransfer& failed) {
  if (failed.provisional == 101) {
    return {.code = "protocol",
            .error = fmt::format("{} answered 101, though nobody asked to switch", failed.where)};
  }
  return {.code = "protocol",
          .error = fmt::format("what {} answered is no HTTP/1.1: {}", failed.where,
                               failed.message.empty() ? "cut off" : failed.message)};
}

bool is_resource_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}
}  // namespace

Failure name_failure(const FailedTransfer& failed) {
  const bool stopped = failed.code == CURLE_ABORTED_BY_CALLBACK || !failed.socket_opened;
  if (!failed.refusal.empty() && stopped) {
    return {.code = "blocked_policy", .error = failed.refusal, .blocked = true};
  }
  if (failed.header_limit) return header_limit(failed);
  if (is_resource_shortage(failed.socket_errno)) {
    return local(
        fmt::format("no socket for {}: {}", failed.where, std::strerror(failed.socket_errno)));
  }
  switch (failed.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return {.code = "dns", .error = fmt::format("the name in {} has no address", failed.where)};
    case CURLE_COULDNT_CONNECT:
      return name_connect(failed);
    case CURLE_OPERATION_TIMEDOUT:
      return name_timeout(failed);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return name_tls(failed, "tls_cert");
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_USE_SSL_FAILED:
      if (auto lacking = lacks_certificate(failed)) return *std::move(lacking);
      return name_tls(failed, "tls");
    case CURLE_SSL_CACERT_BADFILE:
      return local(
          fmt::format("the file of trusted certificates cannot be read: {}", failed.message));
    case CURLE_OUT_OF_MEMORY:
      // A single header line beyond libcurl's cap has this code as well.
      return failed.requested ? header_limit(failed) : local("out of memory");
    case CURLE_RECV_ERROR:
      if (failed.message.find("response headers") != std::string::npos) return header_limit(failed);
      return name_broken(failed);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
      return name_broken(failed);
    case CURLE_URL_MALFORMAT:
      return {.code = "bad_url", .error = "the URL cannot be read"};
    case CURLE_FAILED_INIT:
      return local("libcurl could not begin");
    default:
      break;
  }
  constexpr int kTooLarge = 100;  // CURLE_TOO_LARGE, of later versions.
  if (static_cast<int>(failed.code) == kTooLarge) return header_limit(failed);
  if (failed.requested) return protocol(failed);
  return {
      .code = "unreachable",
      .error = fmt::format("could not ask {}: {}", failed.where, curl_easy_strerror(failed.code))};
}
}  // namespace onward
