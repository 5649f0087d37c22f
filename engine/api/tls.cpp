#include "engine/api/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <optional>

#include "engine/secrets/regular_file.h"

namespace onward {
namespace {
template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* one) const {
    Free(one);
  }
};
using File = std::unique_ptr<std::FILE, Freed<std::fclose>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

/// Of TLS 1.2: forward secrecy, and no mode that was ever broken. TLS 1.3 has no others.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
/// From then on a certificate is to be renewed.
constexpr Duration kRenewBefore = std::chrono::days{14};
constexpr unsigned char kHttp11[] = "\x08http/1.1";

tl::unexpected<Error> refuse_tls_file(std::string_view option, const std::string& file,
                                      std::string_view what) {
  ERR_clear_error();
  return fail(ErrorKind::Invalid, "bad_tls_file", fmt::format("{} {} {}.", option, file, what));
}

/// Why a file cannot even be read; the library would say "no such file" of a folder, too.
Status readable(std::string_view option, const std::string& file) {
  errno = 0;
  const File in{open_regular(file).release()};
  if (in && std::fgetc(in.get()) != EOF) return {};
  return refuse_tls_file(
      option, file,
      fmt::format("cannot be read: {}", errno != 0 ? why_not_regular(errno) : "it is empty"));
}

/// Callers that offer protocols are told which one is spoken; whoever offers others is answered all
/// the same, as HTTP/1.1 is what everybody falls back to.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, kHttp11, sizeof kHttp11 - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string first_name(X509* certificate) {
  const Names names{static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(names.get(), i);
    if (one->type != GEN_DNS) continue;
    std::string name{reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName)),
                     static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName))};
    if (name.starts_with("*.")) name.replace(0, 1, "onward");
    return name;
  }
  return {};
}
}  // namespace

struct TlsContext::Impl {
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context{SSL_CTX_new(TLS_server_method())};
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const std::string& certificate_file,
                                                           const std::string& key_file) {
  constexpr std::string_view kCert = "--tls-cert";
  constexpr std::string_view kKey = "--tls-key";
  if (Status can = readable(kCert, certificate_file); !can) return tl::make_unexpected(can.error());
  if (Status can = readable(kKey, key_file); !can) return tl::make_unexpected(can.error());
  auto impl = std::make_unique<Impl>();
  SSL_CTX* context = impl->context.get();
  if (context == nullptr) return fail(ErrorKind::Io, "no_tls", "OpenSSL gives no TLS.");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kCiphers);
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Thousands of callers may idle: what a session reads and writes with is given back meanwhile.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  // A key with a passphrase would ask for it on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });

  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    return refuse_tls_file(kCert, certificate_file, "holds no certificate in PEM form");
  const File in{open_regular(key_file).release()};
  const Key key{in ? PEM_read_PrivateKey(
                         in.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr)
                   : nullptr};
  if (!key)
    return refuse_tls_file(kKey, key_file, "holds no private key in PEM form without a passphrase");
  if (X509_check_private_key(SSL_CTX_get0_certificate(context), key.get()) != 1)
    return refuse_tls_file(
        kKey, key_file, fmt::format("is not the key of the certificate in {}", certificate_file));
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1)
    return refuse_tls_file(kKey, key_file, "holds a key that TLS cannot use");
  return std::shared_ptr<const TlsContext>{new TlsContext{std::move(impl)}};
}

std::string TlsContext::name_for(const std::string& host) const {
  X509* certificate = SSL_CTX_get0_certificate(impl_->context.get());
  const std::string bare = host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
  if (X509_check_ip_asc(certificate, bare.c_str(), 0) == 1 ||
      X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1)
    return host;
  if (X509_check_host(certificate, "localhost", 9, 0, nullptr) == 1) return "localhost";
  const std::string name = first_name(certificate);
  return name.empty() ? host : name;
}

namespace {
std::optional<Instant> instant_from_asn1(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return Instant{std::chrono::seconds{::timegm(&parts)}};
}
}  // namespace

