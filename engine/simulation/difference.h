#pragma once
// Where a value differs from the one that was expected. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"

namespace onward {
struct ValueDifference {
  std::string pointer;          ///< RFC 6901: "/data/email"; empty: the value itself.
  std::string expected, found;  ///< JSON; "nothing" where there is no value.
  bool operator==(const ValueDifference&) const = default;
};

struct Comparison {
  bool exact = false;  ///< Members that are not expected are differences.
  bool texts = false;  ///< Scalars are compared by their text: forms know no other type.
};

/// Members of maps are compared by name, lists item by item; numbers by value (5 is 5.0).
std::vector<ValueDifference> differences(const Value& expected, const Value& found,
                                         const Comparison& how);

/// "a=1&b[c]=2&d[]=3", percent-encoded, as the nested value that it is: {"a":"1","b":{"c":"2"},
/// "d":["3"]}. Of a name that occurs twice the last one stands.
Value parse_pairs(std::string_view text);
}  // namespace onward
