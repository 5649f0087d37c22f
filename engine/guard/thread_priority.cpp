#include "engine/guard/thread_priority.h"

#include <sys/resource.h>
#include <unistd.h>

namespace onward {
void give_way_to_events(int nice) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
}
}  // namespace onward
