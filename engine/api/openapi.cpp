#include "engine/api/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "engine/api/schemas.h"
#include "engine/core/base/text.h"
#include "engine/guard/guarded.h"

namespace onward {
namespace {
constexpr std::string_view kServerTag = "server";

struct Tag {
  std::string_view name;
  std::string_view summary;
};
constexpr Tag kTags[] = {
    {"events", "What contacts do: the door through which everything starts."},
    {"intake", "The same door for events in the forms of other systems."},
    {"contacts", "Who they are, and where they have been."},
    {"fields", "Custom fields that are declared; without any, contacts may have whichever."},
    {"scenarios", "What authors write, its life, and its numbers."},
    {"runs", "Journeys under way."},
    {"placeholders", "The names that authors may use for values."},
    {"deliveries", "The webhook requests that nodes asked for, and what came of them."},
    {"secrets", "What headers and signatures need, kept sealed; no answer ever shows a value."},
    {"credentials", "What receivers know callers by, kept the same way."},
    {"tokens", "Who may call: each with a role; a token is shown once, when it is made."},
    {"sending", "Whether requests leave at all: a restored copy holds them until it is told."},
    {"clock", "The time that the server follows, after the clock of its machine was moved."},
    {"logs", "What was changed lately, and what requests met."},
    {kServerTag, "The process itself, for whoever watches it."},
};

const Tag* find_tag(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTags), std::end(kTags),
                                   [&](const Tag& tag) { return tag.name == name; });
  return found == std::end(kTags) ? nullptr : found;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::string_view tag_of(const Route& route) {
  if (!route.docs.tag.empty()) return route.docs.tag;
  const auto segments = split(route.pattern, '/');
  return segments.size() > 1 && segments.front() == "v1" ? segments[1] : kServerTag;
}

/// "GET /v1/scenarios/{id}/stats" is "getScenariosIdStats" where the row has no word of its own.
std::string operation_of(const Route& route) {
  if (!route.docs.id.empty()) return std::string{route.docs.id};
  std::string id = lower(route.method);
  bool first = true;
  for (const char c : route.pattern.substr(route.pattern.starts_with("/v1/") ? 3 : 0)) {
    const bool letter = is_letter_or_digit(c);
    if (letter) id += first && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    first = !letter;
  }
  return id;
}

struct PathName {
  std::string_view behind;  ///< The segment before it.
  std::string_view name;
};
std::vector<PathName> names_of_path(std::string_view pattern) {
  std::vector<PathName> names;
  std::string_view behind;
  for (const std::string_view segment : split(pattern, '/')) {
    if (segment.starts_with('{'))
      names.push_back({behind, segment.substr(1, segment.size() - 2)});
    else
      behind = segment;
  }
  return names;
}

const Parameter& explained(const Parameter& parameter) {
  const Parameter* shared = parameter.summary.empty() ? shared_parameter(parameter.name) : nullptr;
  return shared ? *shared : parameter;
}

/// JSON Schema as it is written, or the component of that name.
Value parse_schema(std::string_view schema) {
  if (schema.empty()) return ValueMap{};
  if (schema.starts_with('{')) return read_schema(schema).value_or(Value{});
  return ValueMap{{"$ref", fmt::format("#/components/schemas/{}", schema)}};
}

Value view_parameter(const Parameter& parameter, std::string_view in) {
  Value view = ValueMap{{"name", parameter.name}, {"in", in}};
  if (in == "path") view.set("required", true);
  view.set("description", parameter.summary);
  view.set("schema",
           parse_schema(parameter.schema.empty() ? R"({"type": "string"})" : parameter.schema));
  return view;
}

Value parameters_of(const Route& route) {
  ValueList parameters;
  for (const PathName& path : names_of_path(route.pattern))
    if (const Parameter* parameter = path_parameter(path.behind, path.name))
      parameters.push_back(view_parameter(*parameter, "path"));
  for (const Parameter& parameter : route.query)
    parameters.push_back(view_parameter(explained(parameter), "query"));
  return parameters;
}

Value body_of(const RouteDocs& docs) {
  Value content;
  for (const Form& form : docs.body)
    content.set(form.media, ValueMap{{"schema", parse_schema(form.schema)}});
  return ValueMap{{"required", !docs.body_optional}, {"content", std::move(content)}};
}

Value view_fault(int status, const std::vector<std::string_view>& codes) {
  ValueList listed(codes.begin(), codes.end());
  const Value schema = ValueMap{
      {"allOf", ValueList{parse_schema("Problem"),
                          ValueMap{{"properties",
                                    ValueMap{{"code", ValueMap{{"enum", std::move(listed)}}}}}}}}};
  Value view = ValueMap{
      {"description", fmt::format("{}: {}.", reason_phrase(status), fmt::join(codes, ", "))}};
  if (status == 429 || status == 503)
    view.set("headers",
             ValueMap{{"Retry-After", ValueMap{{"description", "Seconds until it may work."},
                                               {"schema", ValueMap{{"type", "integer"}}}}}});
  view.set("content", ValueMap{{"application/problem+json", ValueMap{{"schema", schema}}}});
  return view;
}

Value responses_of(const Route& route) {
  std::map<int, Value> by_status;
  for (const AnswerDocs& answer : route.docs.answers) {
    Value& view = by_status[answer.status];
    if (view.is_null())
      view.set("description",
               answer.summary.empty() ? reason_phrase(answer.status) : answer.summary);
    if (answer.status == 204) continue;
    const Value* there = view.find("content");
    Value content = there ? *there : Value{};
    content.set(answer.media, ValueMap{{"schema", parse_schema(answer.schema)}});
    view.set("content", std::move(content));
  }
  for (const auto& [status, codes] : faults_of(route))
    by_status[status] = view_fault(status, codes);
  Value responses;
  for (auto& [status, view] : by_status) responses.set(std::to_string(status), std::move(view));
  return responses;
}

Value view_operation(const Route& route) {
  Value view = ValueMap{{"operationId", operation_of(route)},
                        {"tags", ValueList{tag_of(route)}},
                        {"summary", route.summary}};
  const bool open = route.need == Need::Nothing;
  const ValueList by_token{ValueMap{{"token", ValueList{}}}};
  ValueList ways = open ? ValueList{} : by_token;
  if (route.guard)
    for (const std::string_view proof : {"secret", "signature", "hubSignature"})
      ways.push_back(ValueMap{{std::string{proof}, ValueList{}}});
  const std::string_view may =
      route.need == Need::Metrics ? "read the metrics" : to_string(route.need);
  view.set("description",
           open ? std::string{"Wants no token."} : fmt::format("Wants a token that may {}.", may));
  view.set("security", std::move(ways));
  if (const Value parameters = parameters_of(route); !parameters.list()->empty())
    view.set("parameters", parameters);
  if (!route.docs.body.empty()) view.set("requestBody", body_of(route.docs));
  view.set("responses", responses_of(route));
  return view;
}

Value paths_of(std::span<const Route> routes) {
  Value paths;
  for (const Route& route : routes) {
    const Value* there = paths.find(route.pattern);
    Value path = there ? *there : Value{};
    path.set(lower(route.method), view_operation(route));
    paths.set(route.pattern, std::move(path));
  }
  return paths;
}

/// The tags in use, in the order of the table.
Value tags_of(std::span<const Route> routes) {
  ValueList tags;
  for (const Tag& tag : kTags)
    if (std::any_of(routes.begin(), routes.end(),
                    [&](const Route& route) { return tag_of(route) == tag.name; }))
      tags.push_back(ValueMap{{"name", tag.name}, {"description", tag.summary}});
  return tags;
}

Value security_schemes(std::span<const Route> routes) {
  const auto header = [](std::string_view name, std::string_view summary) -> Value {
    return ValueMap{{"type", "apiKey"}, {"in", "header"}, {"name", name}, {"description", summary}};
  };
  Value schemes;
  schemes.set(
      "token",
      ValueMap{{"type", "http"}, {"scheme", "bearer"}, {"description", "A token of the server."}});
  if (std::any_of(routes.begin(), routes.end(), [](const Route& route) { return !!route.guard; })) {
    schemes.set("secret", header("X-Onward-Secret", "The secret of an intake adapter."));
    schemes.set("signature",
                header("webhook-signature",
                       "Standard Webhooks: v1,BASE64 beside webhook-id and webhook-timestamp."));
    schemes.set("hubSignature", header("X-Hub-Signature-256", "sha256=HEX of the body."));
  }
  return schemes;
}

void add(std::map<int, std::vector<std::string_view>>& to, int status, std::string_view codes) {
  std::vector<std::string_view>& have = to[status];
  for (const std::string_view code : split(codes, ' '))
    if (std::find(have.begin(), have.end(), code) == have.end()) have.push_back(code);
}

void check_schema(std::vector<std::string>& missing, std::string_view schema) {
  if (schema.empty()) return;
  if (schema.starts_with('{') ? !read_schema(schema).has_value() : !known_schema(schema))
    missing.push_back(fmt::format("there is no schema {}", schema));
}
}  // namespace

