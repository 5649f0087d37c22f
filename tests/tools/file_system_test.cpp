#include "tools/onward/file_system.h"

#include <catch2/catch.hpp>

namespace onward {
TEST_CASE("a copy for which there is no room is not begun", "[tools]") {
  const auto folder = std::filesystem::temp_directory_path();
  CHECK(check_room(folder, 1));
  const std::uint64_t room = std::filesystem::space(folder).capacity;
  const Status none = check_room(folder, room + 1);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == "disk_full");
  CHECK_THAT(none.error().message,
             Catch::StartsWith("The copy takes " + std::to_string(room + 1) + " bytes, and " +
                               folder.string() + " has room for "));
  CHECK(check_room(folder / "nowhere", room + 1));  // The write will tell.
}
}  // namespace onward
