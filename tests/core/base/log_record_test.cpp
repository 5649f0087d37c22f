#include "engine/core/base/log_record.h"

#include <catch2/catch.hpp>

namespace onward {
namespace {
const Instant kAt = parse_instant("2026-05-01T09:00:00.250Z").value();

TEST_CASE("a record is one line of words", "[core][log]") {
  const LogRecord record{"store.full", {{"message", "no room"}, {"bytes", 12}}, LogLevel::Error};
  CHECK(to_line(record, kAt) ==
        "2026-05-01T09:00:00.250Z store.full level=error message=\"no room\" bytes=12");
  CHECK(to_line({"server.stopped", {}}, kAt) == "2026-05-01T09:00:00.250Z server.stopped");
}

TEST_CASE("no text of a record can end its line or play another field", "[core][log]") {
  const LogRecord record{"scenario.held",
                         {{"why", "a\nb\" level=error"}, {"by", "x=y"}, {"to", ""}}};
  CHECK(to_line(record, kAt) ==
        R"(2026-05-01T09:00:00.250Z scenario.held why="a\nb\" level=error" by="x=y" to="")");
}

TEST_CASE("a record is one JSON object", "[core][log]") {
  const LogRecord record{
      "delivery.attempted", {{"status", 503}, {"next_at", kAt}}, LogLevel::Warning};
  CHECK(to_json_line(record, kAt) ==
        R"({"at":"2026-05-01T09:00:00.250Z","level":"warning","event":"delivery.attempted",)"
        R"("status":503,"next_at":"2026-05-01T09:00:00.250Z"})");
}
}  // namespace
}  // namespace onward
