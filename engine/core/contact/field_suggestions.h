#pragma once
// Which declared custom fields were perhaps meant by the undeclared ones of a post.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/custom_fields.h"

namespace onward {
/// Checks the custom fields of a whole post. Each undeclared name is compared with the declared
/// ones once, and only the first kNamesMax names are, however many values the post has.
class FieldSuggestions {
 public:
  static constexpr std::size_t kNamesMax = 10;

  /// As CustomFields::check.
  Result<Value> check(const CustomFields& declared, std::string_view name, const Value& value);
  /// How many names were compared with the declared ones.
  std::size_t searches() const { return known_.size(); }

 private:
  /// Why each of the first names is refused.
  std::vector<std::pair<std::string, Error>> known_;
};

/// `undeclared_field`: `nearest` is the declared name that was perhaps meant, or empty.
Error undeclared_field(std::string_view name, std::string_view nearest);
}  // namespace onward
