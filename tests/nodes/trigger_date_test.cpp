#include "tests/nodes/node_stage.h"

using namespace onward;
using namespace std::chrono_literals;

namespace {
Loaded load_trigger(std::string_view settings, std::string_view head = "reentry: after_exit\n") {
  return load_scenario("scenario: x\n" + std::string{head} +
                           "nodes:\n  start: { kind: trigger_date, " + std::string{settings} +
                           ", next: end }\n",
                       node_kinds());
}

std::string codes(const Loaded& loaded) {
  std::string result;
  for (const Diagnostic& found : loaded.diagnostics) result += found.code + " ";
  return result;
}

DateListen listen_of(std::string_view settings) {
  const Loaded loaded = load_trigger(settings);
  INFO(codes(loaded));
  REQUIRE(loaded.scenario);
  return std::get<DateListen>(loaded.scenario->nodes[0].node->listens());
}
}  // namespace

TEST_CASE("a date trigger listens for the day of a field", "[nodes][trigger_date]") {
  const DateListen listen = listen_of(
      "field: birth_date, every: year, offset: -3d, at: \"09:00\", where: { in_group: vip }");
  CHECK(listen.field == "birth_date");
  CHECK(listen.yearly);
  CHECK(listen.offset == -72h);
  CHECK(listen.at == 9h);
  CHECK_FALSE(listen.where.always());
}

TEST_CASE("a date trigger fires at midnight of the day itself, once, unless it says more",
          "[nodes][trigger_date]") {
  const DateListen listen = listen_of("field: consent.expires_at");
  CHECK_FALSE(listen.yearly);
  CHECK(listen.offset == 0h);
  CHECK(listen.at == 0h);
  CHECK(listen.where.always());
}

TEST_CASE("a date trigger knows its field by one name", "[nodes][trigger_date]") {
  CHECK(listen_of("field: birthday").field == "birth_date");
  CHECK(listen_of("field: contact.birth_date").field == "birth_date");
  CHECK(listen_of("field: consent_expires_at").field == "consent.expires_at");
  CHECK(listen_of("field: custom.renewal").field == "custom.renewal");
}

TEST_CASE("a date trigger refuses what cannot be meant", "[nodes][trigger_date]") {
  struct Case {
    std::string_view settings;
    std::string_view code;
  };
  for (const Case& given : {
           Case{"every: year", "missing_key "},
           Case{"field: first_name", "wrong_type "},
           Case{"field: last_opened_at", "wrong_type "},
           Case{"field: custom.contract.end", "wrong_type "},
           Case{"field: custom", "wrong_type "},
           Case{"field: birth_dat", "unknown_field "},
           Case{"field: [birth_date]", "wrong_type "},
           Case{"field: birth_date, every: month", "unknown_choice "},
           Case{"field: birth_date, offset: 36h", "bad_duration "},
           Case{"field: birth_date, offset: -4000d", "bad_duration "},
           Case{"field: birth_date, every: year, offset: -366d", "bad_duration "},
           Case{"field: birth_date, offset: 3", "bad_duration "},
           Case{"field: birth_date, at: \"24:00\"", "bad_time_of_day "},
           Case{"field: birth_date, at: 9h", "bad_time_of_day "},
           Case{"field: birth_date, at: \"9:00\"", "bad_time_of_day "},
           Case{"field: birth_date, where: { event.form: a }", "no_event "},
           Case{"field: birth_date, event: order", "unknown_key "},
       }) {
    CAPTURE(given.settings);
    const Loaded loaded = load_trigger(given.settings);
    CHECK_FALSE(loaded.scenario);
    CHECK(codes(loaded) == given.code);
  }
}

TEST_CASE("a yearly trigger of a scenario that nobody enters twice is worth a warning",
          "[nodes][trigger_date]") {
  CHECK(codes(load_trigger("field: birth_date, every: year", "")) == "reentry_not_stated ");
  CHECK(codes(load_trigger("field: birth_date", "")).empty());
}
