// Retry-After and Date, a line each, as receivers send them.
#include "engine/delivery/deliverer.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  const std::string_view text = text_of(data, size);
  const std::size_t end = text.find('\n');
  const std::string_view date =
      end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  const auto pause =
      parse_retry_after(text.substr(0, end), date, parse_instant("2026-05-01T09:00:00Z").value());
  if (!pause) return 0;
  must(*pause >= Duration{0}, "nobody is asked before now");
  must(*pause <= std::chrono::hours{24 * 7}, "no pause is longer than a week");
  return 0;
}
