// "." and ".." as names: refused where they are new, reachable where an earlier version let them
// in.
#include <catch2/catch.hpp>

#include "engine/store/memory/memory_store.h"
#include "nodes/nodes.h"
#include "tests/api/front.h"

namespace onward {
namespace {
/// A store of an earlier version, with a contact and a token of that name.
std::unique_ptr<Store> store_with(const std::string& name) {
  std::unique_ptr<Store> store = make_memory_store();
  const ContactKey key{1};
  Contact contact{.key = key, .id = ExternalId{name, /*numeric=*/false}};
  REQUIRE(store->commit({.last_seq = 1,
                         .last_contact = key,
                         .contacts = {contact},
                         .identities = {{.value = name, .contact = key}},
                         .control = {.tokens = {{.sha256 = std::string(64, 'a'), .name = name}}}}));
  return store;
}

std::string segment(const std::string& name) { return name == "." ? "%2E" : "%2E%2E"; }
}  // namespace

TEST_CASE("a contact and a token called \"..\" can be read and removed", "[api]") {
  const std::string name = GENERATE(as<std::string>{}, ".", "..");
  const Front front{store_with(name), node_kinds(), {}};
  const std::string contact = "/v1/contacts/" + segment(name);
  CHECK(front.get(contact).at("id") == Value{name});
  CHECK(front.get(contact + "/runs").status == 200);
  CHECK(front.ask({"DELETE", contact}).status == 204);
  CHECK(front.get(contact).status == 404);
  CHECK(front.ask({"DELETE", "/v1/tokens/" + segment(name)}).status == 204);
  CHECK(front.get("/v1/tokens").at("tokens") == Value{ValueList{}});
}

TEST_CASE("no new contact, token, field, secret or scenario is called \".\" or \"..\"", "[api]") {
  const std::string name = GENERATE(as<std::string>{}, ".", "..");
  const Front front;
  const auto code = [&](const Front::Ask& ask) {
    const Told told = front.ask(ask);
    CHECK(told.status >= 400);
    return told.body;
  };
  using Catch::Contains;
  CHECK_THAT(
      code({"POST", "/v1/events", {}, R"({"type":"opened","contact":{"id":")" + name + "\"}}"}),
      Contains("bad_id"));
  CHECK_THAT(code({"PUT", "/v1/contacts/" + segment(name), {}, "{}"}), Contains("bad_id"));
  CHECK_THAT(code({"PATCH", "/v1/contacts/email:a@b.example", {}, R"({"id":")" + name + "\"}"}),
             Contains("bad_id"));
  CHECK_THAT(code({"PUT", "/v1/fields/" + segment(name), {}, R"({"type":"text"})"}),
             Contains("bad_name"));
  CHECK_THAT(code({"PUT", "/v1/secrets/" + segment(name), {}, R"({"value":"0123456789"})"}),
             Contains("invalid_name"));
  CHECK_THAT(code({"PUT",
                   "/v1/scenarios/" + segment(name),
                   {},
                   "scenario: \"" + name + "\"\n",
                   "application/yaml"}),
             Contains("bad_id"));
}
}  // namespace onward