std::vector<std::pair<int, std::vector<std::string_view>>> faults_of(const Route& route) {
  std::map<int, std::vector<std::string_view>> faults;
  add(faults, 400, "bad_query unknown_parameter repeated_parameter");
  if (!names_of_path(route.pattern).empty()) add(faults, 400, "bad_path");
  if (!route.query.empty()) add(faults, 400, "bad_parameter");
  for (const Parameter& parameter : route.query)
    if (parameter.name == "cursor") add(faults, 400, "bad_cursor");
  for (const FaultDocs& fault : route.docs.faults) add(faults, fault.status, fault.codes);
  if (!route.docs.body.empty()) {
    add(faults, 413, "body_too_large");
    add(faults, 503, "too_many_bodies");
    add(faults, 415, "unsupported_encoding");
  }
  add(faults, 403, "foreign_origin");  // Of a server without tokens.
  add(faults, 421, "foreign_host");
  add(faults, 500, kInternalError);  // Of any handler: see guarded.h.
  add(faults, 500, "store_io");      // Of any read or commit.
  if (route.need != Need::Nothing) {
    add(faults, 401, "no_token wrong_token expired_token");
    if (route.guard) add(faults, 401, "wrong_secret wrong_signature bad_signature stale_signature");
    add(faults, 403, "wrong_role");
    add(faults, 429, "busy");
    add(faults, 503,
        "not_running stopping engine_stopped disk_full disk_read_only store_busy unavailable");
  }
  return {faults.begin(), faults.end()};
}

