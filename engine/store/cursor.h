#pragma once
// How lists are continued: a cursor names the last row that was given out, by its number.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/ids.h"
#include "engine/core/result.h"

namespace onward {
/// Holders of one email that `identify` names.
inline constexpr std::size_t kHoldersMax = 16;

/// Rows to give out come before (are older than) this number. "" is the beginning.
inline Result<std::uint64_t> read_cursor(std::string_view cursor) {
  if (cursor.empty()) return ~std::uint64_t{0};
  const auto number = from_base32(cursor);
  if (!number)
    return fail(ErrorKind::Invalid, "bad_cursor", "the cursor is not one that a list gave out");
  return *number;
}
}  // namespace onward
