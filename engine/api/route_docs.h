#pragma once
// What a row of the table of routes tells its callers: the words of which openapi.cpp makes the
// description. Everything here has a default; what follows from the rest of a row is not repeated.
#include <string_view>
#include <vector>

namespace onward {
/// A parameter of a query or a path. A name alone says enough where the shared table
/// (`shared_parameter`) explains it.
struct Parameter {
  // NOLINTNEXTLINE(google-explicit-constructor): rows list names.
  constexpr Parameter(const char* its_name, std::string_view its_summary = {},
                      std::string_view its_schema = {})
      : name{its_name}, summary{its_summary}, schema{its_schema} {}

  std::string_view name;
  std::string_view summary;  ///< For people.
  std::string_view schema;   ///< JSON Schema, such as R"({"type": "integer"})"; empty: a text.
};

/// What a parameter of that name means on every route; null where no two routes share it.
const Parameter* shared_parameter(std::string_view name);
/// The parameter `name` of a path, explained: "id" behind "scenarios" is a scenario's. Null where
/// the table knows none.
const Parameter* path_parameter(std::string_view behind, std::string_view name);

/// A body in one form. `schema` names a component ("Contact", see schemas.h) or is JSON Schema
/// itself where it begins with "{"; empty says nothing of what is inside.
struct Form {
  std::string_view schema;
  std::string_view media = "application/json";
};

/// An answer where all went well. Several with one status are its several forms.
struct AnswerDocs {
  int status = 200;
  std::string_view schema = {};  ///< As in Form; empty with 204, which has no body.
  std::string_view media = "application/json";
  std::string_view summary = {};  ///< Empty: the status's own name.
};

/// A refusal: its status, and the codes of its problems, separated by spaces.
struct FaultDocs {
  int status = 400;
  std::string_view codes;
};

/// Codes that many routes share.
inline constexpr std::string_view kJsonCodes = "bad_json wrong_type unknown_member";
/// Of a contact in a body, or named by a path.
inline constexpr std::string_view kContactCodes =
    "bad_json wrong_type bad_contact bad_id bad_email bad_name bad_timezone duplicate_field "
    "id_mismatch no_identity read_only_field too_long too_many unknown_field "
    "undeclared_field contact_full";

/// What a row does not say by its other members. Left out because they follow: 401, 403 and 421
/// by the role; 400 for parameters; 413 and 415 where there is a body; 429 and 503 where the
/// engine is asked.
struct RouteDocs {
  std::string_view id = {};   ///< "listRuns"; empty: made of method and path.
  std::string_view tag = {};  ///< Empty: the path's first segment behind the version.
  std::vector<Form> body = {};
  bool body_optional = false;
  std::vector<AnswerDocs> answers = {};  ///< At least one.
  std::vector<FaultDocs> faults = {};
};
}  // namespace onward
