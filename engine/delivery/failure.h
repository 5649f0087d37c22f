#pragma once
// What a failed attempt is called: a machine word and a sentence. Pure.
#include <curl/curl.h>

#include <string>

#include "engine/core/base/time.h"

namespace onward {
/// All that is known of an attempt which brought no complete header block.
struct FailedTransfer {
  CURLcode code = CURLE_OK;
  std::string where;           ///< "crm.example.com:443"
  std::string message;         ///< libcurl's own words; may be empty.
  std::string refusal;         ///< The address guard's; empty: it refused nothing.
  bool socket_opened = false;  ///< To an address that was not refused.
  bool ipv6 = false;           ///< That address.
  int socket_errno = 0;        ///< Of a socket that could not be opened.
  int os_errno = 0;            ///< Of the connection.
  bool resolved = false, connected = false;
  bool requested = false;  ///< TLS stood, where there is TLS, and the request began to go out.
  bool certificate_asked = false;  ///< A certificate of ours, on a connection made for it.
  bool header_limit = false;
  int provisional = 0;  ///< The status of a header block that is no final one: 100, 101, 103.
  Duration connect_timeout{}, timeout{};
};

struct Failure {
  std::string code;
  std::string error;
  bool blocked = false;  ///< By the address guard.
  bool local = false;    ///< Our own lack of something; the receiver has no part in it.
};

/// Judges by how far the attempt came rather than by libcurl's code alone, which calls a header of
/// 20 MB "out of memory" and gives a flood of 103s the status 103.
Failure name_failure(const FailedTransfer& failed);
}  // namespace onward
