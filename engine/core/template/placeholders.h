#pragma once
// Every name that an author may use for a value: in placeholders, in payload paths, in
// `contact_fields`. For reference lists, completion and forms; from the tables that the engine
// itself reads.
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/core/source/tree.h"

namespace onward {
struct PlaceholderInfo {
  std::string group;      ///< "contact", "consent", "statistics", "custom", "event", …
  std::string name;       ///< "contact.first_name": what stands between the braces.
  std::string path;       ///< "$.subscriber.first_name", of a payload; empty: there is none.
  std::string field;      ///< "first_name", in `contact_fields`; empty: it is none.
  std::string webhook;    ///< Its name in `data` of the standard body; empty: it is not there.
  std::string_view type;  ///< "text", "number", "date", …; "any" where only the value can tell.
  Value example;
  std::string summary;
};

/// All of them, grouped. Names that a caller chooses (custom fields, data of events, secrets) stand
/// for their kind, with an ellipsis: "contact.custom.…".
std::vector<PlaceholderInfo> placeholders();
/// What a scenario file adds: the custom fields, data of events and secrets that it or its tests
/// name, with a value of a test as the example. `file` need not be right.
std::vector<PlaceholderInfo> placeholders_in(const Tree& file);

/// {"group", "name", "placeholder", "path", "field", "webhook", "type", "example", "summary"}; what
/// there is not is null.
Value to_value(const PlaceholderInfo& info);
}  // namespace onward
