// Whose certificate is believed, against a receiver that speaks TLS.
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>

#include "engine/delivery/curl_http_client.h"
#include "tests/delivery/calls.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* one) const {
    Free(one);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freed<SSL_free>>;

/// What a receiver shows, and what it wants to see.
struct TlsParts {
  const char* name = "IP:127.0.0.1";  ///< That its certificate is for.
  long valid_seconds = 3600;          ///< From now.
  bool unknown_ca = false;            ///< Who signed it; else it signs itself.
  bool wants_client = false;
};

Certificate make_certificate(EVP_PKEY* key, const TlsParts& parts) {
  Certificate made{X509_new()};
  X509* one = made.get();
  X509_set_version(one, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(one), 1);
  X509_gmtime_adj(X509_getm_notBefore(one), -7200);
  X509_gmtime_adj(X509_getm_notAfter(one), parts.valid_seconds);
  X509_set_pubkey(one, key);
  const auto add = [](X509_NAME* to, const char* text) {
    X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text),
                               -1, -1, 0);
  };
  add(X509_get_subject_name(one), "test");
  add(X509_get_issuer_name(one), parts.unknown_ca ? "nobody" : "test");
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, parts.name);
  X509_add_ext(one, names, -1);
  X509_EXTENSION_free(names);
  const Key other{EVP_EC_gen("P-256")};
  REQUIRE(X509_sign(one, parts.unknown_ca ? other.get() : key, EVP_sha256()) != 0);
  return made;
}

/// A receiver over TLS whose certificate a test chooses.
class TlsReceiver {
 public:
  explicit TlsReceiver(const TlsParts& parts = {})
      : key_{EVP_EC_gen("P-256")},
        certificate_{make_certificate(key_.get(), parts)},
        context_{SSL_CTX_new(TLS_server_method())},
        receiver_{[this](Peer& peer) { serve(peer); }} {
    SSL_CTX_use_certificate(context_.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    if (parts.wants_client) {
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                         nullptr);
    }
    file_ = std::filesystem::temp_directory_path() /
            fmt::format("onward_tls_test.{}.{}", getpid(), receiver_.port());
    std::FILE* file = std::fopen(file_.c_str(), "w");
    REQUIRE(file);
    PEM_write_X509(file, certificate_.get());
    std::fclose(file);
  }
  ~TlsReceiver() { std::filesystem::remove(file_); }

  /// Calls it by `name`, believing its own certificate or the system's.
  HttpReply call(bool believe, std::string_view name = "127.0.0.1") const {
    const auto client = make_curl_client({.guard = open_guard(),
                                          .ca_file = believe ? file_ : std::string{},
                                          .names = {.look_up = [](const std::string&) {
                                            return LookUp{{*IpAddress::parse("127.0.0.1")}, {}};
                                          }}});
    return onward::call(*client, request_to(fmt::format("https://{}:{}/", name, receiver_.port())));
  }
  SSL_CTX* context() const { return context_.get(); }

 private:
  void serve(Peer& peer) {
    const Session session{SSL_new(context_.get())};
    SSL_set_fd(session.get(), peer.socket());
    if (SSL_accept(session.get()) != 1) {
      // The alert must not be overtaken by the reset that unread bytes would cause.
      peer.shut_sending();
      return peer.wait_for_close();
    }
    char bytes[4096];
    if (SSL_read(session.get(), bytes, sizeof bytes) <= 0) return;
    const std::string reply = http_reply(200);
    SSL_write(session.get(), reply.data(), static_cast<int>(reply.size()));
    SSL_shutdown(session.get());
  }

  Key key_;
  Certificate certificate_;
  Context context_;
  std::string file_;
  LocalReceiver receiver_;
};
}  // namespace

TEST_CASE("a certificate that is believed lets the request through", "[delivery][client][tls]") {
  CHECK(TlsReceiver{}.call(/*believe=*/true).status == 200);
}

TEST_CASE("fault 27: a certificate that is not believed, whatever the reason",
          "[delivery][client][tls][faults]") {
  const auto refused = [](const HttpReply& reply, const char* reason) {
    CHECK(reply.status == 0);
    CHECK(reply.code == "tls_cert");
    CHECK_THAT(reply.error, Catch::Contains(reason));
  };
  refused(TlsReceiver{}.call(/*believe=*/false), "self-signed");
  refused(TlsReceiver({.unknown_ca = true}).call(/*believe=*/false),
          "unable to get local issuer certificate");
  refused(TlsReceiver({.valid_seconds = -60}).call(/*believe=*/true), "expired");
  refused(TlsReceiver({.name = "DNS:other.example.com"}).call(/*believe=*/true), "subject name");
}

TEST_CASE("fault 28: TLS of the day before yesterday, and one that hangs up with an alert",
          "[delivery][client][tls][faults]") {
  const TlsReceiver receiver;
  SSL_CTX_set_security_level(receiver.context(), 0);
  SSL_CTX_set_cipher_list(receiver.context(), "ALL:@SECLEVEL=0");
  SSL_CTX_set_max_proto_version(receiver.context(), TLS1_VERSION);
  const HttpReply old = receiver.call(/*believe=*/true);
  CHECK(old.status == 0);
  CHECK(old.code == "tls");

  LocalReceiver alert{[](Peer& peer) {
    peer.send({"\x15\x03\x03\x00\x02\x02\x28", 7});  // Fatal: handshake_failure.
    peer.wait_for_close();
  }};
  const auto client = open_client();
  CHECK(call(*client, request_to(fmt::format("https://127.0.0.1:{}/", alert.port()))).code ==
        "tls");
}

TEST_CASE("a certificate is asked for the name, though the connection goes to an address",
          "[delivery][client][tls]") {
  const TlsReceiver receiver{{.name = "DNS:crm.test"}};
  CHECK(receiver.call(/*believe=*/true, "crm.test").status == 200);
  CHECK(receiver.call(/*believe=*/true, "other.test").code == "tls_cert");
}

TEST_CASE("fault 29: a receiver that demands a certificate of ours",
          "[delivery][client][tls][faults]") {
  const HttpReply reply = TlsReceiver({.wants_client = true}).call(/*believe=*/true);
  CHECK(reply.status == 0);
  CHECK(reply.code == "tls_client_cert");
}
}  // namespace onward
