// Whose certificate is believed, against a receiver that speaks TLS.
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>

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
  /// What it says over a session; without one, it answers a request with 200.
  using Talk = std::function<void(SSL*)>;
  explicit TlsReceiver(const TlsParts& parts = {}, Talk talk = {})
      : talk_{std::move(talk)},
        key_{EVP_EC_gen("P-256")},
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
  std::string origin() const { return fmt::format("https://127.0.0.1:{}", receiver_.port()); }
  const std::string& certificate_file() const { return file_; }
  std::size_t connections() const { return receiver_.connections(); }
  SSL_CTX* context() const { return context_.get(); }
  /// Ends the connection of whom it does not let in at once, instead of with a goodbye.
  std::atomic<bool> hangs_up = false;

 private:
  void serve(Peer& peer) {
    const Session session{SSL_new(context_.get())};
    SSL_set_fd(session.get(), peer.socket());
    if (SSL_accept(session.get()) != 1) {
      if (hangs_up) return peer.reset();
      // The alert must not be overtaken by the reset that unread bytes would cause.
      peer.shut_sending();
      return peer.wait_for_close();
    }
    if (talk_) return talk_(session.get());
    char bytes[4096];
    if (SSL_read(session.get(), bytes, sizeof bytes) <= 0) return;
    const std::string reply = http_reply(200);
    SSL_write(session.get(), reply.data(), static_cast<int>(reply.size()));
    SSL_shutdown(session.get());
  }

  Talk talk_;
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
  const bool old = GENERATE(false, true), hangs_up = GENERATE(false, true);
  CAPTURE(old, hangs_up);
  TlsReceiver receiver{{.wants_client = true}};
  if (old) SSL_CTX_set_max_proto_version(receiver.context(), TLS1_2_VERSION);
  receiver.hangs_up = hangs_up;
  const HttpReply reply = receiver.call(/*believe=*/true);
  CHECK(reply.status == 0);
  CHECK(reply.code == "tls_client_cert");
  CHECK_THAT(reply.error, Catch::Contains("a client certificate"));
}

TEST_CASE("a receiver that asks for a certificate and goes on without one is asked as any other",
          "[delivery][client][tls]") {
  TlsReceiver receiver;
  SSL_CTX_set_verify(receiver.context(), SSL_VERIFY_PEER, nullptr);
  CHECK(receiver.call(/*believe=*/true).status == 200);
  CHECK(receiver.call(/*believe=*/false).code == "tls_cert");
}

/// Hidden, since it is run with a configuration of OpenSSL that allows it: see CMakeLists.txt.
TEST_CASE("fault 28: no TLS before 1.2, whatever the system allows", "[.old_tls]") {
  TlsReceiver receiver;
  REQUIRE(SSL_CTX_get_min_proto_version(receiver.context()) == TLS1_VERSION);
  SSL_CTX_set_max_proto_version(receiver.context(), TLS1_1_VERSION);
  CHECK(receiver.call(/*believe=*/true).code == "tls");
}

TEST_CASE("fault 16: what came over TLS after an answer, and was not read, ends its connection",
          "[delivery][client][tls][faults]") {
  const std::string stray =
      GENERATE(as<std::string>{}, "", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  std::atomic<int> requests = 0;
  const TlsReceiver receiver{
      {}, [&](SSL* session) {
        const auto write = [&](const std::string& record) {
          SSL_write(session, record.data(), static_cast<int>(record.size()));
        };
        char bytes[4096];
        while (SSL_read(session, bytes, sizeof bytes) > 0) {
          // A client that has read the headers takes of the next record what is left of the body.
          write(fmt::format("HTTP/1.1 {} Whatever\r\nContent-Length: 1\r\n\r\n",
                            requests++ == 0 ? 200 : 500));
          write("x" + stray);
        }
      }};
  const auto client =
      make_curl_client({.guard = open_guard(), .ca_file = receiver.certificate_file()});
  CHECK(call(*client, request_to(receiver.origin())).status == 200);
  const HttpReply second = call(*client, request_to(receiver.origin()));
  CHECK(second.status == 500);
  CHECK(second.reused == stray.empty());
  CHECK(receiver.connections() == (stray.empty() ? 1 : 2));
}
}  // namespace onward
