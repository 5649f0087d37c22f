#pragma once
// What values take of memory, about: for bounds in bytes. Time is linear in the value.
#include <cstddef>

#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"

namespace onward {
/// With what they own; the object itself included.
std::size_t weight_of(const Value& value);
std::size_t weight_of(const Contact& contact);
std::size_t weight_of(const Input& input);
std::size_t weight_of(const Request& request);
}  // namespace onward
