#pragma once
// What all readers of events share: moments, types, and how a fault is worded. Pure.
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"

namespace onward {
/// "a text", "an object": how a message names what was found.
std::string_view kind_of(const Value& value);
/// `wrong_type`: "\"at\" wants a text, found a number."
tl::unexpected<Error> wrong_type(std::string_view member, std::string_view wanted,
                                 const Value& found);

/// The canonical type that `name` stands for; `bad_type` where it is no name.
Result<std::string> read_event_type(std::string_view name);
/// An id or a source: text, or a whole number by its digits; null is empty. At most 256 bytes.
Result<std::string> read_event_name(const Value& value, std::string_view member);

/// `at`, unless it is more than five minutes ahead of `now`.
Result<Instant> not_ahead(Instant at, Instant now, std::string_view member);
/// RFC 3339 with an offset, or seconds since 1970, as a number or its text; from twelve digits on
/// they are milliseconds. Null is `now`; the future is refused.
Result<Instant> read_moment(const Value* value, Instant now, std::string_view member);

/// Compact JSON with the members of every object in order: the same for every layout of a value.
std::string canonical_json(const Value& value);

/// Members of one object in a posted text.
inline constexpr std::size_t kMembersMax = 10'000;
/// `bad_json` where an object of `value` has more than kMembersMax members.
Status check_members(const Value& value);
/// parse_json and check_members.
Result<Value> parse_posted(std::string_view text, JsonLimits limits = {});

/// The length of `to_json(value)`, without writing it.
std::size_t json_size(const Value& value);

/// Builds an object from members of which some may have one name. Adding takes constant time.
class UniqueMembers {
 public:
  /// `members`: whose names differ.
  explicit UniqueMembers(ValueMap members = {}) : members_{std::move(members)} {}
  /// False: the name is taken, and its first value stays.
  bool add(std::string_view name, Value value);
  bool empty() const { return members_.empty(); }
  ValueMap take() { return std::move(members_); }

 private:
  ValueMap members_;
  std::unordered_set<std::string> names_;  ///< Of many members only.
};
}  // namespace onward
