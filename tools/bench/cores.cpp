#include "tools/bench/cores.h"

#include <sched.h>

namespace onward::bench {
void stay_on(int cores) {
  if (cores <= 0) return;
  cpu_set_t allowed, chosen;
  CPU_ZERO(&allowed);
  CPU_ZERO(&chosen);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&chosen) < cores; ++core) {
    if (CPU_ISSET(core, &allowed)) CPU_SET(core, &chosen);
  }
  ::sched_setaffinity(0, sizeof chosen, &chosen);
}
}  // namespace onward::bench
