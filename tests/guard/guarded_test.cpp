#include "engine/guard/guarded.h"

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace onward;

namespace {
/// Keeps what is logged.
struct Log {
  std::vector<std::map<std::string, std::string>> records;
  LogSink sink() {
    return [this](const LogRecord& record) {
      std::map<std::string, std::string>& kept = records.emplace_back();
      kept["event"] = record.event;
      for (const auto& [name, value] : record.fields) kept[name] = to_text(value);
    };
  }
};
}  // namespace

TEST_CASE("work that throws is an internal error whose incident the log has", "[guard][guarded]") {
  Log log;
  const auto result = guarded("test.place", log.sink(),
                              []() -> int { return static_cast<int>(std::string{"abc"}.at(7)); });
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::Internal);
  CHECK(result.error().code == "internal_error");
  CHECK(result.error().incident.size() == 12);
  CHECK(result.error().message.find(result.error().incident) != std::string::npos);
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0]["event"] == "internal.error");
  CHECK(log.records[0]["incident"] == result.error().incident);
  CHECK(log.records[0]["where"] == "test.place");
  CHECK(log.records[0]["message"].starts_with("std::out_of_range: "));
}

TEST_CASE("the text of an exception that may repeat data is not logged", "[guard][guarded]") {
  Log log;
  CHECK_FALSE(guarded("a", log.sink(), [] { throw std::runtime_error{"jane@example.org"}; }));
  CHECK_FALSE(guarded("b", log.sink(), [] { throw 7; }));
  CHECK_FALSE(guarded("c", log.sink(), [] { throw std::bad_alloc{}; }));
  REQUIRE(log.records.size() == 3);
  CHECK(log.records[0]["message"] == "std::runtime_error");
  CHECK(log.records[1]["message"] == "int");
  CHECK(log.records[2]["message"] == "std::bad_alloc: out of memory");
}

TEST_CASE("work that does not throw gives what it gives", "[guard][guarded]") {
  CHECK(guarded("a", {}, [] { return 7; }).value() == 7);
  CHECK(guarded("a", {}, [] {}));
  const Result<int> refused =
      guarded("a", {}, []() -> Result<int> { return fail(ErrorKind::Busy, "busy", "later"); });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "busy");
  CHECK(refused.error().incident.empty());
}

TEST_CASE("no two incidents have one id, and a log that throws changes nothing",
          "[guard][guarded]") {
  std::set<std::string> ids;
  const LogSink broken = [](const LogRecord&) { throw std::runtime_error{"no log"}; };
  for (int i = 0; i < 1000; ++i) ids.insert(guarded("a", broken, [] { throw 1; }).error().incident);
  CHECK(ids.size() == 1000);
}
