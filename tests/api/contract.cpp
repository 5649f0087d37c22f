#include "tests/api/contract.h"

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "engine/api/openapi.h"

namespace onward {
namespace {
using Adapter = valijson::adapters::NlohmannJsonAdapter;
using nlohmann::json;

/// The validator holds null to a format as well, which the standard does not: formats of what may
/// be null go unchecked.
void loosen(json& schema) {
  if (schema.is_object() && schema.contains("format") && schema.contains("type") &&
      schema["type"].is_array())
    schema.erase("format");
  if (schema.is_structured())
    for (auto& part : schema) loosen(part);
}
}  // namespace

struct Contract::Document {
  json document;
  mutable std::mutex mutex;
  mutable std::map<std::string, std::unique_ptr<valijson::Schema>> compiled;

  /// A schema of the document, with its components beside it, so that references find them.
  const valijson::Schema& compile(const json& schema) const {
    auto& slot = compiled[schema.dump()];
    if (!slot) {
      slot = std::make_unique<valijson::Schema>();
      const json whole{{"allOf", json::array({schema})}, {"components", document["components"]}};
      valijson::SchemaParser parser{valijson::SchemaParser::kDraft7};
      parser.populateSchema(Adapter{whole}, *slot);
    }
    return *slot;
  }

  std::string judge(const json& schema, const std::string& body) const {
    const json instance = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (instance.is_discarded()) return "the body is no JSON";
    const std::lock_guard lock{mutex};
    valijson::Validator validator{valijson::Validator::kStrongTypes};
    valijson::ValidationResults results;
    if (validator.validate(compile(schema), Adapter{instance}, &results)) return {};
    std::string text = "the schema refuses the body";
    valijson::ValidationResults::Error error;
    while (results.popError(error)) text += "; " + error.description;
    return text;
  }
};

Contract::Contract(std::span<const Route> routes) : document_{std::make_unique<Document>()} {
  document_->document = json::parse(to_json(openapi_document(routes, "test")));
  loosen(document_->document);
}
Contract::~Contract() = default;

std::string Contract::breach(const Router& router, const ApiRequest& request,
                             const ApiReply& reply) const {
  const Router::Match match = router.find(request.method, request.path);
  if (!match.route) return {};
  std::string method{match.route->method};
  for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const json& responses =
      document_->document["paths"][std::string{match.route->pattern}][method]["responses"];
  const auto found = responses.find(std::to_string(reply.status));
  if (found == responses.end())
    return "the status " + std::to_string(reply.status) + " is not promised";
  const auto content = found->find("content");
  if (content == found->end()) return reply.body.empty() ? "" : "no body is promised";
  const std::string media = media_type(reply.content_type);
  const auto form = content->find(media);
  if (form == content->end()) return "the form " + media + " is not promised";
  if (media.find("json") == std::string::npos) return {};
  if (media.find("ndjson") != std::string::npos) {  // The schema is a line's.
    std::istringstream lines{reply.body};
    for (std::string line; std::getline(lines, line);)
      if (std::string breach = document_->judge((*form)["schema"], line); !breach.empty())
        return breach;
    return {};
  }
  return document_->judge((*form)["schema"], reply.body);
}
}  // namespace onward
