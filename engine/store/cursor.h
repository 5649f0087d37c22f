#pragma once
// What all stores make alike of lists: a cursor names the last row that was given out, by its
// number; a delivery's attempts are its superseded ones and its last.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/core/delivery.h"
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

/// `superseded` and the last, by number.
inline std::vector<Attempt> all_attempts(std::vector<Attempt> superseded,
                                         const std::optional<Attempt>& last) {
  if (!last) return superseded;
  std::erase_if(superseded, [&](const Attempt& a) { return a.number == last->number; });
  const auto place = std::find_if(superseded.begin(), superseded.end(),
                                  [&](const Attempt& a) { return a.number > last->number; });
  superseded.insert(place, *last);
  return superseded;
}
}  // namespace onward
