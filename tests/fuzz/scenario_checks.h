#pragma once
// What must hold of every scenario file, right or wrong: shared by the targets that make such
// files.
#include <span>
#include <string_view>

#include "engine/authoring/load.h"

namespace onward::fuzz {
/// Loads `text`, and checks what is said of it: positions lie in the file, texts are UTF-8, reports
/// of every form can be made, and the processor time grows with the size only.
Loaded load_checked(std::string_view text);
}  // namespace onward::fuzz
