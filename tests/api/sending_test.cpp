// /v1/sending of a server that holds nothing back; a held one is in tests/end_to_end.
#include <catch2/catch.hpp>

#include "tests/api/front.h"

namespace onward {
TEST_CASE("whether requests leave is told, and resuming what is not held changes nothing",
          "[api][sending]") {
  Front front;
  const Told told = front.get("/v1/sending");
  CHECK(told.status == 200);
  CHECK(told.at("sending") == Value{"on"});
  CHECK(told.at("pending") == Value{0});
  CHECK(front.post("/v1/sending/resume", "").at("sending") == Value{"on"});
  CHECK(front.get("/readyz").at("sending") == Value{"on"});
}
}  // namespace onward
