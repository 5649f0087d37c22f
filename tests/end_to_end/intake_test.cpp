// Events of other systems into the real binary, by secret.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/support/child.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
constexpr const char* kSecret = "a secret of some length";

std::string write(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  const std::filesystem::path file = folder.path() / name;
  std::ofstream{file, std::ios::binary} << text;
  std::filesystem::permissions(
      file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return file.string();
}

CommandResult serve_with(const TemporaryFolder& folder, const std::string& secret_file) {
  return run_onward({"serve", "--data", (folder.path() / "data").string(), "--listen",
                     "127.0.0.1:0", "--intake-secret-file", secret_file});
}
}  // namespace

TEST_CASE("a server with an adapter's secret takes posts that prove it, without a token",
          "[end_to_end][intake]") {
  TemporaryFolder folder;
  const std::string file = write(folder, "egoi.secret", fmt::format("{}\n", kSecret));
  ServerChild server{folder.path() / "data", {"--intake-secret-file", "egoi=" + file}};
  std::ifstream in{"tests/golden/egoi_events.json", std::ios::binary};
  const std::string body{std::istreambuf_iterator<char>{in}, {}};
  const auto post = [&](const std::string& path, const std::string& secret) {
    const auto answer =
        http_call({.method = "POST",
                   .url = server.url() + path,
                   .headers = {{"X-Onward-Secret", secret}, {"Content-Type", "application/json"}},
                   .body = body},
                  10s);
    REQUIRE(answer);
    const auto told = parse_json(answer->body);
    REQUIRE(told);
    const Value* accepted = told->find("accepted");
    return fmt::format("{} {}", answer->status,
                       to_json(accepted ? *accepted : *told->find("code")));
  };
  CHECK(post("/v1/intake/egoi?mode=history", kSecret) == "202 2");
  CHECK(post("/v1/intake/egoi?mode=history", "a secret of another one") == "401 \"wrong_secret\"");
  CHECK(post("/v1/intake/taguchi", kSecret) == "401 \"no_token\"");
  CHECK(post("/v1/events", kSecret) == "401 \"no_token\"");
  CHECK(server.stop() == 0);
}

TEST_CASE("a secret that is none starts no server, and is not shown", "[end_to_end][intake]") {
  TemporaryFolder folder;
  const std::string brief = write(folder, "brief", "fifteen letters\n");
  const std::pair<std::string, const char*> cases[] = {
      {"egoi=" + brief, "holds 15 bytes"},
      {"egoi=" + (folder.path() / "none").string(), "Cannot read"},
      {"egoi=" + folder.path().string(), "Cannot read"},
      {"egio=" + brief, "perhaps \"egoi\""},
      {"egoi", "ADAPTER=FILE"},
      {"egoi=", "ADAPTER=FILE"},
  };
  for (const auto& [option, message] : cases) {
    CAPTURE(option);
    const CommandResult refused = serve_with(folder, option);
    CHECK(refused.code == 78);
    CAPTURE(refused.err);
    CHECK(refused.err.find(message) != std::string::npos);
    CHECK(refused.err.find("fifteen") == std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(folder.path() / "data"));
}
