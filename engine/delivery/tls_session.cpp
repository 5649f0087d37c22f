#include "engine/delivery/tls_session.h"

#include <openssl/ssl.h>

#include <utility>

namespace onward {
namespace {
using Flag = std::shared_ptr<bool>;

void free_flag(void*, void* flag, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Flag*>(flag);
}

/// Where a context keeps its flag.
int flag_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_flag);
  return index;
}

/// Without a certificate, OpenSSL goes on and lets the receiver judge.
int on_request(SSL* session, X509**, EVP_PKEY**) {
  if (const auto* flag =
          static_cast<Flag*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), flag_index())))
    **flag = true;
  return 0;
}
}  // namespace

bool holds_unread(CURL* handle) {
  curl_tlssessioninfo* info = nullptr;
  if (curl_easy_getinfo(handle, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == nullptr)
    return false;
  return info->backend == CURLSSLBACKEND_OPENSSL && info->internals != nullptr &&
         SSL_has_pending(static_cast<SSL*>(info->internals)) == 1;
}

CURLcode watch_for_request(void* context, std::shared_ptr<bool> asked) {
  auto* of = static_cast<SSL_CTX*>(context);
  auto flag = std::make_unique<Flag>(std::move(asked));
  if (SSL_CTX_set_ex_data(of, flag_index(), flag.get()) != 1) return CURLE_OUT_OF_MEMORY;
  static_cast<void>(flag.release());  // Freed with the context.
  SSL_CTX_set_client_cert_cb(of, &on_request);
  return CURLE_OK;
}
}  // namespace onward
