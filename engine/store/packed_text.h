#pragma once
// Long texts of scenarios, compressed: what is stored of them in parts.
#include <string>
#include <string_view>

#include "engine/core/base/result.h"

namespace onward {
/// The length of `text` in four bytes, lowest first, then a zlib stream (RFC 1950). `text` has less
/// than 4 GiB.
std::string pack_text(std::string_view text);

/// What `packed` was made of; `unreadable_row` where bytes are missing or were changed.
Result<std::string> unpack_text(std::string_view packed);
}  // namespace onward
