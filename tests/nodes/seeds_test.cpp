// What the seeds print, byte for byte; blanks between the members of JSON aside.
#include <fstream>
#include <sstream>

#include "tests/nodes/node_stage.h"

using namespace onward;

namespace {
/// A printed sample, without the blanks between its members.
std::string printed(const std::string& name) {
  std::ifstream in{"tests/golden/" + name, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  const auto value = parse_json(text.str());
  INFO(name);
  REQUIRE(value);
  return to_json(*value);
}

/// The request of a visit by the contact and in the campaign of S1's example.
Request campaign_request(const NodeStage& stage) {
  Visit visit = stage.visit();
  visit.scenario_title = "Summer Promotion";
  const Outcome outcome = stage.node().enter(visit);
  REQUIRE(outcome.request);
  return outcome.request->request;
}
}  // namespace

TEST_CASE("the URL parameters that S0 prints stand behind the URL as they are", "[nodes][seeds]") {
  for (const char* method : {"POST", "GET"}) {
    CAPTURE(method);
    const NodeStage stage{
        "{ kind: send_webhook, url: \"https://api.example.com/hook\", payload: {}, method: " +
        std::string{method} + ", query: pageNo=1&email=john@test.com, next: end }"};
    CHECK(stage.draft().request.url == "https://api.example.com/hook?pageNo=1&email=john@test.com");
  }
}

TEST_CASE("the custom payload that S1 prints comes out of its three mappings", "[nodes][seeds]") {
  const std::string node =
      "{ kind: send_webhook, url: \"https://api.example.com/webhooks/campaign-events\", "
      "payload: { email: $.contact.email, campaign_name: $.scenario.title, source: webhook }, ";
  NodeStage stage{node + "next: end }"};
  stage.contact.set(Field::Email, "user@example.com");
  const Request json = campaign_request(stage);
  CHECK(json.url == "https://api.example.com/webhooks/campaign-events");
  CHECK(json.headers == std::vector<Header>{{"Content-Type", "application/json"}});
  CHECK(json.body == printed("campaign_payload.json"));

  NodeStage form{node + "content_type: form, next: end }"};
  form.contact.set(Field::Email, "user@example.com");
  CHECK(campaign_request(form).body ==
        "email=user%40example.com&campaign_name=Summer%20Promotion&source=webhook");
}
