#include "tools/onward/upload.h"

#include <atomic>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

namespace onward {
namespace {
std::string json_reply(int status, std::string_view body) {
  return http_reply(status, body, "Content-Type: application/json\r\n");
}

std::string refusal(int status, std::string_view code, std::string_view detail) {
  return json_reply(status, R"({"code": ")" + std::string{code} + R"(", "detail": ")" +
                                std::string{detail} + R"(", "retry_after": 10})");
}

/// Posts once to a server that answers `replies`; what was said meanwhile.
std::vector<std::string> said_with(std::vector<std::string> replies) {
  LocalReceiver receiver{LocalReceiver::answers(std::move(replies))};
  const Client client{{.server = receiver.origin(), .token = "t"}};
  std::vector<std::string> said;
  PatientPost post{client,
                   {.say = [&](std::string_view text) { said.emplace_back(text); },
                    .pause = [](std::chrono::seconds) {}}};
  const auto answer = post("/v1/events", "accepted", "{}\n", "application/x-ndjson");
  CHECK(answer);
  return said;
}

TEST_CASE("an import that waits for a server says why, at once and then every half minute",
          "[tools]") {
  std::vector<std::string> replies(7, refusal(503, "disk_full", "The disk is full."));
  replies.push_back(json_reply(200, R"({"accepted": 1})"));
  const auto said = said_with(replies);  // It waits 70 seconds.
  REQUIRE(said.size() == 3);
  CHECK(said[0] == "Waiting: The disk is full. Trying again every 10 s.");
}

TEST_CASE("another reason to wait is said at once, a full intake after half a minute", "[tools]") {
  const std::string busy = refusal(429, "busy", "Too much is waiting.");
  const std::string taken = json_reply(200, R"({"accepted": 1})");
  CHECK(said_with({busy, busy, taken}).empty());
  CHECK(said_with({busy, busy, busy, busy, taken}) ==
        std::vector<std::string>{"Waiting: Too much is waiting. Trying again every 10 s."});
  CHECK(said_with({refusal(503, "not_running", "It starts"),
                   refusal(503, "disk_full", "The disk is full."), taken}) ==
        std::vector<std::string>{"Waiting: It starts. Trying again every 10 s.",
                                 "Waiting: The disk is full. Trying again every 10 s."});
}

/// The import of two rows in chunks of one, of which the second meets `second`.
CommandResult import_that_meets(const std::vector<std::string>& import, std::string_view rows,
                                const std::string& first, const std::string& second) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows";
  std::ofstream{file} << rows;
  // One answer a connection, which then closes: that ends an answer that is cut off.
  std::atomic<int> asked{0};
  LocalReceiver receiver{[&](Peer& peer) {
    if (peer.read()) (void)peer.send(asked++ == 0 ? first : second);
  }};
  std::vector<std::string> words = import;
  words.insert(words.end(),
               {file.string(), "--chunk", "1", "--server", receiver.origin(), "--token", "t"});
  return run_onward(words);
}

TEST_CASE("an import whose answer is missing says that the chunk may have been taken", "[tools]") {
  const std::string cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
  const std::string failed = refusal(500, "internal", "It failed.");
  const std::string wrong = refusal(400, "bad_column", "That is wrong.");
  const std::string taken = json_reply(200, R"({"created": 1, "updated": 0, "unchanged": 0})");
  const std::vector<std::string> contacts{"contacts", "import", "--format", "csv"};
  constexpr std::string_view kRows = "id\nc1\nc2\nc3\n";
  for (const std::string& reply : {cut, failed}) {
    const CommandResult result = import_that_meets(contacts, kRows, taken, reply);
    CHECK(
        result.err.find("Line 3 may have been taken; importing again does no harm. Before that, 1 "
                        "contacts were taken.") != std::string::npos);
    CHECK(result.err.find("Stopped before") == std::string::npos);
  }
  CHECK(import_that_meets(contacts, kRows, taken, wrong)
            .err.find("Stopped before line 3; 1 contacts were taken") != std::string::npos);

  const std::string accepted = json_reply(200, R"({"accepted": 1, "duplicates": 0})");
  constexpr std::string_view kEvents = "{}\n{}\n{}\n";
  const std::vector<std::string> events{"events", "import"};
  CHECK(import_that_meets(events, kEvents, accepted, cut)
            .err.find("Line 2 may have been accepted. Before that, 1 were accepted.") !=
        std::string::npos);
  CHECK(import_that_meets(events, kEvents, accepted, wrong)
            .err.find("Stopped before line 2; 1 were accepted.") != std::string::npos);
}

TEST_CASE("lines are named by one number or two", "[tools]") {
  CHECK(lines_text(7, 7) == "Line 7");
  CHECK(lines_text(2, 10'001) == "Lines 2 to 10,001");
}
}  // namespace
}  // namespace onward
