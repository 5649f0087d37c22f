// /v1/fields, and what a declaration does at every door.
#include <catch2/catch.hpp>

#include "tests/api/front.h"

namespace onward {
namespace {
Told declare(const Front& front, const std::string& name, const std::string& type) {
  return front.put("/v1/fields/" + name, R"({"type": ")" + type + "\"}");
}
Told apply(const Front& front, const std::string& field) {
  return front.ask({.method = "PUT",
                    .path = "/v1/scenarios/x",
                    .body = "scenario: x\nnodes:\n  in: {kind: trigger, event: e, where: {custom." +
                            field + ": gold}, next: end}\n",
                    .content_type = "application/yaml"});
}
}  // namespace

TEST_CASE("custom fields are declared, listed and taken back", "[api]") {
  Front front;
  CHECK(front.get("/v1/fields").at("declared") == Value{false});
  CHECK(declare(front, "plan", "text").status == 201);
  CHECK(front.put("/v1/fields/plan", R"({"type": "number", "summary": "What it costs"})").status ==
        200);
  const Told list = front.get("/v1/fields");
  CHECK(list.at("declared") == Value{true});
  CHECK(to_json(list.at("fields")) ==
        R"([{"name":"plan","type":"number","summary":"What it costs"}])");
  CHECK(front.get("/v1/fields/plan").at("type") == Value{"number"});
  CHECK(front.get("/v1/fields/other").status == 404);
  CHECK(declare(front, "plan", "string").status == 400);
  CHECK(declare(front, "a.b", "text").status == 400);
  CHECK(front.ask({.method = "DELETE", .path = "/v1/fields/plan"}).status == 204);
  CHECK(front.ask({.method = "DELETE", .path = "/v1/fields/plan"}).status == 404);
  CHECK(front.get("/v1/fields").at("declared") == Value{false});
}

TEST_CASE("from the first declaration on, every door takes declared custom fields only", "[api]") {
  Front front;
  CHECK(front.put("/v1/contacts/c1", R"({"custom": {"old": 1}})").status == 201);
  CHECK(apply(front, "plam").status == 201);
  REQUIRE(declare(front, "plan", "text").status == 201);
  REQUIRE(declare(front, "seats", "number").status == 201);

  CHECK(front.put("/v1/contacts/c1", R"({"custom": {"plan": "gold"}})").status == 200);
  CHECK(front.put("/v1/contacts/c1", R"({"custom": {"old": 2}})").at("code") ==
        Value{"undeclared_field"});
  CHECK(front.put("/v1/contacts/c1", R"({"custom": {"seats": "2"}})").at("code") ==
        Value{"wrong_type"});
  CHECK(front.get("/v1/contacts/c1").at("custom.old") == Value{1});
  CHECK(front.put("/v1/contacts/c1", R"({"custom": {"old": null}})").status == 200);

  CHECK(front.post("/v1/events", R"({"type": "e", "contact": {"id": "c1", "custom": {"x": 1}}})")
            .at("code") == Value{"undeclared_field"});
  CHECK(front
            .post("/v1/events", R"([{"type": "e", "contact": {"id": "c1", "custom": {"x": 1}}},
                                    {"type": "e", "contact": {"id": "c1"}}])")
            .at("rejected") == Value{1});

  const Told told = front.ask({.method = "POST",
                               .path = "/v1/contacts/import",
                               .body = "id,custom.seats\nc1,3\nc2,x\n",
                               .content_type = "text/csv"});
  CHECK(told.at("updated") == Value{1});
  CHECK(told.at("errors.0.column") == Value{"custom.seats"});
  CHECK(front.get("/v1/contacts/c1").at("custom.seats") == Value{3});

  const Told refused = apply(front, "plann");
  CHECK(refused.status == 422);
  CHECK(refused.at("diagnostics.0.code") == Value{"undeclared_field"});
  CHECK(refused.at("diagnostics.0.nearest") == Value{"custom.plan"});
  CHECK(apply(front, "plan").status == 200);
}
}  // namespace onward
