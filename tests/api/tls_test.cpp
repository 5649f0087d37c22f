// The door under TLS: the same server, behind a handshake.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/api/stand.h"
#include "tests/support/certificate.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

/// A certificate and its key in a folder that is gone with this object.
class Files {
 public:
  explicit Files(const char* names = "IP:127.0.0.1") {
    std::string pattern = (fs::temp_directory_path() / "onward_tls.XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    write_certificate(certificate(), key(), names);
  }
  ~Files() { fs::remove_all(folder); }
  std::string certificate() const { return folder / "cert.pem"; }
  std::string key() const { return folder / "key.pem"; }
  std::string write(const char* name, std::string_view text) const {
    std::ofstream{folder / name} << text;
    return folder / name;
  }
  fs::path folder;
};

HttpServerOptions with_tls(const Files& files) {
  auto context = TlsContext::make(files.certificate(), files.key());
  REQUIRE(context);
  HttpServerOptions options;
  options.tls = *context;
  return options;
}

/// A caller who speaks TLS over a `Caller`'s socket.
class SealedCaller {
 public:
  explicit SealedCaller(std::uint16_t port, int newest = TLS1_3_VERSION) : caller_{port} {
    SSL_CTX_set_max_proto_version(context_.get(), newest);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_cipher_list(context_.get(), "ALL:@SECLEVEL=0");
    ssl_.reset(SSL_new(context_.get()));
    constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
    SSL_set_alpn_protos(ssl_.get(), kOffered, sizeof kOffered - 1);
    SSL_set_fd(ssl_.get(), caller_.socket());
    shaken = SSL_connect(ssl_.get()) == 1;
  }
  void send(std::string_view bytes) {
    if (!bytes.empty()) SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string until(std::string_view end) {
    while (read_.find(end) == std::string::npos && more()) {
    }
    const std::size_t at = read_.find(end);
    const std::string part = read_.substr(0, at == std::string::npos ? at : at + end.size());
    read_.erase(0, part.size());
    return part;
  }
  std::string rest() {
    while (more()) {
    }
    return std::move(read_);
  }
  /// The server said goodbye, so nobody cut the answer short.
  bool said_goodbye() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  SSL* ssl() { return ssl_.get(); }
  bool shaken = false;

 private:
  bool more() {
    char buffer[20'000];
    const int count = SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (count > 0) read_.append(buffer, static_cast<std::size_t>(count));
    return count > 0;
  }
  Caller caller_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{SSL_CTX_new(TLS_client_method()),
                                                        &SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, &SSL_free};
  std::string read_;
};

TEST_CASE("under TLS a connection serves many requests, large ones and those sent ahead",
          "[api][tls]") {
  const Files files;
  Stand stand{with_tls(files)};
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    SealedCaller caller{stand.port(), version};
    REQUIRE(caller.shaken);
    CHECK(caller.protocol() == "http/1.1");
    caller.send(get("/a?x=1"));
    CHECK(caller.until("0.").find("HTTP/1.1 200 OK\r\n") == 0);
    caller.send(get("/b") + get("/c"));
    CHECK(caller.until("/b  0.").find("200") != std::string::npos);
    CHECK(caller.until("/c  0.").find("200") != std::string::npos);
    caller.send(
        "POST /big HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\nContent-Length: "
        "3000000\r\n\r\n" +
        std::string(3'000'000, 'x'));
    CHECK(caller.until("3000000.").find("POST /big") != std::string::npos);
    caller.send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string large = caller.rest();
    CHECK(large.size() - large.find("\r\n\r\n") - 4 == kLarge);
    CHECK(caller.said_goodbye());
  }
}

TEST_CASE("a request that comes a byte at a time, sealed each, is read whole", "[api][tls]") {
  const Files files;
  Stand stand{with_tls(files)};
  SealedCaller caller{stand.port()};
  for (const char c : get("/slowly")) caller.send({&c, 1});
  CHECK(caller.until("/slowly  0.").find("HTTP/1.1 200") == 0);
  caller.send("POST /o HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  CHECK(caller.until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  caller.send("hello");
  CHECK(caller.until("5.").find("HTTP/1.1 200") == 0);
  // New keys in the middle are the session's business alone.
  SSL_key_update(caller.ssl(), SSL_KEY_UPDATE_REQUESTED);
  caller.send(get("/after"));
  CHECK(caller.until("/after  0.").find("HTTP/1.1 200") == 0);
}

TEST_CASE("a certificate that is replaced is for new connections, and the others keep theirs",
          "[api][tls]") {
  const Files files{"DNS:one.test"}, renewed{"DNS:two.test"};
  Stand stand{with_tls(files)};
  const auto is_for = [](SealedCaller& caller, const char* name) {
    const std::unique_ptr<X509, void (*)(X509*)> shown{SSL_get1_peer_certificate(caller.ssl()),
                                                       &X509_free};
    return X509_check_host(shown.get(), name, 0, 0, nullptr) == 1;
  };
  SealedCaller before{stand.port()};
  REQUIRE(before.shaken);
  CHECK(is_for(before, "one.test"));
  auto context = TlsContext::make(renewed.certificate(), renewed.key());
  REQUIRE(context);
  stand.server->replace_tls(*context);
  context->reset();
  SealedCaller after{stand.port()};
  REQUIRE(after.shaken);
  CHECK(is_for(after, "two.test"));
  for (SealedCaller* caller : {&before, &after}) {
    caller->send(get("/a"));
    CHECK(caller->until("0.").find("HTTP/1.1 200 OK\r\n") == 0);
  }
}

TEST_CASE("limits hold under TLS as well", "[api][tls]") {
  const Files files;
  HttpServerOptions options = with_tls(files);
  options.body_max = 1000;
  Stand stand{std::move(options)};
  SealedCaller caller{stand.port()};
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
  CHECK(caller.rest().find("HTTP/1.1 413") == 0);
  CHECK(caller.said_goodbye());
}

TEST_CASE("an old protocol is refused, and who speaks no TLS is told so and leaves", "[api][tls]") {
  const Files files;
  Stand stand{with_tls(files)};
  CHECK_FALSE(SealedCaller(stand.port(), TLS1_1_VERSION).shaken);
  Caller plain{stand.port()};
  plain.send(get("/"));
  const std::string told = plain.rest();
  CHECK(told.find("HTTP/1.1 400 Bad Request\r\n") == 0);
  CHECK(told.find("https") != std::string::npos);
  Caller noise{stand.port()};
  noise.send(std::string(5000, '\x7f'));
  CHECK(noise.rest().find("HTTP") == std::string::npos);
  CHECK(SealedCaller(stand.port()).shaken);
}

TEST_CASE("a handshake that does not end holds its place for a header's time", "[api][tls]") {
  const Files files;
  HttpServerOptions options = with_tls(files);
  options.header_timeout = Duration{30};
  options.connections_max = 1;
  Stand stand{std::move(options)};
  {
    Caller half{stand.port()};
    half.send(std::string_view{"\x16\x03\x01\x02\x00\x01", 6});  // the beginning of a hello
    CHECK(half.rest().empty());
  }
  // The place is free again: the caller above was counted, and is gone.
  SealedCaller next{stand.port()};
  CHECK(next.shaken);
}

TEST_CASE("a certificate or a key that is wrong is named with its file", "[api][tls]") {
  const Files files;
  const Files others;
  const auto refused = [](const std::string& certificate, const std::string& key) {
    const auto context = TlsContext::make(certificate, key);
    REQUIRE_FALSE(context);
    CHECK(context.error().kind == ErrorKind::Invalid);
    return context.error().message;
  };
  const std::string text = files.write("text", "hello\n");
  const std::string empty = files.write("empty", "");
  const std::string none = files.folder / "none.pem";
  CHECK(refused(none, files.key()) ==
        "--tls-cert " + none + " cannot be read: No such file or directory.");
  CHECK(refused(files.certificate(), none).find("--tls-key " + none) == 0);
  CHECK(refused(empty, files.key()).find("--tls-cert " + empty + " cannot be read: it is empty") ==
        0);
  CHECK(refused(files.folder, files.key()).find("Is a directory") != std::string::npos);
  CHECK(refused(text, files.key()) == "--tls-cert " + text + " holds no certificate in PEM form.");
  CHECK(refused(files.key(), files.key()).find("holds no certificate") != std::string::npos);
  CHECK(refused(files.certificate(), text).find("--tls-key " + text + " holds no private key") ==
        0);
  CHECK(refused(files.certificate(), others.key()) == "--tls-key " + others.key() +
                                                          " is not the key of the certificate in " +
                                                          files.certificate() + ".");
}

TEST_CASE("a certificate that is over, not begun or soon over is told", "[api][tls]") {
  const Files files;
  const auto told = [&](long from, long to) {
    write_certificate(files.certificate(), files.key(), "IP:127.0.0.1", from, to);
    const auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
    return certificate_time_fault(files.certificate(), now).value();
  };
  constexpr long kDay = 86'400;
  CHECK(told(-kDay, 20 * kDay).empty());
  CHECK(told(-2 * kDay, -kDay).find("it expired at 20") == 0);
  CHECK(told(kDay, 20 * kDay).find("it is not valid before 20") == 0);
  CHECK(told(-kDay, 13 * kDay + 60).find(", in 13 days") != std::string::npos);
  CHECK(told(-kDay, 3600).find(", in less than two days") != std::string::npos);
  CHECK_FALSE(certificate_time_fault(files.key(), Instant{}));
  CHECK_FALSE(certificate_time_fault(files.folder / "none.pem", Instant{}));
}

TEST_CASE("a server is called by a name that its certificate knows", "[api][tls]") {
  const auto name = [](const char* names, const char* host) {
    const Files files{names};
    return (*TlsContext::make(files.certificate(), files.key()))->name_for(host);
  };
  CHECK(name("IP:127.0.0.1", "127.0.0.1") == "127.0.0.1");
  CHECK(name("IP:::1", "[::1]") == "[::1]");
  CHECK(name("DNS:localhost,DNS:a.example.com", "127.0.0.1") == "localhost");
  CHECK(name("DNS:onward.example.com,DNS:b.example.com", "127.0.0.1") == "onward.example.com");
  CHECK(name("DNS:*.example.com", "127.0.0.1") == "onward.example.com");
  CHECK(name("email:a@example.com", "127.0.0.1") == "127.0.0.1");
}
}  // namespace
}  // namespace onward
