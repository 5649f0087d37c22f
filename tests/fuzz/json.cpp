// JSON at the door: what is read is written and read again as the same value.
#include "engine/core/base/value.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  const auto value = parse_json(text_of(data, size));
  if (!value) {
    must(!value.error().message.empty(), "a refusal says why");
    return 0;
  }
  const std::string written = to_json(*value);
  const auto again = parse_json(written);
  must(again.has_value(), "what was written can be read");
  must(*again == *value, "what was written is the same value");
  must(to_json(*again) == written, "what was written is written alike");
  return 0;
}
