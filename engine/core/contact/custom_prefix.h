#pragma once
// How files and requests name a contact's custom fields: "custom.plan".
#include <string_view>

namespace onward {
inline constexpr std::string_view kCustom = "custom.";
/// All custom fields of a contact, in lists of fields.
inline constexpr std::string_view kAllCustom = "custom.*";
}  // namespace onward
