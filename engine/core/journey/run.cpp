#include "engine/core/journey/run.h"

namespace onward {
std::string_view to_string(RunState state) {
  switch (state) {
    case RunState::Waiting:
      return "waiting";
    case RunState::Done:
      return "done";
    case RunState::Exited:
      return "exited";
    case RunState::Stopped:
      return "stopped";
    case RunState::Parked:
      return "parked";
  }
  return "";
}
}  // namespace onward
