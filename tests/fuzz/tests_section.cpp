// The `tests:` of scenario files: mutated, while what stands above stays. Of each: load_checked. Of
// accepted ones all tests are run; that a test fails is no finding, that it cannot be told is.
#include "engine/core/base/value.h"
#include "engine/simulation/test_runner.h"
#include "nodes/nodes.h"
#include "tests/fuzz/features.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/scenario_checks.h"
#include "tests/fuzz/target.h"

using namespace onward;

namespace {
constexpr std::string_view kTests = "\ntests:";
/// More would be as slow as it is long.
constexpr std::size_t kTestsRun = 8;
}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{text_of(data, size)};
  const Loaded loaded = fuzz::load_checked(text);
  if (!loaded.scenario) return 0;
  if (loaded.scenario->tests.items.size() > kTestsRun) return 0;
  const auto report = run_tests(*loaded.scenario, text, node_kinds());
  must(report.has_value(), "the tests of an accepted file can be run");
  for (const Tree& test : loaded.scenario->tests.items)
    for (const Tree::Entry& entry : test.entries) {
      fuzz::feature("test " + entry.key);
      for (const Tree::Entry& part : entry.value.entries) {
        fuzz::feature("test " + entry.key + " " + part.key);
        for (const Tree::Entry& inner : part.value.entries)
          fuzz::feature("test " + entry.key + " " + part.key + " " + inner.key);
      }
    }
  for (const TestResult& result : report->results)
    for (const TestDifference& difference : result.differences) {
      fuzz::feature("differs " + difference.what);
      must(difference.at.line > 0, "a difference has a place");
      must(valid_utf8(difference.expected) && valid_utf8(difference.found) &&
               valid_utf8(difference.what) && valid_utf8(difference.hint),
           "a difference is UTF-8");
    }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  return fuzz::mutate_in_place(
      data, size, size_max, seed, [&](std::string text, fuzz::Chance& chance) {
        const std::size_t at = text.find(kTests);
        const std::string above = at == std::string::npos ? std::string{} : text.substr(0, at + 1);
        if (above.size() >= size_max) return text.substr(0, size_max);
        std::string tests = at == std::string::npos ? text : text.substr(at + 1);
        return above + fuzz::mutate_text(std::move(tests), fuzz::scenario_dictionary(), chance,
                                         size_max - above.size());
      });
}
