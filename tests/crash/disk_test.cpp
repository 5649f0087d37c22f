// The real binary on a disk that is full, fails or lies about its syncs.
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "tests/crash/load.h"
#include "tests/crash/receiver.h"
#include "tests/crash/victim.h"
#include "tests/support/child.h"

namespace onward::crash {
namespace {
constexpr Nanos kPatience = 30'000'000'000;

struct Site {
  TemporaryFolder folder;
  std::filesystem::path data = folder.path() / "data", faults = folder.path() / "faults";
  Site() { std::filesystem::create_directory(faults); }

  VictimOptions options() const {
    return {.data = data, .arguments = {}, .kill = {}, .note = {}, .faults = faults};
  }
  void fault(const char* name) const { std::ofstream{faults / name} << "x"; }

  Result<HttpAnswer> post(const std::string& url, const std::string& id) const {
    return call(data, url, "POST", "/v1/events",
                fmt::format(R"({{"id":"{0}","type":"opened","contact":{{"id":"{0}"}}}})", id));
  }
  int contact(const std::string& url, const std::string& id) const {
    const auto answer = call(data, url, "GET", "/v1/contacts/" + id);
    return answer ? answer->status : 0;
  }
};

std::string url_of(Victim& victim) {
  const auto url = victim.wait_for_url(now_nanos() + kPatience);
  INFO(victim.said());
  REQUIRE(url);
  return *url;
}
}  // namespace

TEST_CASE("a disk that cannot be written for now refuses events, and then takes them by itself",
          "[crash][disk]") {
  const auto [fault, code] = GENERATE(
      table<const char*, const char*>({{"full", "disk_full"}, {"read_only", "disk_read_only"}}));
  CAPTURE(code);
  const Site site;
  Victim victim{site.options()};
  const std::string url = url_of(victim);
  REQUIRE(site.post(url, "a")->status == 202);
  site.fault(fault);
  const auto refused = site.post(url, "b");
  REQUIRE(refused);
  CHECK(refused->status == 503);
  CHECK(refused->body.find(code) != std::string::npos);
  CHECK(site.contact(url, "a") == 200);  // reading goes on
  const auto ready = call(site.data, url, "GET", "/readyz");
  CHECK(ready->status == 503);
  CHECK(ready->body.find(code) != std::string::npos);

  std::filesystem::remove(site.faults / fault);
  int status = 0;
  for (const Nanos until = now_nanos() + kPatience; status != 202 && now_nanos() < until;) {
    status = site.post(url, "b")->status;
    if (status != 202) victim.wait_for_end(now_nanos() + 50'000'000);
  }
  CHECK(status == 202);
  CHECK(site.contact(url, "b") == 200);
  victim.terminate();
  REQUIRE(victim.wait_for_end(now_nanos() + kPatience));
  CHECK(WEXITSTATUS(victim.status()) == 0);
}

TEST_CASE("a write or a sync that fails ends the server, and the next one has all it told of",
          "[crash][disk]") {
  const char* fault = GENERATE("eio", "fsync_once");
  CAPTURE(fault);
  const Site site;
  {
    Victim victim{site.options()};
    const std::string url = url_of(victim);
    REQUIRE(site.post(url, "a")->status == 202);
    site.fault(fault);
    const auto refused = site.post(url, "b");
    CHECK((!refused || refused->status == 503));
    // The disk is well again at once; this server believes it no more.
    std::filesystem::remove(site.faults / fault);
    REQUIRE(victim.wait_for_end(now_nanos() + kPatience));
    REQUIRE(WIFEXITED(victim.status()));
    CHECK(WEXITSTATUS(victim.status()) == 74);
    CHECK(victim.said().find("engine.stopped") != std::string::npos);
  }
  Victim victim{site.options()};
  const std::string url = url_of(victim);
  CHECK(site.contact(url, "a") == 200);
  CHECK(site.post(url, "b")->status == 202);
}
}  // namespace onward::crash
