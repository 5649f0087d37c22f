#pragma once
// Values as the pairs of a form or a query: `a=1&b[c]=2&d[]=3`.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/base/value.h"

namespace onward {
/// Where a name is: at the top of a form, or below another one.
enum class PairLevel : std::uint8_t { Top, Below };

// All of these stop when what they write becomes longer than `most`, as onward::append_json does,
// and are false if they stopped.

/// Appends the members of `map`, percent-encoded, each pair behind a "&" unless `out` is empty or
/// ends with "?". Mappings nest as `a[b]=`, lists as `a[]=`; null is empty.
[[nodiscard]] bool append_pairs(std::string& out, const Value& map, std::size_t most);
/// The same of one value under the encoded `name`, which is as before when this is true.
[[nodiscard]] bool append_pair(std::string& out, std::string& name, const Value& value,
                               std::size_t most);
/// Makes `name` that of its member `key`: "b" of "a" is "a[b]".
[[nodiscard]] bool open_pair(std::string& name, std::string_view key, PairLevel level,
                             std::size_t most);

/// Percent-encodes rendered text, but for the references to secrets in it (see template.h).
[[nodiscard]] bool append_but_secrets(std::string& out, std::string_view text, std::size_t most);
}  // namespace onward
