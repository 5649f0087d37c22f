// The memory of compiled conditions is bounded for a whole server, when a version is applied.
#include <catch2/catch.hpp>

#include "engine/control/authored.h"
#include "engine/control/scenario_book.h"
#include "engine/control/scenario_decisions.h"
#include "engine/control/version_texts.h"
#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"

using namespace onward;

namespace {
const Instant kNow = *parse_instant("2026-05-01T12:00:00Z");

/// Some 57 MiB with 900 expressions.
std::string text_of(const std::string& id, int expressions, std::string_view title = "t") {
  std::string text =
      "scenario: " + id + "\ntitle: " + std::string{title} +
      "\nreentry: parallel\nnodes:\n  t: { kind: trigger, event: subscription, where: "
      "{ any: [{ email: { exists: true } }, ";
  for (int i = 0; i < expressions; ++i)
    text += "{ email: { matches: 'x" + std::to_string(i) + "' } }, ";
  return text + "] }, next: end }\n";
}

/// The code of the refusal; empty where it was taken.
std::string apply(ScenarioBook& book, const std::string& id, const std::string& text) {
  auto made = author_text(book, id, text);
  REQUIRE(made);
  REQUIRE_FALSE(made->refused);
  auto applied = apply_text(book, std::move(*made), kNow);
  if (!applied) return applied.error().code;
  book.adopt(std::move(applied->change));
  (void)book.catalog({}, "000000000000", 1);  // lets go of versions that nothing needs
  return {};
}
}  // namespace

TEST_CASE("a version whose conditions go beyond those of a server is refused by name",
          "[control][conditions_limit]") {
  auto store = make_memory_store();
  ScenarioBook book{node_kinds(), ControlSnapshot{},
                    std::make_shared<VersionTexts>(std::move(store->open_reader().value())),
                    [](const LogRecord&) {}};
  for (const char* id : {"a", "b", "c", "d"}) CHECK(apply(book, id, text_of(id, 900)).empty());
  CHECK(apply(book, "e", text_of("e", 900)) == "conditions_full");
  CHECK(apply(book, "e", text_of("e", 300)).empty());
  CHECK(apply(book, "f", text_of("f", 300)) == "conditions_full");
  // A new version takes the place of the one before, so that a full server can be emptied.
  CHECK(apply(book, "a", text_of("a", 900, "again")).empty());
  CHECK(apply(book, "a", text_of("a", 0)).empty());
  CHECK(apply(book, "f", text_of("f", 900)).empty());
}
