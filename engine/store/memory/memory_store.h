#pragma once
// A store in memory: the reference that the durable one is held to, and what tests and simulations
// run on.
#include <memory>

#include "engine/store/store.h"

namespace onward {
/// Without `history`, ended runs and settled deliveries are dropped: no list shows them, and
/// nothing can be done to them by hand.
std::unique_ptr<Store> make_memory_store(std::string epoch = "TESTEPOCH000",
                                         Duration dedupe_for = std::chrono::hours{24 * 7},
                                         bool history = true);
}  // namespace onward
