#pragma once
// How files and requests name a contact's custom fields: "custom.plan".
#include <string_view>

namespace onward {
inline constexpr std::string_view kCustom = "custom.";
}  // namespace onward
