#pragma once
// What values take of memory, about: for bounds in bytes. Time is linear in the value.
#include <cstddef>

#include "engine/core/advance.h"
#include "engine/core/contact.h"
#include "engine/core/delivery.h"
#include "engine/core/value.h"

namespace onward {
/// With what they own; the object itself included.
std::size_t weight_of(const Value& value);
std::size_t weight_of(const Contact& contact);
std::size_t weight_of(const Input& input);
std::size_t weight_of(const Request& request);
}  // namespace onward
