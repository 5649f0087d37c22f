#include "tests/fuzz/features.h"

namespace onward::fuzz {
// In the section in which libFuzzer looks for counters.
__attribute__((section("__libfuzzer_extra_counters"))) FeatureMap feature_map{};
}  // namespace onward::fuzz
