#pragma once
// Words of scenario files that several readers know.
#include <string_view>

namespace onward {
/// The target of an edge that ends the run.
inline constexpr std::string_view kEndWord = "end";
}  // namespace onward
