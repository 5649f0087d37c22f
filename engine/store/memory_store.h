#pragma once
// A store in plain maps: the reference that the durable one is held to, and what tests run on.
#include <memory>

#include "engine/store/store.h"

namespace onward {
std::unique_ptr<Store> make_memory_store(std::string epoch = "TESTEPOCH000",
                                         Duration dedupe_for = std::chrono::hours{24 * 7});
}  // namespace onward
