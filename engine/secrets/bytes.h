#pragma once
// Bytes that nobody may guess or find again: random ones, their text forms, and their end.
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/base/result.h"

namespace onward {
/// Bytes from the system's generator. An Io error where it gives none.
Result<std::string> random_bytes(std::size_t count);
/// Random letters and digits (A-Z, a-z, 0-9), each as likely as the others.
Result<std::string> random_letters(std::size_t count);

/// Overwrites the bytes before they are given back, and leaves the text empty.
void wipe(std::string& text);

/// Whether two texts are the same; takes as long whatever differs, only the lengths show.
bool same_secret(std::string_view a, std::string_view b);

/// Two lower-case digits a byte.
std::string hex_encode(std::string_view bytes);
/// Either case; nothing where the text is no hex.
std::optional<std::string> hex_decode(std::string_view text);
}  // namespace onward
