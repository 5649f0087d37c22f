#pragma once
// Lists for people, from what a store in memory holds.
#include <memory>

#include "engine/store/memory/memory_state.h"
#include "engine/store/read_model.h"

namespace onward {
std::unique_ptr<ReadModel> make_memory_reader(std::shared_ptr<MemoryState> state);
}  // namespace onward
