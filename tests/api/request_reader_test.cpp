// A request is what its bytes say, however they were split on their way.
#include "engine/api/request_reader.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

namespace onward {
namespace {
using Step = RequestReader::Step;

/// Plays the connection: gives `pieces` to a reader, one for each request, and tells what it saw.
std::string read_all(const std::vector<std::string_view>& pieces, RequestLimits limits = {}) {
  std::string told;
  std::string buffer;
  std::unique_ptr<RequestReader> reader;
  for (const std::string_view piece : pieces) {
    buffer += piece;
    while (true) {
      if (!reader) {
        if (buffer.empty()) break;
        reader = std::make_unique<RequestReader>(limits);
      }
      std::size_t used = 0;
      const Step step = reader->read(buffer, used);
      buffer.erase(0, used);
      if (step == Step::More) break;
      if (step == Step::Refused) {
        // The status and the code; the sentence may name what was seen first.
        const std::string& body = reader->refusal().body;
        const std::size_t code = body.find("\"code\"");
        return told + "refused " + std::to_string(reader->refusal().status) + " " +
               body.substr(code, body.find_first_of(",}", code) - code);
      }
      if (step == Step::Head) {
        const ApiRequest& head = reader->head();
        told += "head ";
        told.append(head.method).append(" ").append(head.path).append("?").append(head.query);
        for (const auto& [name, value] : head.headers)
          told.append(" ").append(name).append("=").append(value);
        told += reader->expects_continue() ? " expects" : "";
        told += reader->has_body() ? " body" : "";
        told += reader->keep_alive() ? "\n" : " close\n";
        // Who is asked for a token by the head alone has given nothing of the body.
        CHECK(reader->body_size() == 0);
        continue;
      }
      const ApiRequest request = reader->take();
      told.append("whole ").append(request.path).append(" ").append(request.body).append("\n");
      for (const auto& [name, value] : request.headers)
        told.append(" ").append(name).append("=").append(value);
      reader.reset();
    }
  }
  return told + "left " + std::to_string(buffer.empty() ? 0 : 1);
}

const std::string kPost = "POST /v1/events?mode=history HTTP/1.1\r\nHost: a\r\n";
const std::string kPretty = "{\n  \"type\": \"opened\",\n\t\"contact\": {\n    \"id\": 1\n  }\n}\n";

std::string chunk(const std::string& text) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}

struct Row {
  std::string bytes;
  std::string expected;  ///< How the transcript ends.
};

std::vector<Row> rows() {
  const std::string chunked = kPost + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string length = "Content-Length: " + std::to_string(kPretty.size()) + "\r\n";
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto fields = [](std::size_t count) {
    std::string lines;
    for (std::size_t i = 0; i < count; ++i) lines += "a:\r\n";
    return lines;
  };
  return {
      // As many fields as a header may have, of which kPost has one.
      {kPost + fields(99) + "\r\n", "left 0"},
      {kPost + fields(100) + "\r\n" + hidden, "refused 431 \"code\":\"too_many_fields\""},
      {chunked + "0\r\n" + fields(100) + "\r\n" + hidden, "left 0"},
      {chunked + "0\r\n" + fields(101) + "\r\n", "refused 431 \"code\":\"too_many_fields\""},
      // Pretty-printed JSON begins its lines with blanks, as a folded header does.
      {chunked + chunk(kPretty) + "0\r\n\r\n", "left 0"},
      {chunked + chunk(kPretty.substr(0, 2)) + chunk(kPretty.substr(2)) + "0\r\n\r\n", "left 0"},
      {chunked + chunk(" x") + chunk("0") + chunk("0\r\n\r\n") + "0;a=b\r\n\r\n" + hidden,
       "left 0"},
      {chunked + "0\r\n\r\n", "left 0"},
      {chunked + "000\r\n\r\n" + hidden, "left 0"},
      {kPost + length + "\r\n" + kPretty, "left 0"},
      {kPost + length + "Authorization: Bearer a\r\nConnection: close\r\n\r\n" + kPretty, "left 0"},
      {kPost + length + "Expect: 100-continue\r\n\r\n" + kPretty, "left 0"},
      {kPost + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(kPretty) +
           "0\r\n\r\n",
       "left 0"},
      {"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" + kPost + length + "\r\n" + kPretty +
           "HEAD /x HTTP/1.0\r\n\r\n",
       "left 0"},
      {chunked + chunk(kPretty) + "0\r\n\r\n" + chunked + "0\r\n\r\n" + hidden, "left 0"},
      // Trailers are no headers.
      {chunked + chunk("{}") +
           "0\r\nAuthorization: Bearer a\r\nX-Onward-Secret: s\r\nce-id: 1\r\n"
           "Content-Type: text/csv\r\nHost: b\r\nConnection: close\r\nExpect: x\r\n\r\n" +
           hidden,
       "left 0"},
      // Refused, and for one reason.
      {kPost + "X: a\r\n b: c\r\n" + length + "\r\n" + kPretty, "folded_header\""},
      {kPost + "X: a\r\n\tb\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("{}") + "0\r\n\r\n",
       "folded_header\""},
      {"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n" + hidden,
       "refused 400 \"code\":\"bad_request\""},
      {kPost + "Expect: cake\r\n" + length + "\r\n" + kPretty, "unknown_expectation\""},
      {"POST / HTTP/1.1\r\n" + length + "\r\n" + kPretty, "no_host\""},
      {kPost + "Authorization: a\r\nAuthorization: b\r\n\r\n", "two_tokens\""},
      {kPost + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
       "bad_request\""},
      {kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "unknown_transfer_encoding\""},
      {kPost + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "unsupported_encoding\""},
      {chunked + "zz\r\n", "bad_request\""},
      {chunked + chunk("{}") + "-1\r\n\r\n", "bad_request\""},
      {chunked + chunk("{}") + "0\r\nContent-Length: 5\r\n\r\n" + hidden, "bad_request\""},
      {"GET / HTTP/3.7\r\nHost: a\r\n\r\n", "bad_version\""},
      {"GET / HTTP/1.1\nHost: a\r\n\r\n", "bad_request\""},
      // A line that ends with LF alone is refused when it ends, not when the header does.
      {"POST /v1/events HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}",
       "refused 400 \"code\":\"bad_request\""},
      {"POST /v1/events HTTP/1.1\n", "refused 400 \"code\":\"bad_request\""},
      {"\nPOST /v1/events HTTP/1.1\r\n", "refused 400 \"code\":\"bad_request\""},
      {kPost + "X: a\n", "refused 400 \"code\":\"bad_request\""},
      {kPost + "\n", "refused 400 \"code\":\"bad_request\""},
      {"GET / HTTP/3.7\r\n", "refused 505 \"code\":\"bad_version\""},
      // So is what can be no first line.
      {"\x16\x03\x01\x02", "refused 400 \"code\":\"bad_request\""},
      {"GET /" + std::string(1, '\0'), "refused 400 \"code\":\"bad_request\""},
  };
}

TEST_CASE("every split of a request into two packets gives one answer", "[api][server]") {
  for (const Row& row : rows()) {
    CAPTURE(row.bytes);
    const std::string_view bytes = row.bytes;
    const std::string whole = read_all({bytes});
    CHECK_THAT(whole, Catch::Matchers::EndsWith(row.expected));
    for (std::size_t at = 1; at < bytes.size(); ++at) {
      const std::string split = read_all({bytes.substr(0, at), bytes.substr(at)});
      if (split == whole) continue;
      CAPTURE(at);
      CHECK(split == whole);
    }
  }
}

TEST_CASE("every split of a request into three packets, or into bytes, gives one answer",
          "[api][server]") {
  for (const Row& row : rows()) {
    CAPTURE(row.bytes);
    const std::string_view bytes = row.bytes;
    const std::string whole = read_all({bytes});
    std::vector<std::string_view> each;
    for (std::size_t i = 0; i < bytes.size(); ++i) each.push_back(bytes.substr(i, 1));
    CHECK(read_all(each) == whole);
    for (std::size_t a = 1; a < bytes.size(); a += 3)
      for (std::size_t b = a + 1; b < std::min(bytes.size(), a + 12); ++b) {
        const std::string split =
            read_all({bytes.substr(0, a), bytes.substr(a, b - a), bytes.substr(b)});
        if (split == whole) continue;
        CAPTURE(a, b);
        CHECK(split == whole);
      }
  }
}

TEST_CASE("trailers add nothing to the header", "[api][server]") {
  const std::string bytes = kPost + "Transfer-Encoding: chunked\r\n\r\n" + chunk("{}") +
                            "0\r\nAuthorization: Bearer a\r\nce-id: 1\r\n\r\n";
  const std::string told = read_all({bytes});
  CHECK(told.find("whole /v1/events {}") != std::string::npos);
  CHECK(told.find("Bearer") == std::string::npos);
  CHECK(told.find("ce-id") == std::string::npos);
}

TEST_CASE("a header that is not complete takes no memory of the reader", "[api][server]") {
  RequestReader reader{RequestLimits{}};
  std::size_t used = 0;
  std::string head = kPost;
  for (int i = 0; i < 98; ++i) head += "a:\r\n";
  REQUIRE(reader.read(head, used) == Step::More);
  const std::size_t first_line = head.find('\n') + 1;
  CHECK(used == first_line);
  CHECK(reader.memory() == sizeof reader + first_line + 99 * 96);
  // Far more lines than that are refused when they arrive, not when the header ends.
  head.erase(0, used);
  for (int i = 0; i < 4'000; ++i) head += "a:\r\n";
  REQUIRE(reader.read(head, used) == Step::Refused);
  CHECK(reader.refusal().status == 431);
}

TEST_CASE("the memory of a request counts its header and its body", "[api][server]") {
  const auto memory_of = [](const std::string& bytes) {
    RequestReader reader{RequestLimits{}};
    std::size_t used = 0;
    REQUIRE(reader.read(bytes, used) == Step::Head);
    std::size_t more = 0;
    REQUIRE(reader.read(std::string_view{bytes}.substr(used), more) == Step::More);
    return reader.memory();
  };
  const std::string length = kPost + "Content-Length: 900000\r\n";
  std::string many = length;
  for (int i = 0; i < 98; ++i) many += "a:\r\n";
  std::string large = many;
  large.resize(large.size() - 2);
  large += std::string(15'000, 'x') + "\r\n";
  const std::size_t usual = memory_of(length + "\r\nx");
  CHECK(usual > sizeof(RequestReader) + length.size());
  CHECK(usual < sizeof(RequestReader) + 1'000);
  // Each field costs more than its text.
  CHECK(memory_of(many + "\r\nx") >= usual + 98 * (4 + 96 + 32));
  CHECK(memory_of(large + "\r\nx") >= memory_of(many + "\r\nx") + 15'000);
  CHECK(memory_of(large + "\r\nx") < 32'000);
  // A body takes at most twice its size, and then little more than that.
  CHECK(memory_of(length + "\r\n" + std::string(5'000, 'x')) < usual + 10'000);
  CHECK(memory_of(length + "\r\n" + std::string(60'000, 'x')) >= usual + 59'000);
  CHECK(memory_of(length + "\r\n" + std::string(50'000, 'x')) < usual + 50'000 + (9u << 10));
}

TEST_CASE("a length alone reserves no memory for a body", "[api][server]") {
  RequestReader reader{RequestLimits{}};
  std::size_t used = 0;
  const std::string head = kPost + "Content-Length: 8388608\r\n\r\n";
  REQUIRE(reader.read(head, used) == Step::Head);
  REQUIRE(reader.read("{\"a\"", used) == Step::More);
  CHECK(reader.body_size() == 4);
  CHECK(reader.body_capacity() < 1'000);
}

TEST_CASE("a large body arrives in pieces, whatever it is split into", "[api][server]") {
  std::string body;
  while (body.size() < 4 * BodyPieces::kPiece + 7) body += std::to_string(body.size()) + " ";
  for (const std::size_t split :
       {std::size_t{1'000}, std::size_t{BodyPieces::kPiece}, body.size()}) {
    RequestReader reader{RequestLimits{}};
    std::size_t used = 0;
    REQUIRE(reader.read(kPost + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n",
                        used) == Step::Head);
    for (std::size_t at = 0; at < body.size(); at += split) {
      const std::string_view part = std::string_view{body}.substr(at, split);
      const bool last = at + split >= body.size();
      REQUIRE(reader.read(part, used) == (last ? Step::Whole : Step::More));
      // What is taken is what has come, and room in the first and in the last piece.
      CHECK(reader.body_capacity() < reader.body_size() + 2 * BodyPieces::kPiece);
    }
    CHECK(reader.take().body == body);
  }
}

TEST_CASE("a body has a limit of its own once its sender is known", "[api][server]") {
  const auto limited = [](const std::string& framing, const std::string& body) {
    RequestReader reader{RequestLimits{}};
    std::size_t used = 0;
    const std::string bytes = kPost + framing + "\r\n\r\n" + body;
    REQUIRE(reader.read(bytes, used) == Step::Head);
    if (!reader.limit_body(5, "Five bytes.")) return reader.refusal().status;
    std::size_t more = 0;
    const Step step = reader.read(std::string_view{bytes}.substr(used), more);
    return step == Step::Refused ? reader.refusal().status : 0;
  };
  CHECK(limited("Content-Length: 5", "12345") == 0);
  CHECK(limited("Content-Length: 6", "") == 413);
  CHECK(limited("Transfer-Encoding: chunked", chunk("123") + chunk("45") + "0\r\n\r\n") == 0);
  CHECK(limited("Transfer-Encoding: chunked", chunk("123") + chunk("456")) == 413);
  CHECK(limited("Transfer-Encoding: chunked", "6\r\n") == 413);
}
}  // namespace
}  // namespace onward
