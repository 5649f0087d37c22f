#include "engine/store/packed_text.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/noise.h"

using namespace onward;

TEST_CASE("a packed text comes back whole", "[store][packed]") {
  for (const std::string& text : {std::string{}, std::string{"scenario: a\n"}, noise(1'000),
                                  std::string(4 << 20, 'a'), std::string(3, '\0')}) {
    const auto back = unpack_text(pack_text(text));
    REQUIRE(back);
    CHECK(*back == text);
  }
  CHECK(pack_text(std::string(4 << 20, 'a')).size() < (64 << 10));
}

TEST_CASE("a packed text that was cut or changed is told from a whole one", "[store][packed]") {
  const std::string packed = pack_text("nodes: {a: {kind: wait, for: 1d, next: end}}\n");
  const auto whole = unpack_text(packed);
  // The last bits before the checksum may be of no meaning.
  const auto is_damaged = [&](const std::string& bytes) {
    const auto text = unpack_text(bytes);
    return text ? *text == *whole && bytes.size() == packed.size()
                : text.error().code == "unreadable_row";
  };
  for (std::size_t length = 0; length < packed.size(); ++length)
    CHECK(is_damaged(packed.substr(0, length)));
  for (std::size_t place = 0; place < packed.size(); ++place) {
    std::string changed = packed;
    changed[place] = static_cast<char>(changed[place] ^ 0x40);
    CHECK(is_damaged(changed));
  }
  CHECK(is_damaged(packed + "x"));
}
