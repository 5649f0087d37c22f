#include "tools/onward/table.h"

#include <catch2/catch.hpp>

#include "tools/onward/terminal.h"

namespace onward {
namespace {
TEST_CASE("numbers stand to the right, names to the left, and no line ends in blanks", "[tools]") {
  Table table{{{"node", Align::Left, true}, {"visits", Align::Right}, {"note"}}};
  table.add({"signed_up", "1,204", ""});
  table.add({"é", "7", "x"});
  CHECK(table.text(80) ==
        "node       visits  note\n"
        "signed_up   1,204\n"
        "é               7  x\n");
}

TEST_CASE("a table too wide gives way where it may", "[tools]") {
  Table table{{{"node", Align::Left, true}, {"visits", Align::Right}}};
  table.add({"a_node_with_a_very_long_name", "7"});
  CHECK(table.text(20) ==
        "node          visits\n"
        "a_node_with…       7\n");
}

TEST_CASE("a note stands whole below its row", "[tools]") {
  Table table{{{"node", Align::Left, true}}};
  table.add({"a_node_with_a_very_long_name"});
  table.note("open it with --allow-host 127.0.0.1:9000");
  CHECK(table.text(10) ==
        "node\n"
        "a_node_wi…\n"
        "    open it with --allow-host 127.0.0.1:9000\n");
  CHECK(table.text(kEndless).plain().find("long_name") != std::string::npos);
}

TEST_CASE("width is counted in columns, not in bytes", "[tools]") {
  CHECK(display_width("café") == 4);
  CHECK(display_width("日本") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("￥5︵") == 5);
  CHECK(display_width("\xff!") == 2);
  CHECK(fitted("日本語", 5) == "日本…");
  CHECK(fitted("short", 5) == "short");
}

TEST_CASE("thousands are grouped", "[tools]") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(-1000) == "-1,000");
}

TEST_CASE("what would act on a terminal is shown instead", "[tools]") {
  CHECK(printable("\x1b[2Jhi") == "\\x1b[2Jhi");
}
}  // namespace
}  // namespace onward
