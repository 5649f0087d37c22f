#include "engine/core/scenario/run_state.h"

#include "engine/core/base/enum_words.h"

namespace onward {
namespace {
constexpr EnumWords<RunState, 5> kRunStates{{{RunState::Waiting, "waiting"},
                                             {RunState::Done, "done"},
                                             {RunState::Exited, "exited"},
                                             {RunState::Stopped, "stopped"},
                                             {RunState::Parked, "parked"}}};
}  // namespace

std::string_view to_string(RunState state) {
  return state == RunState::Running ? "running" : kRunStates.of(state);
}
std::span<const std::string_view> run_state_words() { return kRunStates.all(); }
}  // namespace onward