std::vector<std::string> undocumented(const Route& route) {
  std::vector<std::string> missing;
  if (route.summary.empty()) missing.emplace_back("no summary");
  if (route.docs.answers.empty()) missing.emplace_back("no answer");
  if (!find_tag(tag_of(route)))
    missing.push_back(fmt::format("the tag {} is not explained", tag_of(route)));
  for (const PathName& path : names_of_path(route.pattern))
    if (!path_parameter(path.behind, path.name))
      missing.push_back(fmt::format("{{{}}} of the path is not explained", path.name));
  for (const Parameter& parameter : route.query) {
    if (explained(parameter).summary.empty())
      missing.push_back(fmt::format("the parameter {} is not explained", parameter.name));
    check_schema(missing, explained(parameter).schema);
  }
  for (const Form& form : route.docs.body) check_schema(missing, form.schema);
  for (const AnswerDocs& answer : route.docs.answers) {
    if (answer.status == 204) continue;
    if (answer.schema.empty())
      missing.push_back(fmt::format("the answer {} has no schema", answer.status));
    check_schema(missing, answer.schema);
  }
  for (const FaultDocs& fault : route.docs.faults)
    if (fault.codes.empty()) missing.push_back(fmt::format("{} has no codes", fault.status));
  return missing;
}

Value openapi_document(std::span<const Route> routes, std::string_view version) {
  return ValueMap{
      {"openapi", "3.1.0"},
      {"info",
       ValueMap{
           {"title", "Onward"},
           {"version", version},
           {"summary", "Scenarios that answer events with webhooks."},
           {"description",
            "JSON in and out. What is refused is answered as application/problem+json with a "
            "stable code. Beyond what the operations name, any request may be answered 400, "
            "405, 408, 417, 431, 501, 503 or 505 where it breaks HTTP or a limit of the server."},
           {"license", ValueMap{{"name", "Apache 2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", ValueList{ValueMap{{"url", "/"}, {"description", "This server."}}}},
      {"tags", tags_of(routes)},
      {"paths", paths_of(routes)},
      {"components",
       ValueMap{{"securitySchemes", security_schemes(routes)}, {"schemas", api_schemas()}}}};
}
}  // namespace onward
