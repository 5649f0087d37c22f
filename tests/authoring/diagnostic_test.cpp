#include "engine/core/source/diagnostic.h"

#include <array>
#include <catch2/catch.hpp>

using namespace onward;

TEST_CASE("the nearest name is the one that was most likely meant", "[core][diagnostic]") {
  const std::vector<std::string> names{"email", "event", "next", "where", "send_webhook", "id"};
  struct Case {
    const char* wrong;
    const char* meant;
  };
  const auto c = GENERATE(Case{"emial", "email"}, Case{"Email", "email"}, Case{"nxet", "next"},
                          Case{"wehre", "where"}, Case{"sendwebhook", "send_webhook"},
                          Case{"send-webhook", "send_webhook"}, Case{"is", ""}, Case{"", ""},
                          Case{"quite another", ""}, Case{"nex", "next"});
  CAPTURE(c.wrong);
  CHECK(nearest_name(c.wrong, names) == c.meant);
}

TEST_CASE("other people's words lead to ours", "[core][diagnostic]") {
  const std::vector<std::string> operators{"is", "in", "gt", "before", "after", "contains"};
  CHECK(nearest_name("equals", operators) == "is");
  CHECK(nearest_name("Greater Than", operators) == "gt");
  CHECK(nearest_name(">", operators) == "gt");
  CHECK(nearest_name("or", std::vector<std::string>{"all", "any", "email"}) == "any");
  // The word for it that can be used here.
  CHECK(nearest_name("greater_than", std::vector<std::string>{"before", "after"}) == "after");
  CHECK(nearest_name("greater_than", std::vector<std::string>{"starts_with"}).empty());
}

TEST_CASE("no message shows the password of a URL", "[core][diagnostic]") {
  Diagnostics found;
  found.error({1, 1}, "a", "found \"https://bob:secret@a.example/\"");
  CHECK(found.sorted()[0].message == "found \"https://***@a.example/\"");
}

TEST_CASE("no name is suggested in its own place", "[core][diagnostic]") {
  const std::vector<std::string> names{"first_nam", "first_name", "last_name", "title"};
  CHECK(nearest_name("first_name", names).empty());
  CHECK(nearest_name("First_Name", names) == "first_name");
  // "title" is another word for "name", and a name itself.
  CHECK(nearest_name("title", std::vector<std::string>{"title"}).empty());
}

TEST_CASE("a name longer than any that people write has no nearest one", "[core][diagnostic]") {
  const std::vector<std::string> names{std::string(100, 'a'), "email"};
  CHECK(nearest_name(std::string(100, 'a'), names).empty());
}

TEST_CASE("fewer edits can be asked for than a third of the letters", "[core][diagnostic]") {
  constexpr std::array<std::string_view, 1> kNames{"converted"};
  CHECK(nearest_name("confirmed", std::span<const std::string_view>{kNames}) == "converted");
  CHECK(nearest_name("confirmed", std::span<const std::string_view>{kNames}, 2).empty());
}

TEST_CASE("the work for suggestions is bounded for one text", "[core][diagnostic]") {
  // Names that differ at their end alone cost the most.
  const std::string front(55, 'x');
  std::vector<std::string> known;
  for (int i = 0; i < 10'000; ++i) known.push_back(front + std::to_string(i));
  const std::vector<std::string_view> candidates{known.begin(), known.end()};
  Diagnostics found;
  CHECK_FALSE(found.nearest(front + "z1", candidates).empty());
  for (int i = 0; i < 1'000; ++i)
    found.error({1, 1}, "unknown_node", "x",
                found.nearest(front + "zz" + std::to_string(i), candidates));
  CHECK(found.suggestions().used_up());
  CHECK_FALSE(found.suggests());
  // One comparison may pass the bound.
  CHECK(found.suggestions().steps() <= kSuggestionStepsMax + 64 * 64);
  // A thousand wrong keys of a small vocabulary stay within it.
  Diagnostics keys;
  const std::vector<std::string> small{"subscription", "unsubscribe", "opened", "clicked", "sent"};
  for (int i = 0; i < 1'000; ++i) CHECK(keys.nearest("subscriptoin", small) == "subscription");
  CHECK_FALSE(keys.suggestions().used_up());
}

TEST_CASE("a collector that is full counts findings and suggests nothing", "[core][diagnostic]") {
  Diagnostics found;
  for (std::size_t i = 0; i < kFindingsMax; ++i) found.error({1, 1}, "a", std::to_string(i));
  CHECK(found.full());
  const std::vector<std::string> known{"email"};
  CHECK(found.nearest("emial", known).empty());
  found.error({1, 1}, "a", "one more");
  CHECK(found.errors() == kFindingsMax + 1);
  CHECK(found.sorted().back().message == "and 1 more");
}

TEST_CASE("findings come in the order of the file, each once", "[core][diagnostic]") {
  Diagnostics found;
  found.error({3, 1}, "b", "second");
  found.warning({1, 5}, "a", "first");
  found.error({3, 1}, "b", "second");
  const auto sorted = found.sorted();
  REQUIRE(sorted.size() == 2);
  CHECK(sorted[0].message == "first");
  CHECK(sorted[1].message == "second");
  CHECK(found.errors() == 2);
}

TEST_CASE("what only newer rules refuse is an error for new texts and a warning for older ones",
          "[core][diagnostic]") {
  Diagnostics newer{kNewestFormat};
  CHECK(newer.format() == kNewestFormat);
  CHECK(newer.error_since(kNewestFormat, {3, 5}, "too_wide", "2,000 items", "near"));
  CHECK(newer.has_errors());
  CHECK(newer.sorted() == std::vector<Diagnostic>{{.severity = Severity::Error,
                                                   .at = {3, 5},
                                                   .code = "too_wide",
                                                   .message = "2,000 items",
                                                   .nearest = "near"}});

  Diagnostics older{kNewestFormat - 1};
  CHECK_FALSE(older.error_since(kNewestFormat, {3, 5}, "too_wide", "2,000 items", "near"));
  CHECK_FALSE(older.has_errors());
  REQUIRE(older.sorted().size() == 1);
  const Diagnostic found = older.sorted().front();
  CHECK(found.severity == Severity::Warning);
  CHECK(found.at == Position{3, 5});
  CHECK(found.code == "too_wide");
  CHECK(found.message.starts_with("2,000 items (this stored version continues to work"));
  CHECK(found.nearest == "near");
  CHECK(found.error_since == kNewestFormat);
}
