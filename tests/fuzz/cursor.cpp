// Cursors of lists: a text that callers hold in their hands.
#include "engine/store/cursor.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  const std::string_view text = text_of(data, size);
  const auto number = read_cursor(text);
  const auto run = read_run_cursor(text);
  if (number && !text.empty())
    must(read_cursor(to_base32(*number)).value() == *number, "a cursor is read alike twice");
  if (!number) must(number.error().code == "bad_cursor", "a refusal says why");
  if (!run) must(run.error().code == "bad_cursor", "a refusal says why");
  return 0;
}
