// `onward listen`, against the sender it is made for and against bytes that are none.
#include "tools/onward/listen.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "engine/secrets/signature.h"
#include "tools/onward/listen_parse.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// The receiver in a thread, on a port of its own, until the end of the test.
class Listening {
 public:
  explicit Listening(ListenOptions options = {}) {
    const auto folder = std::filesystem::temp_directory_path();
    const std::string name = fmt::format("onward_listen_test.{}.{}", getpid(), ++count_);
    options.port_file = folder / (name + ".port");
    options.log = folder / (name + ".ndjson");
    options_ = options;
    thread_ = std::thread{[this] { exit_code = listen_main(options_, out, err); }};
    for (std::string line; !std::getline(std::ifstream{options.port_file}, line);) {
      std::this_thread::yield();
    }
    std::ifstream{options.port_file} >> port;
  }
  ~Listening() {
    stop();
    std::filesystem::remove(options_.port_file);
    std::filesystem::remove(options_.log);
  }
  void stop() {
    if (!thread_.joinable()) return;
    raise(SIGTERM);
    thread_.join();
  }
  int status_of(Request request) const {
    request.url = fmt::format("http://127.0.0.1:{}{}", port, request.url);
    const auto answer = http_call(request, 60s);
    return answer ? answer->status : 0;
  }
  std::vector<Value> log() const {
    std::ifstream file{options_.log};
    std::vector<Value> entries;
    for (std::string line; std::getline(file, line);) entries.push_back(*parse_json(line));
    return entries;
  }
  /// What comes back for these bytes until the receiver closes.
  std::string raw(const std::string& bytes) const {
    const int one = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    REQUIRE(connect(one, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(send(one, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0);
    shutdown(one, SHUT_WR);
    std::string answer;
    char buffer[4096];
    for (ssize_t got = 0; (got = recv(one, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    close(one);
    return answer;
  }

  int port = 0;
  int exit_code = -1;
  std::ostringstream out, err;

 private:
  static inline int count_ = 0;
  ListenOptions options_;
  std::thread thread_;
};

/// Feeds `bytes` in pieces of `step`.
ListenParse parse(const std::string& bytes, ListenRequest& request, std::size_t step) {
  ListenReader reader;
  std::string in;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    in += bytes.substr(at, step);
    const ListenParse result = reader.read(in, request);
    if (result != ListenParse::More) return result;
  }
  return ListenParse::More;
}
}  // namespace

TEST_CASE("the receiver answers, tells and writes down what it got", "[tools][listen]") {
  Listening listening;
  CHECK(listening.status_of({.url = "/hook?a=b",
                             .headers = {{"X-One", "1"}, {"X-One", "2"}},
                             .body = "{\"n\": \"\xC3\xBC\xFF\"}"}) == 200);
  CHECK(listening.status_of({.method = "GET", .url = "/"}) == 200);
  const auto log = listening.log();
  REQUIRE(log.size() == 2);
  CHECK(*log[0].find("method")->text() == "POST");
  CHECK(*log[0].find("path")->text() == "/hook?a=b");
  CHECK(*log[0].find("headers")->find("x-one")->text() == "1, 2");
  CHECK(*log[0].find("body")->text() == "{\"n\": \"\xC3\xBC\uFFFD\"}");
  CHECK(log[0].find("status")->number() == 200);
  CHECK(log[0].find("at")->text()->size() >= 20);
  listening.stop();
  CHECK(listening.exit_code == 0);
  CHECK_THAT(listening.out.str(),
             Catch::Contains(fmt::format("listening on http://127.0.0.1:{}\n", listening.port)) &&
                 Catch::Contains("POST /hook?a=b -> 200"));
}

TEST_CASE("the receiver refuses the first requests, then answers as told", "[tools][listen]") {
  Listening listening{{.refuse_first = 2, .status = 204, .delay = 1ms, .quiet = true}};
  for (const int expected : {503, 503, 204, 204})
    CHECK(listening.status_of({.url = "/"}) == expected);
  CHECK(listening.log()[1].find("status")->number() == 503);
  listening.stop();
  CHECK(listening.out.str() == "");
}

TEST_CASE("requests that come together are answered one after another", "[tools][listen]") {
  Listening listening;
  std::string many;
  for (int n = 0; n < 1000; ++n) many += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  many +=
      "POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  const std::string answers = listening.raw(many);
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answers.find("HTTP/1.1 200", at)) != std::string::npos; ++at)
    ++count;
  CHECK(count == 1001);
  CHECK(*listening.log().back().find("body")->text() == "abc");
}

TEST_CASE("what is no request is refused, and the receiver goes on", "[tools][listen]") {
  Listening listening;
  CHECK_THAT(listening.raw("hello\r\n\r\n"), Catch::StartsWith("HTTP/1.1 400"));
  CHECK_THAT(listening.raw("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"),
             Catch::StartsWith("HTTP/1.1 413"));
  CHECK_THAT(listening.raw("POST / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: "
                           "close\r\nContent-Length: 1\r\n\r\nx"),
             Catch::Contains("200 OK"));
  CHECK(listening.status_of({.url = "/"}) == 200);
}

TEST_CASE("a port that is taken is an error with a reason", "[tools][listen]") {
  Listening listening;
  std::ostringstream out, err;
  CHECK(listen_main({.port = static_cast<std::uint16_t>(listening.port)}, out, err) == 74);
  CHECK_THAT(err.str(), Catch::Contains("in use"));
  CHECK(listen_main({.address = "nonsense"}, out, err) == 74);
}

TEST_CASE("a request is read the same, however its bytes arrive", "[tools][listen]") {
  const std::size_t step = GENERATE(1U, 2U, 7U, 1000U);
  ListenRequest request;
  CHECK(parse("POST /a HTTP/1.1\r\nHost: x\r\ncontent-LENGTH:  5 \r\n\r\nhello", request, step) ==
        ListenParse::Complete);
  CHECK(request.body == "hello");
  CHECK(request.keep_open);
  CHECK(parse("PUT /b HTTP/1.0\r\nTransfer-Encoding: "
              "Chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n",
              request, step) == ListenParse::Complete);
  CHECK(request.body == "hello!");
  CHECK_FALSE(request.keep_open);
  CHECK(parse("GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", request, step) == ListenParse::More);
}

TEST_CASE("a request that cannot be understood in one way only is malformed", "[tools][listen]") {
  const auto head =
      GENERATE(as<std::string>{}, "", "GET", "GET /", "GET / HTTP/2", "GET /a b HTTP/1.1",
               "GET / HTTP/1.1\r\nx", "GET / HTTP/1.1\r\n: x", "GET / HTTP/1.1\r\nA B: x",
               "GET / HTTP/1.1\r\nContent-Length: x", "GET / HTTP/1.1\r\nContent-Length: -1",
               "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
               "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
               "GET / HTTP/1.1\r\nTransfer-Encoding: gzip",
               "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  ListenRequest request;
  CHECK(parse(head + "\r\n\r\n", request, 1000) == ListenParse::Malformed);
}

TEST_CASE("what is too large is refused before it has all come", "[tools][listen]") {
  ListenRequest request;
  const std::string start = "POST / HTTP/1.1\r\n";
  CHECK(parse(start + "X: " + std::string(70'000, 'x'), request, 8192) == ListenParse::TooLarge);
  CHECK(parse(start + "Content-Length: 16777217\r\n\r\n", request, 8192) == ListenParse::TooLarge);
  CHECK(parse(start + "Transfer-Encoding: chunked\r\n\r\n1000001\r\n", request, 8192) ==
        ListenParse::TooLarge);
}
TEST_CASE("the receiver verifies signatures and says so", "[tools][listen]") {
  const auto file =
      std::filesystem::temp_directory_path() / fmt::format("onward_listen_secret.{}", getpid());
  std::ofstream{file} << "a signing secret\n";
  Listening listening{{.secret_files = {file.string()}}};
  const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  const auto send = [&](const std::string& body, std::int64_t at) {
    return listening.status_of(
        {.url = "/hook",
         .headers = {{"webhook-id", "evt_1"},
                     {"webhook-timestamp", std::to_string(at)},
                     {"webhook-signature", sign_webhook("a signing secret", "evt_1", at, "{}")}},
         .body = body});
  };
  CHECK(send("{}", now) == 200);
  CHECK(send("{ }", now) == 401);
  CHECK(send("{}", now - 3600) == 401);
  CHECK(listening.status_of({.url = "/hook"}) == 401);
  const auto log = listening.log();
  REQUIRE(log.size() == 4);
  CHECK(*log[0].find("signature")->text() == "right");
  CHECK_THAT(*log[1].find("signature")->text(), Catch::Contains("no signature fits"));
  CHECK_THAT(*log[2].find("signature")->text(), Catch::Contains("more than 5m ago"));
  CHECK_THAT(*log[3].find("signature")->text(), Catch::Contains("is missing"));
  listening.stop();
  CHECK_THAT(listening.out.str(), Catch::Contains("signature: right"));
  std::filesystem::remove(file);
}

TEST_CASE("a secret that cannot be read starts no receiver", "[tools][listen]") {
  std::ostringstream out, err;
  CHECK(listen_main({.secret_files = {"/nobody/there"}}, out, err) == 66);
  CHECK_THAT(err.str(), Catch::Contains("/nobody/there"));
}

TEST_CASE("the receiver repeats requests and says when to come back, where it is told to",
          "[tools][listen]") {
  Listening listening{{.status = 429, .retry_after = 7, .echo = true, .show = true}};
  const std::string answer =
      listening.raw("POST /x HTTP/1.1\r\nX-One: \x1b[31m\r\nContent-Length: 2\r\n\r\nhi");
  CHECK_THAT(answer, Catch::Contains("Retry-After: 7\r\n"));
  CHECK_THAT(answer, Catch::Contains("POST /x\nx-one: \x1b[31m\n"));
  CHECK_THAT(answer, Catch::EndsWith("hi\n"));
  listening.stop();
  CHECK_THAT(listening.out.str(), Catch::Contains("x-one: \\x1b[31m"));
  CHECK_THAT(listening.out.str(), Catch::Contains("\n  hi\n"));
}
}  // namespace onward
