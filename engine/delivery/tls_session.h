#pragma once
// What libcurl does not tell of a TLS session, asked of OpenSSL.
#include <curl/curl.h>

#include <memory>

namespace onward {
/// Whether bytes of the connection that `handle` has now were taken from its socket, and have not
/// been read yet. To be asked in a callback of libcurl's, where it has one. False without TLS.
bool holds_unread(CURL* handle);

/// Has `asked` set once the receiver asks for a certificate of ours, which it does not get.
/// `context` is an `SSL_CTX*` of one connection, as CURLOPT_SSL_CTX_FUNCTION hands it out.
CURLcode watch_for_request(void* context, std::shared_ptr<bool> asked);
}  // namespace onward