Result<std::string> certificate_time_fault(const std::string& file, Instant now) {
  constexpr std::string_view kCert = "the certificate";
  if (Status can = readable(kCert, file); !can) return tl::make_unexpected(can.error());
  const File in{open_regular(file).release()};
  const Certificate certificate{in ? PEM_read_X509(in.get(), nullptr, nullptr, nullptr) : nullptr};
  if (!certificate) return refuse_tls_file(kCert, file, "is none in PEM form");
  const auto from = instant_from_asn1(X509_get0_notBefore(certificate.get()));
  const auto to = instant_from_asn1(X509_get0_notAfter(certificate.get()));
  if (from && now < *from) return fmt::format("it is not valid before {}", format_instant(*from));
  if (!to || now + kRenewBefore < *to) return std::string{};
  if (*to <= now) return fmt::format("it expired at {}", format_instant(*to));
  const auto left = *to - now;
  const auto days = std::chrono::floor<std::chrono::days>(left).count();
  return fmt::format("it expires at {}, in {}", format_instant(*to),
                     days > 1 ? fmt::format("{} days", days) : "less than two days");
}

struct TlsSession::Impl {
  std::unique_ptr<SSL, Freed<SSL_free>> ssl;
  BIO* in = nullptr;  // Both belong to `ssl`.
  BIO* out = nullptr;
};

TlsSession::TlsSession(const TlsContext& context) : impl_{std::make_unique<Impl>()} {
  impl_->ssl.reset(SSL_new(context.impl_->context.get()));
  impl_->in = BIO_new(BIO_s_mem());
  impl_->out = BIO_new(BIO_s_mem());
  assert(impl_->ssl && impl_->in && impl_->out);
  SSL_set_bio(impl_->ssl.get(), impl_->in, impl_->out);
  SSL_set_accept_state(impl_->ssl.get());
}
TlsSession::~TlsSession() { ERR_clear_error(); }

void TlsSession::take(std::string_view sealed) {
  if (!ended_) BIO_write(impl_->in, sealed.data(), static_cast<int>(sealed.size()));
}

bool TlsSession::open() const { return SSL_is_init_finished(impl_->ssl.get()) == 1; }

/// What an operation that did not succeed came to.
void TlsSession::judge(int result) {
  const int error = SSL_get_error(impl_->ssl.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
  ended_ = true;
  const int reason = ERR_GET_REASON(ERR_peek_error());
  plain_http_ = error == SSL_ERROR_SSL && !open() &&
                (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST);
  ERR_clear_error();
}

std::size_t TlsSession::read(char* plain, std::size_t room) {
  std::size_t count = 0;
  ERR_clear_error();
  while (count < room && !ended_) {
    std::size_t some = 0;
    const int result = SSL_read_ex(impl_->ssl.get(), plain + count, room - count, &some);
    if (result != 1) {
      judge(result);
      break;
    }
    count += some;
  }
  drain();
  return count;
}

void TlsSession::write(std::string_view plain) {
  if (ended_ || plain.empty()) return;
  ERR_clear_error();
  std::size_t written = 0;
  const int result = SSL_write_ex(impl_->ssl.get(), plain.data(), plain.size(), &written);
  if (result != 1) judge(result);
  drain();
}

void TlsSession::close() {
  if (ended_ || !open()) return;
  ERR_clear_error();
  SSL_shutdown(impl_->ssl.get());
  ERR_clear_error();
  drain();
}

void TlsSession::drain() {
  while (const std::size_t waiting = BIO_ctrl_pending(impl_->out)) {
    const std::size_t before = sealed_.size();
    sealed_.resize(before + waiting);
    const int count = BIO_read(impl_->out, sealed_.data() + before, static_cast<int>(waiting));
    sealed_.resize(before + static_cast<std::size_t>(std::max(count, 0)));
    if (count <= 0) return;
  }
}

void TlsSession::sent(std::size_t count) {
  sent_ += count;
  if (sent_ < sealed_.size()) return;
  sealed_.clear();
  sent_ = 0;
  constexpr std::size_t kKept = 64u << 10;
  if (sealed_.capacity() > kKept) std::string{}.swap(sealed_);
}
}  // namespace onward
