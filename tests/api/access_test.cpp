#include "engine/api/access.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
Access access_with(std::string token, Role role) {
  AccessOptions options;
  options.find_token = [hash = sha256_hex(token), role](std::string_view asked) {
    return asked == hash ? std::optional{TokenRecord{hash, "test", role, {}}} : std::nullopt;
  };
  return Access{std::move(options)};
}

int status_for(const Access& access, std::string_view authorization, Need need) {
  ApiRequest request;
  if (!authorization.empty()) request.headers = {{"Authorization", authorization}};
  const auto refusal = access.refuse(request, need);
  return refusal ? refusal->status : 0;
}

TEST_CASE("a hash is what everybody else calls SHA-256", "[api][access]") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a token has the Bearer form", "[api][access]") {
  CHECK(bearer_token("Bearer abc") == "abc");
  CHECK(bearer_token("bearer  abc") == "abc");
  CHECK_FALSE(bearer_token("Basic abc"));
  CHECK_FALSE(bearer_token("Bearer "));
  CHECK_FALSE(bearer_token("Bearer"));
  CHECK_FALSE(bearer_token(""));
  CHECK_FALSE(bearer_token("Bearer " + std::string(600, 'x')));
}

TEST_CASE("a role may do what it is for and nothing else", "[api][access]") {
  struct Row {
    Role role;
    bool metrics, read, ingest, author, admin;
  };
  for (const Row& row : {Row{Role::Metrics, true, false, false, false, false},
                         Row{Role::Read, true, true, false, false, false},
                         Row{Role::Ingest, false, false, true, false, false},
                         Row{Role::Author, true, true, true, true, false},
                         Row{Role::Admin, true, true, true, true, true}}) {
    CAPTURE(static_cast<int>(row.role));
    CHECK(allows(row.role, Need::Nothing));
    CHECK(allows(row.role, Need::Metrics) == row.metrics);
    CHECK(allows(row.role, Need::Read) == row.read);
    CHECK(allows(row.role, Need::Ingest) == row.ingest);
    CHECK(allows(row.role, Need::Author) == row.author);
    CHECK(allows(row.role, Need::Admin) == row.admin);
  }
}

TEST_CASE("without, with a wrong and with a weak token the door stays shut", "[api][access]") {
  const Access access = access_with("secret", Role::Read);
  CHECK(status_for(access, "", Need::Read) == 401);
  CHECK(status_for(access, "Bearer wrong", Need::Read) == 401);
  CHECK(status_for(access, "Basic secret", Need::Read) == 401);
  CHECK(status_for(access, "Bearer secret", Need::Author) == 403);
  CHECK(status_for(access, "Bearer secret", Need::Read) == 0);
  CHECK(status_for(access, "", Need::Nothing) == 0);
}

TEST_CASE("a token that has expired opens nothing, and its holder is told so", "[api][access]") {
  class Stopped final : public Clock {
   public:
    Instant now() const override { return at; }
    Instant at{std::chrono::seconds{100}};
  } clock;
  AccessOptions options;
  options.clock = &clock;
  options.find_token = [](std::string_view) {
    return std::optional{TokenRecord{
        .name = "guest", .role = Role::Read, .expires = Instant{std::chrono::seconds{200}}}};
  };
  const Access access{std::move(options)};
  CHECK(status_for(access, "Bearer x", Need::Read) == 0);
  clock.at = Instant{std::chrono::seconds{200}};
  CHECK(status_for(access, "Bearer x", Need::Read) == 401);
  CHECK(status_for(access, "Bearer x", Need::Nothing) == 0);
  ApiRequest request;
  request.headers = {{"Authorization", "Bearer x"}};
  CHECK(access.refuse(request, Need::Read)->body.find("expired_token") != std::string::npos);
  CHECK(access.name_of(request) == "anyone");
}

TEST_CASE("a server without tokens answers no foreign page and no rebound name", "[api][access]") {
  const Access open{{nullptr, /*no_auth=*/true}};
  const auto status = [&](std::string_view host, std::string_view origin) {
    ApiRequest request;
    request.headers = {{"Host", host}};
    if (!origin.empty()) request.headers.emplace_back("Origin", origin);
    const auto refusal = open.refuse(request, Need::Admin);
    return refusal ? refusal->status : 0;
  };
  CHECK(status("127.0.0.1:8787", "") == 0);
  CHECK(status("localhost:8787", "http://localhost:3000") == 0);
  CHECK(status("[::1]:8787", "") == 0);
  CHECK(status("evil.example", "") == 421);
  CHECK(status("127.evil.example", "") == 421);
  CHECK(status("localhost.evil.example", "") == 421);
  CHECK(status("127.0.0.1:8787", "https://evil.example") == 403);
  CHECK(status("127.0.0.1:8787", "null") == 403);
}
}  // namespace
}  // namespace onward
