#include "engine/core/contact/vocabulary.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace onward;

namespace {
std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string{text}};
  return {std::istream_iterator<std::string>{in}, {}};
}
}  // namespace

TEST_CASE("every code and action of the systems that Onward answers to is known",
          "[core][vocabulary]") {
  const auto codes = words("s b c o u x sb a up r t v p e wa ab of");
  const auto actions = words(
      "forget_subscription change_consent web_push_bounce web_push_click web_push_delivered "
      "web_push_open web_push_send web_push_subscription web_push_unsubscription email_send "
      "email_open email_click email_soft_bounce email_hard_bounce sms_send sms_delivered "
      "voice_send "
      "unsubscribe subscription edit_subscription resubscription facebook_like social_share "
      "double_optin email_spam_complaint email_field_disable cellphone_field_disable "
      "phone_field_disable push_send push_open push_click push_received push_error push_canceled "
      "new_order cart_update goal_conversion product_view");
  const auto triggers = words(
      "subscription_form added_to_group email_opened link_clicked criteria_met survey_answered "
      "date_reached profile_form consent_expired consent_expiring");
  CHECK(codes.size() == 17);
  CHECK(actions.size() == 38);
  for (const auto& names : {codes, actions, triggers})
    for (const std::string& name : names) {
      INFO(name);
      CHECK(find_event(name));
    }
}

TEST_CASE("a name or alias stands in one row only", "[core][vocabulary]") {
  std::set<std::string> seen;
  for (const EventName& row : event_names()) {
    INFO(row.name);
    CHECK(seen.emplace(row.name).second);
    for (const std::string& alias : words(row.aliases)) {
      CHECK(seen.insert(alias).second);
      CHECK(find_event(alias) == &row);
    }
    CHECK(canonical_event(row.name) == std::string{row.name});
    CHECK_FALSE(row.summary.empty());
  }
}

TEST_CASE("aliases become the canonical name, other names stay", "[core][vocabulary]") {
  CHECK(canonical_event("email_open") == "opened");
  CHECK(canonical_event("o") == "opened");
  CHECK(canonical_event("subscribe") == "subscription");
  CHECK(canonical_event("unsubscribed") == "unsubscribe");
  CHECK(canonical_event("open") == "opened");
  CHECK(canonical_event("click") == "clicked");
  CHECK(canonical_event("order") == "new_order");
  CHECK(canonical_event("sb") == "subscription");
  CHECK(canonical_event("goal_conversion") == "converted");
  CHECK(canonical_event("trial_started_2") == "trial_started_2");
  CHECK(canonical_event(std::string(64, 'a')));
  for (const std::string_view name :
       {"", "Opened", "trial-started", "2nd", "_x", "a b", "é", "a.b"}) {
    INFO(name);
    CHECK_FALSE(canonical_event(name));
  }
  CHECK_FALSE(canonical_event(std::string(65, 'a')));
  CHECK_FALSE(find_event("trial_started"));
}

TEST_CASE("the table tells what an event does and whether it repeats", "[core][vocabulary]") {
  CHECK(find_event("subscription")->effect == EventEffect::SetsSubscribedAt);
  CHECK(find_event("unsubscribe")->effect == EventEffect::None);
  for (const std::string_view name :
       {"opened", "clicked", "viewed", "new_order", "cart_update", "cart_abandoned"})
    CHECK(find_event(name)->repeats);
  CHECK_FALSE(find_event("subscription")->repeats);
}

TEST_CASE("the documentation lists every event with its other names", "[core][vocabulary]") {
  std::ifstream file{"docs/events.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  for (const EventName& row : event_names()) {
    std::string also;
    for (const std::string& alias : words(row.aliases))
      also += (also.empty() ? "`" : ", `") + alias + "`";
    const std::string line =
        "| `" + std::string{row.name} + "` | " + also + " | " + std::string{row.summary} + " |";
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
}
