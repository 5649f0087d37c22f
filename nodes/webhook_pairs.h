#pragma once
// Values as the pairs of a form or a query: `a=1&b[c]=2&d[]=3`.
#include <string>
#include <string_view>

#include "engine/core/value.h"

namespace onward {
/// Appends the members of `map`, percent-encoded, each pair behind a "&" unless `out` is empty or
/// ends with "?". Mappings nest as `a[b]=`, lists as `a[]=`; null is empty.
void append_pairs(std::string& out, const Value& map);

/// Percent-encodes rendered text, but for the references to secrets in it (see template.h).
std::string encode_but_secrets(std::string_view text);
}  // namespace onward
